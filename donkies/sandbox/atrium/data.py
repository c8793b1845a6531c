"""Accounts and transactions. Source: ATRIUM.md 2.7, 2.8."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request

from ..accounts import account_guids, accounts_of
from ..ledger import Selection
from ..members import Member
from ..wire import Paging, Refusal, listed, not_found, read_paging, route

DEFAULT_DAYS_BACK = 90
DEFAULT_DAYS_AHEAD = 5


def includeme(config: Configurator) -> None:
    user, member = "/users/{user}", "/users/{user}/members/{member}"
    route(config, f"{user}/accounts", GET=list_accounts)
    route(config, f"{user}/accounts/{{account}}", GET=read_account)
    route(config, f"{member}/accounts", GET=list_accounts)
    route(config, f"{member}/accounts/{{account}}", GET=read_account)
    route(config, f"{user}/transactions", GET=list_transactions)
    route(config, f"{user}/transactions/{{transaction}}", GET=read_transaction)
    route(config, f"{user}/accounts/{{account}}/transactions", GET=list_transactions)
    route(config, f"{member}/transactions", GET=list_transactions)
    for owner in (user, member, f"{user}/accounts/{{account}}"):
        route(config, f"{owner}/holdings", GET=list_holdings)


def list_accounts(request: Request) -> dict[str, Any]:
    accounts = [account for member in _members(request) for account in _accounts(member)]
    return listed("accounts", accounts, read_paging(request, request.world.limits.max_per_page))


def read_account(request: Request) -> dict[str, Any]:
    for member in _members(request):
        for account in _accounts(member):
            if account["guid"] == request.matchdict["account"]:
                return {"account": account}
    raise not_found("Account")


def list_transactions(request: Request) -> dict[str, Any]:
    """List transactions, member after member, each newest first."""
    world = request.world
    members, account = _members(request), request.matchdict.get("account")
    if account is not None:
        members = [m for m in members if m.has_accounts and account in account_guids(m.guid)]
        if not members:
            raise not_found("Account")
    paging = read_paging(request, world.limits.max_per_page)
    now = world.now()
    first, last = _window(request, now)
    selections = [
        world.ledger(member).select(account, first, last, now) for member in members if member.has_transactions
    ]
    rows = _page_of(selections, paging, repeats=request.fault == "repeat_page")
    world.built_rows += len(rows)
    total = sum(selection.total for selection in selections)
    return {"transactions": rows, "pagination": paging.envelope(total)}


def read_transaction(request: Request) -> dict[str, Any]:
    for member in _members(request):
        if member.has_transactions:
            row = request.world.ledger(member).find(request.matchdict["transaction"])
            if row is not None:
                return {"transaction": row}
    raise not_found("Transaction")


def list_holdings(request: Request) -> dict[str, Any]:
    _members(request)
    return listed("holdings", [], read_paging(request, request.world.limits.max_per_page))


def _members(request: Request) -> list[Member]:
    """List the members that a path speaks of: one, or all of the user's."""
    world = request.world
    user = world.user(request.matchdict["user"])
    if "member" in request.matchdict:
        return [world.member_of(user, request.matchdict["member"])]
    return world.visible_members_of(user)


def _accounts(member: Member) -> list[dict[str, Any]]:
    if not member.has_accounts:
        return []
    customer = member.customer or member.guid
    return accounts_of(member.guid, member.user_guid, member.institution_code, member.created_at, customer)


def _page_of(selections: list[Selection], paging: Paging, *, repeats: bool) -> list[dict[str, Any]]:
    offset, wanted = paging.offset, paging.per_page
    if repeats:
        offset = max(0, offset - paging.per_page)
    rows: list[dict[str, Any]] = []
    for selection in selections:
        rows += selection.page(offset, wanted - len(rows))
        offset = max(0, offset - selection.total)
        if len(rows) == wanted:
            break
    return rows


def _window(request: Request, now: float) -> tuple[date, date]:
    today = datetime.fromtimestamp(now, UTC).date()
    first = _day(request, "from_date", today - timedelta(days=DEFAULT_DAYS_BACK))
    return first, _day(request, "to_date", today + timedelta(days=DEFAULT_DAYS_AHEAD))


def _day(request: Request, name: str, default: date) -> date:
    text = request.GET.get(name)
    if not text:
        return default
    try:
        if len(text) != len("YYYY-MM-DD"):
            raise ValueError(text)
        return min(date.fromisoformat(text), date.max - timedelta(days=1))  # the day after it must exist
    except ValueError:
        raise Refusal(400, f"{name} must be a date such as 2026-01-31") from None
