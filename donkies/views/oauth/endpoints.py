"""What can be done with a token beside using it: end it (RFC 7009), ask about it (RFC 7662)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jwt
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from ...domain.tokens import InvalidToken, TokenClaims
from .asked import Asked, translated
from .client import AUTH_METHODS, OAuthClient


class Revocation(RevocationEndpoint):
    """RFC 7009: either token ends the pair, its whole family."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def check_params(self, request: Asked, client: OAuthClient) -> None:
        # the hint is not needed: the two kinds of token look different
        if not request.form.get("token"):
            raise InvalidRequestError("Send the token to revoke as token.")

    def authenticate_token(self, request: Asked, client: OAuthClient) -> TokenClaims | None:
        self.check_params(request, client)
        token = request.form["token"]
        if "." not in token:
            with translated():
                request.grant_service.revoke_refresh_token(token, client_id=client.client_id)
            return None
        try:
            claims = self.server.access_tokens.verify(token)
        except InvalidToken:
            return None  # it does nothing any more, which is what was asked for (§2.2)
        if claims.client_id != client.client_id:
            raise InvalidGrantError("The token belongs to another client.")
        return claims

    def revoke_token(self, token: TokenClaims, request: Asked) -> None:
        request.grant_service.revoke_access_token(token)


# what an access token says and its client may hear
TOLD = ("scope", "client_id", "sub", "aud", "iss", "exp", "iat", "jti", "sid", "auth_time")


@dataclass(frozen=True, slots=True)
class GoodToken:
    """A token that was good a moment ago, in the shape that Authlib looks at once more."""

    told: dict[str, Any]

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False


class Introspection(IntrospectionEndpoint):
    """RFC 7662, for the confidential client that the token was issued to, and exact: the database is asked."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def authenticate_token(self, request: Asked, client: OAuthClient) -> GoodToken | None:
        # the hint is not needed: the two kinds of token look different
        if not (token := request.form.get("token")):
            raise InvalidRequestError("Send the token to ask about as token.")
        told = self._access_token(request, token) if "." in token else self._refresh_token(request, token)
        # another's token is as unknown as an invention (§4)
        return GoodToken(told) if told and told["client_id"] == client.client_id else None

    def introspect_token(self, token: GoodToken) -> dict[str, Any]:
        return token.told

    def _access_token(self, request: Asked, token: str) -> dict[str, Any] | None:
        try:
            claims = self.server.access_tokens.verify(token)
        except InvalidToken:
            return None
        if not request.grant_service.is_token_live(claims):
            return None
        said = jwt.decode(token, options={"verify_signature": False})  # it was verified just now
        return {name: said[name] for name in TOLD if name in said} | {"token_type": "Bearer"}

    def _refresh_token(self, request: Asked, token: str) -> dict[str, Any] | None:
        family = request.grant_service.look_up(token, client_id=request.client.client_id)
        if family is None:
            return None
        return {
            "scope": " ".join(family.scopes),
            "client_id": family.client_id,
            "sub": str(family.user_id),
            "aud": self.server.issuer,
            "iss": self.server.issuer,
            "exp": int(family.expires_at.timestamp()),
            "iat": int((family.superseded_at or family.created_at).timestamp()),
            "sid": str(family.id),
            "token_type": "N_A",  # no API may take it for an access token (RFC 8693 §2.2.1)
        }
