"""In-memory twins of the stores of links, downloads and transactions, for tests and examples.

They share one `MemoryBanking`. What a unit of work changes is seen by others once it has committed, and never
when it was rolled back; entities are copies, so nothing leaks from one unit of work into another.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import orjson

from ...domain.aggregator import AggregatedAccount, AggregatedTransaction, LinkStatus, RetryWith
from ...domain.downloads import Download
from ...domain.errors import Conflict, LeaseLost, NotFound
from ...domain.ids import new_id
from ...domain.linked_accounts import (
    LABELS,
    DueLink,
    IdempotencyKey,
    LinkedAccount,
    Removal,
    TransactionsStatus,
    poll_after_ms,
)
from ...domain.transactions import PageCounts, SeenGuids, TransactionQuery
from ...domain.unit_of_work import Clock, UnitOfWork
from ..clock import SystemClock

Row = dict[str, Any]
Key = tuple[UUID, UUID]
Entity = TypeVar("Entity", LinkedAccount, Download, Removal)

FLAGS = (
    "is_bill_pay", "is_direct_deposit", "is_expense", "is_fee", "is_income", "is_international",
    "is_overdraft_fee", "is_payroll_advance", "is_subscription",
)  # fmt: skip
# what a looker may not write, for a command or a download may be writing it at the same time
NOT_LOOKED_AT = {
    "user_id", "id", "institution_code", "institution_name", "transactions_status", "transactions_count",
    "last_synced", "last_attempted_at", "next_attempt_at", "created_at", "lease_no",
}  # fmt: skip
LOOKED_AT = [one.name for one in fields(LinkedAccount) if one.name not in NOT_LOOKED_AT]
SHOWN_OF_A_LINK = (
    "id", "institution_code", "institution_name", "link_status", "reason", "act_by", "retry_with",
    "connection_status", "is_refreshing", "transactions_status", "transactions_count", "last_synced",
    "last_attempted_at", "next_attempt_at", "created_at", "updated_at",
)  # fmt: skip
SHOWN_OF_AN_ACCOUNT = (
    "id", "linked_account_id", "name", "type", "subtype", "balance", "available_balance", "currency_code",
    "masked_number", "is_closed", "updated_at",
)  # fmt: skip
SHOWN_OF_A_TRANSACTION = (
    "id", "account_id", "linked_account_id", "status", "type", "amount", "currency_code", "date", "transacted_at",
    "posted_at", "description", "original_description", "memo", "category", "top_level_category", "merchant_guid",
    "check_number", "created_at", "updated_at",
)  # fmt: skip
KEPT_ON_UPDATE = ("id", "created_at", "own_category", "note", "is_hidden")


@dataclass(frozen=True)
class KeptDownload:
    """A download's row, whether another one is wanted after it, and the pages of its walk."""

    download: Download
    is_wanted_again: bool = False
    pages: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Tombstone:
    """A transaction that is gone, and the number of the change that took it."""

    user_id: UUID
    change_no: int
    transaction_id: UUID
    removed_at: datetime


@dataclass
class Tables:
    """All rows. A row is never changed, only replaced, so a copy of the dicts is a copy of all."""

    links: dict[Key, LinkedAccount] = field(default_factory=dict)
    removals: dict[UUID, Removal] = field(default_factory=dict)
    downloads: dict[Key, KeptDownload] = field(default_factory=dict)
    accounts: dict[tuple[UUID, str], Row] = field(default_factory=dict)
    transactions: dict[tuple[UUID, str], Row] = field(default_factory=dict)
    tombstones: dict[tuple[UUID, int], Tombstone] = field(default_factory=dict)
    last_changes: dict[UUID, int] = field(default_factory=dict)
    aggregator_users: dict[UUID, str] = field(default_factory=dict)
    idempotency: dict[tuple[UUID, str, str], tuple[bytes, UUID]] = field(default_factory=dict)

    def copy(self) -> Tables:
        return Tables(**{one.name: dict(getattr(self, one.name)) for one in fields(self)})


