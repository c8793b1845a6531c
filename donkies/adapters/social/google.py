"""Google: OpenID Connect's code flow with PKCE and a nonce; who it is stands in the ID token.

Source: https://developers.google.com/identity/openid-connect/openid-connect
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from authomatic.providers import oauth2

from ...domain.social import SocialAnswer, read_answer
from .id_tokens import IdTokenVerifier
from .oauth import MendedOAuth2

# these are about the token, not about the person
ABOUT_THE_TOKEN = ("nonce", "at_hash", "iat", "exp", "jti", "azp", "aud")


class GoogleSignIn(MendedOAuth2, oauth2.Google):  # type: ignore[misc]
    """authomatic's Google, mended."""

    original = oauth2.Google


@dataclass(frozen=True, slots=True)
class GoogleProvider:
    """Google's addresses, and what is asked there."""

    auth_url: str
    token_url: str
    issuer: str
    verifier: IdTokenVerifier
    kind = GoogleSignIn

    def config(self) -> dict[str, Any]:
        return {"token_url": self.token_url, "scope": ["openid", "email", "profile"]}

    def secrets(self) -> dict[str, str]:
        return {"nonce": secrets.token_urlsafe(32), "code_verifier": secrets.token_urlsafe(48)}

    def asked(self, kept: Mapping[str, str]) -> dict[str, str]:
        digest = hashlib.sha256(kept["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        # select_account: whoever wants another account than the one at hand would else get it again and again
        return {
            "nonce": kept["nonce"], "code_challenge": challenge, "code_challenge_method": "S256",
            "prompt": "select_account",
        }  # fmt: skip

    def exchanged(self, kept: Mapping[str, str]) -> dict[str, str]:
        return {"code_verifier": kept["code_verifier"]}

    def read(self, user: Any, kept: Mapping[str, str]) -> SocialAnswer:
        claims = self.verifier.verify(user.data.get("id_token"), kept["nonce"])
        told = {name: value for name, value in claims.items() if name not in ABOUT_THE_TOKEN}
        return read_answer(
            "google",
            claims["sub"],
            orjson.dumps(told).decode(),
            email=claims.get("email"),
            email_verified=claims.get("email_verified") is True,
            first_name=claims.get("given_name") or claims.get("name"),
            last_name=claims.get("family_name"),
            picture=claims.get("picture"),
            locale=claims.get("locale"),
        )
