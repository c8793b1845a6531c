"""What the API shows, read straight from the tables: no entity, no transaction left open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Engine, Integer, Select, any_, bindparam, func, select, tuple_

from ...domain.feed import Changes, FeedPlace
from ...domain.linked_accounts import LABELS, is_scheduled, poll_after_ms
from ...domain.transactions import Grouping, TransactionQuery, summary_order
from ...domain.unit_of_work import Clock
from ..clock import SystemClock
from .feed import LEADING, changes_of, feed_of, parameters_of
from .filters import CATEGORY, filters, page_of, up_to
from .quick import QuickStatements
from .search import with_words
from .summaries import summary_of
from .sync_reports import report_shown
from .tables import banking

ln = banking.linked_accounts.c
a = banking.accounts.c
t = banking.transactions.c
b = banking.account_balances.c

LINK = (
    ln.id, ln.institution_code, ln.institution_name, ln.link_status, ln.reason, ln.act_by, ln.retry_with,
    ln.connection_status, ln.is_refreshing, ln.transactions_status, ln.transactions_count, ln.last_synced,
    ln.fresh_until, ln.last_attempted_at, ln.next_attempt_at, ln.duplicate_of, ln.created_at, ln.updated_at,
)  # fmt: skip
ACCOUNT = (
    a.id, a.linked_account_id, a.name, a.type, a.subtype, a.balance, a.available_balance, a.currency_code,
    a.masked_number, a.is_closed, a.updated_at, a.balances,
)  # fmt: skip
TRANSACTION = (
    t.id, t.account_id, t.linked_account_id, t.status, t.type, t.amount, t.currency_code, t.date, t.transacted_at,
    t.posted_at, t.description, t.original_description, t.memo, CATEGORY.label("category"),
    t.category.label("original_category"), t.top_level_category, t.merchant_guid, t.check_number, t.note,
    t.is_hidden.label("hidden"), t.flags, t.created_at, t.updated_at,
)  # fmt: skip
BALANCE = (b.date, b.balance, b.available_balance, b.currency_code, b.updated_at)
FLAGS = (
    "is_bill_pay", "is_direct_deposit", "is_expense", "is_fee", "is_income", "is_international",
    "is_overdraft_fee", "is_payroll_advance", "is_subscription",
)  # fmt: skip
NEAR = 2_000
"""Rows that a search looks through before it goes by the index of words: some milliseconds."""
POLL = select(*LINK).where(
    ln.user_id == bindparam("user_id", type_=ln.user_id.type), ln.id == bindparam("link_id", type_=ln.id.type)
)
NEWEST = (
    select(*TRANSACTION)
    .where(t.user_id == bindparam("user_id", type_=t.user_id.type))
    .order_by(t.date.desc(), t.id.desc())
    .limit(bindparam("limit", type_=Integer))
)
NEWEST_AFTER = NEWEST.where(
    tuple_(t.date, t.id) < tuple_(bindparam("after_date", type_=t.date.type), bindparam("after_id", type_=t.id.type))
)
FEED = feed_of(TRANSACTION)


_IN_ORDER = (a.linked_account_id, a.name, a.id)  # a bank's accounts together, and the same way each time


@dataclass
class SqlLedgerReader:
    """Reads on connections of its own, each statement by itself (autocommit). One object serves all threads."""

    engine: Engine
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        self._engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._reads = QuickStatements(self.engine)

    def poll_link(self, user_id: UUID, link_id: UUID) -> Mapping[str, Any] | None:
        found = self._reads.first(POLL, user_id=user_id, link_id=link_id)
        return None if found is None else _link(found, self.clock.now())

    def read_sync_report(self, user_id: UUID, link_id: UUID) -> Mapping[str, Any] | None:
        with self._engine.connect() as connection:
            return report_shown(connection, user_id, link_id)

    def list_links(self, user_id: UUID) -> Sequence[Mapping[str, Any]]:
        rows = self._all(select(*LINK).where(ln.user_id == user_id).order_by(ln.id.desc()))
        return [_link(_named(row), self.clock.now()) for row in rows]

    def list_accounts(self, user_id: UUID) -> Sequence[Mapping[str, Any]]:
        return [_account(row) for row in self._all(select(*ACCOUNT).where(a.user_id == user_id).order_by(*_IN_ORDER))]

    def read_account(self, user_id: UUID, account_id: UUID) -> Mapping[str, Any] | None:
        rows = self._all(select(*ACCOUNT).where(a.user_id == user_id, a.id == account_id))
        return _account(rows[0]) if rows else None

    def list_transactions(
        self, user_id: UUID, query: TransactionQuery, *, with_raw: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        columns = (*TRANSACTION, t.raw) if with_raw else TRANSACTION
        own = select(*columns).where(t.user_id == user_id)
        if query.words and self.engine.dialect.name == "postgresql":
            rows = self._search(own, user_id, query)
        else:
            rows = self._all(page_of(own.where(*filters(query, user_id, self.engine.dialect.name)), query))
        return [_transaction(row) for row in (rows if query.before is None else reversed(rows))]

    def summarize(self, user_id: UUID, query: TransactionQuery, by: Grouping) -> Sequence[Mapping[str, Any]]:
        rows = self._all(summary_of(user_id, query, by, self.engine.dialect.name))
        return sorted((_summed(row, by) for row in rows), key=summary_order)

    def list_balances(
        self, user_id: UUID, account_id: UUID, from_date: date | None = None, to_date: date | None = None
    ) -> Sequence[Mapping[str, Any]]:
        query = select(*BALANCE).where(b.user_id == user_id, b.account_id == account_id).order_by(b.date.desc())
        if from_date is not None:
            query = query.where(b.date >= from_date)
        if to_date is not None:
            query = query.where(b.date <= to_date)
        return [_balance(row) for row in self._all(query)]

    def show_transactions(self, user_id: UUID, query: TransactionQuery) -> Sequence[Mapping[str, Any]]:
        is_plain = query == TransactionQuery(limit=query.limit, after=query.after)
        if not is_plain or self.engine.dialect.name != "postgresql":
            return self.list_transactions(user_id, query)
        if query.after is None:
            rows = self._reads.texts(NEWEST, user_id=user_id, limit=query.limit)
        else:
            day, last_id = query.after
            rows = self._reads.texts(NEWEST_AFTER, user_id=user_id, after_date=day, after_id=last_id, limit=query.limit)
        return [_transaction_of_texts(row) for row in rows]

    def changes_after(self, user_id: UUID, place: FeedPlace, limit: int) -> Changes:
        given = parameters_of(user_id, place, limit)
        if self.engine.dialect.name == "postgresql":
            texts = self._reads.texts(FEED, **given)
            return changes_of(texts, lambda row: _transaction_of_texts(row[LEADING:]))
        with self._engine.connect() as connection:
            return changes_of(connection.execute(FEED, given).all(), _fed)

    def read_transaction(
        self, user_id: UUID, transaction_id: UUID, *, with_raw: bool = False
    ) -> Mapping[str, Any] | None:
        columns = (*TRANSACTION, t.raw) if with_raw else TRANSACTION
        rows = self._all(select(*columns).where(t.user_id == user_id, t.id == transaction_id))
        return _transaction(rows[0]) if rows else None

    def _search(self, own: Select[Any], user_id: UUID, query: TransactionQuery) -> Sequence[Any]:
        """A page of the rows with the words: from among the next ones if they are so common, else by the words' index.

        PostgreSQL cannot know which is better. It takes a word that nobody has for one in two hundred, and reads
        through all of the person's rows to fill a page.
        """
        wanted = filters(replace(query, words=()), user_id, "postgresql")
        edge = self._all(page_of(select(t.date, t.id).where(t.user_id == user_id), query).limit(1).offset(NEAR))
        words = with_words(user_id, query.words, "postgresql")
        near = own.where(*wanted, words, *(up_to((day, row_id), query) for day, row_id in edge))
        rows = self._all(page_of(near, query))
        if not edge or len(rows) == query.limit:
            return rows
        having = select(t.id).where(words).correlate(None).scalar_subquery()
        return self._all(page_of(own.where(*wanted, t.id == any_(func.array(having))), query))

    def _all(self, statement: Select[Any]) -> Sequence[Any]:
        with self._engine.connect() as connection:
            return connection.execute(statement).all()


def _money(value: Decimal | None) -> str | None:
    """At least two places, more only where they say something."""
    if value is None:
        return None
    cents = value.quantize(Decimal("0.01"))
    return str(cents) if cents == value else f"{value.normalize():f}"


def _named(row: Any) -> dict[str, Any]:
    """A row by its columns' names, as plain text: SQLAlchemy's own subclass of it is no key in JSON."""
    return dict(zip(map("".join, row._fields), row, strict=True))


def _link(shown: dict[str, Any], now: datetime) -> dict[str, Any]:
    fresh_until = shown.pop("fresh_until")
    shown["stale_since"] = fresh_until if fresh_until is not None and fresh_until <= now else None
    status, transactions_status = shown["link_status"], shown["transactions_status"]
    if not is_scheduled(status, shown["is_refreshing"], shown["retry_with"], transactions_status):
        shown["next_attempt_at"] = None
    shown["link_status_label"] = LABELS[status]
    shown["poll_after_ms"] = poll_after_ms(status, shown["is_refreshing"], transactions_status)
    return shown


def _account(row: Any) -> dict[str, Any]:
    shown = _named(row)
    balances = shown.pop("balances")
    shown["balance"], shown["available_balance"] = _money(row.balance), _money(row.available_balance)
    return shown | {name: _money(Decimal(value)) for name, value in balances.items()}


def _balance(row: Any) -> dict[str, Any]:
    return _named(row) | {"balance": _money(row.balance), "available_balance": _money(row.available_balance)}


def _summed(row: Any, by: Grouping) -> dict[str, Any]:
    key = f"{row.key // 100:04}-{row.key % 100:02}" if by is Grouping.MONTH else row.key
    return {
        "key": key,
        "label": key if by in (Grouping.MONTH, Grouping.CATEGORY) else row.label,
        "currency_code": row.currency_code,
        "debit": _money(row.debit or Decimal(0)),
        "credit": _money(row.credit or Decimal(0)),
        "count": row.count,
    }


def _transaction_of_texts(row: Sequence[Any]) -> dict[str, Any]:
    """What `_transaction` makes, of a row of texts: equal as JSON, at a fifth of the cost."""
    (
        own_id, account_id, link_id, status, kind, amount, currency, day, transacted_at, posted_at, description,
        original, memo, category, original_category, top_level_category, merchant_guid, check_number, note, hidden,
        flags, created_at, updated_at,
    ) = row  # fmt: skip
    return {
        "id": own_id,
        "account_id": account_id,
        "linked_account_id": link_id,
        "status": status,
        "type": kind,
        "amount": amount[:-2] if amount.endswith("00") else amount.rstrip("0"),  # it has four places
        "currency_code": currency,
        "date": day,
        "transacted_at": transacted_at and _time(transacted_at),
        "posted_at": posted_at and _time(posted_at),
        "description": description,
        "original_description": original,
        "memo": memo,
        "category": category,
        "original_category": original_category,
        "top_level_category": top_level_category,
        "merchant_guid": merchant_guid,
        "check_number": check_number,
        "note": note,
        "hidden": hidden,
        "created_at": _time(created_at),
        "updated_at": _time(updated_at),
        **_flags(flags),
    }


@lru_cache(4_096)
def _flags(text: str) -> Mapping[str, bool | None]:
    flags = orjson.loads(text)
    return {name: flags.get(name) for name in FLAGS}


def _time(text: str) -> str:
    """RFC 3339 in UTC, of a time as PostgreSQL writes it: 2026-11-01 08:30:00.5+00."""
    if text.endswith("+00") and text[10] == " ":  # nearly every one: the session is in UTC
        clock = text[11:-3]
        return f"{text[:10]}T{clock if len(clock) == 8 else clock.ljust(15, '0')}Z"
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return moment.isoformat().removesuffix("+00:00") + "Z"


def _fed(row: Any) -> dict[str, Any]:
    shown = _transaction(row)
    for name in row._fields[:LEADING]:
        del shown[name]
    return shown


def _transaction(row: Any) -> dict[str, Any]:
    shown = _named(row)
    flags = shown.pop("flags")
    for name in FLAGS:
        shown[name] = flags.get(name)
    shown["amount"] = _money(row.amount)
    if "raw" in shown:
        shown["raw"] = shown["raw"] if isinstance(shown["raw"], dict) else orjson.loads(shown["raw"])
    return shown
