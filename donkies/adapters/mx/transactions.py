"""One page of MX's transactions, checked and turned into the port's rows.

Written by hand, a column at a time: a history has hundreds of thousands of rows, and this takes a tenth of what a
schema library does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Any

import orjson
import structlog

from donkies.domain.aggregator import AggregatedTransaction, AggregatorMisbehaved

from .values import LIMIT, Unreadable, read_decimal, read_time

_log = structlog.get_logger(__name__)

_TYPES = {"DEBIT": "debit", "CREDIT": "credit"}
_STATUSES = {"POSTED": "posted", "PENDING": "pending"}
_CATEGORY_LENGTH = 200
_NUMBER_LENGTH = 60
_LENGTHS = {"guid": 80, "account_guid": 80, "merchant_guid": 80, "currency_code": 10}
_NEEDED = ("guid", "account_guid", "type")
_TEXTS = (
    *_NEEDED,
    "status",
    "currency_code",
    "description",
    "original_description",
    "memo",
    "category",
    "top_level_category",
    "merchant_guid",
    "check_number_string",
)
_OTHERS = ("check_number", "amount", "date", "transacted_at", "posted_at")
_TEXT_OR_NULL = frozenset({str, type(None)})
_Column = Sequence[Any]


def read_transactions(rows: list[Any], user_guid: str) -> list[AggregatedTransaction]:
    """Turn MX's rows into the port's.

    MX promises unsigned amounts and lets any field but the GUIDs be null. A negative amount is taken without its
    sign (`type` holds the direction), a missing one as 0: `raw` keeps what was sent, and the log counts both.

    Args:
        user_guid: the person whose rows were asked for: anybody else's are refused.

    Raises: AggregatorMisbehaved, naming the first bad field, never its value.
    """
    try:
        read = _read(rows, user_guid)
    except (Unreadable, TypeError):
        problem = _first_problem(rows, user_guid)
    else:
        _count_mended(rows)
        return read
    raise AggregatorMisbehaved(f"MX sent transactions that cannot be read: transactions.{problem}.")


def _first_problem(rows: list[Any], user_guid: str) -> str:
    for at, row in enumerate(rows):
        try:
            _read([row], user_guid)
        except (Unreadable, TypeError) as error:
            return f"{at}.{error.field if isinstance(error, Unreadable) else 'row'}"
    return "row"


def _read(rows: list[Any], user_guid: str) -> list[AggregatedTransaction]:
    """Raises: Unreadable for a field that is bad in any of the rows; TypeError for a row that is unlike all others."""
    if not rows:
        return []
    if {dict} != set(map(type, rows)):
        raise Unreadable("row")
    names = (*_TEXTS, *_OTHERS)
    columns: dict[str, _Column] = dict(zip(names, zip(*_values(rows, names), strict=True), strict=True))
    _check_texts(columns)
    if any(row.get("user_guid", user_guid) != user_guid for row in rows):
        raise Unreadable("user_guid")
    transacted_at, posted_at = columns["transacted_at"], columns["posted_at"]
    numbers = columns["check_number_string"], columns["check_number"]
    originals = columns["original_description"]
    raws = canonical(rows)
    read = (
        columns["guid"],
        columns["account_guid"],
        list(map(_status, columns["status"], posted_at)),
        list(map(_direction, columns["type"])),
        _amounts(columns["amount"]),
        _or(columns["currency_code"], repeat("USD")),
        list(map(_date, _or(columns["date"], transacted_at, posted_at))),
        _times(transacted_at, "transacted_at"),
        _times(posted_at, "posted_at"),
        _or(columns["description"], originals, repeat("")),
        originals,
        columns["memo"],
        _shortened(columns["category"], _CATEGORY_LENGTH),
        _shortened(columns["top_level_category"], _CATEGORY_LENGTH),
        columns["merchant_guid"],
        [None if one is None else str(one)[:_NUMBER_LENGTH] for one in _or(*numbers)],
        _flags(rows),
        raws,
    )
    return list(map(AggregatedTransaction._make, zip(*read, strict=True)))


def _values(rows: list[dict[str, Any]], names: Sequence[str]) -> list[Sequence[Any]]:
    if len(names) > 1:  # of a single one itemgetter makes no tuple
        try:
            return list(map(itemgetter(*names), rows))
        except KeyError:  # a row leaves a field out, which is as good as null
            pass
    return [[row.get(name) for name in names] for row in rows]


def _check_texts(columns: dict[str, _Column]) -> None:
    for name in _TEXTS:
        if not _TEXT_OR_NULL.issuperset(map(type, columns[name])):
            raise Unreadable(name)
    for name in _NEEDED:
        if not all(columns[name]):
            raise Unreadable(name)
    for name, length in _LENGTHS.items():
        if max(map(len, filter(None, columns[name])), default=0) > length:
            raise Unreadable(name)


def _or(first: _Column, *others: Iterable[Any]) -> _Column:
    """In each row the first value that is there and not empty; what the last column has where none is."""
    for other in others:
        if all(first):
            break
        first = [one or another for one, another in zip(first, other, strict=False)]
    return first


def _flags(rows: list[dict[str, Any]]) -> list[dict[str, bool]]:
    """The `is_…` fields that are set. Rows with the same ones share one dict."""
    names = sorted(name for name in set().union(*rows) if name[:3] == "is_")
    keys = list(map(orjson.dumps, _values(rows, names)))
    made = {key: _set_flags(names, orjson.loads(key)) for key in set(keys)}  # as JSON, where 1 is not true
    return [made[key] for key in keys]


def _set_flags(names: list[str], values: list[Any]) -> dict[str, bool]:
    return {name: on for name, on in zip(names, values, strict=True) if on is True or on is False}


def canonical(rows: list[dict[str, Any]]) -> list[bytes]:
    """MX's objects as JSON bytes with sorted keys: equal bytes mean that nothing changed."""
    try:
        return list(map(orjson.dumps, rows, repeat(None), repeat(orjson.OPT_SORT_KEYS)))
    except orjson.JSONEncodeError:  # a whole number past 64 bits
        pass
    raise Unreadable("number")


