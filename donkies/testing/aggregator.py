"""The aggregator in tests: a scripted double, and the contract that every adapter of the port keeps."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from donkies.adapters.memory.aggregator import LOGIN, PASSWORD, USER_NAME, KeptMember, MemoryAggregator
from donkies.adapters.mx.statuses import verdict_of
from donkies.domain.aggregator import (
    ActBy,
    Aggregator,
    Credential,
    CredentialsNotAccepted,
    LinkStatus,
    Member,
    MemberExists,
    MemberGone,
    MemberRef,
    MemberStatus,
    NotChallenged,
    RetryWith,
)


class ScriptedAggregator(MemoryAggregator):
    """A MemoryAggregator whose status reads follow a script: one word for each read, the last one for ever.

    Args:
        words: MX's words, as `"CHALLENGED", "CONNECTED"`; each member has the script to itself.
        waits_for_answers: CHALLENGED stays until it is answered, however often it is read.
    """

    def __init__(
        self, *words: str, waits_for_answers: bool = True, transactions: int = 30, per_page: int = 1000
    ) -> None:
        super().__init__(transactions=transactions, per_page=per_page, reads=0)
        self.words = words
        self.waits_for_answers = waits_for_answers
        self._read: dict[str, int] = {}

    def next_word(self, kept: KeptMember) -> tuple[str, bool]:
        guid = kept.member.ref.member_guid
        number = min(self._read.get(guid, 0), len(self.words) - 1)
        waits = self.waits_for_answers and kept.open and self.words[max(number - 1, 0)] == "CHALLENGED"
        if waits:
            number = max(number - 1, 0)
        self._read[guid] = number + 1
        word = self.words[number]
        if word != "CHALLENGED":
            kept.open = ()
        moving = verdict_of(word).link_status in (LinkStatus.PROCESSING, LinkStatus.CHALLENGED)
        return word, moving and word != "PENDING"


def credentials(password: str, user_name: str = USER_NAME) -> list[Credential]:
    """What a person types at the test bank."""
    return [Credential(LOGIN.guid, user_name), Credential(PASSWORD.guid, password)]


def settled(aggregator: Aggregator, member: MemberRef, reads: int = 50) -> MemberStatus:
    """Read a member's status until its job has ended or asks something."""
    for _ in range(reads):
        status = aggregator.read_member_status(member)
        if status.verdict.link_status is LinkStatus.CHALLENGED or not status.is_being_aggregated:
            return status
    raise AssertionError(f"The job did not end: {status.connection_status}")


