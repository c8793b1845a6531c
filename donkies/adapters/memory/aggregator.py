"""The aggregator's in-memory twin, for tests and examples: a small MX test bank without HTTP.

Who logs in as `test_atrium` gets what the password says (`INVALID`, `challenge`, …; any other one connects). Time
does not pass by itself: a job takes a number of status reads. Source of the scenarios: ATRIUM.md 4.2.
"""

from __future__ import annotations

import itertools
import json
import threading
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import wraps
from typing import Any, TypeVar, cast

from donkies.domain.aggregator import (
    AggregatedAccount,
    AggregatedTransaction,
    Credential,
    CredentialField,
    CredentialsNotAccepted,
    Institution,
    LinkStatus,
    Member,
    MemberExists,
    MemberGone,
    MemberLimitReached,
    MemberRef,
    MemberStatus,
    NotChallenged,
    Page,
    Row,
)
from donkies.domain.challenges import Challenge, ChallengeOption

from ..mx.statuses import verdict_of

Method = TypeVar("Method", bound=Callable[..., Any])

LOGIN = CredentialField("CRD-9f61fb4c-912c-bd1e-b175-ccc7f0275cc1", "LOGIN", "Username", "LOGIN", 1)
PASSWORD = CredentialField("CRD-e3d7ea81-aac7-05e9-fbdd-4b493c6e474d", "PASSWORD", "Password", "PASSWORD", 2)
USER_NAME = "test_atrium"
RIGHT_ANSWER = "correct"

_ENDS = {
    "BAD_REQUEST": "FAILED",
    "SERVER_ERROR": "FAILED",
    "UNAVAILABLE": "FAILED",
    "UNAUTHORIZED": "DENIED",
    "INVALID": "DENIED",
    "DISABLED": "DENIED",
    "LOCKED": "LOCKED",
}
_QUESTIONS = {
    "challenge": ("TEXT",),
    "options": ("OPTIONS",),
    "token": ("TOKEN",),
    "image": ("IMAGE_DATA",),
    "image_options": ("IMAGE_OPTIONS",),
    "two_rounds": ("TEXT", "TEXT"),
}
_ANSWERS = {"DISABLED": "DENIED", "SERVER_ERROR": "FAILED", "UNAVAILABLE": "FAILED"}
_PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
_MEMBER_LIMIT = 25
_DENIALS_UNTIL_PREVENTED = 3

_BANKS = {
    code: Institution(code, name, f"https://{code}.example", None, code.endswith("oauth"))
    for code, name in (
        ("mxbank", "MX Bank"),
        ("mxbank_oauth", "MX Bank with its own sign-in"),
        ("elm_street", "Elm Street Credit Union"),
        ("harbour", "Harbour Savings"),
    )
}


@dataclass(kw_only=True)
class KeptMember:
    """A member of the MemoryAggregator: where its job stands, and what comes of it."""

    member: Member
    login: str | None
    outcome: str = "CONNECTED"
    rounds: tuple[str, ...] = ()
    shown: str = "CREATED"
    end: str = "CONNECTED"
    reads_left: int = 0
    denials: int = 0
    open: tuple[Challenge, ...] = ()
    aggregated_at: datetime | None = None
    succeeded_at: datetime | None = None


