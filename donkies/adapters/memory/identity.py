"""In-memory twins of the stores of sign-in."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from ...domain.clients import Client, ClientExists
from ...domain.consents import Consent
from ...domain.errors import TooMany
from ...domain.factors import CodeSecret, Passkey
from ...domain.flows import Flow
from ...domain.grants import AuthorizationCode, ClientGone, TokenFamily
from ...domain.identities import ExternalIdentity, IdentityTaken
from ...domain.limits import Limit
from ...domain.mailed_links import MailedLink, Purpose
from ...domain.sessions import IDLE, BrowserSession
from ...domain.unit_of_work import Clock
from ...domain.users import EmailTaken, User


@dataclass
class MemoryIdentity:
    """The rows of sign-in, and a unit of work over them: a block that raises leaves no trace."""

    users: dict[UUID, User] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    sessions: dict[bytes, BrowserSession] = field(default_factory=dict)
    consents: dict[tuple[UUID, str], Consent] = field(default_factory=dict)
    codes: dict[bytes, AuthorizationCode] = field(default_factory=dict)
    used_codes: set[bytes] = field(default_factory=set)
    families: dict[UUID, TokenFamily] = field(default_factory=dict)
    revoked_tokens: dict[str, datetime] = field(default_factory=dict)
    tokens_revoked_at: dict[str, datetime] = field(default_factory=dict)
    flows: dict[bytes, Flow] = field(default_factory=dict)
    mailed_links: dict[bytes, MailedLink] = field(default_factory=dict)
    letters: dict[UUID, Any] = field(default_factory=dict)
    passkeys: dict[bytes, Passkey] = field(default_factory=dict)
    code_secrets: dict[UUID, CodeSecret] = field(default_factory=dict)
    recovery_codes: dict[UUID, set[bytes]] = field(default_factory=dict)
    identities: dict[tuple[str, str], ExternalIdentity] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._before: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        self._lock.acquire()
        if self._before is not None:
            self._lock.release()
            raise RuntimeError("units of work do not nest")
        self._before = {name: copy.deepcopy(getattr(self, name)) for name in self.__dataclass_fields__}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None and self._before is not None:
                for name, rows in self._before.items():
                    setattr(self, name, rows)
        finally:
            self._before = None
            self._lock.release()

    def now(self) -> datetime:
        return datetime.now(UTC)


class MemoryUserStore:
    """UserStore in a dict."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def add(self, user: User) -> None:
        if self.find_by_email(user.email_key):
            raise EmailTaken("Somebody has this e-mail address already.")
        self._rows.users[user.id] = user

    def find(self, user_id: UUID) -> User | None:
        return self._rows.users.get(user_id)

    def find_locked(self, user_id: UUID) -> User | None:
        return self.find(user_id)  # a unit of work holds all rows

    def find_by_email(self, email_key: str) -> User | None:
        return next((user for user in self._rows.users.values() if user.email_key == email_key), None)

    def find_for_removal(self, user_id: UUID) -> User | None:
        return self.find(user_id)

    def remove(self, user_id: UUID) -> None:
        rows = self._rows
        rows.users.pop(user_id, None)
        for table in (rows.sessions, rows.codes, rows.families, rows.flows):
            for key in [key for key, row in table.items() if row.user_id == user_id]:
                del table[key]  # type: ignore[attr-defined]
        rows.consents = {key: consent for key, consent in rows.consents.items() if key[0] != user_id}

    def replace_password(self, user_id: UUID, known: str, new: str) -> bool:
        user = self._rows.users.get(user_id)
        if user is None or user.password_hash != known:
            return False
        user.password_hash = new
        return True

    def change_email(self, user: User, email: str, email_key: str) -> None:
        if self.find_by_email(email_key) not in (None, user):
            raise EmailTaken("Somebody has this e-mail address already.")
        user.email, user.email_key = email, email_key


