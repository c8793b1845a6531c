"""The port to whoever fetches bank data (MX), in MX's words, without MX's wire format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from .aggregator_errors import AggregatorDown as AggregatorDown
from .aggregator_errors import AggregatorError as AggregatorError
from .aggregator_errors import AggregatorMisbehaved as AggregatorMisbehaved
from .aggregator_errors import AggregatorNotAsked as AggregatorNotAsked
from .aggregator_errors import AggregatorRefusedUs as AggregatorRefusedUs
from .aggregator_errors import AggregatorThrottled as AggregatorThrottled
from .aggregator_errors import CallsExhausted as CallsExhausted
from .aggregator_errors import CredentialsNotAccepted as CredentialsNotAccepted
from .aggregator_errors import InstitutionNotAsked as InstitutionNotAsked
from .aggregator_errors import JobRunning as JobRunning
from .aggregator_errors import MemberExists as MemberExists
from .aggregator_errors import MemberGone as MemberGone
from .aggregator_errors import MemberLimitReached as MemberLimitReached
from .aggregator_errors import NotChallenged as NotChallenged
from .challenges import Challenge
from .verdicts import ActBy as ActBy
from .verdicts import LinkStatus as LinkStatus
from .verdicts import RetryWith as RetryWith
from .verdicts import Verdict as Verdict

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class MemberRef:
    """Where a member lives at the aggregator. Both guids are personal data: not shown, not logged.

    Args:
        institution_code: the bank's, where it is known: calls to a bank that fails can then be told from others.
    """

    user_guid: str = field(repr=False)
    member_guid: str = field(repr=False)
    institution_code: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One reading of a member's connection.

    Args:
        connection_status: the aggregator's own word; its job word where it sends no other; None for none.
        verdict: what the word means.
        is_being_aggregated: a job runs at the aggregator now.
        has_processed_transactions: this job's transactions can be read. None where the aggregator did not say.
        aggregated_at: start of the latest job, aware UTC: tells one job from another.
        successfully_aggregated_at: last success, aware UTC.
        challenges: the open questions; empty unless challenged.
    """

    connection_status: str | None
    verdict: Verdict
    is_being_aggregated: bool
    has_processed_transactions: bool | None = None
    aggregated_at: datetime | None = None
    successfully_aggregated_at: datetime | None = None
    challenges: tuple[Challenge, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the aggregator lists it.

    Args:
        identifier: the id we gave it (a link's id), or None for one made elsewhere, as in a widget.
        oauth_window_uri: one-time address of the bank's consent page. Never stored, never logged.
    """

    ref: MemberRef
    institution_code: str
    identifier: str | None
    connection_status: str | None
    oauth_window_uri: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Institution:
    """A bank that can be linked."""

    code: str
    name: str
    url: str | None
    logo_url: str | None
    supports_oauth: bool


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One input of a bank's login form, as MX describes it (ATRIUM.md 2.3).

    Args:
        type: `LOGIN`, `PASSWORD`, `TEXT`, `OPTIONS` or another word of MX's: show unknown ones as text.
        options: (label, value) pairs of an `OPTIONS` field.
    """

    guid: str
    field_name: str | None
    label: str
    type: str
    display_order: int
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Credential:
    """What a person typed into one field. The value lives only as long as the call that passes it on."""

    guid: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AggregatedAccount:
    """An account as the aggregator gives it. Money is exact; `raw` is the aggregator's whole object.

    Args:
        balances: the aggregator's other balances by its names, each a Decimal (`credit_limit`, …).
    """

    guid: str
    name: str
    type: str
    subtype: str | None
    balance: Decimal | None
    available_balance: Decimal | None
    currency_code: str
    masked_number: str | None
    is_closed: bool
    balances: dict[str, Decimal]
    raw: dict[str, Any] = field(repr=False)


class AggregatedTransaction(NamedTuple):
    """A transaction as the aggregator gives it: unsigned amount, direction in `type`, the bank's own date.

    A tuple, as there are millions: a page's rows become columns, and columns rows, without a call for each value.

    Args:
        status: `posted` or `pending`.
        type: `debit` or `credit`.
        flags: the `is_…` fields that the aggregator set, by name; rows may share them.
        raw: the aggregator's whole object, as JSON bytes with sorted keys: equal bytes mean nothing changed.
    """

    guid: str
    account_guid: str
    status: str
    type: str
    amount: Decimal
    currency_code: str
    date: date
    transacted_at: datetime | None
    posted_at: datetime | None
    description: str
    original_description: str | None
    memo: str | None
    category: str | None
    top_level_category: str | None
    merchant_guid: str | None
    check_number: str | None
    flags: dict[str, bool]
    raw: bytes

    def __repr__(self) -> str:
        return f"AggregatedTransaction({self.guid!r})"


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list, with what the aggregator said of the whole.

    Args:
        number: 1-based.
        per_page: the size the aggregator really used, which need not be the one asked for.
    """

    rows: Sequence[Row]
    number: int
    per_page: int
    total_entries: int
    total_pages: int


class Aggregator(Protocol):
    """What donkies asks of an aggregator. One instance serves all threads.

    Every method raises an AggregatorError and nothing else. Calls that can be repeated are retried inside
    the adapter a bounded number of times; calls that create or change something never are.
    """

    def ensure_user(self, identifier: str) -> str:
        """The guid of the aggregator's user with our identifier, made when there is none (idempotent)."""
        ...

    def find_user(self, identifier: str) -> str | None:
        """The guid of the aggregator's user with our identifier, if there is one; none is made."""
        ...

    def delete_user(self, user_guid: str) -> None:
        """Delete a user and all below it; one that is gone already is no error."""
        ...

    def search_institutions(self, text: str, page: int, per_page: int) -> Page[Institution]: ...

    def read_institution(self, code: str) -> Institution:
        """Raises: MemberGone for an unknown code."""
        ...

    def list_institution_credentials(self, code: str) -> tuple[CredentialField, ...]:
        """The institution's login form, in display order. Raises: MemberGone for an unknown code."""
        ...

    def list_member_credentials(self, member: MemberRef) -> tuple[CredentialField, ...]:
        """The form to fill in when a member's credentials are renewed, in display order."""
        ...

    def create_member(
        self, user_guid: str, institution_code: str, credentials: Sequence[Credential], identifier: str
    ) -> Member:
        """Make a member and start its first aggregation.

        Raises: MemberExists, MemberLimitReached, CredentialsNotAccepted; AggregatorDown with
            `outcome_unknown` when the member may have been made.
        """
        ...

    def create_oauth_member(self, user_guid: str, institution_code: str, identifier: str, return_uri: str) -> Member:
        """Make a member of a bank with its own sign-in; no credentials are sent."""
        ...

    def read_oauth_window_uri(self, member: MemberRef, return_uri: str) -> str:
        """A fresh one-time address of the bank's consent page."""
        ...

    def widget_url(
        self,
        user_guid: str,
        institution_code: str | None,
        member: MemberRef | None,
        *,
        update_credentials: bool = False,
    ) -> str:
        """A fresh address of the aggregator's own linking page: it opens once, for some minutes. Never kept or logged.

        Args:
            institution_code: the bank to begin with; None for a search.
            member: what to mend there, instead.
            update_credentials: begin with the member's login form.
        Raises: MemberGone for an unknown user, member or institution.
        """
        ...

    def list_members(self, user_guid: str) -> tuple[Member, ...]: ...

    def update_member_credentials(self, member: MemberRef, credentials: Sequence[Credential]) -> None:
        """Send new credentials, which starts a job. Never repeated by the adapter."""
        ...

    def delete_member(self, member: MemberRef) -> None:
        """Delete a member; one that is gone already is no error."""
        ...

    def aggregate_member(self, member: MemberRef) -> None:
        """Ask for fresh data. A throttled call starts nothing and is no error: read the status next."""
        ...

    def read_member_status(self, member: MemberRef) -> MemberStatus: ...

    def resume_aggregation(self, member: MemberRef, answers: Sequence[Credential]) -> None:
        """Answer the open challenges. Never repeated by the adapter. Raises: NotChallenged."""
        ...

    def list_accounts(self, member: MemberRef) -> tuple[AggregatedAccount, ...]: ...

    def read_transactions_page(
        self, member: MemberRef, from_date: date, to_date: date, page: int
    ) -> Page[AggregatedTransaction]:
        """One page, as large as the aggregator allows, of the rows dated from `from_date` to `to_date`, both in."""
        ...
