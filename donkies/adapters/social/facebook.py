"""Facebook: the code flow, then the Graph API's `me`, with a proof that the caller knows the app's secret.

Source: https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow
https://developers.facebook.com/docs/graph-api/guides/secure-requests
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from authomatic.providers import oauth2

from ...domain.social import ProviderFailed, SocialAnswer, read_answer
from .calls import Answer
from .oauth import MendedOAuth2

FIELDS = "id,name,first_name,last_name,email,birthday,picture.width(320).height(320)"


class FacebookSignIn(MendedOAuth2, oauth2.Facebook):  # type: ignore[misc]
    """authomatic's Facebook, mended; its addresses are of an API version that is gone."""

    original = oauth2.Facebook

    @staticmethod
    def _x_user_parser(user: Any, data: dict[str, Any]) -> Any:
        return user  # the original trips over birthdays without a year, and invents a picture

    def _access_user_info(self) -> Answer:
        secret, token = self.consumer_secret.encode(), self.credentials.token.encode()
        query = {"fields": FIELDS, "appsecret_proof": hmac.digest(secret, token, hashlib.sha256).hex()}
        response = self.access(f"{self.user_info_url}?{urlencode(query)}")
        if response.status != 200:
            raise ProviderFailed("profile_refused")
        return response


@dataclass(frozen=True, slots=True)
class FacebookProvider:
    """Facebook's addresses, and what is asked there.

    Args:
        scopes: `user_birthday` among them only works for apps that Facebook reviewed for it.
    """

    auth_url: str
    token_url: str
    me_url: str
    scopes: tuple[str, ...] = ("public_profile", "email")
    issuer = None
    kind = FacebookSignIn

    def config(self) -> dict[str, Any]:
        return {"token_url": self.token_url, "me_url": self.me_url, "scope": list(self.scopes)}

    def secrets(self) -> dict[str, str]:
        return {}

    def asked(self, kept: Mapping[str, str]) -> dict[str, str]:
        return {}

    def exchanged(self, kept: Mapping[str, str]) -> dict[str, str]:
        return {}

    def read(self, user: Any, kept: Mapping[str, str]) -> SocialAnswer:
        user.update()
        told = user.provider.user.data
        whole = told.get("name") if isinstance(told.get("name"), str) else ""
        first, _, last = whole.rpartition(" ")
        return read_answer(
            "facebook",
            told.get("id"),
            orjson.dumps(told).decode(),
            # never verified: Facebook hands on addresses that nobody confirmed, and does not say which
            email=told.get("email"),
            first_name=told.get("first_name") or first or last,
            last_name=told.get("last_name") or (last if first else ""),
            birthday=_birthday(told.get("birthday")),
            picture=_picture(told.get("picture")),
        )


def _birthday(told: object) -> str | None:
    """ISO 8601 of `MM/DD/YYYY`; people may keep the year or all of it to themselves."""
    try:
        return datetime.strptime(str(told), "%m/%d/%Y").date().isoformat()
    except ValueError:
        return None


def _picture(told: Any) -> object:
    data = told.get("data") if isinstance(told, dict) else None
    return data.get("url") if isinstance(data, dict) and not data.get("is_silhouette") else None