class MemoryClientStore:
    """ClientStore and Clients in a dict."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def add(self, client: Client) -> None:
        if client.client_id in self._rows.clients:
            raise ClientExists("This client_id is taken.")
        self._rows.clients[client.client_id] = client

    def replace(self, client: Client) -> None:
        self._rows.clients[client.client_id] = client

    def find(self, client_id: str) -> Client | None:
        return self._rows.clients.get(client_id)

    def find_locked(self, client_id: str) -> Client | None:
        return self.find(client_id)  # a unit of work holds all rows

    def all(self) -> Sequence[Client]:
        return sorted(self._rows.clients.values(), key=lambda client: (client.created_at, client.client_id))

    def remove(self, client_id: str) -> None:
        self._rows.clients.pop(client_id, None)
        for rows in (self._rows.codes, self._rows.families, self._rows.consents):
            for key in [key for key, held in rows.items() if held.client_id == client_id]:
                del rows[key]  # type: ignore[attr-defined]

    def knows_origin(self, origin: str) -> bool:
        return any(origin in client.origins for client in self._rows.clients.values())

    def forget(self) -> None: ...


class MemoryUsedAssertions:
    """UsedAssertions in a dict."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._used: dict[tuple[str, str], datetime] = {}

    def use(self, client_id: str, jti: str, expires_at: datetime) -> bool:
        with self._lock:
            if (client_id, jti) in self._used:
                return False
            self._used[client_id, jti] = expires_at
            return True

    def purge(self, before: datetime) -> int:
        with self._lock:
            over = [key for key, expires_at in self._used.items() if expires_at < before]
            for key in over:
                del self._used[key]
            return len(over)


class MemorySessionStore:
    """SessionStore in a dict."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def add(self, session: BrowserSession) -> None:
        self._rows.sessions[session.id_hash] = session

    def find(self, id_hash: bytes) -> BrowserSession | None:
        session = self._rows.sessions.get(id_hash)
        if session is None:
            return None
        return None if self._rows.users[session.user_id].is_disabled else session

    def of_user(self, user_id: UUID) -> Sequence[BrowserSession]:
        theirs = sorted((one for one in self._rows.sessions.values() if one.user_id == user_id), key=_id_hash)
        return sorted(theirs, key=lambda session: session.seen_at, reverse=True)

    def touch(self, id_hash: bytes, now: datetime) -> None:
        if session := self._rows.sessions.get(id_hash):
            session.seen_at = now

    def forget_request(self, id_hash: bytes) -> None:
        if session := self._rows.sessions.get(id_hash):
            session.login_for = None

    def remove(self, id_hash: bytes) -> None:
        self._rows.sessions.pop(id_hash, None)

    def remove_all_of(self, user_id: UUID, *, but: bytes | None = None) -> None:
        self._remove(lambda session: session.user_id == user_id and session.id_hash != but)

    def remove_expired(self, now: datetime) -> int:
        return self._remove(lambda session: session.expires_at <= now or session.seen_at <= now - IDLE)

    def _remove(self, which: Any) -> int:
        gone = [key for key, session in self._rows.sessions.items() if which(session)]
        for key in gone:
            del self._rows.sessions[key]
        return len(gone)


def _id_hash(session: BrowserSession) -> bytes:
    return session.id_hash


class MemoryFlowStore:
    """FlowStore in a dict."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def put(self, key_hash: bytes, flow: Flow, now: datetime) -> None:
        self._rows.flows[key_hash] = flow

    def find(self, key_hash: bytes) -> Flow | None:
        return self._rows.flows.get(key_hash)

    def take(self, key_hash: bytes) -> Flow | None:
        return self._rows.flows.pop(key_hash, None)

    def remove_expired(self, now: datetime) -> int:
        gone = [key for key, flow in self._rows.flows.items() if flow.expires_at <= now]
        for key in gone:
            del self._rows.flows[key]
        return len(gone)


