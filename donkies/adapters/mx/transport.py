"""HTTP to MX: pooled, bounded in time and size, repeated only where that is safe, and silent about secrets.

Errors are raised outside of `except` blocks: an exception of `requests` holds the request with its body and
headers, and would otherwise hang on ours as its context.
"""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import orjson
import requests
import structlog
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from donkies.domain.aggregator import (
    AggregatorDown,
    AggregatorError,
    AggregatorMisbehaved,
    AggregatorRefusedUs,
    AggregatorThrottled,
    CredentialsNotAccepted,
)

from ..deadline import DeadlineAdapter, ending_at
from .calls import Call
from .failures import broken, read_retry_after, refusal, senseless
from .values import Unreadable, read_json

_log = structlog.get_logger(__name__)

Observe = Callable[[str, str, float, bool], None]

_DONE = (200, 202, 204)
_CHUNK = 65_536
_FIRST_BACKOFF_S = 0.25
_LONGEST_BACKOFF_S = 2.0
_FAULTS = (AggregatorDown, AggregatorMisbehaved, AggregatorRefusedUs, AggregatorThrottled)
_NETWORK_ERRORS = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class SealedBody:
    """A request's body, which may hold credentials: it shows nothing of itself, in no trace and no log."""

    content: bytes = field(repr=False)


def sealed(payload: Mapping[str, Any]) -> SealedBody:
    """Write a body.

    Raises: CredentialsNotAccepted for text that is no Unicode.
    """
    try:
        return SealedBody(orjson.dumps(payload))
    except orjson.JSONEncodeError:
        pass
    del payload  # a trace may show the variables of its frames
    raise CredentialsNotAccepted("A field holds characters that cannot be sent.")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, how often and how much.

    Args:
        total_timeout_s: for one call with all its repeats and waits.
        retries: repeats of a call that can be repeated.
        retry_after_cap_s: a longer `Retry-After` is not waited for but told to the caller.
    """

    connect_timeout_s: float = 3.05
    read_timeout_s: float = 10.0
    total_timeout_s: float = 10.0
    pool_size: int = 32
    max_body_bytes: int = 32 * 2**20
    retries: int = 2
    retry_after_cap_s: float = 5.0


@dataclass(frozen=True, slots=True)
class _Failed:
    error: AggregatorError
    passing: bool = False
    retry_after_s: float | None = None


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never: requests would read the whole body of a redirect, unbounded, only to look where it leads."""


