"""External identities in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, delete, select, update

from ...domain.identities import ExternalIdentity, IdentityTaken
from .tables.identity import external_identities as table
from .unit_of_work import ZopeUnitOfWork
from .upsert import insert

COLUMNS = ("provider", "subject", "user_id", "label", "answer", "created_at", "updated_at")


class SqlIdentityStore:
    """IdentityStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def add(self, identity: ExternalIdentity) -> None:
        session = self._unit_of_work.session
        session.flush()  # the person, who may be new, comes first
        row = {name: getattr(identity, name) for name in COLUMNS}
        # of two who come with the same one at once, the second finds nothing left to add
        statement = insert(session, table).values(**row).on_conflict_do_nothing().returning(table.c.subject)
        if session.execute(statement).first() is None:
            raise IdentityTaken

    def find(self, provider: str, subject: str) -> ExternalIdentity | None:
        statement = select(*_columns()).where(_is(provider, subject))
        return _identity(self._unit_of_work.session.execute(statement).first())

    def update(self, identity: ExternalIdentity) -> None:
        values = {name: getattr(identity, name) for name in ("label", "answer", "updated_at")}
        statement = update(table).where(_is(identity.provider, identity.subject)).values(**values)
        self._unit_of_work.session.execute(statement)

    def of_user(self, user_id: UUID) -> Sequence[ExternalIdentity]:
        statement = select(*_columns()).where(table.c.user_id == user_id)
        statement = statement.order_by(table.c.created_at, table.c.provider, table.c.subject)
        rows = self._unit_of_work.session.execute(statement)
        return [ExternalIdentity(**row) for row in rows.mappings()]

    def remove(self, provider: str, subject: str) -> None:
        self._unit_of_work.session.execute(delete(table).where(_is(provider, subject)))


def _columns() -> list[Any]:
    return [table.c[name] for name in COLUMNS]


def _is(provider: str, subject: str) -> ColumnElement[bool]:
    return and_(table.c.provider == provider, table.c.subject == subject)


def _identity(row: Row[Any] | None) -> ExternalIdentity | None:
    return None if row is None else ExternalIdentity(**row._mapping)
