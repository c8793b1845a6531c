"""Links, what they ask of people, and what their downloads did."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from ....domain.aggregator import ActBy, LinkStatus, RetryWith
from ....domain.linked_accounts import TransactionsStatus
from ....domain.relinking import AdoptionState
from .base import Amount, Currency, Cursor, Doubt, Guid, InstitutionCode, Shape


class LinkedAccount(Shape):
    """A person's link to one bank. This is what is polled.

    Args:
        link_status_label: the status in words for people.
        reason: a stable word for why the link stands where it stands.
        act_by: who can mend it; null when nobody need or can.
        retry_with: what leads on from here; null when nothing does.
        connection_status: MX's own word.
        is_refreshing: fresh data is on its way, while what is there stays in sight.
        transactions_status: null before the first download; `failed` means that the last one did, and what was
            downloaded before is still there to be read.
        last_synced: when everything that the bank gives was last here; null before that.
        stale_since: since when the data is no longer current: when the next scheduled sync was due after
            `last_synced` and has not succeeded; null while it is current, and before the first sync.
        last_attempted_at: when fresh data was last asked for, by the person or the schedule, however that ended.
        next_attempt_at: when the schedule asks next by itself; null while it waits for a person, for an attempt that
            is under way, or for nothing.
        duplicate_of: the person's link that this login was linked by before: it has the accounts, this one never will.
        poll_after_ms: milliseconds after which it is worth asking again.
    """

    id: UUID
    institution_code: InstitutionCode
    institution_name: str = Field(examples=["MX Bank"])
    link_status: LinkStatus
    link_status_label: str = Field(examples=["Processing"])
    reason: str | None = Field(examples=["bank_sign_in"])
    act_by: ActBy | None
    retry_with: RetryWith | None
    connection_status: str | None = Field(examples=["CONNECTED"])
    is_refreshing: bool
    transactions_status: TransactionsStatus | None
    transactions_count: int = Field(ge=0, examples=[2500])
    last_synced: datetime | None
    stale_since: datetime | None
    last_attempted_at: datetime | None
    next_attempt_at: datetime | None
    duplicate_of: UUID | None = Field(examples=["0199c1a2-7d3e-7c4b-9a51-6f0e2d8b4c17"])
    poll_after_ms: int = Field(ge=1, examples=[1000])
    created_at: datetime
    updated_at: datetime


class AccountStand(Shape):
    """An account at the end of a proved download.

    Args:
        posted: what its posted rows come to, credits less debits.
        gap: by how much the balance moved otherwise than the posted rows since the proof before; null where unknown.
    """

    account_id: UUID
    currency_code: Currency
    balance: Amount | None
    posted: Amount
    gap: Amount | None


class DownloadUnderWay(Shape):
    """A download that is under way.

    Args:
        is_full: it reads everything, not only the last days.
        from_: the window that is read; null before its first walk.
        failed_walks: how many walks of the window were not proved, the last one because of `doubt`.
        rows_seen: on this walk, of `total_entries` as MX says.
        bad_answers: of MX's, in a row; it is asked again at `next_try_at`.
        added: rows that are new so far; `modified` those that changed.
    """

    began_at: datetime
    is_full: bool
    from_: date | None = Field(alias="from")
    to: date | None
    failed_walks: int
    doubt: Doubt | None
    pages: int
    rows_seen: int
    total_entries: int | None
    bad_answers: int
    next_try_at: datetime | None
    added: int
    modified: int


class DownloadReport(Shape):
    """What a download did.

    Args:
        reason: why it was given up.
        proved: every row that MX has of the window was seen, and nothing moved meanwhile.
        doubt: why the last walk that failed was not proved.
        removed: rows that MX does not name any more; `adopted` ones are there under another guid and kept their ids.
    """

    outcome: Literal["complete", "failed"]
    reason: str | None = Field(examples=["unproved"])
    proved: bool
    doubt: Doubt | None
    began_at: datetime | None
    ended_at: datetime
    is_full: bool
    from_: date | None = Field(alias="from")
    to: date | None
    failed_walks: int
    pages: int
    rows_seen: int
    total_entries: int | None
    added: int
    modified: int
    removed: int
    adopted: int
    accounts: list[AccountStand]


class SyncReports(Shape):
    """What a link's downloads did and do."""

    running: DownloadUnderWay | None
    last: DownloadReport | None


