"""Accounts and transactions, in SQL: bulk writes through Core."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Select, bindparam, case, delete, func, not_, select, type_coerce, update
from sqlalchemy.orm import Session
from xxhash import xxh3_64_digest

from ...domain.aggregator import AggregatedAccount, AggregatedTransaction
from ...domain.ids import new_id
from ...domain.sync_reports import AccountStand
from ...domain.transaction_columns import TransactionColumns
from ...domain.transactions import AccountMark, MissingCounts, PageCounts, SeenGuids
from .bulk import copy_transactions, read_kept
from .missing import SqlMissing, put_on
from .tables import banking
from .unit_of_work import ZopeUnitOfWork
from .upsert import insert, insert_ignoring

t = banking.transactions.c
a = banking.accounts.c
KEPT_ON_UPDATE = {"user_id", "id", "guid", "created_at", "added_no", "own_category", "note", "is_hidden"}
BATCH = 1_000
Kept = Mapping[str, tuple[bytes, int]]  # digest and missed reads, by guid

digest_of = xxh3_64_digest
"""Of a row's JSON: tells whether the row is as it was.

Eight bytes that nobody need be unable to forge: who could would hide a change of their own row from its owner.
"""

# Run for each page, and built once: to build them costs more than to run them.
feed, links = banking.transaction_feeds, banking.linked_accounts
TAKE = (
    update(feed)
    .where(feed.c.user_id == bindparam("the_user"))
    .values(last_change=feed.c.last_change + bindparam("taken", type_=feed.c.last_change.type))
    .returning(feed.c.last_change)
)
GROW = (
    update(links)
    .where(links.c.user_id == bindparam("the_user"), links.c.id == bindparam("the_link"))
    .values(
        transactions_count=links.c.transactions_count + bindparam("added", type_=links.c.transactions_count.type),
        updated_at=bindparam("the_time", type_=links.c.updated_at.type),
    )
)


@dataclass
class SqlLedger:
    """The tables `accounts` and `transactions`, with the feed of their changes."""

    unit_of_work: ZopeUnitOfWork

    @property
    def _session(self) -> Session:
        return self.unit_of_work.session

    def write_accounts(
        self, user_id: UUID, link_id: UUID, accounts: Sequence[AggregatedAccount], now: datetime
    ) -> None:
        if not accounts:
            return
        rows = [_account_row(user_id, link_id, account, now) for account in accounts]
        statement = insert(self._session, banking.accounts)
        changing = {c.name: statement.excluded[c.name] for c in banking.accounts.c if c.name not in KEPT_ON_UPDATE}
        self._session.connection().execute(
            statement.on_conflict_do_update(index_elements=["user_id", "guid"], set_=changing), rows
        )
        its = a.user_id == user_id, a.linked_account_id == link_id
        named = [account.guid for account in accounts]
        self._session.execute(
            update(banking.accounts).where(*its, a.is_listed, a.guid.not_in(named)).values(is_listed=False)
        )
        self._write_balances(user_id, link_id, accounts, now)

    def close_unlisted(self, user_id: UUID, link_id: UUID, now: datetime) -> None:
        its = a.user_id == user_id, a.linked_account_id == link_id
        self._session.execute(
            update(banking.accounts)
            .where(*its, not_(a.is_listed), not_(a.is_closed))
            .values(is_closed=True, updated_at=now)
        )

    def _write_balances(
        self, user_id: UUID, link_id: UUID, accounts: Sequence[AggregatedAccount], now: datetime
    ) -> None:
        """A row for the day; the last of a day stays."""
        ids = self.account_ids(user_id, link_id)
        names = ("balance", "available_balance", "currency_code", "updated_at")
        statement = insert(self._session, banking.account_balances)
        self._session.connection().execute(
            statement.on_conflict_do_update(
                index_elements=["user_id", "account_id", "date"],
                set_={name: statement.excluded[name] for name in names},
            ),
            [
                {
                    "user_id": user_id,
                    "account_id": ids[account.guid],
                    "date": now.astimezone(UTC).date(),
                    "balance": account.balance,
                    "available_balance": account.available_balance,
                    "currency_code": account.currency_code,
                    "updated_at": now,
                }
                for account in accounts
                if account.guid in ids  # one that a bank moved to another link of the person's stays there
            ],
        )

    def account_ids(self, user_id: UUID, link_id: UUID) -> Mapping[str, UUID]:
        query = select(a.guid, a.id).where(a.user_id == user_id, a.linked_account_id == link_id)
        return dict(map(tuple, self._session.execute(query)))

    def account_marks(self, user_id: UUID) -> Mapping[UUID, Sequence[AccountMark]]:
        query = select(a.linked_account_id, a.type, a.name, a.masked_number).where(a.user_id == user_id)
        found = defaultdict[UUID, list[AccountMark]](list)
        for link_id, *mark in self._session.execute(query):
            found[link_id].append(AccountMark(*mark))
        return found

    def write_page(
        self,
        user_id: UUID,
        link_id: UUID,
        account_ids: Mapping[str, UUID],
        rows: Sequence[AggregatedTransaction],
        now: datetime,
    ) -> PageCounts:
        if not rows:
            return PageCounts(0, 0)
        page = TransactionColumns.of(rows)
        guids = page.column("guid")
        digests = dict(zip(guids, map(digest_of, page.column("raw")), strict=True))
        if len(digests) < len(page):  # a guid twice on one page: the last one counts
            page = page.take(list({guid: at for at, guid in enumerate(guids)}.values()))
        last_change, kept = self._read_kept(user_id, digests)
        # rows that are as they were are left out here: even an ON CONFLICT … WHERE would lock, and so write, each
        changed = _unlike(page, kept, digests)
        back = [guid for guid, (digest, missed) in kept.items() if missed and digest == digests[guid]]
        if back:  # not seen last time, and as it was: nothing that a mirror of the feed need hear of
            self._session.execute(
                update(banking.transactions).where(t.user_id == user_id, t.guid.in_(back)).values(missed_reads=0)
            )
        if not changed:
            return PageCounts(0, 0)
        first = self._take_changes(user_id, len(changed))
        if first != last_change + 1:  # somebody changed something before we had the lock: look again
            _, kept = self._read_kept(user_id, digests)
            changed = _unlike(changed, kept, digests)
        new, rest = _parted(changed, kept) if self._is_postgresql else (changed.take(()), changed)
        copy_transactions(self._session, user_id, link_id, account_ids, new, digests, first, now)
        if rest:
            values = [
                transaction_row(
                    user_id, link_id, account_ids[row.account_guid], row, digests[row.guid], first + len(new) + at, now
                )
                for at, row in enumerate(rest)
            ]
            statement = insert(self._session, banking.transactions)
            changing = {c.name: statement.excluded[c.name] for c in t if c.name not in KEPT_ON_UPDATE}
            self._session.connection().execute(
                statement.on_conflict_do_update(index_elements=["user_id", "guid"], set_=changing), values
            )
        modified = sum(map(kept.__contains__, changed.column("guid")))
        added = len(changed) - modified
        self._session.connection().execute(  # whoever polls sees the download grow
            GROW, {"the_user": user_id, "the_link": link_id, "added": added, "the_time": now}
        )
        return PageCounts(added, modified)

    @property
    def _is_postgresql(self) -> bool:
        return self._session.get_bind().dialect.name == "postgresql"

    def _read_kept(self, user_id: UUID, guids: Iterable[str]) -> tuple[int, dict[str, tuple[bytes, int]]]:
        """The person's last change number, and the digest and missed reads of those of the guids that are kept."""
        if self._is_postgresql:
            return read_kept(self._session, user_id, guids)
        last_change = self.last_change(user_id)
        query = select(t.guid, t.raw_digest, t.missed_reads).where(t.user_id == user_id, t.guid.in_(list(guids)))
        return last_change, {guid: (bytes(digest), missed) for guid, digest, missed in self._session.execute(query)}

    def count(self, user_id: UUID, link_id: UUID, from_date: date | None = None, to_date: date | None = None) -> int:
        query = select(func.count()).where(t.user_id == user_id, t.linked_account_id == link_id)
        if from_date and to_date:
            query = query.where(t.date.between(from_date, to_date))
        return self._session.execute(query).scalar_one()

    def last_change(self, user_id: UUID) -> int:
        feed = banking.transaction_feeds.c
        return self._session.scalar(select(feed.last_change).where(feed.user_id == user_id)) or 0

    def changes_since(self, user_id: UUID, link_id: UUID, change: int) -> PageCounts:
        return PageCounts(*self._session.execute(counted_since(user_id, link_id, change)).one())

    def account_stands(self, user_id: UUID, link_id: UUID) -> Sequence[AccountStand]:
        amounts = case((t.type == "credit", t.amount), else_=-t.amount)
        posted = (
            select(func.sum(amounts))
            .where(t.user_id == user_id, t.account_id == a.id, t.status == "posted", t.currency_code == a.currency_code)
            .scalar_subquery()
        )
        query = (
            select(a.id, a.type, a.currency_code, a.balance, type_coerce(posted, t.amount.type))
            .where(a.user_id == user_id, a.linked_account_id == link_id)
            .order_by(a.id)
        )
        rows = self._session.execute(query)
        return [AccountStand(*row[:4], row[4] or Decimal(0)) for row in map(tuple, rows)]

    def settle_missing(
        self,
        user_id: UUID,
        link_id: UUID,
        window: tuple[date, date],
        seen: SeenGuids,
        proved_change: int,
        now: datetime,
    ) -> MissingCounts:
        missing = SqlMissing(self._session, user_id, link_id, window, seen, proved_change)
        adopted = 0
        for pairs in missing.pairs():
            self._adopt(user_id, {new.id: old.id for old, new in pairs}, now)
            adopted += len(pairs)
        gone, doubted = missing.rest()
        for at in range(0, len(doubted), BATCH):
            which = t.user_id == user_id, t.id.in_(doubted[at : at + BATCH])
            self._session.execute(update(banking.transactions).where(*which).values(missed_reads=1))
        for at in range(0, len(gone), BATCH):
            self._remove(user_id, select(t.id).where(t.user_id == user_id, t.id.in_(gone[at : at + BATCH])), now)
        return MissingCounts(len(gone), adopted)

    def _adopt(self, user_id: UUID, olds: Mapping[UUID, UUID], now: datetime) -> None:
        """Let rows that vanished be what they are now; the rows that told so go.

        Args:
            olds: the ids that stay, by those that go.
        """
        which = select(t.id).where(t.user_id == user_id, t.id.in_(olds))
        guids = self._session.execute(select(t.id, t.guid).where(t.user_id == user_id, t.id.in_(olds))).all()
        put_on(self._session, user_id, olds, self._take_changes(user_id, len(olds)), now)
        self._remove(user_id, which, now)
        self._session.connection().execute(
            update(banking.transactions)
            .where(t.user_id == user_id, t.id == bindparam("the_id"))
            .values(guid=bindparam("the_guid")),
            [{"the_id": olds[row.id], "the_guid": row.guid} for row in guids],
        )

    def erase(self, user_id: UUID, link_id: UUID, now: datetime) -> None:
        """Remove all of a link's transactions, and its accounts, downloads and pages."""
        self._remove(user_id, select(t.id).where(t.user_id == user_id, t.linked_account_id == link_id), now)
        for table in (banking.download_pages, banking.downloads, banking.accounts):
            self._session.execute(delete(table).where(table.c.user_id == user_id, table.c.linked_account_id == link_id))

    def _remove(self, user_id: UUID, which: Select[tuple[UUID]], now: datetime) -> None:
        """Delete transactions and leave a tombstone for each, so that mirrors of the feed forget them too."""
        self._take_changes(user_id, 0)  # the lock first: what is counted is then what is removed
        count = self._session.execute(select(func.count()).select_from(which.subquery())).scalar_one()
        if not count:
            return
        first = self._take_changes(user_id, count)
        stones = banking.transaction_tombstones.c
        source = which.with_only_columns(t.id, t.added_no).subquery()
        self._session.execute(
            insert(self._session, banking.transaction_tombstones).from_select(
                [stones.user_id, stones.change_no, stones.transaction_id, stones.added_no, stones.removed_at],
                select(
                    bindparam("the_user", user_id, t.user_id.type),
                    bindparam("the_first", first) - 1 + func.row_number().over(order_by=source.c.id),
                    source.c.id,
                    source.c.added_no,
                    bindparam("the_time", now, stones.removed_at.type),
                ),
            )
        )
        self._session.execute(delete(banking.transactions).where(t.user_id == user_id, t.id.in_(which)))

    def take_change(self, user_id: UUID) -> int:
        """A change number for one row of the person's; their counter stays locked until the commit."""
        return self._take_changes(user_id, 1)

    def take_changes(self, user_id: UUID, count: int) -> int:
        """The first of `count` change numbers for rows of the person's, as `take_change`."""
        return self._take_changes(user_id, count)

    def _take_changes(self, user_id: UUID, count: int) -> int:
        """The first of `count` fresh change numbers; the person's counter stays locked until the commit."""
        taken = {"the_user": user_id, "taken": count}
        last: int | None = self._session.connection().scalar(TAKE, taken)
        if last is None:  # the person's first change of all
            insert_ignoring(self._session, banking.transaction_feeds, {"user_id": user_id, "last_change": 0})
            last = self._session.connection().execute(TAKE, taken).scalar_one()
        return last - count + 1


