"""What the API answers, for the OpenAPI document and for the tests, which hold every answer against it.

Answers themselves are made without these models: rows go straight from SQL to JSON.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from ...domain.aggregator import ActBy, LinkStatus, RetryWith
from ...domain.linked_accounts import TransactionsStatus
from ...domain.relinking import AdoptionState

Amount = Annotated[str, Field(pattern=r"^-?[0-9]+\.[0-9]{2,4}$", examples=["1234.50"])]
Currency = Annotated[str, Field(examples=["USD"])]
Guid = Annotated[str, Field(examples=["CRD-9f61fb4c-912c-bd1e-b175-ccc7f0275cc1"])]
InstitutionCode = Annotated[str, Field(examples=["mxbank"])]
Cursor = Annotated[str, Field(examples=["WyIyMDI2LTExLTAxIl0"])]
Doubt = Literal["job_moved", "total_moved", "rows_twice", "rows_missing"]


class Shape(BaseModel):
    """Base of what is answered: a field is always there, null where it says nothing, unless it has a default."""

    model_config = ConfigDict(frozen=True)


class Problem(Shape):
    """A refusal (RFC 9457); some have further members.

    Args:
        type: a name for the kind of refusal, made of the code.
        code: a stable word for programs.
        detail: what was wrong and what to do, for people.
        request_id: by which the logs tell of it.
        errors: every bad field of the request, of a 422.
        scope: the scope that the token lacks, of a 403.
        max_age: seconds that the log-in may be ago, of a 401 `insufficient_user_authentication`.
    """

    model_config = ConfigDict(extra="allow")

    type: str = Field(pattern=r"^urn:donkies:error:[a-z_]+$", examples=["urn:donkies:error:not_found"])
    status: int = Field(ge=400, le=599, examples=[404])
    code: str = Field(pattern=r"^[a-z_]+$", examples=["not_found"])
    detail: str = Field(examples=["There is no linked account with this id."])
    request_id: str = Field("", examples=["a1b2c3d4e5f6-00002a"])
    errors: list[BadField] = []
    scope: str = Field("", examples=["accounts:read"])
    max_age: int = Field(0, examples=[600])


class BadField(Shape):
    """A field of the request that cannot be used.

    Args:
        field: its name; nested ones as `credentials.0.guid`.
    """

    field: str = Field(examples=["limit"])
    detail: str = Field(examples=["Input should be less than or equal to 500."])


class OAuthError(Shape):
    """A refusal in OAuth's shape (RFC 6749 §5.2)."""

    model_config = ConfigDict(extra="allow")

    error: str = Field(examples=["invalid_grant"])
    error_description: str = Field("", examples=["The code was used before, or has expired."])


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


class Profile(Shape):
    """A person's profile."""

    id: UUID
    first_name: str = Field(examples=["Ada"])
    last_name: str = Field(examples=["Example"])
    email: str | None = Field(examples=["ada@people.example"])
    email_verified: bool
    birthday: date | None
    picture: str | None = Field(examples=["https://pictures.example/ada.png"])
    locale: str | None = Field(examples=["en-GB"])
    created_at: datetime


class Erasure(Shape):
    """What became of a person's wish to be erased."""

    receipt: UUID
    status: str = Field(examples=["pending"])
    requested_at: datetime
    done_at: datetime | None


class Health(Shape):
    """How the process is.

    Args:
        database: up, or what is wrong with it.
    """

    model_config = ConfigDict(extra="allow")

    status: Literal["alive", "ready", "unready"]
    database: str = Field("", examples=["up"])


class Tokens(Shape):
    """Tokens (RFC 6749 §5.1).

    Args:
        expires_in: seconds that the access token is good for.
        id_token: with the scope openid (OpenID Connect Core 1.0 §3.1.3.3).
    """

    access_token: str = Field(examples=["eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl"])
    token_type: Literal["Bearer"]
    expires_in: int = Field(examples=[600])
    scope: str = Field("", examples=["openid accounts:read"])
    refresh_token: str = Field("", examples=["opaque"])
    id_token: str = Field("", examples=["eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmF0dXJl"])


class Introspection(Shape):
    """Whether a token is good, and of a good one what it says (RFC 7662 §2.2)."""

    model_config = ConfigDict(extra="allow")

    active: bool
    scope: str = Field("", examples=["openid accounts:read"])
    client_id: str = Field("", examples=["demo"])
    sub: str = Field("", examples=["0199c1a2-7d3e-7c4b-9a51-6f0e2d8b4c17"])
    exp: int = Field(0, examples=[1795000000])


class UserInfo(Shape):
    """Who the token's person is, as far as its scopes tell (OpenID Connect Core 1.0 §5.3.2)."""

    sub: UUID
    name: str = Field("", examples=["Ada Example"])
    given_name: str = Field("", examples=["Ada"])
    family_name: str = Field("", examples=["Example"])
    birthdate: date = Field(None)  # type: ignore[assignment]
    picture: str = Field("", examples=["https://pictures.example/ada.png"])
    locale: str = Field("", examples=["en-GB"])
    updated_at: int = Field(0, examples=[1795000000])
    email: str = Field("", examples=["ada@people.example"])
    email_verified: bool = False


class ServerMetadata(Shape):
    """Where this server's endpoints are, and what it can do (RFC 8414 §2, OpenID Connect Discovery 1.0 §3)."""

    model_config = ConfigDict(extra="allow")

    issuer: str = Field(examples=["https://money.example"])
    authorization_endpoint: str = Field(examples=["https://money.example/oauth/authorize"])
    token_endpoint: str = Field(examples=["https://money.example/oauth/token"])
    jwks_uri: str = Field(examples=["https://money.example/.well-known/jwks.json"])
    scopes_supported: list[str] = Field(examples=[["openid", "accounts:read"]])


class Jwks(Shape):
    """The public keys that tokens are verified with (RFC 7517 §5)."""

    keys: list[dict[str, Any]] = Field(examples=[[{"kty": "RSA", "kid": "one", "use": "sig", "alg": "RS256"}]])


Problem.model_rebuild()
