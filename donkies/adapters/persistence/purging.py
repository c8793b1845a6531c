"""Rows that are over, deleted a batch at a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, Delete, delete, select, tuple_

from ...domain.feed import TOMBSTONE_LIFE
from .tables.banking import idempotency_keys, transaction_tombstones
from .tables.identity import rate_limits, signing_keys
from .unit_of_work import ZopeUnitOfWork

BATCH = 5_000
IDEMPOTENCY_LIFE = timedelta(days=1)
# nobody verifies with a retired key; its row tells an operator for a while what was used when
RETIRED_KEY_LIFE = timedelta(days=30)


def delete_batch(over: ColumnElement[bool], *key: Column[Any]) -> Delete:
    """The statement that deletes some rows of which `over` is true.

    Rows that another transaction holds are left for the next time: two that purge at once neither wait for
    one another nor lock one another out.

    Args:
        key: the table's primary key.
    """
    batch = select(*key).where(over).limit(BATCH).with_for_update(skip_locked=True)
    return delete(key[0].table).where((key[0] if len(key) == 1 else tuple_(*key)).in_(batch))


class SqlLeftovers:
    """Leftovers over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def purge(self, now: datetime) -> int:
        limits, used, keys, stones = rate_limits.c, idempotency_keys.c, signing_keys.c, transaction_tombstones.c
        statements = (
            delete_batch(limits.expires_at <= now, limits.key_hash),
            delete_batch(used.created_at < now - IDEMPOTENCY_LIFE, used.user_id, used.client_id, used.key),
            delete_batch(stones.removed_at < now - TOMBSTONE_LIFE, stones.user_id, stones.change_no),
            delete_batch(keys.retired_at < now - RETIRED_KEY_LIFE, keys.kid),
        )
        session = self._unit_of_work.session
        return sum(session.execute(statement).rowcount for statement in statements)  # type: ignore[attr-defined]
