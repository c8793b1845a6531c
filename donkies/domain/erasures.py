"""What is left to do for people who are gone: their user at the aggregator is to be deleted (DESIGN 3, D32)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from .aggregator import Aggregator, AggregatorError
from .errors import NotFound
from .events import ErasureDone, Events, NoEvents
from .linked_accounts import LinkTiming
from .unit_of_work import UnitOfWork

BATCH = 20
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The receipt of somebody's leaving; whoever knows its id may see how far it has come.

    Args:
        id: UUIDv4, 122 random bits: unlike a UUIDv7 it cannot be guessed from the time of another.
        user_guid: the person's user at the aggregator; None when there is none, or none is known.
        identifier: what to look for at the aggregator besides, because a user may have been made there that never
            became known; empty when nothing is to be looked for. Both are forgotten when it is done.
        due_at: None when it is done.
    """

    id: UUID
    user_guid: str | None = field(default=None, repr=False)
    identifier: str = field(default="", repr=False)
    requested_at: datetime
    due_at: datetime | None
    done_at: datetime | None = None
    attempts: int = 0
    lease_no: int = 0

    @property
    def status(self) -> str:
        """`pending` or `done`."""
        return "done" if self.done_at else "pending"


class ErasureStore(Protocol):
    """Keeps erasures; all within a unit of work."""

    def add(self, erasure: Erasure) -> None: ...

    def find(self, receipt: UUID) -> Erasure | None: ...

    def claim_due(self, limit: int, lease_s: float) -> Sequence[Erasure]: ...

    def done(self, erasure: Erasure) -> None:
        """Note that it is done, now, and forget who it was; nothing where another worker has taken it over."""
        ...

    def postpone(self, erasure: Erasure, wait_s: float) -> None: ...

    def remove_done(self, before: datetime) -> int:
        """Remove those that were done before then. Returns: how many; at most some thousand at once."""
        ...


@dataclass
class ErasureService:
    """Deletes users at the aggregator until it says that they are gone."""

    unit_of_work: UnitOfWork
    erasures: ErasureStore
    aggregator: Aggregator
    timing: LinkTiming
    events: Events = field(default_factory=NoEvents)

    def read(self, receipt: UUID) -> Erasure:
        """How far an erasure has come. Raises: NotFound."""
        with self.unit_of_work:
            erasure = self.erasures.find(receipt)
        if erasure is None:
            raise NotFound("There is no receipt with this id; one is kept for 400 days after it is done.")
        return erasure

    def erase_due(self) -> int:
        """Delete what is due. Returns: how many were tried.

        A worker that dies in the midst of it is followed by another: what is deleted already counts as gone.
        """
        with self.unit_of_work:
            due = self.erasures.claim_due(BATCH, self.timing.lease_s)
        for erasure in due:
            is_gone = self._delete(erasure)
            with self.unit_of_work:
                if is_gone:
                    self.erasures.done(erasure)
                else:
                    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(erasure.attempts, 16))
                    self.erasures.postpone(erasure, wait_s)
            if is_gone:
                self.events.tell(ErasureDone(receipt=erasure.id, attempts=erasure.attempts + 1))
        return len(due)

    def _delete(self, erasure: Erasure) -> bool:
        try:
            if erasure.user_guid is not None:
                self.aggregator.delete_user(erasure.user_guid)
            if erasure.identifier and (found := self.aggregator.find_user(erasure.identifier)):
                self.aggregator.delete_user(found)
        except AggregatorError:
            return False
        return True


def when_due(
    now: datetime, lease_s: float, *, has_user: bool, has_links: bool, is_in_flight: bool
) -> tuple[datetime | None, bool]:
    """When somebody's user at the aggregator is to be deleted, and whether it has to be looked for there.

    A request that links a bank makes the user before it can write down which it is. Whoever leaves meanwhile, or
    after its answer was lost, may have a user that is not known here. Such a request holds its link's lease, so
    once that has run out it has either ended or is told at its next write that its person is gone.

    Args:
        has_user: the user is known.
        has_links: there is a bank of theirs, so that a user may have been asked for.
        is_in_flight: a request may be making one now.
    Returns: None when there is nothing to delete.
    """
    if not has_user and not has_links:
        return None, False
    return now + timedelta(seconds=lease_s if is_in_flight else 0), is_in_flight or not has_user
