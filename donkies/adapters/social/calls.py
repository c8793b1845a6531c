"""HTTP to Google and Facebook: bounded in time, size and number, no redirects, silent about secrets."""

from __future__ import annotations

import http.client
import ipaddress
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
import structlog
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from ...domain.social import ProviderFailed
from ..deadline import DeadlineAdapter, ending_at

_log = structlog.get_logger(__name__)

_CONNECT_S = 3.05
_CHUNK = 16_384
_MAX_BODY = 256 * 1024
_NETWORK_ERRORS = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer, shaped as authomatic wants it.

    `content` stays empty: authomatic puts it into the text of its errors.
    """

    status: int
    data: dict[str, Any] = field(repr=False)
    content = ""
    msg = version = reason = None

    @property
    def httplib_response(self) -> Answer:
        return self


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never: requests would read the whole body of a redirect, unbounded, only to look where it leads."""


class ProviderCalls:
    """Makes calls and gives back their JSON.

    Args:
        timeout_s: for one call in all.
        at_once: more calls are refused at once, so that a provider that hangs does not take every thread.
        ca_file: certificates to trust instead of the usual ones.
    """

    def __init__(self, timeout_s: float = 10, at_once: int = 4, ca_file: str = "") -> None:
        self._timeout_s, self._places = timeout_s, threading.BoundedSemaphore(at_once)
        self.session = _Session()
        self.session.trust_env = False  # no proxies and no .netrc from the environment
        self.session.verify = ca_file or True
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # nothing passes between people
        self.session.headers.clear()
        self.session.headers.update({"Accept": "application/json", "User-Agent": "donkies"})
        adapter = DeadlineAdapter(pool_connections=4, pool_maxsize=at_once)
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, adapter)

    def close(self) -> None:
        """Close the pooled connections."""
        self.session.close()

    def call(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make a call.

        Returns: the answer, with whatever status it has.
        Raises: ProviderFailed, also where the answer is no JSON object.
        """
        if not _is_safe(url):
            raise ProviderFailed("not_https")
        if not self._places.acquire(blocking=False):
            raise ProviderFailed("busy")
        began, outcome = time.monotonic(), "unreachable"
        try:
            answer = self._attempt(method, url, query, form, headers)
            outcome = answer if isinstance(answer, str) else str(answer.status)
        finally:
            self._places.release()
            ms = round((time.monotonic() - began) * 1000, 1)
            _log.debug("social_call", method=method, host=urlsplit(url).hostname, outcome=outcome, ms=ms)
        if isinstance(answer, str):
            raise ProviderFailed(answer)
        return answer

    def _attempt(
        self,
        method: str,
        url: str,
        query: Mapping[str, str] | None,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> Answer | str:
        """The answer, or what was wrong in a word: errors of requests hold the request, with its secrets."""
        deadline = time.monotonic() + self._timeout_s
        try:
            with ending_at(deadline), self.session.request(
                method,
                url,
                params=query,
                data=form,
                headers=headers,
                timeout=Timeout(connect=_CONNECT_S, total=self._timeout_s),  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            ) as response:  # fmt: skip
                return _read(response)
        except _NETWORK_ERRORS:
            return "unreachable"


def _read(response: requests.Response) -> Answer | str:
    if 300 <= response.status_code < 400:
        return "redirect"
    body = bytearray()
    for chunk in response.iter_content(_CHUNK):
        body += chunk
        if len(body) > _MAX_BODY:
            return "too_large"
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "not_json"
    return Answer(response.status_code, data) if isinstance(data, dict) else "not_json"


def _is_safe(url: str) -> bool:
    """Whether nobody can read along: https, or this machine."""
    where = urlsplit(url)
    if where.scheme == "https":
        return True
    try:
        is_here = ipaddress.ip_address(where.hostname or "").is_loopback
    except ValueError:
        is_here = where.hostname == "localhost"
    return where.scheme == "http" and is_here
