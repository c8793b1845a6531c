"""Transactions added or changed by hand: flat objects with MX's field names. Source: ATRIUM.md 2.8."""

import re
from datetime import UTC, date, datetime
from typing import Any

from .accounts import account_guids
from .members import Member
from .merchants import DEBIT, Entry
from .wire import Refusal, moment, new_guid

_BLANK = Entry("Card purchase", "Uncategorized", "Uncategorized", 0, 0, DEBIT)
_ALLOWED = {"account_guid", "amount", "date", "guid", "original_description", "posted_at", "transacted_at"}
_FIXED = {"created_at", "member_guid", "updated_at", "user_guid"}
_WORDS = {"type": ("CREDIT", "DEBIT"), "status": ("POSTED", "PENDING")}
_GUID = re.compile(r"TRN-[0-9A-Za-z-]{1,60}")


def new_row(member: Member, given: dict[str, Any], now: float) -> dict[str, Any]:
    """Build a row from the fields that are given; the others get plain values.

    Raises: Refusal 422 naming the first field that is wrong.
    """
    day = given.get("date") or datetime.fromtimestamp(now, UTC).date().isoformat()
    row: dict[str, Any] = {
        **_BLANK.to_fields(),
        "guid": new_guid("TRN"),
        "user_guid": member.user_guid,
        "member_guid": member.guid,
        "account_guid": account_guids(member.guid)[0],
        "amount": 10.0,
        "date": day,
        "transacted_at": f"{day}T12:00:00Z",
        "posted_at": None if given.get("status") == "PENDING" else f"{day}T18:00:00Z",
        "original_description": given.get("description", _BLANK.description),
        "created_at": moment(now),
        "updated_at": moment(now),
    }
    _check(given, member)
    return {**row, **given}


def changed_row(row: dict[str, Any], member: Member, given: dict[str, Any], now: float) -> dict[str, Any]:
    """Build the row that takes the place of `row`. Raises: Refusal 422 naming the field."""
    _check(given, member)
    changed = {**row, **given, "updated_at": moment(now)}
    is_posting = row["status"] == "PENDING" and changed["status"] == "POSTED"
    if is_posting and "posted_at" not in given:
        changed["posted_at"] = moment(now)
    return changed


def _check(given: dict[str, Any], member: Member) -> None:
    known = _ALLOWED | set(_BLANK.to_fields())
    for name, value in given.items():
        if name in _FIXED:
            raise Refusal(422, f"{name} is set by the sandbox", name)
        if name not in known:
            raise Refusal(422, f"{name} is no field of a transaction", name)
        if name in _WORDS and value not in _WORDS[name]:
            raise Refusal(422, f"{name} must be one of {', '.join(_WORDS[name])}", name)
    _check_amount(given.get("amount", 0))
    _check_date(given.get("date", "2000-01-01"))
    if given.get("account_guid", "") and given["account_guid"] not in account_guids(member.guid):
        raise Refusal(422, "account_guid is no account of this member", "account_guid")
    guid = given.get("guid", "TRN-0")
    if not isinstance(guid, str) or not _GUID.fullmatch(guid):
        raise Refusal(422, "guid must be TRN- and letters, digits or hyphens", "guid")


def _check_amount(amount: Any) -> None:
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    if not is_number or not 0 <= amount < 10**10:
        raise Refusal(422, "amount must be a number from 0; the direction is in type", "amount")


def _check_date(day: Any) -> None:
    try:
        if not isinstance(day, str) or len(day) != len("YYYY-MM-DD"):
            raise ValueError
        date.fromisoformat(day)
    except ValueError:
        raise Refusal(422, "date must be a date such as 2026-01-31", "date") from None