def _locked(method: Method) -> Method:
    @wraps(method)
    def alone(self: MemoryAggregator, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return method(self, *args, **kwargs)

    return cast(Method, alone)


class MemoryAggregator:
    """The port `Aggregator` in memory. Deterministic: the same calls give the same guids, times and rows.

    Args:
        transactions: rows that each new member has.
        reads: status reads that a job takes before its end shows.
        per_page: size of a page of transactions.
        today: the day of the newest rows; the clock starts there and moves one minute with each job.
    """

    def __init__(
        self, *, transactions: int = 30, reads: int = 1, per_page: int = 1000, today: date = date(2026, 1, 31)
    ) -> None:
        self.transactions = transactions
        self.reads = reads
        self.per_page = per_page
        self.today = today
        self._now = datetime(today.year, today.month, today.day, tzinfo=UTC)
        self._numbers = itertools.count(1)
        self._users: dict[str, str] = {}
        self._members: dict[str, KeptMember] = {}
        self._rows: dict[str, list[AggregatedTransaction]] = {}
        self._lock = threading.RLock()

    # what tests do to it

    @_locked
    def set_transactions(self, member: MemberRef, rows: Sequence[AggregatedTransaction]) -> None:
        """Replace a member's transactions."""
        self._kept(member)
        self._rows[member.member_guid] = list(rows)

    @_locked
    def consent(self, member: MemberRef) -> None:
        """Do what a person does on the page of a bank with its own sign-in."""
        self._start(self._kept(member), "PENDING", "CONNECTED")

    @_locked
    def link_in_widget(self, user_guid: str, typed: str = "any", institution_code: str = "mxbank") -> Member:
        """Do what a person does in the aggregator's own widget: a member is made that bears no identifier."""
        kept = self._add(user_guid, institution_code, None, f"{USER_NAME} {next(self._numbers)}")
        self._log_in(kept, USER_NAME, typed, "CREATED")
        return kept.member

    # users

    @_locked
    def ensure_user(self, identifier: str) -> str:
        return self._users.setdefault(identifier, self._guid("USR"))

    @_locked
    def find_user(self, identifier: str) -> str | None:
        return self._users.get(identifier)

    @_locked
    def delete_user(self, user_guid: str) -> None:
        for kept in self._of(user_guid):
            self.delete_member(kept.member.ref)
        self._users = {name: guid for name, guid in self._users.items() if guid != user_guid}

    # institutions

    def search_institutions(self, text: str, page: int, per_page: int) -> Page[Institution]:
        found = [bank for bank in _BANKS.values() if text.strip().lower() in bank.name.lower()]
        return _page_of(found, page, per_page)

    def read_institution(self, code: str) -> Institution:
        if code not in _BANKS:
            raise MemberGone("There is no such institution.")
        return _BANKS[code]

    def list_institution_credentials(self, code: str) -> tuple[CredentialField, ...]:
        return () if self.read_institution(code).supports_oauth else (LOGIN, PASSWORD)

    # members

    @_locked
    def list_member_credentials(self, member: MemberRef) -> tuple[CredentialField, ...]:
        return self.list_institution_credentials(self._kept(member).member.institution_code)

    @_locked
    def create_member(
        self, user_guid: str, institution_code: str, credentials: Sequence[Credential], identifier: str
    ) -> Member:
        self.read_institution(institution_code)
        login, password = self._typed(credentials)
        mine = self._room_for_one_more(user_guid)
        if any((one.member.institution_code, one.login) == (institution_code, login) for one in mine):
            raise MemberExists("This login at this institution is linked already.")
        kept = self._add(user_guid, institution_code, identifier, login)
        self._log_in(kept, login, password, "CREATED")
        return kept.member

    @_locked
    def create_oauth_member(self, user_guid: str, institution_code: str, identifier: str, return_uri: str) -> Member:
        if not self.read_institution(institution_code).supports_oauth:
            raise CredentialsNotAccepted("This institution takes credentials.")
        self._room_for_one_more(user_guid)
        kept = self._add(user_guid, institution_code, identifier, None)
        kept.shown = kept.end = "PENDING"
        uri = self.read_oauth_window_uri(kept.member.ref, return_uri)
        return replace(kept.member, connection_status="PENDING", oauth_window_uri=uri)

    @_locked
    def read_oauth_window_uri(self, member: MemberRef, return_uri: str) -> str:
        self._kept(member)
        return f"https://bank.example/consent/{next(self._numbers)}"

    @_locked
    def widget_url(
        self,
        user_guid: str,
        institution_code: str | None,
        member: MemberRef | None,
        *,
        update_credentials: bool = False,
    ) -> str:
        if user_guid not in self._users.values():
            raise MemberGone("There is no such user.")
        if member is not None:
            self._kept(MemberRef(user_guid, member.member_guid))
        elif institution_code is not None:
            self.read_institution(institution_code)
        return f"https://widget.example/connect/{next(self._numbers)}"

    @_locked
    def list_members(self, user_guid: str) -> tuple[Member, ...]:
        if user_guid not in self._users.values():
            raise MemberGone("There is no such user.")
        return tuple(replace(kept.member, connection_status=kept.shown) for kept in self._of(user_guid))

    @_locked
    def update_member_credentials(self, member: MemberRef, credentials: Sequence[Credential]) -> None:
        kept = self._kept(member)
        kept.login, password = self._typed(credentials)
        self._log_in(kept, kept.login, password, "UPDATED")

    @_locked
    def delete_member(self, member: MemberRef) -> None:
        self._members.pop(member.member_guid, None)
        self._rows.pop(member.member_guid, None)

    @_locked
    def aggregate_member(self, member: MemberRef) -> None:
        kept = self._kept(member)
        if not kept.reads_left and kept.end not in ("CHALLENGED", "PENDING"):
            self._start(kept, kept.shown, kept.outcome)

    @_locked
    def read_member_status(self, member: MemberRef) -> MemberStatus:
        kept = self._kept(member)
        word, busy = self.next_word(kept)
        kept.shown = word
        if word == "CHALLENGED" and not kept.open:
            kept.open = (self._question(kept.rounds[0] if kept.rounds else "TEXT"),)
        if word == "CONNECTED" and not busy:
            kept.outcome, kept.denials, kept.succeeded_at = "CONNECTED", 0, kept.aggregated_at
        verdict = verdict_of(word, None, kept.open)
        return MemberStatus(
            connection_status=word,
            verdict=verdict,
            is_being_aggregated=busy,
            has_processed_transactions=word == "CONNECTED" and not busy,
            aggregated_at=kept.aggregated_at,
            successfully_aggregated_at=kept.succeeded_at,
            challenges=kept.open if verdict.link_status is LinkStatus.CHALLENGED else (),
        )

    @_locked
    def resume_aggregation(self, member: MemberRef, answers: Sequence[Credential]) -> None:
        kept = self._kept(member)
        if not kept.open:
            raise NotChallenged("No question is open any more. Refresh the link for a new one.")
        if {answer.guid for answer in answers} != {challenge.guid for challenge in kept.open}:
            raise CredentialsNotAccepted("The answers do not fit the questions that are open.")
        kept.open = ()
        value = next(answer.value for answer in answers)
        if value == RIGHT_ANSWER:
            kept.rounds = kept.rounds[1:]
            end = "CHALLENGED" if kept.rounds else "CONNECTED"
        elif value == "challenge":
            end = "CHALLENGED"
        else:
            end = _ANSWERS.get(value, "REJECTED")
        self._start(kept, "RESUMED", end)

    # data

    @_locked
    def list_accounts(self, member: MemberRef) -> tuple[AggregatedAccount, ...]:
        kept = self._kept(member)
        return () if kept.succeeded_at is None else _accounts(kept)

    @_locked
    def read_transactions_page(
        self, member: MemberRef, from_date: date, to_date: date, page: int
    ) -> Page[AggregatedTransaction]:
        kept = self._kept(member)
        rows = [] if kept.succeeded_at is None else self._rows[member.member_guid]
        return _page_of([row for row in rows if from_date <= row.date <= to_date], page, self.per_page)

    # inside

    def _guid(self, prefix: str) -> str:
        return f"{prefix}-00000000-0000-0000-0000-{next(self._numbers):012d}"

    def _of(self, user_guid: str) -> list[KeptMember]:
        return [kept for kept in self._members.values() if kept.member.ref.user_guid == user_guid]

    def _kept(self, ref: MemberRef) -> KeptMember:
        kept = self._members.get(ref.member_guid)
        if kept is None or kept.member.ref != ref:
            raise MemberGone("There is no such member.")
        return kept

    def _room_for_one_more(self, user_guid: str) -> list[KeptMember]:
        if user_guid not in self._users.values():
            raise MemberGone("There is no such user.")
        mine = self._of(user_guid)
        if len(mine) >= _MEMBER_LIMIT:
            raise MemberLimitReached("No more members for this person.")
        return mine

    def _add(self, user_guid: str, code: str, identifier: str | None, login: str | None) -> KeptMember:
        ref = MemberRef(user_guid, self._guid("MBR"))
        kept = KeptMember(member=Member(ref, code, identifier, "CREATED"), login=login)
        self._members[ref.member_guid] = kept
        self._rows[ref.member_guid] = [
            made_transaction(ref, number, self.today - timedelta(days=number // 2))
            for number in range(self.transactions)
        ]
        return kept

    def _typed(self, credentials: Sequence[Credential]) -> tuple[str, str]:
        values = {one.guid: one.value for one in credentials}
        if set(values) != {LOGIN.guid, PASSWORD.guid} or not all(values.values()):
            raise CredentialsNotAccepted("Read the form again and fill in every field.")
        return values[LOGIN.guid], values[PASSWORD.guid]

    def _log_in(self, kept: KeptMember, login: str, password: str, shown: str) -> None:
        known = login == USER_NAME
        kept.rounds = _QUESTIONS.get(password, ()) if known else ()
        kept.outcome = "CHALLENGED" if kept.rounds else _ENDS.get(password, "CONNECTED") if known else "DENIED"
        kept.denials = kept.denials + 1 if kept.outcome == "DENIED" else 0
        prevented = kept.denials >= _DENIALS_UNTIL_PREVENTED
        self._start(kept, shown, "PREVENTED" if prevented else kept.outcome)

    def _start(self, kept: KeptMember, shown: str, end: str) -> None:
        self._now += timedelta(minutes=1)
        kept.aggregated_at = self._now
        kept.open = ()
        kept.shown, kept.end, kept.reads_left = shown, end, self.reads

    def next_word(self, kept: KeptMember) -> tuple[str, bool]:
        """The word that the next read shows, and whether a job runs."""
        if kept.reads_left:
            kept.reads_left -= 1
            return kept.shown, True
        return kept.end, kept.end == "CHALLENGED"

    def _question(self, type_: str) -> Challenge:
        options: tuple[ChallengeOption, ...] = ()
        if type_ in ("OPTIONS", "IMAGE_OPTIONS"):
            picture = _PIXEL if type_ == "IMAGE_OPTIONS" else None
            options = (
                ChallengeOption("The right one", RIGHT_ANSWER, picture),
                ChallengeOption("A wrong one", "wrong", picture),
            )
        image = _PIXEL if type_ == "IMAGE_DATA" else None
        return Challenge(self._guid("CRD"), type_, "What is the answer?", options, image)


def made_transaction(member: MemberRef, number: int, day: date, **changes: Any) -> AggregatedTransaction:
    """A transaction of the member's first or second account; the same arguments give the same row.

    Args:
        changes: fields to set otherwise.
    """
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    tail = member.member_guid[4:]
    guid = f"TRN-{number:08d}-{tail}"
    values: dict[str, Any] = {
        "guid": guid,
        "account_guid": f"ACT-{1 + number % 2}-{tail}",
        "status": "posted",
        "type": "credit" if number % 5 == 0 else "debit",
        "amount": Decimal(100 + number * 37 % 9900) / 100,
        "currency_code": "USD",
        "date": day,
        "transacted_at": moment,
        "posted_at": moment + timedelta(days=1),
        "description": f"Corner Shop {number}",
        "original_description": f"CORNER SHP {number:04d}",
        "memo": None,
        "category": "Groceries",
        "top_level_category": "Food & Dining",
        "merchant_guid": None,
        "check_number": None,
        "flags": {"is_expense": number % 5 != 0},
    } | changes
    raw = json.dumps(values, sort_keys=True, default=str, separators=(",", ":")).encode()
    return AggregatedTransaction(**{"raw": raw} | values)


def _accounts(kept: KeptMember) -> tuple[AggregatedAccount, ...]:
    member, customer = kept.member.ref, (kept.login or kept.member.ref.member_guid).casefold()
    # a customer's accounts bear the same numbers, whichever member shows them
    suffix = zlib.crc32(f"{member.user_guid} {kept.member.institution_code} {customer}".encode()) % 1000
    kinds: tuple[tuple[str, str, Decimal, dict[str, Decimal]], ...] = (
        ("Everyday checking", "CHECKING", Decimal("1250.75"), {}),
        ("Gold card", "CREDIT_CARD", Decimal("310.20"), {"credit_limit": Decimal("5000")}),
    )
    return tuple(
        AggregatedAccount(
            guid=f"ACT-{number}-{member.member_guid[4:]}",
            name=name,
            type=type_,
            subtype=None,
            balance=balance,
            available_balance=balance,
            currency_code="USD",
            masked_number=f"XXXX{number}{suffix:03d}",
            is_closed=False,
            balances=balances,
            raw={"name": name, "type": type_, "balance": float(balance)},
        )
        for number, (name, type_, balance, balances) in enumerate(kinds, 1)
    )


def _page_of(rows: Sequence[Row], number: int, per_page: int) -> Page[Row]:
    first = (number - 1) * per_page
    return Page(
        rows=tuple(rows[first : first + per_page]),
        number=number,
        per_page=per_page,
        total_entries=len(rows),
        total_pages=max(1, -(-len(rows) // per_page)),
    )