class AggregatorContract:
    """What every adapter of the port does. Subclass it as `Test…` and give it the fixture `aggregator`.

    The aggregator has MX's test bank (ATRIUM.md 4) and at least ten transactions for a new member.
    """

    @pytest.fixture
    def aggregator(self) -> Aggregator:
        raise NotImplementedError

    @pytest.fixture
    def user(self, aggregator: Aggregator) -> str:
        return aggregator.ensure_user("contract-person")

    def link(self, aggregator: Aggregator, user: str, password: str = "any") -> Member:
        return aggregator.create_member(user, "mxbank", credentials(password), f"link-{password}")

    def window(self) -> tuple[date, date]:
        return date(2000, 1, 1), date(2100, 1, 1)

    # users

    def test_a_user_is_made_once(self, aggregator: Aggregator, user: str) -> None:
        assert user == aggregator.ensure_user("contract-person")

    def test_another_identifier_is_another_user(self, aggregator: Aggregator, user: str) -> None:
        assert user != aggregator.ensure_user("another-person")

    def test_a_user_is_found_by_our_identifier_and_none_is_made(self, aggregator: Aggregator, user: str) -> None:
        assert user == aggregator.find_user("contract-person")
        assert aggregator.find_user("nobody") is None
        aggregator.delete_user(user)
        assert aggregator.find_user("contract-person") is None

    def test_a_user_is_deleted_with_all_below_it_and_may_be_gone_already(
        self, aggregator: Aggregator, user: str
    ) -> None:
        member = self.link(aggregator, user)
        aggregator.delete_user(user)
        aggregator.delete_user(user)
        with pytest.raises(MemberGone):
            aggregator.read_member_status(member.ref)
        with pytest.raises(MemberGone):
            aggregator.list_members(user)

    # institutions

    def test_an_institution_is_found_by_part_of_its_name(self, aggregator: Aggregator) -> None:
        page = aggregator.search_institutions("x ban", 1, 25)
        assert "mxbank" in {bank.code for bank in page.rows}
        assert page.total_entries >= len(page.rows)
        assert (1, 25) == (page.number, page.per_page)

    def test_a_search_without_hits_has_one_empty_page(self, aggregator: Aggregator) -> None:
        page = aggregator.search_institutions("no such bank anywhere", 1, 25)
        assert (0, 0, 1) == (len(page.rows), page.total_entries, page.total_pages)

    def test_an_institution_is_read_by_its_code(self, aggregator: Aggregator) -> None:
        bank = aggregator.read_institution("mxbank")
        assert ("mxbank", "MX Bank", False) == (bank.code, bank.name, bank.supports_oauth)

    @pytest.mark.parametrize("code", ["no_such_bank", "..", "a/b", ""])
    def test_an_unknown_code_is_gone(self, aggregator: Aggregator, code: str) -> None:
        with pytest.raises(MemberGone):
            aggregator.read_institution(code)
        with pytest.raises(MemberGone):
            aggregator.list_institution_credentials(code)

    def test_a_form_comes_in_display_order(self, aggregator: Aggregator) -> None:
        form = aggregator.list_institution_credentials("mxbank")
        assert [(LOGIN.guid, "LOGIN"), (PASSWORD.guid, "PASSWORD")] == [(one.guid, one.type) for one in form]

    # members

    def test_a_new_member_carries_our_identifier_and_is_listed(self, aggregator: Aggregator, user: str) -> None:
        member = self.link(aggregator, user)
        assert ("mxbank", "link-any") == (member.institution_code, member.identifier)
        assert [member.ref] == [one.ref for one in aggregator.list_members(user)]
        assert [member.identifier] == [one.identifier for one in aggregator.list_members(user)]

    def test_the_same_login_twice_is_refused(self, aggregator: Aggregator, user: str) -> None:
        self.link(aggregator, user)
        with pytest.raises(MemberExists):
            self.link(aggregator, user)

    def test_a_field_that_the_form_lacks_is_not_accepted(self, aggregator: Aggregator, user: str) -> None:
        with pytest.raises(CredentialsNotAccepted):
            aggregator.create_member(user, "mxbank", [Credential("CRD-unknown", "x")], "link")
        assert () == aggregator.list_members(user)

    def test_a_member_of_an_unknown_user_or_institution_is_not_made(self, aggregator: Aggregator, user: str) -> None:
        with pytest.raises(MemberGone):
            aggregator.create_member("USR-unknown", "mxbank", credentials("any"), "link")
        with pytest.raises(MemberGone):
            aggregator.create_member(user, "no_such_bank", credentials("any"), "link")

    @pytest.mark.parametrize(
        ("password", "state", "reason"),
        [
            ("any", LinkStatus.SUCCESS, None),
            ("INVALID", LinkStatus.WRONG_CREDENTIALS, "credentials_rejected"),
            ("UNAUTHORIZED", LinkStatus.WRONG_CREDENTIALS, "credentials_rejected"),
            ("LOCKED", LinkStatus.OTHER_ERROR, "user_action_at_bank"),
            ("SERVER_ERROR", LinkStatus.OTHER_ERROR, "institution_down"),
            ("UNAVAILABLE", LinkStatus.OTHER_ERROR, "institution_down"),
        ],
    )
    def test_a_password_leads_to_its_end(
        self, aggregator: Aggregator, user: str, password: str, state: LinkStatus, reason: str | None
    ) -> None:
        status = settled(aggregator, self.link(aggregator, user, password).ref)
        assert (state, reason) == (status.verdict.link_status, status.verdict.reason)
        assert (state is LinkStatus.SUCCESS) is (status.successfully_aggregated_at is not None)

    def test_new_credentials_mend_a_refused_link(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user, "INVALID").ref
        settled(aggregator, ref)
        assert [LOGIN.guid, PASSWORD.guid] == [one.guid for one in aggregator.list_member_credentials(ref)]
        aggregator.update_member_credentials(ref, credentials("right now"))
        assert LinkStatus.SUCCESS is settled(aggregator, ref).verdict.link_status

    def test_a_refresh_is_a_job_of_its_own(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user).ref
        first = settled(aggregator, ref)
        aggregator.aggregate_member(ref)
        second = settled(aggregator, ref)
        assert LinkStatus.SUCCESS is second.verdict.link_status
        assert first.aggregated_at is not None
        assert second.aggregated_at is not None
        assert first.aggregated_at.tzinfo is UTC
        assert first.aggregated_at < second.aggregated_at

    def test_a_deleted_member_is_gone_and_may_be_gone_already(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user).ref
        aggregator.delete_member(ref)
        aggregator.delete_member(ref)
        for call in (aggregator.read_member_status, aggregator.list_accounts, aggregator.aggregate_member):
            with pytest.raises(MemberGone):
                call(ref)

    def test_somebody_elses_member_is_gone(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user).ref
        other = MemberRef(aggregator.ensure_user("another-person"), ref.member_guid)
        with pytest.raises(MemberGone):
            aggregator.read_member_status(other)

    # the aggregator's own widget

    def test_each_widget_address_is_a_fresh_one(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user, "INVALID").ref
        urls = {
            aggregator.widget_url(user, None, None),
            aggregator.widget_url(user, "mxbank", None),
            aggregator.widget_url(user, None, ref),
            aggregator.widget_url(user, None, ref, update_credentials=True),
        }
        assert 4 == len(urls)
        assert all(url.startswith(("http://", "https://")) for url in urls)

    def test_a_widget_of_what_is_not_there_is_not_opened(self, aggregator: Aggregator, user: str) -> None:
        member = self.link(aggregator, user).ref
        other = aggregator.ensure_user("another-person")
        for asked in (("USR-unknown", None, None), (user, "no_such_bank", None), (other, None, member)):
            with pytest.raises(MemberGone):
                aggregator.widget_url(*asked)

    # questions

    @pytest.mark.parametrize(
        ("password", "type_"),
        [
            ("challenge", "TEXT"),
            ("token", "TOKEN"),
            ("options", "OPTIONS"),
            ("image", "IMAGE_DATA"),
            ("image_options", "IMAGE_OPTIONS"),
        ],
    )
    def test_a_question_is_asked_and_the_right_answer_connects(
        self, aggregator: Aggregator, user: str, password: str, type_: str
    ) -> None:
        ref = self.link(aggregator, user, password).ref
        status = settled(aggregator, ref)
        (challenge,) = status.challenges
        assert (ActBy.USER, RetryWith.CHALLENGE) == (status.verdict.act_by, status.verdict.retry_with)
        assert type_ == challenge.type
        assert challenge.label
        assert (type_ == "IMAGE_DATA") is (challenge.image_data or "").startswith("data:image/")
        if type_ in ("OPTIONS", "IMAGE_OPTIONS"):
            assert "correct" in {option.value for option in challenge.options}
        for option in challenge.options:
            assert (type_ == "IMAGE_OPTIONS") is (option.data_uri or "").startswith("data:image/")
        aggregator.resume_aggregation(ref, [Credential(challenge.guid, "correct")])
        ended = settled(aggregator, ref)
        assert (LinkStatus.SUCCESS, ()) == (ended.verdict.link_status, ended.challenges)

    def test_a_wrong_answer_is_rejected_and_a_refresh_asks_again(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user, "challenge").ref
        (challenge,) = settled(aggregator, ref).challenges
        aggregator.resume_aggregation(ref, [Credential(challenge.guid, "wrong")])
        status = settled(aggregator, ref)
        assert ("challenge_rejected", RetryWith.REFRESH) == (status.verdict.reason, status.verdict.retry_with)
        aggregator.aggregate_member(ref)
        assert LinkStatus.CHALLENGED is settled(aggregator, ref).verdict.link_status

    def test_an_answer_may_bring_one_more_question(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user, "challenge").ref
        (first,) = settled(aggregator, ref).challenges
        aggregator.resume_aggregation(ref, [Credential(first.guid, "challenge")])
        (second,) = settled(aggregator, ref).challenges
        aggregator.resume_aggregation(ref, [Credential(second.guid, "correct")])
        assert LinkStatus.SUCCESS is settled(aggregator, ref).verdict.link_status

    def test_an_answer_without_a_question_is_refused(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user).ref
        settled(aggregator, ref)
        with pytest.raises(NotChallenged):
            aggregator.resume_aggregation(ref, [Credential("CRD-1", "correct")])

    # a bank with its own sign-in

    def test_a_bank_with_its_own_sign_in_waits_for_the_person(self, aggregator: Aggregator, user: str) -> None:
        member = aggregator.create_oauth_member(user, "mxbank_oauth", "link", "https://us.example/link/return")
        verdict = aggregator.read_member_status(member.ref).verdict
        assert (LinkStatus.PROCESSING, "bank_sign_in") == (verdict.link_status, verdict.reason)
        assert (member.oauth_window_uri or "").startswith("http")
        uri = aggregator.read_oauth_window_uri(member.ref, "https://us.example/link/return")
        assert uri.startswith("http")

    # data

    def test_accounts_hold_exact_money(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user).ref
        settled(aggregator, ref)
        accounts = aggregator.list_accounts(ref)
        assert len(accounts) == len({one.guid for one in accounts})
        assert accounts
        for one in accounts:
            assert one.balance == round(one.balance, 2)
            assert 3 == len(one.currency_code)

    def test_every_transaction_is_on_one_page_of_the_walk(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user).ref
        settled(aggregator, ref)
        first = aggregator.read_transactions_page(ref, *self.window(), 1)
        rows = list(first.rows)
        for number in range(2, first.total_pages + 1):
            page = aggregator.read_transactions_page(ref, *self.window(), number)
            assert (number, first.per_page) == (page.number, page.per_page)
            rows += page.rows
        assert first.total_entries == len(rows) == len({row.guid for row in rows})
        assert len(rows) >= 10
        assert {row.account_guid for row in rows} <= {one.guid for one in aggregator.list_accounts(ref)}
        assert {row.type for row in rows} <= {"debit", "credit"}
        assert {row.status for row in rows} <= {"posted", "pending"}
        assert all(row.amount >= 0 for row in rows)

    def test_a_window_takes_in_both_its_days(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user).ref
        settled(aggregator, ref)
        rows = aggregator.read_transactions_page(ref, *self.window(), 1).rows
        day = sorted(row.date for row in rows)[len(rows) // 2]
        of_the_day = {row.guid for row in rows if row.date == day}
        one_day = aggregator.read_transactions_page(ref, day, day, 1)
        assert of_the_day == {row.guid for row in one_day.rows}
        before = aggregator.read_transactions_page(ref, day - timedelta(days=1), day - timedelta(days=1), 1)
        assert not of_the_day & {row.guid for row in before.rows}

    def test_a_transaction_that_did_not_change_has_equal_bytes(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user).ref
        settled(aggregator, ref)
        first, second = (aggregator.read_transactions_page(ref, *self.window(), 1).rows for _ in range(2))
        assert {row.guid: row.raw for row in first} == {row.guid: row.raw for row in second}


class RecordedTransport(BaseAdapter):
    """A `requests` adapter that plays answers back in turn, the last one for ever, and keeps what was asked.

    Args:
        answers: each made by `recorded`, or an exception to raise.
    """

    def __init__(self, *answers: Recorded | Exception) -> None:
        super().__init__()
        self.answers = list(answers)
        self.requests: list[requests.PreparedRequest] = []
        self.open: list[io.BytesIO] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        body = io.BytesIO(answer.body)
        self.open.append(body)
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.raw = HTTPResponse(body, status=answer.status, headers=answer.headers, preload_content=False)
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        """There is nothing to close."""


@dataclass(frozen=True)
class Recorded:
    """An answer of MX's."""

    status: int
    body: bytes
    headers: dict[str, str]


def recorded(data: object = b"", status: int = 200, **headers: str) -> Recorded:
    """Write an answer down.

    Args:
        data: its body: bytes as they are, anything else as JSON.
        headers: with underscores for hyphens.
    """
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    written = {name.replace("_", "-"): value for name, value in headers.items()}
    return Recorded(status, body, {"Content-Length": str(len(body))} | written)
