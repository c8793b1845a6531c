"""The delta feed: what changed of a person's transactions, for whoever keeps a mirror of them (DESIGN 4).

A row stands in the feed once, at the number of its last change; what is gone has a tombstone at the number that took
it. Numbers are taken under the person's lock, so no number is seen before a lower one. Hence a reader who goes on
from the last number it saw misses nothing: what changes between two pages moves ahead of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from .errors import DomainError

PLACE_LIFE = timedelta(days=400)
# a tombstone bears the time at which its writer began, by another process's clock
TOMBSTONE_LIFE = PLACE_LIFE + timedelta(days=1)
AFTER_ALL = 2**63 - 1  # a number that no change has


class CursorExpired(DomainError):
    """The cursor is too old to tell what was removed since; start again without one, with an empty mirror."""

    code = "cursor_expired"


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """How far a mirror has come.

    Args:
        change: it was told all that stands in the feed up to this number.
        base: `change` at the last end of the feed, when the mirror equalled the list; -1 before the first.
        head: the person's last change when this run through the feed began.
        since: no later than that last end, or than the begin of the first run.
    """

    change: int
    base: int
    head: int
    since: datetime

    @classmethod
    def first(cls, now: datetime) -> FeedPlace:
        """Of an empty mirror."""
        return cls(change=0, base=-1, head=AFTER_ALL, since=now)

    @property
    def begins(self) -> bool:
        """Whether a run through the feed begins here."""
        return self.change <= max(self.base, 0)


@dataclass(frozen=True, slots=True)
class Changes:
    """What stands in the feed behind a place, all of one moment.

    Args:
        last_change: the person's last change number.
        rows: transactions as JSON shows them, each with its change number and that at which it was added.
        removed: ids of transactions that are gone, each with its change number.
    """

    last_change: int
    rows: Sequence[tuple[int, int, Mapping[str, Any]]]
    removed: Sequence[tuple[int, UUID]]


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One page.

    Args:
        next: where to go on; at the end of the feed, where to ask from next time.
    """

    added: list[Mapping[str, Any]]
    modified: list[Mapping[str, Any]]
    removed: list[UUID]
    next: FeedPlace
    has_more: bool


def page_of(found: Changes, place: FeedPlace, limit: int, now: datetime) -> FeedPage:
    """The first page of what was found behind a place.

    Args:
        found: up to more than `limit` rows and tombstones, if there are so many.
        now: no later than when it was read.
    """
    in_order = sorted([number for number, *_ in found.rows] + [number for number, _ in found.removed])
    has_more = len(in_order) > limit
    if has_more:
        last = in_order[limit - 1]
        head = found.last_change if place.begins else place.head
        following = FeedPlace(last, place.base, head, place.since)
    else:
        last = found.last_change
        following = FeedPlace(last, last, last, now)
    rows = [(added_no > place.base, row) for number, added_no, row in found.rows if number <= last]
    return FeedPage(
        added=[row for is_new, row in rows if is_new],
        modified=[row for is_new, row in rows if not is_new],
        removed=[row_id for number, row_id in found.removed if number <= last],
        next=following,
        has_more=has_more,
    )
