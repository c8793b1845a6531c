"""Visits to the aggregator's own widget, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, delete, or_, select, update

from ...domain.widget_visits import WidgetVisit
from .tables.banking import widget_visits
from .types import database_now
from .unit_of_work import ZopeUnitOfWork
from .upsert import insert

v = widget_visits.c


@dataclass
class SqlWidgetVisitStore:
    """WidgetVisitStore in the table `widget_visits`."""

    unit_of_work: ZopeUnitOfWork

    def begin(self, user_id: UUID, until: datetime, due_in_s: float) -> None:
        row: dict[str, Any] = {"until": until, "due_at": database_now(due_in_s), "looks": 0}
        statement = insert(self.unit_of_work.session, widget_visits).values(user_id=user_id, **row)
        longer = row | {"until": case((v.until > until, v.until), else_=until)}
        self.unit_of_work.session.execute(statement.on_conflict_do_update(index_elements=["user_id"], set_=longer))

    def lock(self, user_id: UUID) -> None:
        self.unit_of_work.session.execute(select(v.user_id).where(v.user_id == user_id).with_for_update())

    def hasten(self, user_id: UUID) -> None:
        self._change(v.user_id == user_id, due_at=database_now())

    def claim_due(self, limit: int, lease_s: float) -> Sequence[WidgetVisit]:
        due = (
            select(v.user_id)
            .where(v.due_at <= database_now(), or_(v.lease_until.is_(None), v.lease_until < database_now()))
            .order_by(v.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claimed = (
            update(widget_visits)
            .where(v.user_id.in_(due))
            .values(lease_no=v.lease_no + 1, lease_until=database_now(lease_s))
            .returning(v.user_id, v.until, (v.until <= database_now()).label("is_over"), v.looks, v.lease_no)
        )
        return [WidgetVisit(**row._mapping) for row in self.unit_of_work.session.execute(claimed)]

    def done(self, visit: WidgetVisit) -> None:
        self.unit_of_work.session.execute(delete(widget_visits).where(_is_held(visit), v.until == visit.until))
        self._change(_is_held(visit), lease_until=None)

    def put_off(self, visit: WidgetVisit, due_in_s: float) -> None:
        self._change(_is_held(visit), due_at=database_now(due_in_s), lease_until=None, looks=visit.looks + 1)

    def _change(self, which: ColumnElement[bool], **values: Any) -> None:
        self.unit_of_work.session.execute(update(widget_visits).where(which).values(values))


def _is_held(visit: WidgetVisit) -> ColumnElement[bool]:
    return and_(v.user_id == visit.user_id, v.lease_no == visit.lease_no)
