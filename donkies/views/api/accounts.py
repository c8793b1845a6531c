"""/v1/accounts: balances. Debts are positive when owed, as the aggregator says."""

from __future__ import annotations

from cornice import Service
from pyramid.request import Request
from pyramid.response import Response

from ...domain.errors import NotFound
from ...domain.transactions import LedgerReader
from ..openapi.operation import Operation
from . import shapes
from .answers import answer, id_in_path, listing

accounts = Service("accounts", "/v1/accounts", description="A person's bank accounts")
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
