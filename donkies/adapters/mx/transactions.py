"""One page of MX's transactions, checked and turned into the port's rows.

Written by hand: a history has hundreds of thousands of rows, and this takes a third of what a schema library does.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
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
_LENGTHS = (("guid", 80), ("account_guid", 80), ("merchant_guid", 80), ("currency_code", 10))
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


def read_transactions(rows: list[Any], user_guid: str) -> list[AggregatedTransaction]:
    """Turn MX's rows into the port's.

    MX promises unsigned amounts and lets any field but the GUIDs be null. A negative amount is taken without its
    sign (`type` holds the direction), a missing one as 0: `raw` keeps what was sent, and the log counts both.

    Args:
        user_guid: the person whose rows were asked for: anybody else's are refused.

    Raises: AggregatorMisbehaved, naming the first bad field, never its value.
    """
    read: list[AggregatedTransaction] = []
    try:
        flags = sorted(name for name in set().union(*rows) if type(name) is str and name[:3] == "is_")
        for row in rows:
            read.append(_read(row, user_guid, flags))
    except (Unreadable, TypeError) as error:  # TypeError: a row that is a number or null
        problem = f"transactions.{len(read)}.{error.field if isinstance(error, Unreadable) else 'row'}"
    else:
        _count_mended(rows)
        return read
    raise AggregatorMisbehaved(f"MX sent transactions that cannot be read: {problem}.")


def _read(row: Any, user_guid: str, flags: list[str]) -> AggregatedTransaction:
    if type(row) is not dict:
        raise Unreadable("row")
    get = row.get
    for field in _TEXTS:
        value = get(field)
        if value is not None and type(value) is not str:
            raise Unreadable(field)
    for field in _NEEDED:
        if not get(field):
            raise Unreadable(field)
    for field, length in _LENGTHS:
        if len(get(field) or "") > length:
            raise Unreadable(field)
    if get("user_guid", user_guid) != user_guid:
        raise Unreadable("user_guid")
    transacted_at, posted_at = get("transacted_at"), get("posted_at")
    original = get("original_description")
    category, top_level_category = get("category"), get("top_level_category")
    return AggregatedTransaction(
        row["guid"],
        row["account_guid"],
        _status(get("status"), posted_at),
        _direction(row["type"]),
        _amount(get("amount")),
        get("currency_code") or "USD",
        _date(get("date") or transacted_at or posted_at),
        None if transacted_at is None else read_time(transacted_at, "transacted_at"),
        None if posted_at is None else read_time(posted_at, "posted_at"),
        get("description") or original or "",
        original,
        get("memo"),
        category and category[:_CATEGORY_LENGTH],
        top_level_category and top_level_category[:_CATEGORY_LENGTH],
        get("merchant_guid"),
        _number(get("check_number_string") or get("check_number")),
        {name: on for name in flags if (on := get(name)) is True or on is False},
        canonical(row),
    )


def canonical(row: dict[str, Any]) -> bytes:
    """MX's object as JSON bytes with sorted keys: equal bytes mean that nothing changed."""
    try:
        return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # a whole number past 64 bits
        pass
    raise Unreadable("number")


def _amount(value: Any) -> Decimal:
    if type(value) is float and 0 <= value < LIMIT:  # nearly every row
        return Decimal(repr(value))
    return Decimal(0) if value is None else abs(read_decimal(value, "amount"))


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


def _number(check_number: Any) -> str | None:
    return None if check_number is None else str(check_number)[:_NUMBER_LENGTH]


def _date(value: Any) -> date:
    """The bank's own day, as written: never moved to another time zone."""
    try:
        return date.fromisoformat(value[:10])
    except (TypeError, ValueError):
        pass
    raise Unreadable("date")


def _count_mended(rows: list[dict[str, Any]]) -> None:
    amounts = [row.get("amount") for row in rows]
    missing = amounts.count(None)
    negative = sum(type(amount) is not str and amount < 0 for amount in amounts if amount is not None)
    if missing or negative:
        _log.warning("atrium_amounts_mended", missing=missing, negative=negative)
