"""MX's objects, checked at the edge and turned into the port's values.

Unknown fields are ignored and nulls are borne where MX may send them; a missing guid or a wrong type is
AggregatorMisbehaved, which names the field and never its value. Source: ATRIUM.md 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from donkies.domain.aggregator import (
    AggregatedAccount,
    AggregatorMisbehaved,
    CredentialField,
    Institution,
    LinkStatus,
    Member,
    MemberRef,
    MemberStatus,
)
from donkies.domain.challenges import Challenge, ChallengeOption

from .statuses import job_runs, verdict_of
from .values import Unreadable, read_decimal, read_time

Model = TypeVar("Model", bound=BaseModel)

_WORD_LENGTH = 40
_NAME_LENGTH = 400

BALANCES = (
    "available_credit",
    "credit_limit",
    "minimum_balance",
    "minimum_payment",
    "last_payment",
    "original_balance",
    "payoff_balance",
    "loan_amount",
    "cash_balance",
    "holdings_value",
    "total_account_value",
    "cash_surrender_value",
    "death_benefit",
    "pay_out_amount",
    "premium_amount",
)
"""The amounts of money of an account beside its two balances. Source: ATRIUM.md 2.7."""


def _decimal(value: Any) -> Decimal | None:
    try:
        return None if value is None else read_decimal(value, "")
    except Unreadable:
        raise ValueError("not an amount") from None


def _time(value: Any) -> datetime | None:
    try:
        return None if value is None else read_time(value, "")
    except Unreadable:
        raise ValueError("not a time") from None


def _web_address(value: Any) -> Any:
    """Refuse an address that would run in a page that links to it, such as `javascript:`."""
    if value is None or (isinstance(value, str) and value.startswith(("https://", "http://"))):
        return value
    raise ValueError("not a web address")


Guid = Annotated[str, Field(min_length=1, max_length=80)]
Code = Annotated[str, Field(min_length=1, max_length=200)]
Currency = Annotated[str | None, Field(max_length=10)]
Money = Annotated[Decimal | None, BeforeValidator(_decimal)]
Time = Annotated[datetime | None, BeforeValidator(_time)]
WebAddress = Annotated[str | None, BeforeValidator(_web_address)]


class _Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class _User(_Wire):
    guid: Guid
    identifier: str | None = None


class _Institution(_Wire):
    code: Code
    name: str | None = None
    url: str | None = None
    small_logo_url: str | None = None
    medium_logo_url: str | None = None
    supports_oauth: bool | None = None


class _Option(_Wire):
    label: str | None = None
    value: str | int
    data_uri: str | None = None


class _Credential(_Wire):
    guid: Guid
    field_name: str | None = None
    label: str | None = None
    type: str | None = None
    display_order: int | None = None
    options: list[_Option] | None = None


class _Challenge(_Wire):
    guid: Guid
    field_name: str | None = None
    label: str | None = None
    type: str | None = None
    options: list[_Option] | None = None
    image_data: str | None = None
    image_options: list[_Option] | None = None


class _Member(_Wire):
    guid: Guid
    institution_code: Code
    identifier: str | None = None
    connection_status: str | None = None
    status: str | None = None
    oauth_window_uri: WebAddress = None


class _Window(_Wire):
    oauth_window_uri: WebAddress


class _Widget(_Wire):
    connect_widget_url: WebAddress


class _Status(_Wire):
    connection_status: str | None = None
    status: str | None = None
    is_being_aggregated: bool | None = None
    has_processed_transactions: bool | None = None
    aggregated_at: Time = None
    successfully_aggregated_at: Time = None
    challenges: list[_Challenge] | None = None


class _Account(_Wire):
    guid: Guid
    user_guid: str | None = None
    name: str | None = None
    type: str | None = None
    subtype: str | None = None
    balance: Money = None
    available_balance: Money = None
    currency_code: Currency = None
    account_number: str | None = None
    is_closed: bool | None = None


class Pagination(_Wire):
    """What a list says of itself. Source: ATRIUM.md 1.6."""

    current_page: Annotated[int, Field(ge=1)]
    per_page: Annotated[int, Field(ge=1)]
    total_entries: Annotated[int, Field(ge=0)]
    total_pages: Annotated[int, Field(ge=0)]


class User(NamedTuple):
    """A user as MX lists it."""

    guid: str
    identifier: str | None


def misread(field: str) -> AggregatorMisbehaved:
    """The error of an answer in which this field is missing or of a wrong type."""
    return AggregatorMisbehaved(f"MX sent an answer that cannot be read: {field}.")


def envelope(data: Any, key: str) -> dict[str, Any]:
    """The one object below `key`."""
    inner = data.get(key) if isinstance(data, dict) else None
    if not isinstance(inner, dict):
        raise misread(key)
    return inner


def rows_of(data: Any, key: str) -> list[Any]:
    """The list below `key`."""
    rows = data.get(key) if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise misread(key)
    return rows


def read_pagination(data: Any) -> Pagination:
    """The page's own word about its place in the list."""
    return _check(Pagination, envelope(data, "pagination"), "pagination")


def read_user(row: Any) -> User:
    """A user."""
    user = _check(_User, row, "user")
    return User(user.guid, user.identifier)