@dataclass
class OpenUnit:
    """What one open unit of work has in its hands.

    Args:
        loaded: the links it has given out, each with the fence at which it was read (None: it is new).
    """

    owner: int
    tables: Tables
    others: ExitStack
    loaded: dict[Key, tuple[LinkedAccount, int | None]] = field(default_factory=dict)
    hooks: list[Callable[[], None]] = field(default_factory=list)


class MemoryBanking:
    """The rows of banking: `committed` is what everybody sees."""

    def __init__(self) -> None:
        self.committed = Tables()
        self.open: OpenUnit | None = None
        self.lock = threading.Lock()

    def is_open_here(self) -> bool:
        """Whether this thread has a unit of work open."""
        return self.open is not None and self.open.owner == threading.get_ident()


class MemoryUnitOfWork:
    """UnitOfWork over MemoryBanking: one is open at a time, others wait. It may be shared by threads.

    Args:
        rows: what it works on.
        others: units of work to be opened along with it, such as MemoryIdentity.
        clock: the clock of leases; this machine's when not given.
    """

    def __init__(self, rows: MemoryBanking, *others: UnitOfWork, clock: Clock | None = None) -> None:
        self._rows = rows
        self._others = others
        self._clock = clock or SystemClock()

    @property
    def unit(self) -> OpenUnit:
        """The open unit of work. Raises: RuntimeError where this thread has none open."""
        if self._rows.open is None or not self._rows.is_open_here():
            raise RuntimeError("no unit of work is open")
        return self._rows.open

    @property
    def tables(self) -> Tables:
        """The rows as this unit of work sees and changes them."""
        return self.unit.tables

    def __enter__(self) -> Self:
        if self._rows.is_open_here():
            raise RuntimeError("units of work do not nest")
        self._rows.lock.acquire()
        try:
            with ExitStack() as others:
                for other in self._others:
                    others.enter_context(other)
                self._rows.open = OpenUnit(
                    threading.get_ident(), self._rows.committed.copy(), others.pop_all()
                )  # fmt: skip
        except BaseException:
            self._rows.lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unit = self.unit
        try:
            with unit.others:  # they roll back too when the fence of a link is lost
                if error is not None:
                    raise _RolledBack
                self._flush(unit)
            self._rows.committed = unit.tables
        except _RolledBack:
            return
        finally:
            self._rows.open = None
            self._rows.lock.release()
        for hook in unit.hooks:
            hook()

    def now(self) -> datetime:
        self.unit  # noqa: B018 - as with a database, there is no clock outside
        return self._clock.now()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call once this block has committed, never if it rolls back; at once where no block is open."""
        if self._rows.is_open_here():
            self.unit.hooks.append(call)
        else:
            call()

    def _flush(self, unit: OpenUnit) -> None:
        for key, (link, fence) in unit.loaded.items():
            kept = unit.tables.links.get(key)
            if fence is not None and (kept is None or kept.lease_no != fence):
                raise LeaseLost("Somebody else works on this now.")
            unit.tables.links[key] = replace(link)


class _RolledBack(Exception):
    """Makes what was opened along with a block roll back, as the block does."""


class RecordingJobs:
    """Jobs that are written down instead of sent, after the unit of work has committed.

    Args:
        unit_of_work: without one, jobs are written down at once.
    """

    def __init__(self, unit_of_work: Any = None) -> None:
        self.sent: list[tuple[str, *tuple[UUID, ...]]] = []
        self._unit_of_work = unit_of_work

    def look(self) -> None:
        self._send("look")

    def download(self, user_id: UUID, link_id: UUID) -> None:
        self._send("download", user_id, link_id)

    def remove_members(self) -> None:
        self._send("remove_members")

    def _send(self, name: str, *arguments: UUID) -> None:
        def send() -> None:
            self.sent.append((name, *arguments))

        if self._unit_of_work is None:
            send()
        else:
            self._unit_of_work.after_commit(send)


@dataclass
class MemoryLinkedAccountStore:
    """LinkedAccountStore in dicts."""

    unit_of_work: MemoryUnitOfWork

    def add(self, link: LinkedAccount) -> None:
        self.unit_of_work.unit.loaded[link.user_id, link.id] = link, None
        self.unit_of_work.tables.links[link.user_id, link.id] = replace(link)

    def get(self, user_id: UUID, link_id: UUID) -> LinkedAccount:
        unit = self.unit_of_work.unit
        key = user_id, link_id
        if key not in unit.loaded:
            kept = unit.tables.links.get(key)
            if kept is None:
                raise NotFound("There is no linked account with this id.")
            unit.loaded[key] = replace(kept), kept.lease_no
        return unit.loaded[key][0]

    def lock(self, user_id: UUID, link_id: UUID) -> LinkedAccount:
        return self.get(user_id, link_id)

    def list_of(self, user_id: UUID) -> Sequence[LinkedAccount]:
        ids = sorted((link_id for owner, link_id in self.unit_of_work.tables.links if owner == user_id), reverse=True)
        return [self.get(user_id, link_id) for link_id in ids]

    def claim_due(self, limit: int, lease_s: float) -> Sequence[DueLink]:
        tables, now = self.unit_of_work.tables, self.unit_of_work.now()
        due = [
            link for link in tables.links.values()
            if (_is_past(link.next_look_at, now) or _needs_fresh_data(link, now)) and _is_free(link, now)
        ]  # fmt: skip
        due.sort(key=lambda link: link.next_look_at or now)
        lease_until = now + timedelta(seconds=lease_s)
        claimed = []
        for link in due[:limit]:
            taken = replace(link, lease_no=link.lease_no + 1, lease_until=lease_until, next_look_at=lease_until)
            tables.links[link.user_id, link.id] = taken
            claimed.append(DueLink(replace(taken), tables.aggregator_users.get(link.user_id)))
        return claimed

    def save_looked_at(self, links: Sequence[LinkedAccount]) -> set[UUID]:
        tables = self.unit_of_work.tables
        written = set()
        for link in links:
            kept = tables.links.get((link.user_id, link.id))
            if kept is not None and kept.lease_no == link.lease_no:
                seen = {name: getattr(link, name) for name in LOOKED_AT}
                if kept.next_attempt_at and link.next_attempt_at:  # only ever put off
                    seen["next_attempt_at"] = max(kept.next_attempt_at, link.next_attempt_at)
                tables.links[link.user_id, link.id] = replace(kept, **seen)
                written.add(link.id)
        return written

    def seconds_to_next(self, within_s: float) -> float | None:
        now = self.unit_of_work.now()
        return _seconds_to((link.next_look_at for link in self.unit_of_work.tables.links.values()), now, within_s)

    def remember(self, user_id: UUID, key: IdempotencyKey, link_id: UUID) -> UUID | None:
        kept = self.unit_of_work.tables.idempotency
        fingerprint, made_id = kept.setdefault((user_id, key.client_id, key.key), (key.fingerprint, link_id))
        if fingerprint != key.fingerprint:
            raise Conflict(
                "This Idempotency-Key was used for another request; use a fresh one.", code="idempotency_key_reused"
            )
        return None if made_id == link_id else made_id

    def aggregator_user(self, user_id: UUID) -> str | None:
        return self.unit_of_work.tables.aggregator_users.get(user_id)

    def keep_aggregator_user(self, user_id: UUID, user_guid: str) -> None:
        self.unit_of_work.tables.aggregator_users.setdefault(user_id, user_guid)

    def erase(self, link: LinkedAccount, now: datetime) -> None:
        tables, key = self.unit_of_work.tables, (link.user_id, link.id)
        gone = [row for row in tables.transactions.values() if _belongs(row, *key)]
        _remove(tables, link.user_id, gone, now)
        for at in [at for at, row in tables.accounts.items() if _belongs(row, *key)]:
            del tables.accounts[at]
        tables.downloads.pop(key, None)
        tables.links.pop(key, None)
        self.unit_of_work.unit.loaded.pop(key, None)


@dataclass
class MemoryRemovalStore:
    """RemovalStore in a dict."""

    unit_of_work: MemoryUnitOfWork

    def add(self, removal: Removal) -> None:
        self.unit_of_work.tables.removals[removal.id] = replace(removal)

    def claim_due(self, limit: int, lease_s: float) -> Sequence[Removal]:
        removals, now = self.unit_of_work.tables.removals, self.unit_of_work.now()
        due = [removal for removal in removals.values() if removal.due_at <= now and _is_free(removal, now)]
        due.sort(key=lambda removal: removal.due_at)
        for removal in due[:limit]:
            removals[removal.id] = replace(
                removal, lease_no=removal.lease_no + 1, lease_until=now + timedelta(seconds=lease_s)
            )
        return [replace(removals[removal.id]) for removal in due[:limit]]

    def done(self, removal: Removal) -> None:
        if self._holds(removal):
            del self.unit_of_work.tables.removals[removal.id]

    def postpone(self, removal: Removal, due_at: datetime) -> None:
        if self._holds(removal):
            self.unit_of_work.tables.removals[removal.id] = replace(
                removal, due_at=due_at, lease_until=None, attempts=removal.attempts + 1
            )

    def _holds(self, removal: Removal) -> bool:
        kept = self.unit_of_work.tables.removals.get(removal.id)
        return kept is not None and kept.lease_no == removal.lease_no


@dataclass
class MemoryDownloadStore:
    """DownloadStore in a dict."""

    unit_of_work: MemoryUnitOfWork

    def request(self, user_id: UUID, link_id: UUID, now: datetime, full_before: datetime) -> None:
        tables, key = self.unit_of_work.tables, (user_id, link_id)
        kept = tables.downloads.get(key)
        if kept is None:
            kept = KeptDownload(Download(user_id=user_id, linked_account_id=link_id, due_at=now))
        elif kept.download.from_date is None:
            last_full_at = kept.download.last_full_at
            is_full = last_full_at is None or last_full_at <= full_before
            kept = replace(kept, download=replace(kept.download, due_at=now, is_full=is_full), is_wanted_again=False)
        else:
            kept = replace(kept, is_wanted_again=True)
        tables.downloads[key] = kept
        _change_link(
            self.unit_of_work, key, transactions_status=TransactionsStatus.DOWNLOADING, last_attempted_at=now,
            next_attempt_at=None, updated_at=now,
        )  # fmt: skip

    def claim(self, user_id: UUID, link_id: UUID, lease_s: float) -> Download | None:
        now = self.unit_of_work.now()
        kept = self.unit_of_work.tables.downloads.get((user_id, link_id))
        if kept is None or not _is_past(kept.download.due_at, now) or not _is_free(kept.download, now):
            return None
        lease_until = now + timedelta(seconds=lease_s)
        taken = replace(kept.download, lease_no=kept.download.lease_no + 1, lease_until=lease_until)
        self.unit_of_work.tables.downloads[user_id, link_id] = replace(kept, download=taken)
        return replace(taken)

    def save(self, download: Download, lease_s: float | None) -> None:
        tables, key = self.unit_of_work.tables, (download.user_id, download.linked_account_id)
        kept = tables.downloads.get(key)
        if kept is None or kept.download.lease_no != download.lease_no:
            raise LeaseLost("Another worker has taken this download over.")
        now = self.unit_of_work.now()
        lease_until = None if lease_s is None else now + timedelta(seconds=lease_s)
        has_ended = download.due_at is None
        saved = replace(download, lease_until=lease_until)
        if has_ended and kept.is_wanted_again:
            saved.due_at = now
        wanted_again = kept.is_wanted_again and not has_ended
        tables.downloads[key] = replace(kept, download=saved, is_wanted_again=wanted_again)

    def add_page(self, download: Download, number: int, digests: bytes) -> None:
        self._set_pages(download, {**self._kept(download).pages, number: digests})

    def page_digests(self, download: Download) -> Sequence[bytes]:
        return list(self._kept(download).pages.values())

    def clear_pages(self, download: Download) -> None:
        self._set_pages(download, {})

    def due(self, limit: int) -> Sequence[tuple[UUID, UUID]]:
        now = self.unit_of_work.now()
        free = [one for one in self._all() if _is_free(one, now) and _is_past(one.due_at, now)]
        free.sort(key=lambda one: one.due_at or now)
        return [(one.user_id, one.linked_account_id) for one in free[:limit]]

    def seconds_to_next(self, within_s: float) -> float | None:
        now = self.unit_of_work.now()
        return _seconds_to((one.due_at for one in self._all() if _is_free(one, now)), now, within_s)

    def _all(self) -> list[Download]:
        return [kept.download for kept in self.unit_of_work.tables.downloads.values()]

    def _kept(self, download: Download) -> KeptDownload:
        return self.unit_of_work.tables.downloads[download.user_id, download.linked_account_id]

    def _set_pages(self, download: Download, pages: Mapping[int, bytes]) -> None:
        kept = replace(self._kept(download), pages=pages)
        self.unit_of_work.tables.downloads[download.user_id, download.linked_account_id] = kept


@dataclass
class MemoryLedger:
    """Ledger in dicts, with the feed of its changes."""

    unit_of_work: MemoryUnitOfWork

    def write_accounts(
        self, user_id: UUID, link_id: UUID, accounts: Sequence[AggregatedAccount], now: datetime
    ) -> None:
        kept = self.unit_of_work.tables.accounts
        for account in accounts:
            before = kept.get((user_id, account.guid), {"id": new_id(), "created_at": now})
            row = {one.name: getattr(account, one.name) for one in fields(account)}
            row |= {"user_id": user_id, "linked_account_id": link_id, "updated_at": now}
            row |= {"balance": _exact(account.balance), "available_balance": _exact(account.available_balance)}
            kept[user_id, account.guid] = row | {name: before[name] for name in ("id", "created_at")}

    def account_ids(self, user_id: UUID, link_id: UUID) -> Mapping[str, UUID]:
        rows = self.unit_of_work.tables.accounts.values()
        return {row["guid"]: row["id"] for row in rows if _belongs(row, user_id, link_id)}

    def write_page(
        self,
        user_id: UUID,
        link_id: UUID,
        account_ids: Mapping[str, UUID],
        rows: Sequence[AggregatedTransaction],
        now: datetime,
    ) -> PageCounts:
        tables = self.unit_of_work.tables
        added = modified = 0
        for row in {row.guid: row for row in rows}.values():  # of a guid twice on one page the last one counts
            at, digest = (user_id, row.guid), hashlib.blake2b(row.raw, digest_size=16).digest()
            before = tables.transactions.get(at)
            if before is not None and before["raw_digest"] == digest:
                if before["missed_reads"]:
                    tables.transactions[at] = before | {"missed_reads": 0}
                continue
            (change_no,) = _take_changes(tables, user_id, 1)
            fresh: Row = {one.name: getattr(row, one.name) for one in fields(row)} | {
                "user_id": user_id, "linked_account_id": link_id, "account_id": account_ids[row.account_guid],
                "amount": _exact(row.amount), "raw_digest": digest, "change_no": change_no, "missed_reads": 0,
                "id": new_id(), "created_at": now, "updated_at": now,
                "own_category": None, "note": None, "is_hidden": False,
            }  # fmt: skip
            tables.transactions[at] = fresh | {name: before[name] for name in KEPT_ON_UPDATE} if before else fresh
            added, modified = added + (before is None), modified + (before is not None)
        if added or modified:
            key = user_id, link_id
            count = tables.links[key].transactions_count + added if key in tables.links else 0
            _change_link(self.unit_of_work, key, transactions_count=count, updated_at=now)
        return PageCounts(added, modified)

    def count(self, user_id: UUID, link_id: UUID, from_date: date | None = None, to_date: date | None = None) -> int:
        window = (from_date, to_date) if from_date and to_date else None
        return len(self._of(user_id, link_id, window))

    def remove_missing(
        self, user_id: UUID, link_id: UUID, from_date: date, to_date: date, seen: SeenGuids, now: datetime
    ) -> int:
        tables = self.unit_of_work.tables
        missing = [row for row in self._of(user_id, link_id, (from_date, to_date)) if row["guid"] not in seen]
        gone = [row for row in missing if row["status"] == "pending" or row["missed_reads"]]
        for row in missing:
            tables.transactions[user_id, row["guid"]] = row | {"missed_reads": 1}
        _remove(tables, user_id, gone, now)
        return len(gone)

    def _of(self, user_id: UUID, link_id: UUID, window: tuple[date, date] | None) -> list[Row]:
        rows = [row for row in self.unit_of_work.tables.transactions.values() if _belongs(row, user_id, link_id)]
        return rows if window is None else [row for row in rows if window[0] <= row["date"] <= window[1]]


@dataclass
class MemoryLedgerReader:
    """LedgerReader of what is committed."""

    rows: MemoryBanking

    def poll_link(self, user_id: UUID, link_id: UUID) -> Mapping[str, Any] | None:
        link = self.rows.committed.links.get((user_id, link_id))
        return None if link is None else _shown_link(link)

    def list_links(self, user_id: UUID) -> Sequence[Mapping[str, Any]]:
        links = [link for link in self.rows.committed.links.values() if link.user_id == user_id]
        return [_shown_link(link) for link in sorted(links, key=lambda link: link.id, reverse=True)]

    def list_accounts(self, user_id: UUID) -> Sequence[Mapping[str, Any]]:
        rows = [row for row in self.rows.committed.accounts.values() if row["user_id"] == user_id]
        in_order = sorted(rows, key=lambda row: (row["linked_account_id"], row["name"], row["id"]))
        return [_shown_account(row) for row in in_order]

    def read_account(self, user_id: UUID, account_id: UUID) -> Mapping[str, Any] | None:
        return next((row for row in self.list_accounts(user_id) if row["id"] == account_id), None)

    def list_transactions(
        self, user_id: UUID, query: TransactionQuery, *, with_raw: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        rows = [row for row in self._transactions(user_id) if _is_wanted(row, query)]
        rows.sort(key=lambda row: (row["date"], row["id"]), reverse=True)
        return [_shown_transaction(row, with_raw) for row in rows[: query.limit]]

    def show_transactions(self, user_id: UUID, query: TransactionQuery) -> Sequence[Mapping[str, Any]]:
        return self.list_transactions(user_id, query)

    def read_transaction(
        self, user_id: UUID, transaction_id: UUID, *, with_raw: bool = False
    ) -> Mapping[str, Any] | None:
        rows = (row for row in self._transactions(user_id) if row["id"] == transaction_id)
        return next((_shown_transaction(row, with_raw) for row in rows), None)

    def _transactions(self, user_id: UUID) -> list[Row]:
        return [row for row in self.rows.committed.transactions.values() if row["user_id"] == user_id]


# -- what the stores share ---------------------------------------------------------------------------


def _is_past(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


def _is_free(row: Entity, now: datetime) -> bool:
    return row.lease_until is None or row.lease_until < now


def _needs_fresh_data(link: LinkedAccount, now: datetime) -> bool:
    return (
        _is_past(link.next_attempt_at, now)
        and link.link_status == LinkStatus.SUCCESS
        and not link.is_refreshing
        and link.retry_with != RetryWith.CHALLENGE
    )


def _seconds_to(moments: Iterable[datetime | None], now: datetime, within_s: float) -> float | None:
    first = min((moment for moment in moments if moment is not None), default=None)
    if first is None or first > now + timedelta(seconds=within_s):
        return None
    return max(0.0, (first - now).total_seconds())


def _belongs(row: Row, user_id: UUID, link_id: UUID) -> bool:
    return row["user_id"] == user_id and row["linked_account_id"] == link_id


def _change_link(unit_of_work: MemoryUnitOfWork, key: Key, **changes: Any) -> None:
    """Change a link's row past its entity, as a Core statement does."""
    links = unit_of_work.tables.links
    if key in links:
        links[key] = replace(links[key], **changes)
    if key in unit_of_work.unit.loaded:
        for name, value in changes.items():
            setattr(unit_of_work.unit.loaded[key][0], name, value)


