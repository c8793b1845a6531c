"""The grants of the token endpoint (RFC 6749 §4.1, §6, §4.4) and PKCE.

Authlib saves a new token *before* it deletes the code or revokes the old one. Here the services consume first
(one conditional UPDATE each), so that what Authlib would save or delete afterwards is done already.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, grants
from authlib.oauth2.rfc7636 import CodeChallenge

from ...domain.clients import Client
from ...domain.grants import Issued
from ...domain.redirect_uris import with_parameters
from ...domain.tokens import CLIENT_SCOPES
from .asked import Payload, translated
from .client import AUTH_METHODS, IGNORED_SCOPES, OAuthClient


class CodeGrant(grants.AuthorizationCodeGrant):
    """RFC 6749 §4.1; `request.user` is who is logged in."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def generate_authorization_code(self) -> str:
        asked, who = self.request, self.request.user
        return asked.grant_service.issue_code(
            client_id=asked.client.client_id,
            user_id=who.user_id,
            redirect_uri=asked.payload.redirect_uri,
            scopes=tuple(asked.scope.split()),
            code_challenge=asked.payload.data["code_challenge"],
            nonce=asked.payload.data.get("nonce"),
            auth_time=who.auth_time,
            session_hash=who.session_hash,
            methods=who.methods,
        )

    def create_authorization_response(self, redirect_uri: str, grant_user: Any) -> tuple[int, str, list[Any]]:
        """As Authlib's, which would spell the registered query anew."""
        self.request.user = grant_user
        answer, state = [("code", self.generate_authorization_code())], self.request.payload.state
        answer += [("state", state)] if state else []
        return 302, "", [("Location", with_parameters(redirect_uri, answer))]

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Nothing: issuing saved its hash."""

    def query_authorization_code(self, code: str, client: OAuthClient) -> ExchangedCode:
        verifier = self.request.form.get("code_verifier")
        if not verifier:
            raise InvalidRequestError("Send the code_verifier of PKCE (RFC 7636).")
        with translated():
            issued = self.request.grant_service.exchange(
                code,
                client_id=client.client_id,
                redirect_uri=self.request.payload.redirect_uri,
                code_verifier=verifier,
                allowed=frozenset(client.client.personal_scopes),
            )
        return ExchangedCode(issued)

    def authenticate_user(self, authorization_code: ExchangedCode) -> Issued:
        return authorization_code.issued

    def delete_authorization_code(self, authorization_code: Any) -> None:
        """Nothing: it was used up first."""


class ExchangedCode:
    """A code that was exchanged already, in the shape that Authlib looks at once more."""

    code_challenge_method = "S256"

    def __init__(self, issued: Issued) -> None:
        assert issued.code is not None  # noqa: S101 - it was issued for a code
        self.issued = issued
        self.code_challenge = issued.code.code_challenge

    def get_redirect_uri(self) -> str:
        return self.issued.code.redirect_uri  # type: ignore[union-attr]

    def get_scope(self) -> str:
        return " ".join(self.issued.scopes)


class RefreshGrant(grants.RefreshTokenGrant):
    """RFC 6749 §6."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshedToken:
        client, wanted = self.request.client.client, frozenset((self.request.payload.scope or "").split())
        with translated():
            issued = self.request.grant_service.refresh(
                refresh_token,
                client_id=client.client_id,
                # the very `scope` that the authorization took is taken here too
                scopes=wanted - IGNORED_SCOPES or None,
                allowed=frozenset(client.personal_scopes),
            )
        return RefreshedToken(issued)

    def _validate_token_scope(self, token: RefreshedToken) -> None:
        """Nothing: it was compared before the token was superseded, and but for the scopes that are ignored."""

    def authenticate_user(self, refresh_token: RefreshedToken) -> Issued:
        return refresh_token.issued

    def revoke_old_credential(self, refresh_token: Any) -> None:
        """Nothing: it was superseded first."""


class RefreshedToken:
    """A refresh token that was superseded already, in the shape that Authlib looks at once more."""

    def __init__(self, issued: Issued) -> None:
        self.issued = issued

    def check_client(self, client: OAuthClient) -> bool:
        return client.client_id == self.issued.client_id

    def get_scope(self) -> str:
        return " ".join(self.issued.scopes)


class ClientCredentialsGrant(grants.ClientCredentialsGrant):
    """RFC 6749 §4.4: what a client does in its own name, and nothing of a person's."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def validate_requested_scope(self) -> None:
        client: Client = self.request.client.client
        wanted = (self.request.payload.scope or "").split() or CLIENT_SCOPES.intersection(client.scopes)
        if not CLIENT_SCOPES.intersection(client.scopes).issuperset(wanted):
            raise InvalidScopeError("A client can get these scopes of its own: " + " ".join(sorted(CLIENT_SCOPES)))
        self.request.payload = Payload({**self.request.form, "scope": " ".join(sorted(wanted))})


class S256(CodeChallenge):
    """PKCE from every client, S256 only (RFC 9700 §2.1.1)."""

    DEFAULT_CODE_CHALLENGE_METHOD = ""
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("Send a code_challenge of PKCE with code_challenge_method=S256 (RFC 7636).")
        if len(data["code_challenge"]) != 43:
            raise InvalidRequestError("A code_challenge of method S256 has 43 characters (RFC 7636).")
        super().validate_code_challenge(grant, redirect_uri)
