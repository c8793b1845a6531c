"""Answers of the authorization server."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from .base import Shape


class OAuthError(Shape):
    """A refusal in OAuth's shape (RFC 6749 §5.2)."""

    model_config = ConfigDict(extra="allow")

    error: str = Field(examples=["invalid_grant"])
    error_description: str = Field("", examples=["The code was used before, or has expired."])


class Tokens(Shape):
    """Tokens (RFC 6749 §5.1).

    Args:
        expires_in: seconds that the access token is good for.
        id_token: with the scope openid (OpenID Connect Core 1.0 §3.1.3.3).
    """

    access_token: str = Field(examples=["eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl"])
    token_type: Literal["Bearer"]
    expires_in: int = Field(examples=[600])
    scope: str = Field("", examples=["openid accounts:read"])
    refresh_token: str = Field("", examples=["opaque"])
    id_token: str = Field("", examples=["eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"])


class Introspection(Shape):
    """Whether a token is good, and of a good one what it says (RFC 7662 §2.2)."""

    model_config = ConfigDict(extra="allow")

    active: bool
    scope: str = Field("", examples=["openid accounts:read"])
    client_id: str = Field("", examples=["demo"])
    sub: str = Field("", examples=["0199c1a2-7d3e-7c4b-9a51-6f0e2d8b4c17"])
    exp: int = Field(0, examples=[1795000000])


class UserInfo(Shape):
    """Who the token's person is, as far as its scopes tell (OpenID Connect Core 1.0 §5.3.2)."""

    sub: UUID
    name: str = Field("", examples=["Ada Example"])
    given_name: str = Field("", examples=["Ada"])
    family_name: str = Field("", examples=["Example"])
    birthdate: date = Field(None)  # type: ignore[assignment]
    picture: str = Field("", examples=["https://pictures.example/ada.png"])
    locale: str = Field("", examples=["en-GB"])
    updated_at: int = Field(0, examples=[1795000000])
    email: str = Field("", examples=["ada@people.example"])
    email_verified: bool = False


class ServerMetadata(Shape):
    """Where this server's endpoints are, and what it can do (RFC 8414 §2, OpenID Connect Discovery 1.0 §3)."""

    model_config = ConfigDict(extra="allow")

    issuer: str = Field(examples=["https://money.example"])
    authorization_endpoint: str = Field(examples=["https://money.example/oauth/authorize"])
    token_endpoint: str = Field(examples=["https://money.example/oauth/token"])
    jwks_uri: str = Field(examples=["https://money.example/.well-known/jwks.json"])
    scopes_supported: list[str] = Field(examples=[["openid", "accounts:read"]])


class Jwks(Shape):
    """The public keys that tokens are verified with (RFC 7517 §5)."""

    keys: list[dict[str, Any]] = Field(examples=[[{"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256"}]])
