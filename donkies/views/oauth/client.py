"""A client as Authlib wants to see one."""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin

from ...domain.clients import Client
from ...domain.tokens import CLIENT_SCOPES
from ...domain.unit_of_work import Clock

AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]

# OpenID Connect's own, which ask for what is given always, or not known here (Core 1.0 §5.4, §11)
IGNORED_SCOPES = frozenset({"offline_access", "address", "phone"})


class OAuthClient(ClientMixin):
    """A view of a registration; the rules are the registration's own."""

    __slots__ = ("_clock", "client", "client_id")

    def __init__(self, client: Client, clock: Clock) -> None:
        self._clock = clock
        self.client = client
        self.client_id = client.client_id

    def get_client_id(self) -> str:
        return self.client_id

    @property
    def client_metadata(self) -> dict[str, Any]:
        """What Authlib looks at by the names of OpenID Connect's registrations."""
        return {"post_logout_redirect_uris": self.client.post_logout_redirect_uris}

    def get_default_redirect_uri(self) -> None:
        """None: the redirect URI is always sent, so that it is always compared."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The scopes asked for, or all that were registered when none was named; None when there is one too many."""
        registered = self.client.personal_scopes
        wanted = set(scope.split()) - IGNORED_SCOPES if scope else set(registered)
        if not wanted or not wanted.issubset(registered):
            return None
        return " ".join(known for known in registered if known in wanted)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return self.client.accepts_redirect_uri(redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        return self.client.has_secret(client_secret, self._clock.now())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        if self.client.jwks is not None:
            return method == "private_key_jwt"
        if self.client.is_confidential:
            return method in ("client_secret_basic", "client_secret_post")
        # who may ask about tokens proves who they are (RFC 7662 §2.1, §4)
        return method == "none" and endpoint != "introspection"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and bool(self.client.redirect_uris)

    def check_grant_type(self, grant_type: str) -> bool:
        if grant_type == "client_credentials":
            return self.client.is_confidential and bool(CLIENT_SCOPES.intersection(self.client.scopes))
        return grant_type in ("authorization_code", "refresh_token") and bool(self.client.redirect_uris)
