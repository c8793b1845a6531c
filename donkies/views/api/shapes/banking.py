"""Accounts and transactions."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from .base import Amount, Currency, Cursor, Shape


class Account(Shape):
    """A bank account, with MX's other balances by MX's names. Debts are positive when owed."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Amount | None]

    id: UUID
    linked_account_id: UUID
    name: str = Field(examples=["Checking"])
    type: str = Field(examples=["CHECKING"])
    subtype: str | None = Field(examples=["MONEY_MARKET"])
    balance: Amount | None
    available_balance: Amount | None
    currency_code: Currency
    masked_number: str | None = Field(examples=["****1234"])
    is_closed: bool
    updated_at: datetime


class Accounts(Shape):
    """All accounts of the person."""

    data: list[Account]
    next_cursor: None


class DayBalance(Shape):
    """What an account's balances were on one day."""

    date: date
    balance: Amount | None
    available_balance: Amount | None
    currency_code: Currency
    updated_at: datetime


class DayBalances(Shape):
    """One row for each day on which the account was read, newest first."""

    data: list[DayBalance]
    next_cursor: None


class Transaction(Shape):
    """A transaction; amounts are unsigned, `type` says the direction.

    Args:
        date: the bank's.
        category: the person's own where they gave one, else the aggregator's, which `original_category` always is.
        raw: MX's whole object, where it was asked for.
    """

    id: UUID
    account_id: UUID
    linked_account_id: UUID
    status: Literal["posted", "pending"]
    type: Literal["debit", "credit"]
    amount: Amount
    currency_code: Currency
    date: date
    transacted_at: datetime | None
    posted_at: datetime | None
    description: str | None = Field(examples=["Grocery store"])
    original_description: str | None = Field(examples=["GROCERY STORE #12"])
    memo: str | None = Field(examples=["Thank you"])
    category: str | None = Field(examples=["Groceries"])
    original_category: str | None = Field(examples=["Groceries"])
    top_level_category: str | None = Field(examples=["Food & Dining"])
    merchant_guid: str | None = Field(examples=["MCH-7ed79542-884d-2b1b-dd74-501c5cc9d25b"])
    check_number: str | None = Field(examples=["1001"])
    note: str | None = Field(examples=["For the party"])
    hidden: bool
    is_bill_pay: bool | None
    is_direct_deposit: bool | None
    is_expense: bool | None
    is_fee: bool | None
    is_income: bool | None
    is_international: bool | None
    is_overdraft_fee: bool | None
    is_payroll_advance: bool | None
    is_subscription: bool | None
    created_at: datetime
    updated_at: datetime
    raw: dict[str, Any] = Field({}, examples=[{"guid": "TRN-265abee9-889b-af6a-c69b-25157db2bdd9"}])


class Transactions(Shape):
    """A page of transactions, newest first by the bank's date."""

    data: list[Transaction]
    next_cursor: Cursor | None
    prev_cursor: Cursor = ""


class Gone(Shape):
    """A transaction that is not there any more."""

    id: UUID


class Feed(Shape):
    """What changed of the transactions since a cursor.

    Args:
        added: new since the last end of the feed; with no cursor all there are.
        modified: changed since then. Write both over what has the same id.
        removed: gone; one that is not known may be passed over.
        next_cursor: where to go on; at the end of the feed, where to ask from next time.
        has_more: the feed goes on: ask again at once.
    """

    added: list[Transaction]
    modified: list[Transaction]
    removed: list[Gone]
    next_cursor: Cursor
    has_more: bool


class SummaryLine(Shape):
    """The sums of one key in one currency."""

    key: str | None = Field(examples=["2026-11"])
    label: str | None = Field(examples=["2026-11"])
    currency_code: Currency
    debit: Amount
    credit: Amount
    count: int = Field(ge=1, examples=[12])


class Summary(Shape):
    """Sums of transactions."""

    data: list[SummaryLine]
