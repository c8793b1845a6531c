"""Accounts and transactions in memory, with the feed of their changes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from ...domain.aggregator import AggregatedAccount, AggregatedTransaction
from ...domain.ids import new_id
from ...domain.matching import Candidate, match
from ...domain.relinking import is_former
from ...domain.sync_reports import AccountStand
from ...domain.transactions import AccountMark, MissingCounts, PageCounts, SeenGuids
from .banking import Row, Tables, Tombstone
from .unit_of_work import MemoryUnitOfWork, change_link

KEPT_ON_UPDATE = ("id", "created_at", "added_no", "own_category", "note", "is_hidden")


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
            row |= {"user_id": user_id, "linked_account_id": link_id, "updated_at": now, "is_listed": True}
            row |= {"balance": exact(account.balance), "available_balance": exact(account.available_balance)}
            kept[user_id, account.guid] = row | {name: before[name] for name in ("id", "created_at")}
            day = now.astimezone(UTC).date()
            names = ("balance", "available_balance", "currency_code", "updated_at")
            self.unit_of_work.tables.balances[user_id, before["id"], day] = {name: row[name] for name in names}

        named = {account.guid for account in accounts}
        for at, row in list(kept.items()):
            if named and belongs(row, user_id, link_id) and row["guid"] not in named:
                kept[at] = row | {"is_listed": False}

    def close_unlisted(self, user_id: UUID, link_id: UUID, now: datetime) -> None:
        kept = self.unit_of_work.tables.accounts
        for at, row in list(kept.items()):
            if belongs(row, user_id, link_id) and not row["is_listed"] and not row["is_closed"]:
                kept[at] = row | {"is_closed": True, "updated_at": now}

    def account_ids(self, user_id: UUID, link_id: UUID) -> Mapping[str, UUID]:
        rows = self.unit_of_work.tables.accounts.values()
        return {row["guid"]: row["id"] for row in rows if belongs(row, user_id, link_id)}

    def account_marks(self, user_id: UUID) -> Mapping[UUID, Sequence[AccountMark]]:
        found = defaultdict[UUID, list[AccountMark]](list)
        for row in self.unit_of_work.tables.accounts.values():
            if row["user_id"] == user_id:
                mark = AccountMark(row["type"], row["name"], row["masked_number"])
                found[row["linked_account_id"]].append(mark)
        return found

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
            (change_no,) = take_changes(tables, user_id, 1)
            fresh: Row = row._asdict() | {
                "user_id": user_id, "linked_account_id": link_id, "account_id": account_ids[row.account_guid],
                "amount": exact(row.amount), "raw_digest": digest, "change_no": change_no, "added_no": change_no,
                "missed_reads": 0, "id": new_id(), "created_at": now, "updated_at": now,
                "own_category": None, "note": None, "is_hidden": False,
            }  # fmt: skip
            tables.transactions[at] = fresh | {name: before[name] for name in KEPT_ON_UPDATE} if before else fresh
            added, modified = added + (before is None), modified + (before is not None)
        if added or modified:
            key = user_id, link_id
            count = tables.links[key].transactions_count + added if key in tables.links else 0
            change_link(self.unit_of_work, key, transactions_count=count, updated_at=now)
        return PageCounts(added, modified)

    def count(self, user_id: UUID, link_id: UUID, from_date: date | None = None, to_date: date | None = None) -> int:
        window = (from_date, to_date) if from_date and to_date else None
        return len(self._of(user_id, link_id, window))

    def last_change(self, user_id: UUID) -> int:
        return self.unit_of_work.tables.last_changes.get(user_id, 0)

    def changes_since(self, user_id: UUID, link_id: UUID, change: int) -> PageCounts:
        rows = [row for row in self._of(user_id, link_id, None) if row["change_no"] > change]
        added = sum(row["added_no"] > change for row in rows)
        return PageCounts(added, len(rows) - added)

    def account_stands(self, user_id: UUID, link_id: UUID) -> Sequence[AccountStand]:
        accounts = [row for row in self.unit_of_work.tables.accounts.values() if belongs(row, user_id, link_id)]
        posted = [row for row in self.unit_of_work.tables.transactions.values() if row["status"] == "posted"]
        return [
            AccountStand(
                one["id"], one["type"], one["currency_code"], one["balance"],
                sum(
                    (
                        row["amount"] if row["type"] == "credit" else -row["amount"]
                        for row in posted
                        if (row["account_id"], row["currency_code"]) == (one["id"], one["currency_code"])
                    ),
                    Decimal(0),
                ),
            )
            for one in sorted(accounts, key=lambda row: row["id"])
        ]  # fmt: skip

    def settle_missing(
        self,
        user_id: UUID,
        link_id: UUID,
        window: tuple[date, date],
        seen: SeenGuids,
        proved_change: int,
        now: datetime,
    ) -> MissingCounts:
        tables = self.unit_of_work.tables
        listed = {row["id"] for row in tables.accounts.values() if belongs(row, user_id, link_id) and row["is_listed"]}
        first_day = self._first_days(user_id, link_id)
        rows = {
            row["id"]: row for row in self._of(user_id, link_id, window)
            if row["account_id"] in listed
            and not (is_former(row["guid"]) and row["date"] < first_day.get(row["account_id"], date.max))
        }  # fmt: skip
        missing = {row_id: row for row_id, row in rows.items() if row["guid"] not in seen}
        near = self._of(user_id, link_id, None)  # a pending row may be posted beyond the window's end
        fresh = [row for row in near if row["guid"] in seen and row["added_no"] > proved_change]
        adopted = {row_id for row_id, row in missing.items() if is_former(row["guid"])}
        pairs = match(list(map(candidate, missing.values())), list(map(candidate, fresh)), adopted)
        for old, new in pairs:
            self._adopt(missing.pop(old.id), next(row for row in fresh if row["id"] == new.id), now)
        gone = [row for row in missing.values() if row["status"] == "pending" or row["missed_reads"]]
        for row in missing.values():
            tables.transactions[user_id, row["guid"]] = row | {"missed_reads": 1}
        remove_transactions(tables, user_id, gone, now)
        return MissingCounts(len(gone), len(pairs))

    def _first_days(self, user_id: UUID, link_id: UUID) -> dict[UUID, date]:
        """The first day of which the aggregator names rows, by account."""
        days: dict[UUID, date] = {}
        for row in self._of(user_id, link_id, None):
            if not is_former(row["guid"]):
                days[row["account_id"]] = min(row["date"], days.get(row["account_id"], date.max))
        return days

    def _adopt(self, old: Row, new: Row, now: datetime) -> None:
        tables, user_id = self.unit_of_work.tables, old["user_id"]
        del tables.transactions[user_id, old["guid"]]
        remove_transactions(tables, user_id, [new], now)
        (change_no,) = take_changes(tables, user_id, 1)
        own: Row = {name: new[name] if old[name] is None else old[name] for name in ("own_category", "note")}
        own |= {"is_hidden": old["is_hidden"] or new["is_hidden"]}
        tables.transactions[user_id, new["guid"]] = (
            new | {name: old[name] for name in KEPT_ON_UPDATE} | own
            | {"change_no": change_no, "missed_reads": 0, "updated_at": now}
        )  # fmt: skip

    def _of(self, user_id: UUID, link_id: UUID, window: tuple[date, date] | None) -> list[Row]:
        rows = [row for row in self.unit_of_work.tables.transactions.values() if belongs(row, user_id, link_id)]
        return rows if window is None else [row for row in rows if window[0] <= row["date"] <= window[1]]


def candidate(row: Row) -> Candidate:
    return Candidate(
        row["id"], row["account_id"], row["date"], row["amount"], row["type"], row["description"],
        row["status"] == "pending",
    )  # fmt: skip


def belongs(row: Row, user_id: UUID, link_id: UUID) -> bool:
    """Whether an account or a transaction is of this link."""
    return row["user_id"] == user_id and row["linked_account_id"] == link_id


def take_changes(tables: Tables, user_id: UUID, count: int) -> range:
    last = tables.last_changes.get(user_id, 0)
    tables.last_changes[user_id] = last + count
    return range(last + 1, last + count + 1)


def remove_transactions(tables: Tables, user_id: UUID, rows: Sequence[Row], now: datetime) -> None:
    """Delete transactions and leave a tombstone for each."""
    rows = sorted(rows, key=lambda row: row["id"])
    for row, change_no in zip(rows, take_changes(tables, user_id, len(rows)), strict=True):
        del tables.transactions[user_id, row["guid"]]
        tables.tombstones[user_id, change_no] = Tombstone(user_id, change_no, row["id"], row["added_no"], now)


def exact(value: Decimal | None) -> Decimal | None:
    """As the column keeps it: four places."""
    return None if value is None else value.quantize(Decimal("0.0001"), ROUND_HALF_UP)
