"""In-memory twins of the stores of sign-in."""

from __future__ import annotations

import copy
import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from ...domain.clients import Client, ClientExists
from ...domain.errors import TooMany
from ...domain.grants import AuthorizationCode, TokenFamily
from ...domain.limits import Limit
from ...domain.sessions import IDLE, BrowserSession
from ...domain.users import EmailTaken, User


@dataclass
class MemoryIdentity:
    """The rows of sign-in, and a unit of work over them: a block that raises leaves no trace."""

    users: dict[UUID, User] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    sessions: dict[bytes, BrowserSession] = field(default_factory=dict)
    consents: dict[tuple[UUID, str], tuple[str, ...]] = field(default_factory=dict)
    codes: dict[bytes, AuthorizationCode] = field(default_factory=dict)
    used_codes: set[bytes] = field(default_factory=set)
    families: dict[UUID, TokenFamily] = field(default_factory=dict)
    revoked_tokens: dict[str, datetime] = field(default_factory=dict)

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

    def find_by_email(self, email_key: str) -> User | None:
        return next((user for user in self._rows.users.values() if user.email_key == email_key), None)


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

    def knows_origin(self, origin: str) -> bool:
        return any(origin in client.origins for client in self._rows.clients.values())

    def forget(self) -> None: ...


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

    def remove(self, id_hash: bytes) -> None:
        self._rows.sessions.pop(id_hash, None)

    def remove_all_of(self, user_id: UUID) -> None:
        self._remove(lambda session: session.user_id == user_id)

    def remove_expired(self, now: datetime) -> int:
        return self._remove(lambda session: session.expires_at <= now or session.seen_at <= now - IDLE)

    def _remove(self, which: Any) -> int:
        gone = [key for key, session in self._rows.sessions.items() if which(session)]
        for key in gone:
            del self._rows.sessions[key]
        return len(gone)


class MemoryGrantStore:
    """GrantStore in dicts."""

    def __init__(self, rows: MemoryIdentity) -> None:
        self._rows = rows

    def record_consent(self, user_id: UUID, client_id: str, scopes: tuple[str, ...], now: datetime) -> None:
        known = self._rows.consents.get((user_id, client_id), ())
        self._rows.consents[user_id, client_id] = tuple(dict.fromkeys([*known, *scopes]))

    def add_code(self, code_hash: bytes, code: AuthorizationCode) -> None:
        self._rows.codes[code_hash] = code

    def use_code(self, code_hash: bytes, client_id: str, now: datetime) -> AuthorizationCode | None:
        code = self._rows.codes.get(code_hash)
        if code is None or code_hash in self._rows.used_codes or code.client_id != client_id or code.expires_at <= now:
            return None
        if self._rows.users[code.user_id].is_disabled:
            return None
        self._rows.used_codes.add(code_hash)
        return code

    def family_of_used_code(self, code_hash: bytes, client_id: str) -> UUID | None:
        code = self._rows.codes.get(code_hash)
        used = code is not None and code_hash in self._rows.used_codes and code.client_id == client_id
        return code.family_id if code is not None and used else None

    def add_family(self, family: TokenFamily) -> None:
        self._rows.families[family.id] = family

    def rotate(
        self, family_id: UUID, client_id: str, presented: bytes, successor: bytes, sealed: bytes, now: datetime
    ) -> TokenFamily | None:
        family = self._rows.families.get(family_id)
        if family is None or family.current_hash != presented or family.client_id != client_id:
            return None
        if family.revoked_at is not None or family.expires_at <= now or self._rows.users[family.user_id].is_disabled:
            return None
        family = replace(
            family, current_hash=successor, previous_hash=presented, superseded_at=now, successor_sealed=sealed
        )
        self._rows.families[family_id] = family
        return family

    def find_family(self, family_id: UUID) -> TokenFamily | None:
        return self._rows.families.get(family_id)

    def revoke_family(self, family_id: UUID, reason: str) -> bool:
        return self._revoke(lambda family: family.id == family_id) > 0

    def revoke_families_of(self, user_id: UUID, reason: str) -> int:
        return self._revoke(lambda family: family.user_id == user_id)

    def revoke_access_token(self, jti: str, expires_at: datetime) -> None:
        self._rows.revoked_tokens[jti] = expires_at

    def erase_successors(self, before: datetime) -> int:
        families = self._rows.families.values()
        stale = [f for f in families if f.successor_sealed and f.superseded_at and f.superseded_at < before]
        for family in stale:
            self._rows.families[family.id] = replace(family, successor_sealed=None)
        return len(stale)

    def _revoke(self, which: Any) -> int:
        alive = [family for family in self._rows.families.values() if which(family) and family.revoked_at is None]
        for family in alive:
            self._rows.families[family.id] = replace(family, revoked_at=self._rows.now(), successor_sealed=None)
        return len(alive)


class MemoryLimits:
    """Limits in a counter; windows never end."""

    def __init__(self) -> None:
        self._tries: Counter[tuple[str, ...]] = Counter()

    def spend(self, limit: Limit, *who: str) -> None:
        self._tries[limit.name, *who] += 1
        if self._tries[limit.name, *who] > limit.amount:
            raise TooMany("There were too many tries.", retry_after_s=limit.per_s)

    def forget(self, limit: Limit, *who: str) -> None:
        del self._tries[limit.name, *who]
