"""What people say of their transactions, in the transactions' own rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from .ledger import SqlLedger
from .tables import banking
from .unit_of_work import ZopeUnitOfWork

t = banking.transactions.c
COLUMNS = {"category": t.own_category, "note": t.note, "hidden": t.is_hidden}


@dataclass
class SqlAnnotationStore:
    """AnnotationStore over the open unit of work."""

    unit_of_work: ZopeUnitOfWork
    ledger: SqlLedger

    def annotate(self, user_id: UUID, transaction_id: UUID, changes: Mapping[str, Any], now: datetime) -> bool:
        session = self.unit_of_work.session
        row = (t.user_id == user_id, t.id == transaction_id)
        values = {COLUMNS[name].name: value for name, value in changes.items()}
        kept = session.execute(select(t.own_category, t.note, t.is_hidden).where(*row)).one_or_none()
        if kept is None:
            return False
        if all(getattr(kept, name) == value for name, value in values.items()):
            return True  # as it was: nothing that a mirror of the feed need hear of
        # the person's counter is locked before the row, as downloads do
        change_no = self.ledger.take_change(user_id)
        done: Any = session.execute(
            update(banking.transactions).where(*row).values(values | {"change_no": change_no, "updated_at": now})
        )
        return bool(done.rowcount)
