"""Browser sessions of the hosted pages, and the end of what was granted in them. Port SessionStore."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from .grants import GrantStore, Revocations
from .hashes import hash_of
from .unit_of_work import Clock, UnitOfWork
from .users import LoginRefused, UserStore, mark_of

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
        login_for: SHA-256 of the authorization request that this log-in answered, so that `prompt=login` is met
            by it once and by no other.
    """

    id_hash: bytes = field(repr=False)
    user_id: UUID
    auth_time: datetime
    methods: str
    user_agent: str = ""
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    login_for: bytes | None = field(default=None, repr=False)

    def is_live(self, now: datetime) -> bool:
        return now < self.expires_at and now - self.seen_at < IDLE


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """Who is logged in in this browser."""

    user_id: UUID
    auth_time: datetime
    session_hash: bytes = field(repr=False)
    methods: str = "pwd"
    login_for: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as its own person is shown it.

    Args:
        handle: names it among those of its person; of no use to anybody else, and it leads to no cookie's value.
        auth_time: when they logged in there.
        seen_at: when it was last used, to the minute.
    """

    handle: str
    user_agent: str
    methods: str
    auth_time: datetime
    seen_at: datetime
    expires_at: datetime
    is_here: bool

    @classmethod
    def of(cls, session: BrowserSession, here: bytes | None) -> OpenSession:
        return cls(
            handle_of(session.id_hash), session.user_agent, session.methods, session.auth_time, session.seen_at,
            session.expires_at, session.id_hash == here,
        )  # fmt: skip


class SessionStore(Protocol):
    """Keeps sessions; all within a unit of work. Sessions of disabled people are not found."""

    def add(self, session: BrowserSession) -> None: ...

    def find(self, id_hash: bytes) -> BrowserSession | None: ...

    def of_user(self, user_id: UUID) -> Sequence[BrowserSession]:
        """A person's, the last used first; also those that are over and not removed yet."""
        ...

    def touch(self, id_hash: bytes, now: datetime) -> None:
        """It was used now. Nothing where it was removed meanwhile, be it just now."""
        ...

    def forget_request(self, id_hash: bytes) -> None:
        """Take `login_for` away. Nothing where it was removed meanwhile."""
        ...

    def remove(self, id_hash: bytes) -> None: ...

    def remove_all_of(self, user_id: UUID, *, but: bytes | None = None) -> None: ...

    def remove_expired(self, now: datetime) -> int:
        """Remove those past their absolute or idle limit. Returns: how many; at most some thousand at once."""
        ...


@dataclass
class SessionService:
    """Opens, reads and ends sessions.

    What was granted in one ends when somebody ends it; when it is over by itself, what was granted goes on.
    """

    unit_of_work: UnitOfWork
    users: UserStore
    sessions: SessionStore
    grants: GrantStore
    revocations: Revocations
    clock: Clock

    def open(
        self,
        user_id: UUID,
        *,
        methods: str = "pwd",
        password_mark: str | None = None,
        user_agent: str = "",
        replaces: str | None = None,
        login_for: str | None = None,
    ) -> str:
        """Begin a session under a new id. The one it replaces ends, be it over already: what the same person granted
        in it goes on in the new one, what another did ends.

        Args:
            password_mark: of the password that was shown, which must be the person's still: a change that ends all
                sessions must not be outlived by one that was about to begin. None where none was shown.
            login_for: the authorization request that this log-in answers.
        Returns: the cookie's value, 256 random bits.
        Raises: LoginRefused when the person is gone, disabled or has another password.
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
            login_for=hash_of(login_for) if login_for else None,
        )
        ended: Sequence[UUID] = ()
        with self.unit_of_work:
            # locked: whoever changes or disables the account now finds the session, and ends it
            user = self.users.find_locked(user_id)
            if user is None or user.is_disabled or password_mark not in (None, mark_of(user.password_hash)):
                raise LoginRefused("The account was changed during the log-in.")
            self.sessions.add(session)
            if replaces:
                ended = self._replace(hash_of(replaces), session)
        self.revocations.add(*map(str, ended))
        return session_id

    def read(self, session_id: str) -> LoggedIn | None:
        """Who is logged in, or None when the session is unknown or over."""
        now = self.clock.now()
        with self.unit_of_work:
            session = self.sessions.find(hash_of(session_id))
            if session is None or not session.is_live(now):
                return None
            if now - session.seen_at > TOUCH_EVERY:
                self.sessions.touch(session.id_hash, now)
            return LoggedIn(session.user_id, session.auth_time, session.id_hash, session.methods, session.login_for)

    def forget_request(self, session_hash: bytes) -> None:
        """The authorization request that this session's log-in answered has been answered itself."""
        with self.unit_of_work:
            self.sessions.forget_request(session_hash)

    def close(self, session_id: str) -> None:
        """End one session, and every token granted in it."""
        with self.unit_of_work:
            self.sessions.remove(hash_of(session_id))
            ended = self.grants.revoke_families_of_session(hash_of(session_id), "logout")
        self.revocations.add(*map(str, ended))

    def list(self, user_id: UUID, here: bytes | None = None) -> Sequence[OpenSession]:
        """A person's sessions that go on, the one that asks first, then the last used.

        Args:
            here: the hash of the one that asks.
        """
        now = self.clock.now()
        with self.unit_of_work:
            live = [session for session in self.sessions.of_user(user_id) if session.is_live(now)]
            shown = [OpenSession.of(session, here) for session in live]
        return sorted(shown, key=lambda session: not session.is_here)

    def close_one(self, user_id: UUID, handle: str) -> bool:
        """End one of a person's sessions, and every token granted in it. Returns: whether it was there."""
        with self.unit_of_work:
            theirs = self.sessions.of_user(user_id)
            found = [session.id_hash for session in theirs if handle_of(session.id_hash) == handle]
            for id_hash in found:
                self.sessions.remove(id_hash)
            ended = [sid for one in found for sid in self.grants.revoke_families_of_session(one, "session_ended")]
        self.revocations.add(*map(str, ended))
        return bool(found)

    def close_others(self, user_id: UUID, here: bytes) -> None:
        """End all of a person's sessions but one, and every token that was not granted in that one."""
        with self.unit_of_work:
            self.sessions.remove_all_of(user_id, but=here)
            ended = self.grants.revoke_families_of(user_id, "session_ended", but=here)
        self.revocations.add(*map(str, ended))

    def close_all(self, user_id: UUID, reason: str, *, but: bytes | None = None) -> None:
        """End a person's sessions, and every token granted by them.

        Args:
            reason: kept with the families.
            but: the hash of a session that goes on; its tokens end all the same.
        """
        with self.unit_of_work:
            self.sessions.remove_all_of(user_id, but=but)
            ended = self.grants.revoke_families_of(user_id, reason)
        self.revocations.add(*map(str, ended))

    def _replace(self, old: bytes, new: BrowserSession) -> Sequence[UUID]:
        # whose it was is told by what was granted: the session itself may have been purged, its cookie lives longer
        self.grants.move_session(old, new.id_hash, new.user_id)
        self.sessions.remove(old)
        return self.grants.revoke_families_of_session(old, "other_person")


def handle_of(id_hash: bytes) -> str:
    """What a session is called on the pages of its person: 64 bits of its hash."""
    return id_hash[:8].hex()
