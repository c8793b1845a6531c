"""Flows in SQL."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, select

from ...domain.flows import Flow
from .purging import delete_batch
from .tables.identity import flows
from .unit_of_work import ZopeUnitOfWork
from .upsert import insert

COLUMNS = (flows.c.kind, flows.c.content, flows.c.expires_at, flows.c.user_id)


class SqlFlowStore:
    """FlowStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def put(self, key_hash: bytes, flow: Flow, now: datetime) -> None:
        session = self._unit_of_work.session
        row = {
            "kind": flow.kind, "user_id": flow.user_id, "content": json.dumps(flow.content),
            "created_at": now, "expires_at": flow.expires_at,
        }  # fmt: skip
        statement = insert(session, flows).values(key_hash=key_hash, **row)
        session.execute(statement.on_conflict_do_update(index_elements=["key_hash"], set_=row))

    def find(self, key_hash: bytes) -> Flow | None:
        return _flow(self._unit_of_work.session.execute(select(*COLUMNS).where(flows.c.key_hash == key_hash)).first())

    def take(self, key_hash: bytes) -> Flow | None:
        statement = delete(flows).where(flows.c.key_hash == key_hash).returning(*COLUMNS)
        return _flow(self._unit_of_work.session.execute(statement).first())

    def remove_expired(self, now: datetime) -> int:
        gone = self._unit_of_work.session.execute(delete_batch(flows.c.expires_at <= now, flows.c.key_hash))
        return gone.rowcount  # type: ignore[attr-defined,no-any-return]


def _flow(row: Row[Any] | None) -> Flow | None:
    return None if row is None else Flow(row.kind, json.loads(row.content), row.expires_at, row.user_id)
