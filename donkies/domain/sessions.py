"""Browser sessions of the hosted pages. Port SessionStore."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from .unit_of_work import Clock, UnitOfWork

IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=14)
# how often `seen_at` is written: a page view need not be a write
TOUCH_EVERY = timedelta(minutes=1)


@dataclass(eq=False, kw_only=True)
class BrowserSession:
    """One browser in which a person is logged in.

    Args:
        id_hash: SHA-256 of the cookie's value, which itself is never stored.
        auth_time: when the person proved who they are.
        methods: how, space-separated (RFC 8176 values: `pwd`, …).
        user_agent: for the list of one's own sessions.
    """

    id_hash: bytes = field(repr=False)
    user_id: UUID
    auth_time: datetime
    methods: str
    user_agent: str = ""
    created_at: datetime
    seen_at: datetime
    expires_at: datetime

    def is_live(self, now: datetime) -> bool:
        return now < self.expires_at and now - self.seen_at < IDLE


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Who is logged in in this browser."""

    user_id: UUID
    auth_time: datetime
    session_hash: bytes = field(repr=False)


class SessionStore(Protocol):
    """Keeps sessions; all within a unit of work. Sessions of disabled people are not found."""

    def add(self, session: BrowserSession) -> None: ...

    def find(self, id_hash: bytes) -> BrowserSession | None: ...

    def remove(self, id_hash: bytes) -> None: ...

    def remove_all_of(self, user_id: UUID) -> None: ...

    def remove_expired(self, now: datetime) -> int:
        """Remove those past their absolute or idle limit; returns how many."""
        ...


@dataclass
class SessionService:
    """Opens, reads and ends sessions."""

    unit_of_work: UnitOfWork
    sessions: SessionStore
    clock: Clock

    def open(self, user_id: UUID, *, methods: str = "pwd", user_agent: str = "", replaces: str | None = None) -> str:
        """Begin a session under a new id; the one it replaces ends.

        Returns: the cookie's value, 256 random bits.
        """
        session_id, now = secrets.token_urlsafe(32), self.clock.now()
        session = BrowserSession(
            id_hash=hash_of(session_id),
            user_id=user_id,
            auth_time=now,
            methods=methods,
            user_agent=user_agent[:200],
            created_at=now,
            seen_at=now,
            expires_at=now + ABSOLUTE,
        )
        with self.unit_of_work:
            if replaces:
                self.sessions.remove(hash_of(replaces))
            self.sessions.add(session)
        return session_id

    def read(self, session_id: str) -> LoggedIn | None:
        """Who is logged in, or None when the session is unknown or over."""
        now = self.clock.now()
        with self.unit_of_work:
            session = self.sessions.find(hash_of(session_id))
            if session is None or not session.is_live(now):
                return None
            if now - session.seen_at > TOUCH_EVERY:
                session.seen_at = now
            return LoggedIn(session.user_id, session.auth_time, session.id_hash)

    def close(self, session_id: str) -> None:
        """End one session."""
        with self.unit_of_work:
            self.sessions.remove(hash_of(session_id))


def hash_of(session_id: str) -> bytes:
    """What is stored in place of a session's id."""
    return hashlib.sha256(session_id.encode()).digest()