class MemoryIdentityStore:
    """IdentityStore in a dict."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def add(self, identity: ExternalIdentity) -> None:
        if self._rows.identities.setdefault((identity.provider, identity.subject), identity) is not identity:
            raise IdentityTaken

    def find(self, provider: str, subject: str) -> ExternalIdentity | None:
        return self._rows.identities.get((provider, subject))

    def update(self, identity: ExternalIdentity) -> None:
        if (key := (identity.provider, identity.subject)) in self._rows.identities:
            self._rows.identities[key] = identity

    def of_user(self, user_id: UUID) -> Sequence[ExternalIdentity]:
        theirs = [one for one in self._rows.identities.values() if one.user_id == user_id]
        return sorted(theirs, key=lambda one: (one.created_at, one.provider, one.subject))

    def remove(self, provider: str, subject: str) -> None:
        self._rows.identities.pop((provider, subject), None)


class MemoryMailedLinkStore:
    """MailedLinkStore in a dict."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def put(self, token_hash: bytes, link: MailedLink, now: datetime) -> None:
        self._remove(lambda other: (other.user_id, other.purpose) == (link.user_id, link.purpose))
        self._rows.mailed_links[token_hash] = link

    def find(self, token_hash: bytes, purpose: Purpose, now: datetime) -> MailedLink | None:
        link = self._rows.mailed_links.get(token_hash)
        return link if link is not None and link.purpose == purpose and now < link.expires_at else None

    def take(self, token_hash: bytes, purpose: Purpose, now: datetime) -> MailedLink | None:
        if link := self.find(token_hash, purpose, now):
            del self._rows.mailed_links[token_hash]
        return link

    def remove_all_of(self, user_id: UUID) -> None:
        self._remove(lambda link: link.user_id == user_id)

    def remove_expired(self, now: datetime) -> int:
        return self._remove(lambda link: link.expires_at <= now)

    def _remove(self, which: Callable[[MailedLink], bool]) -> int:
        gone = [key for key, link in self._rows.mailed_links.items() if which(link)]
        for key in gone:
            del self._rows.mailed_links[key]
        return len(gone)


class MemorySquatStore:
    """SquatStore over the dicts."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def strip(self, user_id: UUID) -> None:
        for name in self._rows.__dataclass_fields__.keys() - {"users", "codes", "families"}:
            rows = getattr(self._rows, name)
            if isinstance(rows, dict):
                for key in [key for key, row in rows.items() if self._is_of(user_id, key, row)]:
                    del rows[key]

    @staticmethod
    def _is_of(user_id: UUID, key: Any, row: Any) -> bool:
        whose = (*key, row) if isinstance(key, tuple) else (key, row)
        return user_id in whose or getattr(row, "user_id", None) == user_id


class MemoryConsentStore:
    """ConsentStore in a dict."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def record(self, user_id: UUID, client_id: str, scopes: tuple[str, ...], now: datetime) -> None:
        if client_id not in self._rows.clients:
            raise ClientGone("The app that sent you here is not registered any more.")
        known = self.find(user_id, client_id)
        together = tuple(dict.fromkeys([*(known.scopes if known else ()), *scopes]))
        if known is None or known.scopes != together:
            consent = Consent(client_id, together, known.created_at if known else now, now)
            self._rows.consents[user_id, client_id] = consent

    def find(self, user_id: UUID, client_id: str) -> Consent | None:
        return self._rows.consents.get((user_id, client_id))

    def of_user(self, user_id: UUID) -> Sequence[Consent]:
        theirs = [consent for (whose, _), consent in self._rows.consents.items() if whose == user_id]
        return sorted(theirs, key=lambda consent: consent.client_id)

    def remove(self, user_id: UUID, client_id: str) -> bool:
        return self._rows.consents.pop((user_id, client_id), None) is not None


class MemoryLimits:
    """Limits in a counter.

    Args:
        clock: by which windows end; without one they never do.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._tries: Counter[tuple[str, ...]] = Counter()
        self._windows: dict[tuple[str, ...], int] = {}

    def spend(self, limit: Limit, *who: str) -> None:
        key = limit.name, *who
        window, since_s = divmod(int(self._clock.now().timestamp()), limit.per_s) if self._clock else (0, 0)
        if self._windows.get(key) != window:
            self._windows[key], self._tries[key] = window, 0
        self._tries[key] += 1
        if self._tries[key] > limit.amount:
            raise TooMany("There were too many tries.", retry_after_s=limit.per_s - since_s)

    def forget(self, limit: Limit, *who: str) -> None:
        del self._tries[limit.name, *who]
