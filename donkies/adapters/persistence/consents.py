"""Consents in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, select
from sqlalchemy.exc import IntegrityError

from ...domain.consents import Consent
from ...domain.grants import ClientGone
from .tables.identity import consents
from .unit_of_work import ZopeUnitOfWork
from .upsert import insert

COLUMNS = (consents.c.client_id, consents.c.scopes, consents.c.created_at, consents.c.updated_at)


class SqlConsentStore:
    """ConsentStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def record(self, user_id: UUID, client_id: str, scopes: tuple[str, ...], now: datetime) -> None:
        known = self.find(user_id, client_id)
        together = tuple(dict.fromkeys([*(known.scopes if known else ()), *scopes]))
        if known and known.scopes == together:
            return
        changed = {"scopes": " ".join(together), "updated_at": now}
        row = {"user_id": user_id, "client_id": client_id, "created_at": now, **changed}
        session = self._unit_of_work.session
        statement = insert(session, consents).values(row)
        try:
            session.execute(statement.on_conflict_do_update(index_elements=["user_id", "client_id"], set_=changed))
        except IntegrityError:  # readers of clients may be seconds behind
            raise ClientGone("The app that sent you here is not registered any more.") from None

    def find(self, user_id: UUID, client_id: str) -> Consent | None:
        row = self._unit_of_work.session.execute(select(*COLUMNS).where(*_between(user_id, client_id))).first()
        return None if row is None else _consent(row)

    def of_user(self, user_id: UUID) -> Sequence[Consent]:
        statement = select(*COLUMNS).where(consents.c.user_id == user_id).order_by(consents.c.client_id)
        return [_consent(row) for row in self._unit_of_work.session.execute(statement)]

    def remove(self, user_id: UUID, client_id: str) -> bool:
        result = self._unit_of_work.session.execute(delete(consents).where(*_between(user_id, client_id)))
        return bool(result.rowcount)  # type: ignore[attr-defined]


def _between(user_id: UUID, client_id: str) -> tuple[ColumnElement[bool], ...]:
    return consents.c.user_id == user_id, consents.c.client_id == client_id


def _consent(row: Row[Any]) -> Consent:
    return Consent(row.client_id, tuple(row.scopes.split()), row.created_at, row.updated_at)