def read_institution(row: Any) -> Institution:
    """A bank; one without a name goes by its code."""
    bank = _check(_Institution, row, "institution")
    return Institution(
        code=bank.code,
        name=(bank.name or bank.code)[:_NAME_LENGTH],
        url=bank.url,
        logo_url=bank.medium_logo_url or bank.small_logo_url,
        supports_oauth=bool(bank.supports_oauth),
    )


def read_credentials(data: Any) -> tuple[CredentialField, ...]:
    """A login form in display order; fields without one keep the order of the list, at its end."""
    fields = [_check(_Credential, row, "credentials") for row in rows_of(data, "credentials")]
    placed = [
        CredentialField(
            guid=one.guid,
            field_name=one.field_name,
            label=one.label or one.field_name or "",
            type=one.type or "TEXT",
            display_order=len(fields) + place if one.display_order is None else one.display_order,
            options=tuple((option.label or str(option.value), str(option.value)) for option in one.options or ()),
        )
        for place, one in enumerate(fields)
    ]
    return tuple(sorted(placed, key=lambda one: one.display_order))


def read_challenges(data: Any) -> tuple[Challenge, ...]:
    """The open questions of a list of challenges."""
    return _questions([_check(_Challenge, row, "challenges") for row in rows_of(data, "challenges")])


def read_member(row: Any, user_guid: str) -> Member:
    """A member of this user."""
    member = _check(_Member, row, "member")
    word = member.connection_status if "connection_status" in member.model_fields_set else member.status
    return Member(
        ref=MemberRef(user_guid, member.guid),
        institution_code=member.institution_code,
        identifier=member.identifier,
        connection_status=_clipped(word),
        oauth_window_uri=member.oauth_window_uri,
    )


def read_oauth_window_uri(row: Any) -> str:
    """The address of the bank's consent page."""
    uri = _check(_Window, row, "member").oauth_window_uri
    if uri is None:
        raise misread("member.oauth_window_uri")
    return uri


def read_widget_url(row: Any) -> str:
    """The one-time address of the Connect widget."""
    url = _check(_Widget, row, "user").connect_widget_url
    if url is None:
        raise misread("user.connect_widget_url")
    return url


def read_status(row: Any, challenges: Sequence[Challenge] | None = None) -> MemberStatus:
    """One reading of a member's connection.

    Args:
        challenges: questions that were read by a call of their own, instead of those in the answer.
    """
    status = _check(_Status, row, "member")
    given = status.model_fields_set
    if "connection_status" not in given and "status" not in given:
        raise misread("member.connection_status")
    old = "connection_status" not in given
    questions = _questions(status.challenges or ()) if challenges is None else tuple(challenges)
    verdict = verdict_of(status.connection_status, status.status if old else None, questions)
    busy = status.is_being_aggregated
    if busy is None:
        busy = job_runs(status.status) if status.status else verdict.link_status is LinkStatus.PROCESSING
    return MemberStatus(
        connection_status=_clipped(status.status if old else status.connection_status),
        verdict=verdict,
        is_being_aggregated=busy,
        has_processed_transactions=status.has_processed_transactions,
        aggregated_at=status.aggregated_at,
        successfully_aggregated_at=status.successfully_aggregated_at,
        challenges=questions if verdict.link_status is LinkStatus.CHALLENGED else (),
    )


def read_account(row: Any, user_guid: str) -> AggregatedAccount:
    """An account of this user; anybody else's is refused."""
    account = _check(_Account, row, "account")
    if account.user_guid not in (None, user_guid):
        raise misread("account.user_guid")
    type_ = _clipped(account.type) or "UNKNOWN"
    return AggregatedAccount(
        guid=account.guid,
        name=(account.name or type_)[:_NAME_LENGTH],
        type=type_,
        subtype=_clipped(account.subtype),
        balance=account.balance,
        available_balance=account.available_balance,
        currency_code=account.currency_code or "USD",
        masked_number=_clipped(account.account_number),
        is_closed=bool(account.is_closed),
        balances=_balances(row),
        raw=row,
    )


def _balances(row: dict[str, Any]) -> dict[str, Decimal]:
    try:
        return {name: read_decimal(row[name], name) for name in BALANCES if row.get(name) is not None}
    except Unreadable as error:
        field = error.field
    raise misread(f"account.{field}")


def _questions(challenges: Sequence[_Challenge]) -> tuple[Challenge, ...]:
    return tuple(
        Challenge(
            guid=one.guid,
            type=one.type or "TEXT",
            label=one.label or one.field_name or "",
            options=tuple(
                ChallengeOption(option.label or str(option.value), str(option.value), _picture(option.data_uri))
                for option in one.options or one.image_options or ()
            ),
            image_data=_picture(one.image_data),
        )
        for one in challenges
    )


_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")
_PICTURES = {"/9j/": "jpeg", "R0lG": "gif", "UklG": "webp"}


def _picture(text: str | None) -> str | None:
    """A picture as a data URI. MX may send bare base64; anything else, such as an address, is no picture."""
    if text is None or text.startswith("data:image/"):
        return text
    if not _BASE64.fullmatch(text):
        return None
    return f"data:image/{_PICTURES.get(text[:4], 'png')};base64,{''.join(text.split())}"


def _clipped(word: str | None) -> str | None:
    return None if word is None else word[:_WORD_LENGTH]


def _check(model: type[Model], row: Any, name: str) -> Model:
    try:
        return model.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join([name, *map(str, first["loc"])])
    raise misread(field)
