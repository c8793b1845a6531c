"""Visits to the aggregator's own widget, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ...domain.widget_visits import WidgetVisit
from .banking import KeptVisit
from .unit_of_work import MemoryUnitOfWork


@dataclass
class MemoryWidgetVisitStore:
    """WidgetVisitStore in a dict."""

    unit_of_work: MemoryUnitOfWork

    def begin(self, user_id: UUID, until: datetime, due_in_s: float) -> None:
        visits, due_at = self.unit_of_work.tables.visits, self._in(due_in_s)
        kept = visits.get(user_id) or KeptVisit(WidgetVisit(user_id=user_id, until=until), due_at)
        visit = replace(kept.visit, until=max(kept.visit.until, until), looks=0)
        visits[user_id] = replace(kept, visit=visit, due_at=due_at)

    def lock(self, user_id: UUID) -> None:
        """Units of work here come one after another anyway."""

    def hasten(self, user_id: UUID) -> None:
        visits = self.unit_of_work.tables.visits
        if user_id in visits:
            visits[user_id] = replace(visits[user_id], due_at=self.unit_of_work.now())

    def claim_due(self, limit: int, lease_s: float) -> Sequence[WidgetVisit]:
        visits, now = self.unit_of_work.tables.visits, self.unit_of_work.now()
        due = [one for one in visits.values() if one.due_at <= now and (not one.lease_until or one.lease_until < now)]
        due.sort(key=lambda one: one.due_at)
        claimed = []
        for one in due[:limit]:
            visit = replace(one.visit, lease_no=one.visit.lease_no + 1)
            visits[visit.user_id] = replace(one, visit=visit, lease_until=self._in(lease_s))
            claimed.append(replace(visit, is_over=visit.until <= now))
        return claimed

    def done(self, visit: WidgetVisit) -> None:
        if (kept := self._held(visit)) and kept.visit.until == visit.until:
            del self.unit_of_work.tables.visits[visit.user_id]
        self._write(visit, lease_until=None)

    def put_off(self, visit: WidgetVisit, due_in_s: float) -> None:
        looked = replace(visit, looks=visit.looks + 1, is_over=False)
        if kept := self._held(visit):
            looked = replace(looked, until=kept.visit.until)
        self._write(visit, visit=looked, due_at=self._in(due_in_s), lease_until=None)

    def _write(self, held: WidgetVisit, **changes: Any) -> None:
        if kept := self._held(held):
            self.unit_of_work.tables.visits[held.user_id] = replace(kept, **changes)

    def _held(self, visit: WidgetVisit) -> KeptVisit | None:
        kept = self.unit_of_work.tables.visits.get(visit.user_id)
        return kept if kept and kept.visit.lease_no == visit.lease_no else None

    def _in(self, seconds: float) -> datetime:
        return self.unit_of_work.now() + timedelta(seconds=seconds)
