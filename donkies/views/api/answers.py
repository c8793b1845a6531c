"""Shaping answers and reading what stands in the path and the query: the same for every resource."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson
from pyramid.request import Request
from pyramid.response import Response

from ...domain.errors import Invalid, NotFound

PRIVATE = "private, no-store"
REVALIDATE = "private, no-cache"


def json_bytes(content: Any) -> bytes:
    """JSON with ids as text and times in RFC 3339 with a Z."""
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON bytes."""
    response = Response(body, status=status, content_type="application/json")
    response.headers.update(headers or {})  # given to Response() they would replace its Content-Type
    return response


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer that nobody may keep: it is a person's."""
    return json_response(json_bytes(content), status, {"Cache-Control": PRIVATE, **(headers or {})})


def listing(rows: Sequence[Any], next_cursor: str | None = None) -> Response:
    """A list, and where it goes on."""
    return answer({"data": rows, "next_cursor": next_cursor})


def etag_of(body: bytes) -> str:
    """A strong validator: equal bytes, equal tag (RFC 9110 §8.8.3)."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def id_in_path(request: Request, name: str = "id") -> UUID:
    """An id of the path. Raises: NotFound for what is no id, as for an unknown one."""
    try:
        return UUID(request.matchdict[name])
    except ValueError:
        raise NotFound(f"There is nothing at {request.path}.") from None


def query_of(request: Request) -> dict[str, Any]:
    """The query's parameters; one that is given twice comes as a list, which the schemas refuse."""
    return dict(request.GET.mixed())


def to_cursor(*parts: object) -> str:
    """Opaque text that says where a list goes on."""
    return base64.urlsafe_b64encode(orjson.dumps([str(part) for part in parts])).decode().rstrip("=")


def from_cursor(cursor: str, *parts: int) -> list[str]:
    """The parts of a cursor.

    Args:
        parts: how many there may be.
    Raises: Invalid `bad_cursor` for what was not given out as one.
    """
    try:
        found = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        found = None
    if not isinstance(found, list) or len(found) not in parts or not all(isinstance(part, str) for part in found):
        raise bad_cursor()
    return found


def bad_cursor() -> Invalid:
    return Invalid(
        "Some fields cannot be used; see errors.",
        {"cursor": "Use a cursor of an earlier answer, unchanged, or leave it out."},
        code="bad_cursor",
    )
