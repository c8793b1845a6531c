"""Members to be deleted at the aggregator, for their links are gone (DESIGN 3)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from .aggregator import Aggregator, AggregatorError, MemberGone, MemberRef
from .ids import new_id
from .linked_accounts import LinkedAccount, LinkTiming
from .unit_of_work import UnitOfWork


@dataclass(eq=False, kw_only=True)
class Removal:
    """A member that is to be deleted at the aggregator, whatever it takes.

    Args:
        identifier: the link's id: finds the member where its guid never became known.
    """

    id: UUID
    user_guid: str = field(repr=False)
    member_guid: str | None = field(repr=False)
    identifier: str
    attempts: int = 0
    due_at: datetime
    created_at: datetime
    lease_no: int = 0
    lease_until: datetime | None = None


class RemovalStore(Protocol):
    """Members to be deleted at the aggregator. All methods need an open unit of work."""

    def add(self, removal: Removal) -> None: ...

    def claim_due(self, limit: int, lease_s: float) -> Sequence[Removal]: ...

    def waiting_among(self, member_guids: Collection[str]) -> set[str]:
        """Which of these members are still to be deleted."""
        ...

    def done(self, removal: Removal) -> None: ...

    def postpone(self, removal: Removal, due_at: datetime) -> None: ...


def removal_of(link: LinkedAccount, user_guid: str, now: datetime, timing: LinkTiming) -> Removal:
    """That a link's member be deleted: now, or where its guid is not known, once nobody can be making it any more."""
    return Removal(
        id=new_id(), user_guid=user_guid, member_guid=link.member_guid, identifier=str(link.id),
        created_at=now, due_at=now if link.member_guid else now + timedelta(seconds=timing.lease_s),
    )  # fmt: skip


@dataclass
class RemovalService:
    """Deletes members at the aggregator whose links are gone, until it says that they are."""

    unit_of_work: UnitOfWork
    removals: RemovalStore
    aggregator: Aggregator
    timing: LinkTiming

    def remove(self) -> int:
        """Delete what is due. Returns: how many were tried."""
        with self.unit_of_work:
            due = self.removals.claim_due(100, self.timing.lease_s)
        for removal in due:
            gone = self._delete(removal)
            with self.unit_of_work:
                if gone:
                    self.removals.done(removal)
                else:
                    wait_s = min(3_600.0, 5.0 * 2 ** min(removal.attempts, 16))
                    self.removals.postpone(removal, self.unit_of_work.now() + timedelta(seconds=wait_s))
        return len(due)

    def _delete(self, removal: Removal) -> bool:
        try:
            if removal.member_guid is not None:
                self.aggregator.delete_member(MemberRef(removal.user_guid, removal.member_guid))
                return True
            for member in self.aggregator.list_members(removal.user_guid):
                if member.identifier == removal.identifier:
                    self.aggregator.delete_member(member.ref)
            return True
        except MemberGone:
            return True
        except AggregatorError:
            return False
