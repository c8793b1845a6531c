"""MX's single values: text that a database can hold, exact decimals, times in UTC."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

LIMIT = 10**15
"""A double is exact to 15 digits. MX's money has at most 10."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Unreadable(Exception):
    """A value makes no sense. Holds the name of its field, never the value."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field


def read_json(body: bytes) -> Any:
    """Parse a body. NUL and lone surrogates, which PostgreSQL cannot hold, are taken out.

    Raises: Unreadable for what is not JSON: NaN and Infinity are not.
    """
    data = _parse(body)
    return _cleaned(data) if b"\\u" in body and _ESCAPED.search(body) else data


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    if _ESCAPED_SURROGATE.search(body):  # half a pair: orjson refuses it, the rest may be well
        try:
            return json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError, Unreadable):
            pass
    raise Unreadable("body")


def _refuse(constant: str) -> None:
    raise Unreadable("number")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value.replace("\0", ""))
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    return value


def read_decimal(value: Any, field: str) -> Decimal:
    """The decimal that was meant.

    The shortest text of a double is what MX's server printed, so nothing is lost and nothing is rounded.

    Raises: Unreadable for anything but a finite number below 10**15, or the text of one.
    """
    kind = type(value)
    try:
        if kind is float:
            number = Decimal(repr(value))
        elif kind is int or (kind is str and value.isascii() and "_" not in value):
            number = Decimal(value)
        else:
            number = Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if number.is_finite() and -LIMIT < number < LIMIT:
        return number
    raise Unreadable(field)


def read_time(value: Any, field: str) -> datetime:
    """An ISO 8601 time with any offset as aware UTC; without one it is taken as UTC."""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is UTC:
            return moment
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise Unreadable(field)
