"""/v1/transactions: newest first, filtered, page by page both ways; and what a person says of one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from cornice import Service
from pydantic import BeforeValidator, Field, StrictBool, StringConstraints
from pyramid.request import Request
from pyramid.response import Response

from ...domain.annotations import AnnotationService
from ...domain.errors import NotFound
from ...domain.transactions import LedgerReader, TransactionQuery
from ..openapi.operation import Operation
from . import shapes
from .answers import answer, bad_cursor, from_cursor, id_in_path, query_of, to_cursor
from .schemas import Body, check, read_body

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


class Filters(Body):
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
    hidden: Literal["true", "false"] | None = None
    q: str = Field("", max_length=200)

    def query(self, **more: Any) -> TransactionQuery:
        """What the domain calls it."""
        return TransactionQuery(
            account_id=self.account_id,
            linked_account_id=self.linked_account_id,
            from_date=self.from_date,
            to_date=self.to_date,
            type=self.type,
            status=self.status,
            category=self.category,
            min_amount=self.min_amount,
            max_amount=self.max_amount,
            hidden=None if self.hidden is None else self.hidden == "true",
            words=tuple(self.q.split()),
            **more,
        )


class ListQuery(Filters, IncludeQuery):
    """Filters, and which page of what passes them."""

    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=500)


class TransactionChanges(Body):
    """What a person says of a transaction; what is left out stays, null takes away."""

    category: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] | None = None
    note: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)] | None = None
    hidden: StrictBool | None = None


@transactions.get(
    permission="transactions:read",
    operation=Operation(shapes.Transactions, query=ListQuery, errors=("422 bad_cursor",)),
)
def list_transactions(request: Request) -> Response:
    """Transactions, newest first by the bank's date."""
    asked = check(ListQuery, query_of(request))
    before, place = _place(asked.cursor)
    # one more tells whether the list goes on
    query = asked.query(limit=asked.limit + 1, before=place if before else None, after=None if before else place)
    reader = request.services.get(LedgerReader)
    user_id = request.identity.user_id
    if asked.include == "raw":
        rows = reader.list_transactions(user_id, query, with_raw=True)
    else:
        rows = reader.show_transactions(user_id, query)
    goes_on = len(rows) > asked.limit
    shown = rows[-asked.limit :] if before else rows[: asked.limit]
    older = to_cursor(*_key(shown[-1])) if shown and (before or goes_on) else None
    newer = to_cursor("before", *_key(shown[0])) if shown and (goes_on if before else place) else None
    way_back = {"prev_cursor": newer} if newer else {}  # there only where it leads somewhere
    return answer({"data": shown, "next_cursor": older} | way_back)


@transaction.get(permission="transactions:read", operation=Operation(shapes.Transaction, query=IncludeQuery))
def read_transaction(request: Request) -> Response:
    """One transaction."""
    asked = check(IncludeQuery, query_of(request))
    return answer(_found(request, id_in_path(request), with_raw=asked.include == "raw"))


@transaction.patch(permission="transactions:write", operation=Operation(shapes.Transaction, body=TransactionChanges))
def change_transaction(request: Request) -> Response:
    """The person's own category, note and hiding; answers with the whole transaction."""
    changes = read_body(request, TransactionChanges).model_dump(exclude_unset=True)
    if "hidden" in changes:
        changes["hidden"] = bool(changes["hidden"])
    transaction_id = id_in_path(request)
    request.services.get(AnnotationService).annotate(request.identity.user_id, transaction_id, changes)
    return answer(_found(request, transaction_id))


def _found(request: Request, transaction_id: UUID, *, with_raw: bool = False) -> Mapping[str, Any]:
    reader = request.services.get(LedgerReader)
    found = reader.read_transaction(request.identity.user_id, transaction_id, with_raw=with_raw)
    if found is None:
        raise NotFound("There is no transaction with this id.")
    return found


def _key(row: Mapping[str, Any]) -> tuple[Any, Any]:
    return row["date"], row["id"]


def _place(cursor: str | None) -> tuple[bool, tuple[date, UUID] | None]:
    """Whether a cursor leads back, and from which row; rows that are gone since do not matter."""
    if cursor is None:
        return False, None
    *way, day, transaction_id = from_cursor(cursor, 2, 3)
    try:
        place = date.fromisoformat(day), UUID(transaction_id)
    except ValueError:
        raise bad_cursor() from None
    if way not in ([], ["before"]):
        raise bad_cursor()
    return bool(way), place
