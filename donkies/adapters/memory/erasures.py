"""Receipts of people who are gone, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from ...domain.erasures import Erasure
from .banking import is_past
from .unit_of_work import MemoryUnitOfWork


class MemoryErasureStore:
    """ErasureStore in a dict."""

    def __init__(self, unit_of_work: MemoryUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def add(self, erasure: Erasure) -> None:
        self._unit_of_work.tables.erasures[erasure.id] = erasure, None

    def find(self, receipt: UUID) -> Erasure | None:
        return self._unit_of_work.tables.erasures.get(receipt, (None, None))[0]

    def claim_due(self, limit: int, lease_s: float) -> Sequence[Erasure]:
        kept, now = self._unit_of_work.tables.erasures, self._unit_of_work.now()
        due = [
            erasure for erasure, lease_until in kept.values()
            if is_past(erasure.due_at, now) and (lease_until is None or lease_until < now)
        ]  # fmt: skip
        due.sort(key=lambda erasure: erasure.due_at or now)
        claimed = [replace(erasure, lease_no=erasure.lease_no + 1) for erasure in due[:limit]]
        for erasure in claimed:
            kept[erasure.id] = erasure, now + timedelta(seconds=lease_s)
        return claimed

    def done(self, erasure: Erasure) -> None:
        over = replace(erasure, done_at=self._unit_of_work.now(), due_at=None, user_guid=None, identifier="")
        self._write(erasure, over)

    def postpone(self, erasure: Erasure, wait_s: float) -> None:
        due_at = self._unit_of_work.now() + timedelta(seconds=wait_s)
        self._write(erasure, replace(erasure, due_at=due_at, attempts=erasure.attempts + 1))

    def remove_done(self, before: datetime) -> int:
        kept = self._unit_of_work.tables.erasures
        gone = [receipt for receipt, (one, _) in kept.items() if one.done_at and one.done_at < before]
        for receipt in gone:
            del kept[receipt]
        return len(gone)

    def _write(self, held: Erasure, changed: Erasure) -> None:
        kept = self.find(held.id)
        if kept is not None and kept.lease_no == held.lease_no and kept.done_at is None:
            self._unit_of_work.tables.erasures[held.id] = changed, None