def counted_since(user_id: UUID, link_id: UUID, change: int) -> Select[tuple[int, int]]:
    """A link's rows that were added after a change number, and those that only changed."""
    is_new = t.added_no > change
    return select(
        func.count().filter(is_new),
        func.count().filter(~is_new),
    ).where(t.user_id == user_id, t.change_no > change, t.linked_account_id == link_id)


def _account_row(user_id: UUID, link_id: UUID, account: AggregatedAccount, now: datetime) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "id": new_id(),
        "linked_account_id": link_id,
        "guid": account.guid,
        "name": account.name,
        "type": account.type,
        "subtype": account.subtype,
        "balance": account.balance,
        "available_balance": account.available_balance,
        "currency_code": account.currency_code,
        "masked_number": account.masked_number,
        "is_closed": account.is_closed,
        "is_listed": True,
        "balances": {name: str(value) for name, value in account.balances.items()},
        "raw": orjson.dumps(account.raw, default=str),
        "created_at": now,
        "updated_at": now,
    }


def _unlike(page: TransactionColumns, kept: Kept, digests: Mapping[str, bytes]) -> TransactionColumns:
    """Those rows that are not kept as they are."""
    if not kept:
        return page
    guids = page.column("guid")
    return page.take([at for at, guid in enumerate(guids) if guid not in kept or kept[guid][0] != digests[guid]])


