"""One page of MX's transactions, checked and turned into the port's columns.

Written by hand, a column at a time: a history has hundreds of thousands of rows, and this takes a tenth of what a
schema library does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import repeat
from typing import Any

import orjson
import structlog

from donkies.domain.aggregator import AggregatorMisbehaved
from donkies.domain.transaction_columns import TransactionColumns

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


def read_transactions(rows: list[Any], user_guid: str) -> TransactionColumns:
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


def _read(rows: list[Any], user_guid: str) -> TransactionColumns:
    """Raises: Unreadable for a field that is bad in any of the rows; TypeError for a row that is unlike all others."""
    if not rows:
        return TransactionColumns.of(())
    if {dict} != set(map(type, rows)):
        raise Unreadable("row")
    columns = _columns(rows)
    _check_texts(columns)
    users = columns.get("user_guid", ())
    if users.count(user_guid) != len(users) and any(row.get("user_guid", user_guid) != user_guid for row in rows):
        raise Unreadable("user_guid")
    transacted_at, posted_at = columns["transacted_at"], columns["posted_at"]
    numbers = columns["check_number_string"], columns["check_number"]
    originals = columns["original_description"]
    raws = canonical(rows)
    return TransactionColumns(
        (
            columns["guid"],
            columns["account_guid"],
            _statuses(columns["status"], posted_at),
            _each(_direction, columns["type"]),
            _amounts(columns["amount"]),
            _or(columns["currency_code"], repeat("USD")),
            _dates(_or(columns["date"], transacted_at, posted_at)),
            _times(transacted_at, "transacted_at"),
            _times(posted_at, "posted_at"),
            _or(columns["description"], originals, repeat("")),
            originals,
            columns["memo"],
            _each(_shortened, columns["category"]),
            _each(_shortened, columns["top_level_category"]),
            columns["merchant_guid"],
            [None if one is None else str(one)[:_NUMBER_LENGTH] for one in _or(*numbers)],
            _flags(columns),
            raws,
        )
    )


def _columns(rows: list[dict[str, Any]]) -> dict[str, _Column]:
    """Each field's values. A field that a row leaves out is as good as null."""
    names = list(rows[0])
    if all(list(row) == names for row in rows):  # nearly every page: the same fields in the same order
        found: dict[str, _Column] = dict(zip(names, zip(*map(dict.values, rows), strict=True), strict=True))
    else:
        found = {name: [row.get(name) for row in rows] for name in set().union(*rows)}
    return dict.fromkeys((*_TEXTS, *_OTHERS), [None] * len(rows)) | found


def _each(read: Callable[[Any], Any], column: _Column) -> _Column:
    """What `read` makes of each value, asked once for all that are equal."""
    made = {one: read(one) for one in set(column)}
    return list(map(made.__getitem__, column))


def _check_texts(columns: dict[str, _Column]) -> None:
    for name in _TEXTS:
        if not _TEXT_OR_NULL.issuperset(map(type, columns[name])):
            raise Unreadable(name)
    for name in _NEEDED:
        if not all(columns[name]):
            raise Unreadable(name)
    for name, length in _LENGTHS.items():
        if max(map(len, filter(None, set(columns[name]))), default=0) > length:
            raise Unreadable(name)


def _or(first: _Column, *others: Iterable[Any]) -> _Column:
    """In each row the first value that is there and not empty; what the last column has where none is."""
    for other in others:
        if all(first):
            break
        first = [one or another for one, another in zip(first, other, strict=False)]
    return first


def _flags(columns: dict[str, _Column]) -> list[dict[str, bool]]:
    """The `is_…` fields that are set. Rows with the same ones share one dict."""
    names = sorted(name for name in columns if name.startswith("is_"))
    if not names:
        return [{}] * len(columns["guid"])
    keys = list(map(orjson.dumps, zip(*(columns[name] for name in names), strict=True)))
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
    if _are_plain(column) and max(column) < LIMIT:
        return list(map(Decimal, orjson.dumps(column)[1:-1].decode().split(",")))  # the same shortest texts as repr's
    return [Decimal(0) if one is None else abs(read_decimal(one, "amount")) for one in column]


def _are_plain(amounts: _Column) -> bool:
    """Whether they are as MX promises, which on nearly every page they are."""
    return {float} == set(map(type, amounts)) and min(amounts) >= 0


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


def _shortened(category: str | None) -> str | None:
    return category and category[:_CATEGORY_LENGTH]


def _direction(word: str) -> str:
    if word not in _TYPES:
        raise Unreadable("type")
    return _TYPES[word]


def _statuses(column: _Column, posted_at: _Column) -> _Column:
    if None in column:
        return list(map(_status, column, posted_at))
    return _each(lambda word: _status(word, None), column)


def _status(word: str | None, posted_at: Any) -> str:
    if word is None:
        return "pending" if posted_at is None else "posted"
    if word not in _STATUSES:
        raise Unreadable("status")
    return _STATUSES[word]


def _dates(column: _Column) -> _Column:
    """The bank's own days, as written: never moved to another time zone."""
    try:
        return _each(lambda text: date.fromisoformat(text[:10]), column)
    except (TypeError, ValueError):
        pass
    raise Unreadable("date")


def _count_mended(rows: list[dict[str, Any]]) -> None:
    amounts = [row.get("amount") for row in rows]
    if not amounts or _are_plain(amounts):
        return
    missing = amounts.count(None)
    negative = sum(type(amount) is not str and amount < 0 for amount in amounts if amount is not None)
    if missing or negative:
        _log.warning("atrium_amounts_mended", missing=missing, negative=negative)
