"""Browser sessions in SQL."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select

from ...domain.sessions import IDLE, BrowserSession
from .tables.identity import browser_sessions, users
from .unit_of_work import ZopeUnitOfWork


class SqlSessionStore:
    """SessionStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def add(self, session: BrowserSession) -> None:
        self._unit_of_work.session.add(session)

    def find(self, id_hash: bytes) -> BrowserSession | None:
        statement = (
            select(BrowserSession)
            .join(users, users.c.id == browser_sessions.c.user_id)
            .where(browser_sessions.c.id_hash == id_hash, users.c.is_disabled.is_(False))
        )
        return self._unit_of_work.session.scalars(statement).one_or_none()

    def remove(self, id_hash: bytes) -> None:
        self._execute(delete(browser_sessions).where(browser_sessions.c.id_hash == id_hash))

    def remove_all_of(self, user_id: UUID) -> None:
        self._execute(delete(browser_sessions).where(browser_sessions.c.user_id == user_id))

    def remove_expired(self, now: datetime) -> int:
        over = or_(browser_sessions.c.expires_at <= now, browser_sessions.c.seen_at <= now - IDLE)
        return self._execute(delete(browser_sessions).where(over))

    def _execute(self, statement: object) -> int:
        session = self._unit_of_work.session
        session.flush()
        return session.execute(statement).rowcount  # type: ignore[call-overload,no-any-return]
