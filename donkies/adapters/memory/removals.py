"""Members to be deleted at the aggregator, in memory."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ...domain.removals import Removal
from .banking import is_free
from .unit_of_work import MemoryUnitOfWork


@dataclass
class MemoryRemovalStore:
    """RemovalStore in a dict."""

    unit_of_work: MemoryUnitOfWork

    def add(self, removal: Removal) -> None:
        self.unit_of_work.tables.removals[removal.id] = replace(removal)

    def claim_due(self, limit: int, lease_s: float) -> Sequence[Removal]:
        removals, now = self.unit_of_work.tables.removals, self.unit_of_work.now()
        due = [removal for removal in removals.values() if removal.due_at <= now and is_free(removal, now)]
        due.sort(key=lambda removal: removal.due_at)
        for removal in due[:limit]:
            removals[removal.id] = replace(
                removal, lease_no=removal.lease_no + 1, lease_until=now + timedelta(seconds=lease_s)
            )
        return [replace(removals[removal.id]) for removal in due[:limit]]

    def waiting_among(self, member_guids: Collection[str]) -> set[str]:
        waiting = {one.member_guid for one in self.unit_of_work.tables.removals.values()}
        return {guid for guid in member_guids if guid in waiting}

    def done(self, removal: Removal) -> None:
        if self._holds(removal):
            del self.unit_of_work.tables.removals[removal.id]

    def postpone(self, removal: Removal, due_at: datetime) -> None:
        if self._holds(removal):
            self.unit_of_work.tables.removals[removal.id] = replace(
                removal, due_at=due_at, lease_until=None, attempts=removal.attempts + 1
            )

    def _holds(self, removal: Removal) -> bool:
        kept = self.unit_of_work.tables.removals.get(removal.id)
        return kept is not None and kept.lease_no == removal.lease_no
