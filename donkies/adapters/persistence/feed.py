"""The delta feed in SQL: rows, tombstones and the last change number in one statement, so all of one moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, CompoundSelect, Integer, and_, bindparam, null, or_, select, union_all
from sqlalchemy import literal_column as literal

from ...domain.feed import Changes, FeedPlace
from .tables import banking

t = banking.transactions.c
s = banking.transaction_tombstones.c
f = banking.transaction_feeds.c

ROW, TOMBSTONE, LAST = 0, 1, 2
LEADING = 3  # columns that stand before those of the transaction


def feed_of(columns: Sequence[ColumnElement[Any]]) -> CompoundSelect[Any]:
    """The statement; its parameters are those that `parameters_of` gives.

    Args:
        columns: of the transactions; the first is the id.
    """
    user_id = bindparam("user_id", type_=t.user_id.type)
    change, base, head = (bindparam(name, type_=BigInteger) for name in ("change", "base", "head"))
    limit = bindparam("limit", type_=Integer)
    rows = (
        select(t.change_no, t.added_no, *columns)
        .where(t.user_id == user_id, t.change_no > change)
        .order_by(t.change_no)
        .limit(limit)
        .subquery("feed_rows")
    )
    was_told = or_(s.added_no <= base, and_(s.added_no <= change, s.change_no > head))
    stones = (
        select(s.change_no, s.transaction_id)
        .where(s.user_id == user_id, s.change_no > change, was_told)
        .order_by(s.change_no)
        .limit(limit)
        .subquery("feed_tombstones")
    )
    nothing = [null()] * (len(columns) - 1)
    return union_all(
        select(literal(str(ROW), Integer).label("kind"), *rows.c),
        select(literal(str(TOMBSTONE)), stones.c.change_no, null(), stones.c.transaction_id, *nothing),
        select(literal(str(LAST)), f.last_change, null(), null(), *nothing).where(f.user_id == user_id),
    )


def parameters_of(user_id: UUID, place: FeedPlace, limit: int) -> dict[str, Any]:
    """What the statement of `feed_of` is run with."""
    return {
        "user_id": user_id, "change": place.change, "base": place.base, "head": place.head, "limit": limit,
    }  # fmt: skip


def changes_of(found: Sequence[Sequence[Any]], shown: Callable[[Any], Mapping[str, Any]]) -> Changes:
    """What the statement found, whatever order that is in.

    Args:
        shown: makes of a whole row of the statement what JSON shows of its transaction.
    """
    return Changes(
        last_change=next((row[1] for row in found if row[0] == LAST), 0),
        rows=sorted(((row[1], row[2], shown(row)) for row in found if row[0] == ROW), key=lambda one: one[0]),
        removed=sorted((row[1], UUID(str(row[LEADING]))) for row in found if row[0] == TOMBSTONE),
    )
