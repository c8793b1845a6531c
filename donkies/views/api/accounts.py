"""/v1/accounts: balances. Debts are positive when owed, as the aggregator says."""

from __future__ import annotations

from datetime import date

from cornice import Service
from pydantic import Field
from pyramid.request import Request
from pyramid.response import Response

from ...domain.errors import NotFound
from ...domain.transactions import LedgerReader
from ..openapi.operation import Operation
from . import shapes
from .answers import answer, id_in_path, listing, query_of
from .schemas import Body, check

accounts = Service("accounts", "/v1/accounts", description="A person's bank accounts")
balances = Service("balances", "/v1/accounts/{id}/balances", description="What an account's balances were")
account = Service("account", "/v1/accounts/{id}", description="One bank account")


@accounts.get(permission="accounts:read", operation=Operation(shapes.Accounts))
def list_accounts(request: Request) -> Response:
    """All of the person's accounts."""
    return listing(request.services.get(LedgerReader).list_accounts(request.identity.user_id))


@account.get(permission="accounts:read", operation=Operation(shapes.Account))
def read_account(request: Request) -> Response:
    """One account."""
    found = request.services.get(LedgerReader).read_account(request.identity.user_id, id_in_path(request))
    if found is None:
        raise NotFound("There is no account with this id.")
    return answer(found)


class BalancesQuery(Body):
    """Which days; bounds are inclusive."""

    from_date: date | None = Field(None, alias="from")
    to_date: date | None = Field(None, alias="to")


@balances.get(permission="accounts:read", operation=Operation(shapes.DayBalances, query=BalancesQuery))
def list_balances(request: Request) -> Response:
    """One row for each day on which the account was read, newest first."""
    asked = check(BalancesQuery, query_of(request))
    reader, user_id, account_id = request.services.get(LedgerReader), request.identity.user_id, id_in_path(request)
    rows = reader.list_balances(user_id, account_id, asked.from_date, asked.to_date)
    if not rows and reader.read_account(user_id, account_id) is None:
        raise NotFound("There is no account with this id.")
    return listing(rows)