def _amounts(column: _Column) -> list[Decimal]:
    if {float} == set(map(type, column)) and min(column) >= 0 and max(column) < LIMIT:  # nearly every page
        return list(map(Decimal, map(repr, column)))
    return [Decimal(0) if one is None else abs(read_decimal(one, "amount")) for one in column]


def _times(column: _Column, field: str) -> list[datetime | None]:
    read = datetime.fromisoformat
    try:
        return [
            None if one is None else moment if (moment := read(one)).tzinfo is UTC else read_time(one, field)
            for one in column
        ]
    except (TypeError, ValueError):
        pass
    raise Unreadable(field)


def _shortened(column: _Column, length: int) -> _Column:
    return [text and text[:length] for text in column]


def _direction(word: str) -> str:
    if word not in _TYPES:
        raise Unreadable("type")
    return _TYPES[word]


def _status(word: str | None, posted_at: Any) -> str:
    if word is None:
        return "pending" if posted_at is None else "posted"
    if word not in _STATUSES:
        raise Unreadable("status")
    return _STATUSES[word]


@lru_cache(4_096)
def _day(text: str) -> date:
    return date.fromisoformat(text)


def _date(value: Any) -> date:
    """The bank's own day, as written: never moved to another time zone."""
    try:
        return _day(value[:10])
    except (TypeError, ValueError):
        pass
    raise Unreadable("date")


def _count_mended(rows: list[dict[str, Any]]) -> None:
    amounts = [row.get("amount") for row in rows]
    missing = amounts.count(None)
    negative = sum(type(amount) is not str and amount < 0 for amount in amounts if amount is not None)
    if missing or negative:
        _log.warning("atrium_amounts_mended", missing=missing, negative=negative)
