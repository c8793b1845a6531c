"""A client as Authlib wants to see one."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import ClientMixin

from ...domain.clients import Client
from ...domain.tokens import CLIENT_SCOPES

AUTH_METHODS = ["none", "client_secret_basic", "client_secret_post"]


class OAuthClient(ClientMixin):
    """A view of a registration; the rules are the registration's own."""

    __slots__ = ("client", "client_id")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.client_id = client.client_id

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """None: the redirect URI is always sent, so that it is always compared."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The scopes asked for, or all that were registered when none was named; None when there is one too many."""
        registered = [known for known in self.client.scopes if known not in CLIENT_SCOPES]
        wanted = set((scope or "").split()) or set(registered)
        if not wanted or not wanted.issubset(registered):
            return None
        return " ".join(known for known in registered if known in wanted)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return self.client.accepts_redirect_uri(redirect_uri)

    def check_client_secret(self, client_secret: str) -> bool:
        return self.client.has_secret(client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        if self.client.is_confidential:
            return method in ("client_secret_basic", "client_secret_post")
        return method == "none"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code" and bool(self.client.redirect_uris)

    def check_grant_type(self, grant_type: str) -> bool:
        if grant_type == "client_credentials":
            return self.client.is_confidential and bool(CLIENT_SCOPES.intersection(self.client.scopes))
        return grant_type in ("authorization_code", "refresh_token") and bool(self.client.redirect_uris)