class LinkedAccounts(Shape):
    """All links of the person, newest first; there is never another page."""

    data: list[LinkedAccount]
    next_cursor: None


class AdoptedAccount(Shape):
    """An account that a link adopted, with its history, from one that was disconnected.

    Args:
        name: null once the account is gone.
        state: `moving` while its transactions follow it, then `adopted`; once undone `returning`, then `returned`.
        transactions_count: how many of the former link's transactions this link has now.
        recognised_count: how many of these the bank still names; the others are history that it gives no more.
    """

    account_id: UUID
    name: str | None
    masked_number: str | None = Field(examples=["****1234"])
    former_linked_account_id: UUID
    state: AdoptionState
    transactions_count: int = Field(ge=0, examples=[2500])
    recognised_count: int = Field(ge=0, examples=[310])
    adopted_at: datetime
    undone_at: datetime | None


class Adoption(Shape):
    """What a link adopted; no accounts, as a rule."""

    accounts: list[AdoptedAccount]


class AuthorizeUrl(Shape):
    """A one-time address of the bank's own sign-in page: send the person there, never keep it."""

    url: str = Field(examples=["https://bank.example/consent?state=once"])


class Option(Shape):
    """One choice of several."""

    label: str = Field(examples=["The first"])
    value: str = Field(examples=["1"])


class ImageOption(Option):
    """One picture of several.

    Args:
        data_uri: the picture.
    """

    data_uri: str | None = Field(examples=["data:image/png;base64,iVBORw0KGgo="])


class Challenge(Shape):
    """A question that the bank asks.

    Args:
        type: TEXT, TOKEN, OPTIONS, IMAGE_DATA or IMAGE_OPTIONS; show another word as TEXT.
        image_data: the picture of IMAGE_DATA, a data URI.
    """

    guid: Guid
    type: str = Field(examples=["TEXT"])
    label: str = Field(examples=["What is your favourite colour?"])
    options: list[Option]
    image_data: str | None = Field(examples=["data:image/png;base64,iVBORw0KGgo="])
    image_options: list[ImageOption]


class Challenges(Shape):
    """The questions that are open now."""

    data: list[Challenge]
    next_cursor: None


class Institution(Shape):
    """A bank that can be linked.

    Args:
        logo_url: a picture that this service serves to anybody, PNG, JPEG, WebP or GIF; null where the bank has none.
            It can still be missing (404 `no_logo`): show the bank's initials then.
        supports_oauth: it has a sign-in page of its own, and is linked without credentials.
    """

    code: InstitutionCode
    name: str = Field(examples=["MX Bank"])
    url: str | None = Field(examples=["https://bank.example"])
    logo_url: str | None = Field(examples=["https://money.example/logos/mxbank"])
    supports_oauth: bool


class Institutions(Shape):
    """A page of banks."""

    data: list[Institution]
    next_cursor: Cursor | None


class CredentialField(Shape):
    """A field of a bank's login form."""

    guid: Guid
    field_name: str = Field(examples=["LOGIN"])
    label: str = Field(examples=["User name"])
    type: str = Field(examples=["LOGIN"])
    display_order: int = Field(examples=[1])
    options: list[Option]


class CredentialFields(Shape):
    """A bank's login form, in the order to show it."""

    data: list[CredentialField]
    next_cursor: None


class LinkSession(Shape):
    """A page on which a bank is linked; open it with link.js.

    Args:
        url: counts once, until `expires_at`.
    """

    url: str = Field(examples=["https://money.example/link?s=handle#start-token"])
    expires_at: datetime
