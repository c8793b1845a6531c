"""/v1/transactions/sync: what changed since a cursor."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID

from cornice import Service
from pydantic import Field
from pyramid.request import Request
from pyramid.response import Response

from ...domain.feed import CursorExpired, FeedPlace
from ...domain.mirroring import FeedService
from ..openapi.operation import Operation
from . import shapes
from .answers import answer, bad_cursor, from_cursor, query_of, to_cursor
from .schemas import Body, check

sync = Service("transactions_sync", "/v1/transactions/sync", description="What changed of the transactions")

BIGGEST = 2**63  # past what a change number can be


class SyncQuery(Body):
    """Since when, and how much at once."""

    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=500)


@sync.get(
    permission="transactions:read",
    operation=Operation(shapes.Feed, query=SyncQuery, errors=("422 bad_cursor", CursorExpired)),
)
def sync_transactions(request: Request) -> Response:
    """What was added, modified and removed since a cursor; without one, all there is."""
    asked = check(SyncQuery, query_of(request))
    user_id = request.identity.user_id
    place = None if asked.cursor is None else _place(asked.cursor, user_id)
    page = request.services.get(FeedService).read(user_id, place, asked.limit)
    shown = {
        "added": page.added,
        "modified": page.modified,
        "removed": [{"id": row_id} for row_id in page.removed],
        "next_cursor": _cursor(page.next, user_id),
        "has_more": page.has_more,
    }
    return answer(shown)


def _cursor(place: FeedPlace, user_id: UUID) -> str:
    return to_cursor(_owner(user_id), place.change, place.base, place.head, int(place.since.timestamp()))


def _place(cursor: str, user_id: UUID) -> FeedPlace:
    """The place that a cursor of this person's stands for. Raises: Invalid for any other text."""
    owner, *texts = from_cursor(cursor, 5)
    try:
        change, base, head, since_s = map(int, texts)
        since = datetime.fromtimestamp(since_s, UTC)
    except (ValueError, OverflowError, OSError):
        raise bad_cursor() from None
    numbers_fit = -1 <= base <= change and 0 <= change < BIGGEST and 0 <= head < BIGGEST
    if owner != _owner(user_id) or not numbers_fit:
        raise bad_cursor()
    return FeedPlace(change, base, head, since)


def _owner(user_id: UUID) -> str:
    """A word for the person, so that a cursor in the wrong hands is told as what it is."""
    return hashlib.blake2b(user_id.bytes, digest_size=6).hexdigest()
