"""/v1/transactions: newest first, filtered, page by page."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from cornice import Service
from pydantic import BeforeValidator, Field
from pyramid.request import Request
from pyramid.response import Response

from ...domain.errors import NotFound
from ...domain.transactions import LedgerReader, TransactionQuery
from ..openapi.operation import Operation
from . import shapes
from .answers import answer, bad_cursor, from_cursor, id_in_path, listing, query_of, to_cursor
from .schemas import Body, check

transactions = Service("transactions", "/v1/transactions", description="A person's transactions")
transaction = Service("transaction", "/v1/transactions/{id}", description="One transaction")


def _day(text: object) -> object:
    """Only `2026-11-25`: pydantic would take a number for a moment in Unix time."""
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("Write a date as YYYY-MM-DD")
    return text


Day = Annotated[date, BeforeValidator(_day)]


class IncludeQuery(Body):
    """What to show besides: the aggregator's whole object."""

    include: Literal["raw"] | None = None


class ListQuery(IncludeQuery):
    """Filters, all of which a row must pass; bounds are inclusive."""

    account_id: UUID | None = None
    linked_account_id: UUID | None = None
    from_date: Day | None = Field(None, alias="from")
    to_date: Day | None = Field(None, alias="to")
    status: Literal["posted", "pending"] | None = None
    type: Literal["debit", "credit"] | None = None
    category: str | None = Field(None, max_length=200)
    min_amount: Decimal | None = Field(None, ge=0, max_digits=16, decimal_places=4)
    max_amount: Decimal | None = Field(None, ge=0, max_digits=16, decimal_places=4)
    q: str = Field("", max_length=200)
    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=500)


@transactions.get(
    permission="transactions:read",
    operation=Operation(shapes.Transactions, query=ListQuery, errors=("422 bad_cursor",)),
)
def list_transactions(request: Request) -> Response:
    """Transactions, newest first by the bank's date."""
    asked = check(ListQuery, query_of(request))
    query = TransactionQuery(
        account_id=asked.account_id,
        linked_account_id=asked.linked_account_id,
        from_date=asked.from_date,
        to_date=asked.to_date,
        type=asked.type,
        status=asked.status,
        category=asked.category,
        min_amount=asked.min_amount,
        max_amount=asked.max_amount,
        words=tuple(asked.q.split()),
        limit=asked.limit + 1,  # one more tells whether the list goes on
        after=_after(asked.cursor),
    )
    reader = request.services.get(LedgerReader)
    user_id = request.identity.user_id
    if asked.include == "raw":
        rows = reader.list_transactions(user_id, query, with_raw=True)
    else:
        rows = reader.show_transactions(user_id, query)
    shown = rows[: asked.limit]
    goes_on = len(rows) > asked.limit
    return listing(shown, to_cursor(shown[-1]["date"], shown[-1]["id"]) if goes_on else None)


@transaction.get(permission="transactions:read", operation=Operation(shapes.Transaction, query=IncludeQuery))
def read_transaction(request: Request) -> Response:
    """One transaction."""
    asked = check(IncludeQuery, query_of(request))
    found = request.services.get(LedgerReader).read_transaction(
        request.identity.user_id, id_in_path(request), with_raw=asked.include == "raw"
    )
    if found is None:
        raise NotFound("There is no transaction with this id.")
    return answer(found)


def _after(cursor: str | None) -> tuple[date, UUID] | None:
    if cursor is None:
        return None
    day, transaction_id = from_cursor(cursor, 2)
    try:
        return date.fromisoformat(day), UUID(transaction_id)
    except ValueError:
        raise bad_cursor() from None
