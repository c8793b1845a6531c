"""What people say of their transactions, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from .ledger import take_changes
from .unit_of_work import MemoryUnitOfWork

COLUMNS = {"category": "own_category", "note": "note", "hidden": "is_hidden"}


@dataclass
class MemoryAnnotationStore:
    """AnnotationStore in dicts."""

    unit_of_work: MemoryUnitOfWork

    def annotate(self, user_id: UUID, transaction_id: UUID, changes: Mapping[str, Any], now: datetime) -> bool:
        tables = self.unit_of_work.tables
        values = {COLUMNS[name]: value for name, value in changes.items()}
        for at, row in tables.transactions.items():
            if (row["user_id"], row["id"]) == (user_id, transaction_id):
                if row | values != row:
                    (change_no,) = take_changes(tables, user_id, 1)
                    tables.transactions[at] = row | values | {"change_no": change_no, "updated_at": now}
                return True
        return False
