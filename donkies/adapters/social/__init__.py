"""Google and Facebook by authomatic."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from authomatic import Authomatic
from authomatic.exceptions import BaseError, CancellationError

from ...domain.social import Cancelled, Departure, ProviderFailed, SocialAnswer
from .calls import ProviderCalls

# what authomatic is told of the way back; all else that comes in the query is none of its business
RETURNED = ("code", "state", "error", "error_reason", "error_description")
# its errors when it is answered by something else than what it expects
_SENSELESS = (BaseError, ValueError, TypeError, KeyError, AttributeError)


@dataclass(frozen=True, slots=True)
class Keys:
    """What a provider gave us to be known by."""

    client_id: str
    client_secret: str = field(repr=False)


class Provider(Protocol):
    """What differs from provider to provider."""

    kind: type
    auth_url: str
    issuer: str | None
    """What `iss` must be where it comes back with the answer (RFC 9207)."""

    def config(self) -> dict[str, Any]:
        """Further values of authomatic's configuration."""
        ...

    def secrets(self) -> dict[str, str]:
        """What is made anew for each sign-in and kept until it is over."""
        ...

    def asked(self, kept: Mapping[str, str]) -> dict[str, str]:
        """Further parameters of the authorization request."""
        ...

    def exchanged(self, kept: Mapping[str, str]) -> dict[str, str]:
        """Further parameters of the token request."""
        ...

    def read(self, user: Any, kept: Mapping[str, str]) -> SocialAnswer:
        """Raises: ProviderFailed."""
        ...


class _Page:
    """What authomatic takes for the page that it runs on."""

    def __init__(self, url: str, params: dict[str, str]) -> None:
        self.url, self.params, self.cookies = url, params, {}
        self.location = ""

    def write(self, value: str) -> None: ...

    def set_header(self, key: str, value: str) -> None:
        if key == "Location":
            self.location = value

    def set_status(self, status: str) -> None: ...


class AuthomaticProviders:
    """SocialProviders by authomatic.

    Its session is a dict that lives in our own store, not its pickled cookie; its requests go through ProviderCalls;
    it logs nothing, for it logs addresses and bodies with secrets in them.

    Args:
        keys: of each provider that is offered.
    """

    def __init__(self, providers: Mapping[str, Provider], keys: Mapping[str, Keys], calls: ProviderCalls) -> None:
        self._calls = calls
        self._providers = {name: provider for name, provider in providers.items() if name in keys}
        self.offered: Sequence[str] = tuple(self._providers)
        config = {
            name: {
                "class_": provider.kind, "consumer_key": keys[name].client_id,
                "consumer_secret": keys[name].client_secret, "auth_url": provider.auth_url, "calls": calls,
                **provider.config(),
            }
            for name, provider in self._providers.items()
        }  # fmt: skip
        # outside of the hierarchy, so that no operator's level can wake it
        mute = logging.Logger("authomatic")
        mute.disabled = True
        # the secret signs cookies and salts states of authomatic's own, and neither is used
        self._authomatic = Authomatic(config, secret="", report_errors=False, logger=mute)

    def close(self) -> None:
        """Close the pooled connections."""
        self._calls.close()

    def form_targets(self, provider: str) -> Sequence[str]:
        where = urlsplit(self._providers[provider].auth_url)
        origin = f"{where.scheme}://{where.netloc}"
        if not where.netloc.startswith("www."):
            return (origin,)
        # www.facebook.com sends phones on to another of its hosts
        return origin, f"{where.scheme}://*.{where.netloc.removeprefix('www.')}"

    def begin(self, provider: str, callback_url: str) -> Departure:
        wanted = self._providers[provider]
        kept, session, page = wanted.secrets(), dict[str, str](), _Page(callback_url, {})
        self._login(provider, page, session, user_authorization_params=wanted.asked(kept))
        (state,) = session.values()
        return Departure(page.location, state, {**kept, "state": state, "callback_url": callback_url})

    def finish(self, provider: str, query: Mapping[str, str], kept: Mapping[str, str]) -> SocialAnswer:
        outcome = self._finish(self._providers[provider], provider, query, kept)
        if isinstance(outcome, Exception):
            raise outcome  # outside of the except block: what is caught there may hold what the provider sent
        return outcome

    def _finish(
        self, wanted: Provider, name: str, query: Mapping[str, str], kept: Mapping[str, str]
    ) -> SocialAnswer | Exception:
        if wanted.issuer and not hmac.compare_digest(query.get("iss", wanted.issuer).encode(), wanted.issuer.encode()):
            return ProviderFailed("mixed_up")
        page = _Page(kept["callback_url"], {key: query[key] for key in RETURNED if query.get(key)})
        if not page.params.keys() & {"code", "error"}:
            return ProviderFailed("no_code")
        session = {f"authomatic:{name}:csrf": kept["state"]}
        try:
            result = self._login(name, page, session, access_token_params=wanted.exchanged(kept))
            return wanted.read(result.user, kept)
        except CancellationError:
            return Cancelled()
        except ProviderFailed as failure:
            return ProviderFailed(failure.reason)
        except _SENSELESS as error:
            return ProviderFailed("refused" if isinstance(error, BaseError) else "senseless")

    def _login(self, name: str, page: _Page, session: dict[str, str], **given: Any) -> Any:
        return self._authomatic.login(page, name, session=session, session_saver=lambda: None, **given)