class Transport:
    """Makes calls and gives back their JSON.

    Args:
        headers: sent with every call; they hold the keys.
        sleep: waits between repeats.
    """

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str],
        limits: Limits,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url, self._limits, self._sleep = base_url.rstrip("/"), limits, sleep
        self.observe: Observe = _nobody
        """Told of each attempt: the call's name, its outcome in a word, seconds, and whether the fault is MX's."""
        self.session = _Session()
        self.session.trust_env = False  # no proxies and no .netrc from the environment
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # nothing passes between people
        self.session.headers.clear()
        self.session.headers.update({"Accept-Encoding": "gzip", "User-Agent": "donkies", **headers})
        adapter = DeadlineAdapter(pool_connections=1, pool_maxsize=limits.pool_size)
        for scheme in ("https://", "http://"):
            self.session.mount(scheme, adapter)

    def close(self) -> None:
        """Close the pooled connections."""
        self.session.close()

    def call(
        self,
        call: Call,
        parts: Mapping[str, str] | None = None,
        query: Mapping[str, str | int] | None = None,
        body: SealedBody | None = None,
    ) -> Any:
        """Make a call.

        Args:
            parts: what stands in the path.

        Returns: the answer's JSON, or None for an empty one.
        Raises: an AggregatorError.
        """
        url = self._base_url + call.filled(parts or {})
        deadline = time.monotonic() + self._limits.total_timeout_s
        repeats = 0
        while True:
            answer = self._attempt(call, url, query, body, deadline)
            if not isinstance(answer, _Failed):
                return answer
            wait_s = self._wait(call, answer, repeats, deadline)
            if wait_s is None:
                raise answer.error
            self._sleep(wait_s)
            repeats += 1

    def _wait(self, call: Call, failed: _Failed, repeats: int, deadline: float) -> float | None:
        """Seconds until the next try, None for no more tries."""
        if not (call.repeatable and failed.passing) or repeats >= self._limits.retries:
            return None
        wait_s = failed.retry_after_s
        if wait_s is None:
            wait_s = random.uniform(0, min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2**repeats))
        elif wait_s > self._limits.retry_after_cap_s:
            return None
        return wait_s if time.monotonic() + wait_s < deadline else None

    def _attempt(
        self,
        call: Call,
        url: str,
        query: Mapping[str, str | int] | None,
        body: SealedBody | None,
        deadline: float,
    ) -> Any:
        started = time.monotonic()
        status, request_id = None, None
        try:
            with ending_at(deadline), self._send(call, url, query, body, deadline) as response:
                status, request_id = response.status_code, response.headers.get("X-Request-Id")
                outcome = self._outcome(call, response)
        except _NETWORK_ERRORS as error:
            outcome = _Failed(broken(call, error), passing=True)
        seconds = time.monotonic() - started
        is_down = isinstance(outcome, _Failed) and isinstance(outcome.error, _FAULTS)
        self.observe(call.name, "broken" if status is None else str(status), seconds, is_down)
        _log.debug(
            "atrium_call",
            method=call.method,
            path=call.path,
            status=status,
            ms=round(seconds * 1000, 1),
            mx_request_id=_printable(request_id),
        )
        return outcome

    def _send(
        self,
        call: Call,
        url: str,
        query: Mapping[str, str | int] | None,
        body: SealedBody | None,
        deadline: float,
    ) -> requests.Response:
        left_s = max(deadline - time.monotonic(), 0.001)
        return self.session.request(
            call.method,
            url,
            params=query,
            data=None if body is None else body.content,
            headers={} if body is None else {"Content-Type": "application/json"},
            timeout=Timeout(  # type: ignore[arg-type]
                connect=self._limits.connect_timeout_s, read=self._limits.read_timeout_s, total=left_s
            ),
            allow_redirects=False,
            stream=True,
        )

    def _outcome(self, call: Call, response: requests.Response) -> Any:
        status = response.status_code
        if status in _DONE:
            return self._json(call, response)
        if 200 <= status < 300:
            return _Failed(senseless(call, f"the status {status}"))
        if 300 <= status < 400:
            return _Failed(AggregatorMisbehaved(f"MX sent a redirect ({call.name}: {status})."))
        retry_after_s = read_retry_after(response.headers.get("Retry-After"))
        _finish(response)
        return _Failed(refusal(call, status, retry_after_s), status == 429 or status >= 500, retry_after_s)

    def _json(self, call: Call, response: requests.Response) -> Any:
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > self._limits.max_body_bytes:
                return _Failed(senseless(call, "an answer that is too large"))
        if not body.strip():
            return None if _is_whole(response) else _Failed(broken(call, OSError()), passing=True)
        try:
            return read_json(bytes(body))
        except Unreadable:
            return _Failed(senseless(call, "an answer that is not JSON"))


def _nobody(call: str, outcome: str, seconds: float, is_down: bool) -> None:
    pass


def _is_whole(response: requests.Response) -> bool:
    """Whether an empty answer is meant: one that was cut within its headers looks like one to http.client."""
    declared = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    return declared or response.status_code == 204


def _finish(response: requests.Response) -> None:
    """Read a short rest, so that the connection can be used again; a long one is not worth it."""
    try:
        response.raw.read(_CHUNK)
    except _NETWORK_ERRORS:
        response.close()


def _printable(text: str | None) -> str | None:
    return None if text is None else "".join(c for c in text[:64] if (c.isascii() and c.isalnum()) or c in "-_.")
