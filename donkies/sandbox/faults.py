"""Faults on request, and the log of what was asked.

Source: DESIGN.md 11; ATRIUM.md 8.1.12.
"""

import fnmatch
import re
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .wire import Refusal

LOG_LENGTH = 10_000
LONGEST_DELAY_S = 600

SOCIAL_PREFIXES = ("/google/", "/facebook/")
LOGOS_PREFIX = "/logos/"
_AFTER_BY_DEFAULT = ("cut", "garbage", "extra_fields", "null_fields")
_TRANSACTIONS = re.compile(r"/users/[^/]+/((members|accounts)/[^/]+/)?transactions")
_STATUS = re.compile(r"/users/[^/]+/members/[^/]+/status")

# Which requests a kind has a meaning for; a fault is not used up by the others.
_KINDS: dict[str, Callable[[str, str], bool]] = {
    "status": lambda method, path: True,
    "slow": lambda method, path: True,
    "cut": lambda method, path: True,
    "html": lambda method, path: True,
    "garbage": lambda method, path: True,
    "repeat_page": lambda method, path: method == "GET" and bool(_TRANSACTIONS.fullmatch(path)),
    "unknown_status": lambda method, path: method == "GET" and bool(_STATUS.fullmatch(path)),
    "extra_fields": lambda method, path: not is_beside_mx(path),
    "null_fields": lambda method, path: not is_beside_mx(path),
}


def is_social(path: str) -> bool:
    """Say whether a path, or a glob of paths, is of the pretended Google or Facebook."""
    return path.startswith(SOCIAL_PREFIXES)


def is_beside_mx(path: str) -> bool:
    """Say whether a path is of what else faults strike: Google, Facebook, and the host of the banks' logos."""
    return path.startswith((*SOCIAL_PREFIXES, LOGOS_PREFIX))


@dataclass(eq=False, kw_only=True)
class Fault:
    """Something that goes wrong with requests that match.

    Args: path, a glob of what follows `/atrium` (`*` crosses `/`), or of a whole path that begins with `/google/` or
        `/facebook/`, which no other glob strikes; times, how often, None for always; after, how many matching
        requests are let through first; when, whether the fault strikes `before` the work is done or `after` it.
    """

    kind: str
    method: str = "*"
    path: str = "*"
    status: int | None = None
    delay_s: float = 0.0
    times: int | None = None
    after: int = 0
    when: str = "before"
    retry_after: int | None = None

    def matches(self, method: str, path: str) -> bool:
        if is_social(path) and not is_social(self.path):
            return False  # `*` is all of MX, and nobody else
        return self.method in ("*", method) and fnmatch.fnmatchcase(path, self.path) and _KINDS[self.kind](method, path)

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


class Faults:
    """The faults that wait to strike; the first that matches does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._waiting.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def to_json(self) -> list[dict[str, Any]]:
        with self._lock:
            return [fault.to_json() for fault in self._waiting]

    def strike(self, method: str, path: str) -> Fault | None:
        """Find the fault for a request, and count it as used."""
        with self._lock:
            for fault in self._waiting:
                if not fault.matches(method, path):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times == 0:
                        self._waiting.remove(fault)
                return fault
        return None


def read_fault(body: dict[str, Any]) -> Fault:
    """Read a fault out of a control request. Raises: Refusal 422 naming the field."""
    kind = body.get("kind")
    if kind not in _KINDS:
        raise Refusal(422, f"kind must be one of {', '.join(_KINDS)}", "kind")
    unknown = sorted(set(body) - set(Fault.__dataclass_fields__))
    if unknown:
        raise Refusal(422, f"{unknown[0]} is no field of a fault", unknown[0])
    when = body.get("when", "after" if kind in _AFTER_BY_DEFAULT else "before")
    fault = Fault(
        kind=kind,
        method=str(_given(body, "method", str, "*")).upper(),
        path=_given(body, "path", str, "*"),
        status=_given(body, "status", int, None),
        delay_s=float(_given(body, "delay_s", (int, float), 0.0)),
        times=_given(body, "times", int, None),
        after=_given(body, "after", int, 0),
        when=when,
        retry_after=_given(body, "retry_after", int, None),
    )
    _check(fault)
    return fault


def _given(body: dict[str, Any], name: str, kinds: Any, default: Any) -> Any:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise Refusal(422, f"{name} must be a {'text' if kinds is str else 'number'}", name)
    return value


def _check(fault: Fault) -> None:
    if fault.kind == "status" and fault.status is None:
        raise Refusal(422, "status must say which HTTP status to answer", "status")
    if fault.status is not None and not 200 <= fault.status <= 599:
        raise Refusal(422, "status must be an HTTP status from 200 to 599", "status")
    if not 0 <= fault.delay_s <= LONGEST_DELAY_S:
        raise Refusal(422, f"delay_s must be from 0 to {LONGEST_DELAY_S}", "delay_s")
    if fault.kind == "slow" and fault.delay_s == 0:
        raise Refusal(422, "delay_s must say how long to wait", "delay_s")
    if fault.times is not None and fault.times < 1:
        raise Refusal(422, "times must be at least 1, or null for always", "times")
    if fault.after < 0:
        raise Refusal(422, "after must be at least 0", "after")
    if fault.when not in ("before", "after"):
        raise Refusal(422, "when must be before or after", "when")


class RequestLog:
    """The last 10,000 requests: what was asked and what was answered, never bodies or headers."""

    def __init__(self) -> None:
        self._entries: deque[tuple[float, dict[str, Any]]] = deque(maxlen=LOG_LENGTH)
        self.era = 0

    def add(self, method: str, path: str, query: str, status: int, at: float, era: int) -> None:
        """Add a request that began in an era; one that a reset has overtaken is not told."""
        if era != self.era:
            return
        told = datetime.fromtimestamp(at, UTC)
        spelt = told.isoformat(timespec="microseconds").replace("+00:00", "Z")
        entry = {"method": method, "path": path, "query": query, "status": status, "at": spelt}
        self._entries.append((told.timestamp(), entry))  # rounded, so that it equals what is read back

    def clear(self) -> None:
        self.era += 1
        self._entries.clear()

    def find(self, pattern: str | None, since: float | None) -> list[dict[str, Any]]:
        """List the entries whose path fits a glob, with or without `/atrium`, after a time."""
        return [
            entry
            for at, entry in list(self._entries)
            if since is None or at > since
            if pattern is None
            or fnmatch.fnmatchcase(entry["path"], pattern)
            or fnmatch.fnmatchcase(entry["path"].removeprefix("/atrium"), pattern)
        ]
