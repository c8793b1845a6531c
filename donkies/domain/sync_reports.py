"""What a download did: for whoever wonders why a row is missing, or why a balance does not fit the rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from .downloads import Download

DEBTS = ("CREDIT_CARD", "LINE_OF_CREDIT", "LOAN", "MORTGAGE")  # whose balances are positive when owed


@dataclass(frozen=True, slots=True)
class AccountStand:
    """What an account's balance is, and what its posted rows come to.

    Args:
        posted: credits less debits, in the account's currency.
    """

    account_id: UUID
    type: str
    currency_code: str
    balance: Decimal | None
    posted: Decimal


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a download ended.

    Args:
        reason: why it was given up; None when it was proved.
        rows: seen on its last walk, on so many pages.
    """

    reason: str | None
    rows: int
    pages: int
    added: int
    modified: int
    removed: int = 0
    adopted: int = 0


def report_of(
    download: Download, outcome: Outcome, stands: Sequence[AccountStand] | None, now: datetime
) -> dict[str, Any]:
    """The report of a download that ends now, as JSON keeps it.

    Args:
        stands: None where nothing was proved: then the stands of the last proof are kept for the next one.
    """
    earlier = (download.report or {}).get("accounts", [])
    return {
        "outcome": "complete" if outcome.reason is None else "failed",
        "reason": outcome.reason,
        "proved": outcome.reason is None,
        "doubt": download.doubt,
        "began_at": _time(download.began_at),
        "ended_at": _time(now),
        "is_full": download.is_full,
        "from": download.from_date and str(download.from_date),
        "to": download.to_date and str(download.to_date),
        "failed_walks": download.walks,
        "pages": outcome.pages,
        "rows_seen": outcome.rows,
        "total_entries": download.total_entries,
        "added": outcome.added,
        "modified": outcome.modified,
        "removed": outcome.removed,
        "adopted": outcome.adopted,
        "accounts": earlier if stands is None else _cross_checked(stands, earlier),
    }


def running_of(download: Any, pages: Collection[bytes], added: int, modified: int) -> dict[str, Any]:
    """What is told of a download under way.

    Args:
        download: a Download, or a row with its names.
        pages: the digests of its walk's pages so far.
    """
    return {
        "began_at": _time(download.began_at),
        "is_full": download.is_full,
        "from": download.from_date and str(download.from_date),
        "to": download.to_date and str(download.to_date),
        "failed_walks": download.walks,
        "doubt": download.doubt,
        "pages": len(pages),
        "rows_seen": sum(map(len, pages)) // 8,  # digests of eight bytes
        "total_entries": download.total_entries,
        "bad_answers": download.bad_answers,
        "next_try_at": _time(download.due_at),
        "added": added,
        "modified": modified,
    }


def _cross_checked(stands: Sequence[AccountStand], earlier: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    before = {one["account_id"]: one for one in earlier}
    return [_shown(stand, before.get(str(stand.account_id))) for stand in stands]


def _shown(stand: AccountStand, before: dict[str, Any] | None) -> dict[str, Any]:
    """An account's stand, and by how much its balance moved otherwise than its posted rows since the last proof."""
    gap = None
    if before is not None and before["balance"] is not None and stand.balance is not None:
        moved = stand.balance - Decimal(before["balance"])
        booked = stand.posted - Decimal(before["posted"])
        gap = moved - (-booked if stand.type in DEBTS else booked)
    return {
        "account_id": str(stand.account_id),
        "currency_code": stand.currency_code,
        "balance": _money(stand.balance),
        "posted": _money(stand.posted),
        "gap": _money(gap),
    }


def _money(value: Decimal | None) -> str | None:
    if value is None:
        return None
    cents = value.quantize(Decimal("0.01"))
    return str(cents) if cents == value else f"{value.normalize():f}"


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
