"""Browser sessions in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, or_, select, update

from ...domain.sessions import IDLE, BrowserSession
from .purging import delete_batch
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

    def of_user(self, user_id: UUID) -> Sequence[BrowserSession]:
        sessions = browser_sessions.c
        statement = select(BrowserSession).where(sessions.user_id == user_id)
        return self._unit_of_work.session.scalars(statement.order_by(sessions.seen_at.desc(), sessions.id_hash)).all()

    # statements, for they bear it that the row was deleted since it was read

    def touch(self, id_hash: bytes, now: datetime) -> None:
        self._execute(update(browser_sessions).where(browser_sessions.c.id_hash == id_hash).values(seen_at=now))

    def forget_request(self, id_hash: bytes) -> None:
        self._execute(update(browser_sessions).where(browser_sessions.c.id_hash == id_hash).values(login_for=None))

    def remove(self, id_hash: bytes) -> None:
        self._execute(delete(browser_sessions).where(browser_sessions.c.id_hash == id_hash))

    def remove_all_of(self, user_id: UUID, *, but: bytes | None = None) -> None:
        theirs = delete(browser_sessions).where(browser_sessions.c.user_id == user_id)
        self._execute(theirs if but is None else theirs.where(browser_sessions.c.id_hash != but))

    def remove_expired(self, now: datetime) -> int:
        sessions = browser_sessions.c
        return self._execute(
            delete_batch(or_(sessions.expires_at <= now, sessions.seen_at <= now - IDLE), sessions.id_hash)
        )

    def _execute(self, statement: object) -> int:
        session = self._unit_of_work.session
        session.flush()
        return session.execute(statement).rowcount  # type: ignore[call-overload,no-any-return]
