"""Shapes of MX's wire: times, GUIDs, envelopes, paging and refusals.

Source: ATRIUM.md 1.3 to 1.8.
"""

import hashlib
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

VENDOR_TYPE = "application/vnd.mx.atrium.v1+json"
VENDOR_CONTENT_TYPE = f"{VENDOR_TYPE}; charset=utf-8"
JSON_CONTENT_TYPE = "application/json"
DEFAULT_PER_PAGE = 25

# Published clients misspell the vendor type and MX serves them all the same, so only
# a well-formed name of *another* version is refused.
_OTHER_VERSION = re.compile(r"application/vnd\.mx\.[a-z]+\.v\d+\+json", re.IGNORECASE)


class Refusal(Exception):
    """An answer other than success, with MX's error body.

    Args: status, an HTTP status; message, for people; field, the control input that is wrong.
    """

    def __init__(self, status: int, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message}
        if self.field is not None:
            error["field"] = self.field
        return {"error": error}


def not_found(what: str) -> Refusal:
    """Build the answer for something that is not there, or is somebody else's."""
    return Refusal(404, f"{what} not found")


def new_guid(prefix: str) -> str:
    """Make a random GUID such as `USR-…`."""
    return f"{prefix}-{uuid.uuid4()}"


def derived_guid(prefix: str, *parts: object) -> str:
    """Make a GUID that is the same each time for the same parts."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=16).hexdigest()
    return f"{prefix}-{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def moment(epoch_s: float | None) -> str | None:
    """Spell a time as MX does since 2019: ISO 8601, milliseconds, `Z`."""
    if epoch_s is None:
        return None
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def accepts_version_1(accept: str | None) -> bool:
    """Say whether an `Accept` header lets version 1 through. Source: ATRIUM.md 1.2, 8.1.1."""
    ranges = [part.split(";")[0].strip().lower() for part in (accept or "*/*").split(",")]
    return any(not _OTHER_VERSION.fullmatch(r) or r == VENDOR_TYPE for r in ranges)


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is asked for: `page` counts from 1."""

    page: int
    per_page: int

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.per_page

    def envelope(self, total: int) -> dict[str, int]:
        """Build the `pagination` object; an empty list has one page."""
        return {
            "current_page": self.page,
            "per_page": self.per_page,
            "total_entries": total,
            "total_pages": max(1, -(-total // self.per_page)),
        }


def read_paging(request: Request, maximum: int) -> Paging:
    """Read `page` and `records_per_page`.

    A size above `maximum` falls back to 25 without a word, as MX's does (ATRIUM.md 1.6).
    Raises: Refusal 400 for text or numbers below 1.
    """
    per_page = _whole(request, "records_per_page", DEFAULT_PER_PAGE)
    fallback = min(DEFAULT_PER_PAGE, maximum)
    return Paging(_whole(request, "page", 1), per_page if per_page <= maximum else fallback)


def _whole(request: Request, name: str, default: int) -> int:
    text = request.GET.get(name)
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 12 and int(text) >= 1):
        raise Refusal(400, f"{name} must be a whole number from 1")
    return int(text)


def listed(name: str, rows: list, paging: Paging) -> dict[str, Any]:
    """Cut one page out of a list that is in memory, in MX's list envelope."""
    page = rows[paging.offset : paging.offset + paging.per_page]
    return {name: page, "pagination": paging.envelope(len(rows))}


def read_object(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """Read the body as a JSON object. Raises: Refusal 400 when it is anything else."""
    if optional and not request.body.strip():
        return {}
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        # From None: the parser's own message quotes the body, which may hold a password.
        raise Refusal(400, "The body must be JSON") from None
    if not isinstance(body, dict):
        raise Refusal(400, "The body must be a JSON object")
    return body


def read_envelope(request: Request, name: str) -> dict[str, Any]:
    """Read the object inside `{"<name>": {...}}`. Raises: Refusal 400 when it is missing or empty."""
    inner = read_object(request).get(name)
    if not isinstance(inner, dict) or not inner:
        raise Refusal(400, f"The body must hold a {name} object with at least one key")
    return inner


def no_content() -> Response:
    """Answer 204."""
    return Response(status=204, headerlist=[])


def json_response(body: Any, status: int = 200, content_type: str = VENDOR_CONTENT_TYPE) -> Response:
    """Answer with a JSON body."""
    return Response(body=orjson.dumps(body), status=status, headerlist=[("Content-Type", content_type)])


def _renderer(content_type: str) -> Callable:
    def factory(info: Any) -> Callable:
        def render(value: Any, system: dict[str, Any]) -> bytes:
            system["request"].response.headers["Content-Type"] = content_type
            return orjson.dumps(value)

        return render

    return factory


def _locked(view: Callable) -> Callable:
    """Let one view at a time touch the world: reads move jobs on, so even they write."""

    def under_lock(context: Any, request: Request) -> Response:
        with request.registry.world.lock:
            return view(context, request)

    return under_lock


def add_renderers(config: Configurator) -> None:
    """Register the renderers `mx` (vendor content type) and `plain` (control API)."""
    config.add_renderer("mx", _renderer(VENDOR_CONTENT_TYPE))
    config.add_renderer("plain", _renderer(JSON_CONTENT_TYPE))


def route(config: Configurator, pattern: str, *, renderer: str = "mx", locked: bool = True, **views: Any) -> None:
    """Bind one path to a view for each method: `route(config, "/users", GET=…, POST=…)`.

    Args: locked, false for views that wait for somebody else (webhooks) and lock by themselves.
    """
    config.add_route(pattern, pattern)
    for method, view in views.items():
        config.add_view(
            view,
            route_name=pattern,
            request_method=method,
            renderer=renderer,
            decorator=_locked if locked else None,
        )
