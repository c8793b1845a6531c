"""Sums of transactions, in one statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, collate, extract, func, null, select

from ...domain.transactions import Grouping, TransactionQuery
from .filters import CATEGORY, filters
from .tables import banking

a = banking.accounts.c
t = banking.transactions.c
MONTH = extract("year", t.date) * 100 + extract("month", t.date)
KEYS: Mapping[Grouping, ColumnElement[Any]] = {
    Grouping.MONTH: MONTH,
    Grouping.CATEGORY: CATEGORY,
    Grouping.ACCOUNT: t.account_id,
    Grouping.MERCHANT: t.merchant_guid,
}


def summary_of(user_id: UUID, query: TransactionQuery, by: Grouping, dialect: str) -> Select[Any]:
    """One line for each key and currency, in no order."""
    key = KEYS[by]
    return (
        select(
            key.label("key"),
            _label(user_id, by, dialect).label("label"),
            t.currency_code,
            func.sum(t.amount).filter(t.type == "debit").label("debit"),
            func.sum(t.amount).filter(t.type == "credit").label("credit"),
            func.count().label("count"),
        )
        .where(t.user_id == user_id, *filters(query, user_id, dialect))
        .group_by(key, t.currency_code)
    )


def _label(user_id: UUID, by: Grouping, dialect: str) -> ColumnElement[Any]:
    if by is Grouping.ACCOUNT:
        return select(a.name).where(a.user_id == user_id, a.id == t.account_id).scalar_subquery()
    if by is Grouping.MERCHANT:  # by code points on both databases
        text = collate(t.description, "C") if dialect == "postgresql" else t.description
        return case((t.merchant_guid.is_(None), null()), else_=func.min(text))
    return null()