def _parted(page: TransactionColumns, kept: Kept) -> tuple[TransactionColumns, TransactionColumns]:
    """The rows that are new, and the others."""
    if not kept:
        return page, page.take(())
    guids = page.column("guid")
    new = [at for at, guid in enumerate(guids) if guid not in kept]
    return page.take(new), page.take([at for at, guid in enumerate(guids) if guid in kept])


def transaction_row(
    user_id: UUID,
    link_id: UUID,
    account_id: UUID,
    row: AggregatedTransaction,
    digest: bytes,
    change_no: int,
    now: datetime,
) -> dict[str, Any]:
    return {
        "user_id": user_id,
        "id": new_id(),
        "linked_account_id": link_id,
        "account_id": account_id,
        "guid": row.guid,
        "status": row.status,
        "type": row.type,
        "amount": row.amount,
        "currency_code": row.currency_code,
        "date": row.date,
        "transacted_at": row.transacted_at,
        "posted_at": row.posted_at,
        "description": row.description,
        "original_description": row.original_description,
        "memo": row.memo,
        "category": row.category,
        "top_level_category": row.top_level_category,
        "merchant_guid": row.merchant_guid,
        "check_number": row.check_number,
        "flags": row.flags,
        "is_hidden": False,
        "raw": row.raw,
        "raw_digest": digest,
        "change_no": change_no,
        "added_no": change_no,
        "missed_reads": 0,
        "created_at": now,
        "updated_at": now,
    }
