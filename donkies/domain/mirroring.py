"""Following the delta feed, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from .feed import PLACE_LIFE, CursorExpired, FeedPage, FeedPlace, page_of
from .transactions import LedgerReader
from .unit_of_work import Clock


@dataclass
class FeedService:
    """Pages of the feed, for whoever keeps a mirror."""

    reader: LedgerReader
    clock: Clock

    def read(self, user_id: UUID, place: FeedPlace | None, limit: int) -> FeedPage:
        """What changed behind a place (None: all there is), up to `limit` rows and tombstones together.

        Raises: CursorExpired for a place that is too old, or ahead of the person's last change.
        """
        now = self.clock.now()
        place = place or FeedPlace.first(now)
        if place.since <= now - PLACE_LIFE:
            raise _expired(f"This cursor is older than {PLACE_LIFE.days} days.")
        found = self.reader.changes_after(user_id, place, limit + 1)
        if place.change > found.last_change:  # an older copy of the database was brought back
            raise _expired("This cursor is of changes that are not here any more.")
        return page_of(found, place, limit, now)


def _expired(what: str) -> CursorExpired:
    return CursorExpired(f"{what} Empty the mirror and start again without a cursor.")