def _take_changes(tables: Tables, user_id: UUID, count: int) -> range:
    last = tables.last_changes.get(user_id, 0)
    tables.last_changes[user_id] = last + count
    return range(last + 1, last + count + 1)


def _remove(tables: Tables, user_id: UUID, rows: Sequence[Row], now: datetime) -> None:
    """Delete transactions and leave a tombstone for each."""
    rows = sorted(rows, key=lambda row: row["id"])
    for row, change_no in zip(rows, _take_changes(tables, user_id, len(rows)), strict=True):
        del tables.transactions[user_id, row["guid"]]
        tables.tombstones[user_id, change_no] = Tombstone(user_id, change_no, row["id"], now)


# -- how rows are shown ------------------------------------------------------------------------------


def _exact(value: Decimal | None) -> Decimal | None:
    """As the column keeps it: four places."""
    return None if value is None else value.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _money(value: Decimal | None) -> str | None:
    """At least two places, more only where they say something."""
    if value is None:
        return None
    cents = value.quantize(Decimal("0.01"))
    return str(cents) if cents == value else f"{value.normalize():f}"


def _shown_link(link: LinkedAccount) -> Row:
    shown = {name: getattr(link, name) for name in SHOWN_OF_A_LINK}
    for name in ("link_status", "act_by", "retry_with", "transactions_status"):
        shown[name] = None if shown[name] is None else str(shown[name])
    shown["link_status_label"] = LABELS[LinkStatus(link.link_status)]
    shown["poll_after_ms"] = poll_after_ms(link.link_status, link.is_refreshing, link.transactions_status)
    return shown


