"""Everything the sandbox knows: users, members, their rows, and how it is set to behave."""

import hashlib
import hmac
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from .accounts import account_guids
from .faults import Faults, RequestLog
from .history import History
from .inbox.mails import Inbox
from .ledger import Ledger
from .members import Member, User
from .social.state import ClientKeys, Social
from .store import Store
from .wire import not_found

TYPICAL_JOB_S = 1.5
WINDOW_LIFETIME_S = 10 * 60


@dataclass(frozen=True, slots=True)
class Limits:
    """What the sandbox insists on. None for key and client id, or for a provider's client: any that are not empty."""

    api_key: str | None = None
    client_id: str | None = None
    member_limit: int = 25
    max_per_page: int = 1000
    webhook_url: str | None = None
    google_client: ClientKeys | None = None
    facebook_client: ClientKeys | None = None


@dataclass(frozen=True, slots=True)
class Mode:
    """How jobs run and what answers look like.

    Args: vocabulary, `both` or `2016`; job_s, how long a job takes in all; empty_202, whether
        aggregate and resume answer 202 with an empty body, as MX's did in some years; ghosts_s, how
        long user-wide lists go on showing what a deleted member had.
    """

    vocabulary: str = "both"
    job_s: float = TYPICAL_JOB_S
    empty_202: bool = False
    ghosts_s: float = 0.0


@dataclass(frozen=True, slots=True)
class HistorySize:
    """What members made from now on have."""

    transactions: int = 910
    days: int = 90


