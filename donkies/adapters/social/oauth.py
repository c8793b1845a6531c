"""What both providers need mended of authomatic."""

from __future__ import annotations

import secrets
from typing import Any

from authomatic.providers import oauth2

from .calls import Answer, ProviderCalls


class MendedOAuth2(oauth2.OAuth2):  # type: ignore[misc]
    """authomatic's OAuth 2.0 over our own HTTP, with addresses from settings.

    The original's `_fetch` has no time-out, follows redirects, logs bodies, and passes arguments to HTTPSConnection
    that Python 3.12 took away. Its states are short pieces of an MD5.
    """

    supports_user_state = False  # the state is the token alone, not JSON around it
    # the secret goes into the form: in the header too it would be two ways at once (RFC 6749 §2.3)
    _x_use_authorization_header = False
    original: type[oauth2.OAuth2]

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.calls: ProviderCalls = self._kwarg(given, "calls")
        self.user_authorization_url = self._kwarg(given, "auth_url")
        self.access_token_url = self._kwarg(given, "token_url")
        self.user_info_url = self._kwarg(given, "me_url", "")

    @property
    def type_id(self) -> str:
        """The original's: authomatic looks its classes up in a list."""
        return f"{self.PROVIDER_TYPE_ID}-{oauth2.PROVIDER_ID_MAP.index(self.original)}"

    @staticmethod
    def csrf_generator(secret: str) -> str:
        return secrets.token_urlsafe(32)

    @classmethod
    def _x_request_elements_filter(cls, request_type: int, request_elements: Any, credentials: Any) -> Any:
        return request_elements

    @staticmethod
    def _x_credentials_parser(credentials: Any, data: dict[str, Any]) -> Any:
        # spelled `bearer` too, and authomatic would then put the token into the address
        credentials.token_type = MendedOAuth2.BEARER
        return credentials

    def _fetch(
        self,
        url: str,
        method: str = "GET",
        params: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        body: str = "",
        **_: Any,
    ) -> Answer:
        sent = {"form": params} if method == "POST" else {"query": params}
        return self.calls.call(method, url, headers=headers, **sent)
