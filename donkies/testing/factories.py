"""Links, readings, accounts and transactions for tests: each with sensible values, any of which can be set."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ..adapters.memory.aggregator import made_transaction
from ..adapters.mx.statuses import verdict_of
from ..domain.aggregator import (
    AggregatedAccount,
    AggregatedTransaction,
    LinkStatus,
    MemberRef,
    MemberStatus,
)
from ..domain.challenges import Challenge
from ..domain.ids import new_id
from ..domain.linked_accounts import LinkedAccount

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)
MEMBER = MemberRef("USR-1", "MBR-1")
QUESTION = Challenge("CRD-question", "TEXT", "What is the answer?")


def make_link(user_id: UUID | None = None, **fields: Any) -> LinkedAccount:
    """A link at `mxbank`, made at NOON and processing since."""
    values: dict[str, Any] = {
        "user_id": user_id or new_id(),
        "id": new_id(),
        "institution_code": "mxbank",
        "institution_name": "MX Bank",
        "member_guid": None,
        "created_at": NOON,
        "updated_at": NOON,
        "moving_since": NOON,
    }
    return LinkedAccount(**values | fields)


def make_status(word: str | None, *, busy: bool | None = None, **fields: Any) -> MemberStatus:
    """A reading with one of MX's words.

    Args:
        busy: whether a job runs; when not given, it does for a word that is not an end.
    """
    verdict = verdict_of(word)
    if busy is None:
        busy = verdict.link_status == LinkStatus.PROCESSING and word != "PENDING"
    values: dict[str, Any] = {
        "has_processed_transactions": verdict.link_status == LinkStatus.SUCCESS and not busy,
        "aggregated_at": NOON,
        "challenges": (QUESTION,) if verdict.link_status == LinkStatus.CHALLENGED else (),
    }
    return MemberStatus(connection_status=word, verdict=verdict, is_being_aggregated=busy, **values | fields)


def make_account(guid: str = "ACT-1-1", **fields: Any) -> AggregatedAccount:
    """A checking account."""
    values: dict[str, Any] = {
        "guid": guid,
        "name": "Everyday checking",
        "type": "CHECKING",
        "subtype": None,
        "balance": Decimal("1250.75"),
        "available_balance": Decimal("1200"),
        "currency_code": "USD",
        "masked_number": "XXXX0001",
        "is_closed": False,
        "balances": {},
        "raw": {"guid": guid},
    }
    return AggregatedAccount(**values | fields)


def make_row(number: int, day: date = date(2026, 1, 20), **fields: Any) -> AggregatedTransaction:
    """A posted transaction of `ACT-1-1`; the same arguments give the same row."""
    return made_transaction(MEMBER, number, day, **{"guid": f"TRN-{number}", "account_guid": "ACT-1-1"} | fields)
