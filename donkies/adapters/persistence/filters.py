"""The filters of transactions, and their pages, in SQL: the same for the list, the summary and exports."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, bindparam, func, tuple_

from ...domain.transactions import TransactionQuery
from .search import with_words
from .tables import banking

t = banking.transactions.c
CATEGORY = func.coalesce(t.own_category, t.category)  # the one that is shown


def filters(query: TransactionQuery, user_id: UUID, dialect: str) -> list[ColumnElement[bool]]:
    """What a row must be beside the person's own."""
    wanted: list[tuple[Any, Any]] = [
        (query.account_id, t.account_id.__eq__),
        (query.linked_account_id, t.linked_account_id.__eq__),
        (query.from_date, t.date.__ge__),
        (query.to_date, t.date.__le__),
        (query.type, t.type.__eq__),
        (query.status, t.status.__eq__),
        (query.category, CATEGORY.__eq__),
        (query.min_amount, t.amount.__ge__),
        (query.max_amount, t.amount.__le__),
        (query.hidden, t.is_hidden.__eq__),
    ]
    conditions = [compare(value) for value, compare in wanted if value is not None]
    return [*conditions, with_words(user_id, query.words, dialect)] if query.words else conditions


def page_of(statement: Select[Any], query: TransactionQuery) -> Select[Any]:
    """One page: newest first, but oldest first where it goes back, so that it ends where the caller's begins."""
    key = tuple_(t.date, t.id)
    if query.before is not None:
        return statement.where(key > _typed(query.before)).order_by(t.date, t.id).limit(query.limit)
    if query.after is not None:
        statement = statement.where(key < _typed(query.after))
    return statement.order_by(t.date.desc(), t.id.desc()).limit(query.limit)


def up_to(place: tuple[Any, UUID], query: TransactionQuery) -> ColumnElement[bool]:
    """Not beyond a row, in the direction of the page."""
    key = tuple_(t.date, t.id)
    return key <= _typed(place) if query.before is not None else key >= _typed(place)


def _typed(place: tuple[Any, UUID]) -> Any:
    return tuple_(bindparam(None, place[0], t.date.type), bindparam(None, place[1], t.id.type))