class World:
    """The sandbox's state. Callers hold `lock`, a view at a time; faults, log and inbox lock by themselves."""

    def __init__(
        self,
        *,
        limits: Limits,
        mode: Mode,
        state_path: Path | str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self.limits = limits
        self.faults = Faults()
        self.log = RequestLog()
        self.inbox = Inbox()
        self._clock = clock
        self._first_mode = mode
        self._store = Store(state_path)
        self._empty()
        self._load()

    def _empty(self) -> None:
        self.mode = self._first_mode
        self.history_size = HistorySize()
        self.clock_offset_s = 0.0
        self.users: dict[str, User] = {}
        self.members: dict[str, Member] = {}
        self._of_user: dict[str, dict[str, Member]] = defaultdict(dict)
        self.oauth_windows: dict[str, str] = {}
        self.widget_urls: dict[str, tuple[float, dict[str, Any]]] = {}
        self.widget_sessions: dict[str, dict[str, Any]] = {}
        self.built_rows = 0
        self.social = Social()
        self._ghosts: list[tuple[float, Member]] = []
        self._ledgers: dict[str, Ledger] = {}
        self._login_key = secrets.token_bytes(32)

    def reset(self) -> None:
        """Wipe everything but the institutions; modes go back to what the sandbox was started with."""
        self._empty()
        self.faults.clear()
        self.log.clear()
        self.inbox.reset()
        self._store.clear()
        self._save_settings()

    # -- time

    def now(self) -> float:
        """Tell the sandbox's time, seconds since 1970; it can be moved ahead."""
        return self._clock() + self.clock_offset_s

    def advance_clock(self, seconds: float) -> None:
        self.clock_offset_s += seconds
        self._save_settings()

    # -- users

    def add_user(self, user: User) -> None:
        self.users[user.guid] = user
        self.save_user(user)

    def user(self, guid: str) -> User:
        """Find a user. Raises: Refusal 404."""
        try:
            return self.users[guid]
        except KeyError:
            raise not_found("User") from None

    def remove_user(self, user: User) -> None:
        for member in self.members_of(user):
            self.remove_member(member)
        self._of_user.pop(user.guid, None)
        self._ghosts = [(until, m) for until, m in self._ghosts if m.user_guid != user.guid]
        del self.users[user.guid]
        self._store.remove("user", user.guid)

    # -- members

    def add_member(self, member: Member) -> None:
        self._place(member)
        self.save_member(member)

    def _place(self, member: Member) -> None:
        self.members[member.guid] = self._of_user[member.user_guid][member.guid] = member

    def member(self, guid: str) -> Member:
        """Find a member, with its job moved on to now. Raises: Refusal 404."""
        member = self.members.get(guid)
        if member is None:
            raise not_found("Member")
        if member.advance(self.now(), self.mode.job_s):
            self.save_member(member)
        return member

    def member_of(self, user: User, guid: str) -> Member:
        """Find one of a user's own members. Raises: Refusal 404."""
        member = self.members.get(guid)
        if member is None or member.user_guid != user.guid:
            raise not_found("Member")
        return self.member(guid)

    def members_of(self, user: User) -> list[Member]:
        """List a user's members, oldest first."""
        return [self.member(guid) for guid in self._of_user.get(user.guid, ())]

    def remove_member(self, member: Member) -> None:
        del self.members[member.guid], self._of_user[member.user_guid][member.guid]
        self._store.remove("member", member.guid)
        self._store.remove("ledger", member.guid)
        if self.mode.ghosts_s:
            self._ghosts.append((self.now() + self.mode.ghosts_s, member))
        else:
            self._ledgers.pop(member.guid, None)
        self.oauth_windows = {t: m for t, m in self.oauth_windows.items() if m != member.guid}

    def visible_members_of(self, user: User) -> list[Member]:
        """List whose rows user-wide lists show: real MX lags behind a deletion (ATRIUM.md 6.5)."""
        ghosts = [m for until, m in self._ghosts if m.user_guid == user.guid and until > self.now()]
        return [*self.members_of(user), *ghosts]

    def mark_of_login(self, login: str) -> str:
        """Mark a login name, so that equal ones are recognised and none is kept."""
        return hmac.digest(self._login_key, login.encode(), hashlib.sha256).hex()

    def new_oauth_window(self, member: Member) -> None:
        """Give a member a fresh one-time address of the bank's consent page."""
        member.oauth_token = secrets.token_urlsafe(24)
        self.oauth_windows[member.oauth_token] = member.guid
        self.save_member(member)

    # -- rows

    def ledger(self, member: Member) -> Ledger:
        """Find a member's transactions."""
        ledger = self._ledgers.get(member.guid)
        if ledger is None:
            history = History(
                member_guid=member.guid,
                user_guid=member.user_guid,
                accounts=account_guids(member.guid),
                rows=member.history_rows,
                days=member.history_days,
                created_at=member.created_at,
            )
            ledger = self._ledgers[member.guid] = Ledger(history)
        return ledger

    # -- what outlives a restart

    def save_user(self, user: User) -> None:
        self._store.put("user", user.guid, user)

    def save_member(self, member: Member) -> None:
        self._store.put("member", member.guid, member)

    def save_ledger(self, member: Member) -> None:
        ledger = self.ledger(member)
        document = {"gone": list(ledger.gone), "added": list(ledger.added.values())}
        self._store.put("ledger", member.guid, document)

    def _save_settings(self) -> None:
        document = {"login_key": self._login_key.hex(), "clock_offset_s": self.clock_offset_s}
        self._store.put("settings", "settings", document)

    def _load(self) -> None:
        for _, document in self._store.read("settings"):
            self._login_key = bytes.fromhex(document["login_key"])
            self.clock_offset_s = document["clock_offset_s"]
        self._save_settings()
        self.users = {guid: _revived(User, document) for guid, document in self._store.read("user")}
        for _, document in self._store.read("member"):
            member = _revived(Member, document)
            self._place(member)
            if member.oauth_token:
                self.oauth_windows[member.oauth_token] = member.guid
        for guid, document in self._store.read("ledger"):
            ledger = self.ledger(self.members[guid])
            ledger.gone = set(document["gone"])
            ledger.added = {row["guid"]: row for row in document["added"]}

    def set_mode(self, **changes: Any) -> None:
        self.mode = replace(self.mode, **changes)

    def flush(self) -> None:
        with self.lock:
            self._store.flush()

    def close(self) -> None:
        with self.lock:
            self._store.close()


def _revived(kind: Any, document: dict[str, Any]) -> Any:
    """Build a user or member again; what an older or newer sandbox kept besides is left out."""
    known = {field.name for field in fields(kind)}
    return kind(**{name: value for name, value in document.items() if name in known})