def _shown_account(row: Row) -> Row:
    shown = {name: row[name] for name in SHOWN_OF_AN_ACCOUNT}
    shown |= {name: _money(row[name]) for name in ("balance", "available_balance")}
    return shown | {name: _money(value) for name, value in row["balances"].items()}


def _shown_transaction(row: Row, with_raw: bool) -> Row:
    shown = {name: row[name] for name in SHOWN_OF_A_TRANSACTION}
    shown |= {name: row["flags"].get(name) for name in FLAGS}
    shown["amount"] = _money(row["amount"])
    if with_raw:
        shown["raw"] = orjson.loads(row["raw"])
    return shown


def _is_wanted(row: Row, query: TransactionQuery) -> bool:
    equal = (
        (query.account_id, row["account_id"]),
        (query.linked_account_id, row["linked_account_id"]),
        (query.type, row["type"]),
        (query.status, row["status"]),
        (query.category, row["category"]),
    )
    bounds = (
        (query.from_date, row["date"]),
        (row["date"], query.to_date),
        (query.min_amount, row["amount"]),
        (row["amount"], query.max_amount),
    )
    return (
        all(wanted is None or wanted == value for wanted, value in equal)
        and all(low is None or high is None or low <= high for low, high in bounds)
        and (query.after is None or (row["date"], row["id"]) < query.after)
        and all(_has_word(row, word.lower()) for word in query.words)
    )


def _has_word(row: Row, word: str) -> bool:
    """The word stands in one of the texts, whole or as a beginning."""
    names = ("description", "original_description", "memo", "merchant_guid")
    texts = [row[name].lower() for name in names if row[name]]
    return any(text.startswith(word) or " " + word in text for text in texts)
