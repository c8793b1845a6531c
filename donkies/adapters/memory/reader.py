"""How rows in memory are shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from ...domain.aggregator import LinkStatus
from ...domain.feed import Changes, FeedPlace
from ...domain.linked_accounts import LABELS, LinkedAccount, is_scheduled, poll_after_ms
from ...domain.searching import have_words
from ...domain.sync_reports import running_of
from ...domain.transactions import Grouping, TransactionQuery, summary_order
from ...domain.unit_of_work import Clock
from ..clock import SystemClock
from .banking import MemoryBanking, Row

FLAGS = (
    "is_bill_pay", "is_direct_deposit", "is_expense", "is_fee", "is_income", "is_international",
    "is_overdraft_fee", "is_payroll_advance", "is_subscription",
)  # fmt: skip
SHOWN_OF_A_LINK = (
    "id", "institution_code", "institution_name", "link_status", "reason", "act_by", "retry_with",
    "connection_status", "is_refreshing", "transactions_status", "transactions_count", "last_synced",
    "last_attempted_at", "next_attempt_at", "duplicate_of", "created_at", "updated_at",
)  # fmt: skip
SHOWN_OF_AN_ACCOUNT = (
    "id", "linked_account_id", "name", "type", "subtype", "balance", "available_balance", "currency_code",
    "masked_number", "is_closed", "updated_at",
)  # fmt: skip
SHOWN_OF_A_TRANSACTION = (
    "id", "account_id", "linked_account_id", "status", "type", "amount", "currency_code", "date", "transacted_at",
    "posted_at", "description", "original_description", "memo", "category", "top_level_category", "merchant_guid",
    "check_number", "note", "created_at", "updated_at",
)  # fmt: skip
TEXTS = ("description", "original_description", "memo", "merchant_guid")


@dataclass
class MemoryLedgerReader:
    """LedgerReader of what is committed."""

    rows: MemoryBanking
    clock: Clock = field(default_factory=SystemClock)

    def poll_link(self, user_id: UUID, link_id: UUID) -> Mapping[str, Any] | None:
        link = self.rows.committed.links.get((user_id, link_id))
        return None if link is None else _shown_link(link, self.clock.now())

    def read_sync_report(self, user_id: UUID, link_id: UUID) -> Mapping[str, Any] | None:
        committed = self.rows.committed
        if (user_id, link_id) not in committed.links:
            return None
        kept = committed.downloads.get((user_id, link_id))
        if kept is None:
            return {"running": None, "last": None}
        one, running = kept.download, None
        if one.began_at is not None and one.began_change is not None:
            rows = [row for row in self._transactions(user_id) if row["linked_account_id"] == link_id]
            changed = [row for row in rows if row["change_no"] > one.began_change]
            added = sum(row["added_no"] > one.began_change for row in changed)
            running = running_of(one, kept.pages.values(), added, len(changed) - added)
        return {"running": running, "last": one.report}

    def list_links(self, user_id: UUID) -> Sequence[Mapping[str, Any]]:
        links = [link for link in self.rows.committed.links.values() if link.user_id == user_id]
        return [_shown_link(link, self.clock.now()) for link in sorted(links, key=lambda link: link.id, reverse=True)]

    def list_accounts(self, user_id: UUID) -> Sequence[Mapping[str, Any]]:
        rows = [row for row in self.rows.committed.accounts.values() if row["user_id"] == user_id]
        in_order = sorted(rows, key=lambda row: (row["linked_account_id"], row["name"], row["id"]))
        return [_shown_account(row) for row in in_order]

    def read_account(self, user_id: UUID, account_id: UUID) -> Mapping[str, Any] | None:
        return next((row for row in self.list_accounts(user_id) if row["id"] == account_id), None)

    def list_transactions(
        self, user_id: UUID, query: TransactionQuery, *, with_raw: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        rows = [row for row in self._transactions(user_id) if _is_wanted(row, query) and _is_there(row, query)]
        rows.sort(key=lambda row: (row["date"], row["id"]), reverse=True)
        page = rows[: query.limit] if query.before is None else rows[-query.limit :]
        return [_shown_transaction(row, with_raw) for row in page]

    def summarize(self, user_id: UUID, query: TransactionQuery, by: Grouping) -> Sequence[Mapping[str, Any]]:
        groups: dict[tuple[Any, str], list[Row]] = defaultdict(list)
        for row in self._transactions(user_id):
            if _is_wanted(row, query):
                groups[_key(row, by), row["currency_code"]].append(row)
        names = {one["id"]: one["name"] for one in self.rows.committed.accounts.values() if one["user_id"] == user_id}
        lines = [
            {
                "key": key,
                "label": _label(key, rows, by, names),
                "currency_code": currency,
                "debit": _money(sum((row["amount"] for row in rows if row["type"] == "debit"), Decimal(0))),
                "credit": _money(sum((row["amount"] for row in rows if row["type"] == "credit"), Decimal(0))),
                "count": len(rows),
            }
            for (key, currency), rows in groups.items()
        ]
        return sorted(lines, key=summary_order)

    def list_balances(
        self, user_id: UUID, account_id: UUID, from_date: date | None = None, to_date: date | None = None
    ) -> Sequence[Mapping[str, Any]]:
        days = {day: row for (owner, its, day), row in self.rows.committed.balances.items()
                if (owner, its) == (user_id, account_id)}  # fmt: skip
        return [
            {"date": day} | row | {name: _money(row[name]) for name in ("balance", "available_balance")}
            for day, row in sorted(days.items(), reverse=True)
            if (from_date or day) <= day <= (to_date or day)
        ]

    def show_transactions(self, user_id: UUID, query: TransactionQuery) -> Sequence[Mapping[str, Any]]:
        return self.list_transactions(user_id, query)

    def changes_after(self, user_id: UUID, place: FeedPlace, limit: int) -> Changes:
        committed = self.rows.committed
        rows = [row for row in self._transactions(user_id) if row["change_no"] > place.change]
        stones = [one for one in committed.tombstones.values() if one.user_id == user_id]
        removed = [
            (one.change_no, one.transaction_id)
            for one in stones
            if one.change_no > place.change
            and (one.added_no <= place.base or (one.added_no <= place.change and one.change_no > place.head))
        ]
        return Changes(
            committed.last_changes.get(user_id, 0),
            [
                (row["change_no"], row["added_no"], _shown_transaction(row, False))
                for row in sorted(rows, key=lambda row: row["change_no"])[:limit]
            ],
            sorted(removed)[:limit],
        )

    def read_transaction(
        self, user_id: UUID, transaction_id: UUID, *, with_raw: bool = False
    ) -> Mapping[str, Any] | None:
        rows = (row for row in self._transactions(user_id) if row["id"] == transaction_id)
        return next((_shown_transaction(row, with_raw) for row in rows), None)

    def _transactions(self, user_id: UUID) -> list[Row]:
        return [row for row in self.rows.committed.transactions.values() if row["user_id"] == user_id]


def _money(value: Decimal | None) -> str | None:
    """At least two places, more only where they say something."""
    if value is None:
        return None
    cents = value.quantize(Decimal("0.01"))
    return str(cents) if cents == value else f"{value.normalize():f}"


def _shown_link(link: LinkedAccount, now: datetime) -> Row:
    shown = {name: getattr(link, name) for name in SHOWN_OF_A_LINK}
    for name in ("link_status", "act_by", "retry_with", "transactions_status"):
        shown[name] = None if shown[name] is None else str(shown[name])
    is_stale = link.fresh_until is not None and link.fresh_until <= now
    shown["stale_since"] = link.fresh_until if is_stale else None
    if not is_scheduled(link.link_status, link.is_refreshing, link.retry_with, link.transactions_status):
        shown["next_attempt_at"] = None
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
    shown |= {"category": _category(row), "original_category": row["category"], "hidden": row["is_hidden"]}
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
        (query.category, _category(row)),
        (query.hidden, row["is_hidden"]),
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
        and have_words([row[name] for name in TEXTS], query.words)
    )


def _is_there(row: Row, query: TransactionQuery) -> bool:
    """Whether a row is after, or before, what the caller has."""
    place = row["date"], row["id"]
    return place > query.before if query.before is not None else query.after is None or place < query.after


def _category(row: Row) -> str | None:
    """The person's own, else the aggregator's."""
    own: str | None = row["own_category"]
    return row["category"] if own is None else own


def _key(row: Row, by: Grouping) -> Any:
    if by is Grouping.MONTH:
        return f"{row['date']:%Y-%m}"
    return {Grouping.CATEGORY: _category(row), Grouping.ACCOUNT: row["account_id"]}.get(by, row["merchant_guid"])


def _label(key: Any, rows: Sequence[Row], by: Grouping, accounts: Mapping[UUID, str]) -> str | None:
    if by is Grouping.ACCOUNT:
        return accounts.get(key)
    if by is Grouping.MERCHANT:
        return None if key is None else min(row["description"] for row in rows)
    return None if key is None else str(key)
