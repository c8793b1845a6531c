"""Receipts of people who are gone, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, or_, select, update

from ...domain.erasures import Erasure
from .purging import delete_batch
from .tables.identity import erasures
from .types import database_now
from .unit_of_work import ZopeUnitOfWork

e = erasures.c
COLUMNS = [column for column in e if column.name != "lease_until"]


class SqlErasureStore:
    """ErasureStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def add(self, erasure: Erasure) -> None:
        row = {column.name: getattr(erasure, column.name) for column in COLUMNS}
        self._unit_of_work.session.execute(erasures.insert().values(row))

    def find(self, receipt: UUID) -> Erasure | None:
        row = self._unit_of_work.session.execute(select(*COLUMNS).where(e.id == receipt)).first()
        return None if row is None else _erasure(row)

    def claim_due(self, limit: int, lease_s: float) -> Sequence[Erasure]:
        due = (
            select(e.id)
            .where(e.due_at <= database_now(), or_(e.lease_until.is_(None), e.lease_until < database_now()))
            .order_by(e.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claimed = (
            update(erasures)
            .where(e.id.in_(due))
            .values(lease_no=e.lease_no + 1, lease_until=database_now(lease_s))
            .returning(*COLUMNS)
        )
        return [_erasure(row) for row in self._unit_of_work.session.execute(claimed)]

    def done(self, erasure: Erasure) -> None:
        # nothing in what stays tells who it was
        over = {"done_at": database_now(), "due_at": None, "lease_until": None, "user_guid": None, "identifier": ""}
        self._unit_of_work.session.execute(update(erasures).where(_is_held(erasure)).values(over))

    def postpone(self, erasure: Erasure, wait_s: float) -> None:
        later = {"due_at": database_now(wait_s), "lease_until": None, "attempts": erasure.attempts + 1}
        self._unit_of_work.session.execute(update(erasures).where(_is_held(erasure)).values(later))

    def remove_done(self, before: datetime) -> int:
        gone = self._unit_of_work.session.execute(delete_batch(e.done_at < before, e.id))
        return gone.rowcount  # type: ignore[attr-defined,no-any-return]


def _is_held(erasure: Erasure) -> ColumnElement[bool]:
    return and_(e.id == erasure.id, e.lease_no == erasure.lease_no, e.done_at.is_(None))


def _erasure(row: Row[Any]) -> Erasure:
    return Erasure(**row._mapping)
