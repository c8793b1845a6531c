"""The port `Aggregator`: what any adapter does, and what those do besides that have MX's test bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from decimal import Decimal

import pytest

from donkies.domain.aggregator import (
    ActBy,
    AggregatedTransaction,
    Aggregator,
    AggregatorError,
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

from ..aggregator import LOGIN, PASSWORD, credentials, settled
from ..threads import in_threads

WINDOW = date(2000, 1, 1), date(2100, 1, 1)
RETURN_URI = "https://us.example/link/return"


@dataclass(frozen=True, slots=True, kw_only=True)
class BankUnderTest:
    """A bank that the adapter can link without a person at hand, and, where a field is left out, what it cannot do.

    Args:
        code: the institution's.
        search: part of its name, in other case than there.
        login: what connects; the form's fields with their values.
        refused_login: what the bank refuses.
        asking_login, right_answer: what the bank asks one question after, and what answers it. None: no bank asks.
        own_sign_in_code: of a bank with a sign-in page of its own. None: there is none.
        has_widget: the aggregator has a linking page of its own.
        least_rows: transactions that `login` has at least, on more than one day.
    """

    code: str
    search: str
    login: Sequence[Credential]
    refused_login: Sequence[Credential]
    asking_login: Sequence[Credential] | None = None
    right_answer: str = ""
    own_sign_in_code: str | None = None
    has_widget: bool = False
    least_rows: int = 2


class AggregatorContract:
    """What every adapter of the port does. A subclass has a `bank` and the fixture `aggregator`.

    What an adapter cannot do it refuses; no case is left out for that. `read_every_s` are the seconds between two
    looks at a job.
    """

    bank: BankUnderTest
    read_every_s: float = 0

    @pytest.fixture
    def aggregator(self) -> Aggregator:
        raise NotImplementedError("Give the contract a fixture `aggregator`.")

    @pytest.fixture
    def user(self, aggregator: Aggregator) -> str:
        return aggregator.ensure_user("contract-person")

    def link(self, aggregator: Aggregator, user: str, login: Sequence[Credential] | None = None) -> Member:
        return aggregator.create_member(user, self.bank.code, login or self.bank.login, "contract-link")

    def settled(self, aggregator: Aggregator, member: MemberRef) -> MemberStatus:
        return settled(aggregator, member, pause_s=self.read_every_s)

    def linked(self, aggregator: Aggregator, user: str) -> MemberRef:
        """A member whose first job has ended."""
        ref = self.link(aggregator, user).ref
        self.settled(aggregator, ref)
        return ref

    def walk(
        self, aggregator: Aggregator, member: MemberRef, window: tuple[date, date] = WINDOW
    ) -> list[AggregatedTransaction]:
        """The rows of every page."""
        first = aggregator.read_transactions_page(member, *window, 1)
        rows = list(first.rows)
        for number in range(2, first.total_pages + 1):
            page = aggregator.read_transactions_page(member, *window, number)
            assert (number, first.per_page) == (page.number, page.per_page)
            rows += page.rows
        assert first.total_entries == len(rows) == len({row.guid for row in rows})
        return rows

    # users

    def test_a_user_is_made_once(self, aggregator: Aggregator, user: str) -> None:
        assert user == aggregator.ensure_user("contract-person")

    def test_another_identifier_is_another_user(self, aggregator: Aggregator, user: str) -> None:
        assert user != aggregator.ensure_user("another-person")

    def test_many_threads_make_one_user(self, aggregator: Aggregator) -> None:
        guids: list[str] = []
        in_threads(*[lambda: guids.append(aggregator.ensure_user("contract-person"))] * 8)
        assert (8, 1) == (len(guids), len(set(guids)))

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
        page = aggregator.search_institutions(self.bank.search, 1, 25)
        assert self.bank.code in {bank.code for bank in page.rows}
        assert page.total_entries >= len(page.rows)
        assert (1, 25) == (page.number, page.per_page)

    def test_a_search_without_hits_has_one_empty_page(self, aggregator: Aggregator) -> None:
        page = aggregator.search_institutions("no such bank anywhere", 1, 25)
        assert (0, 0, 1) == (len(page.rows), page.total_entries, page.total_pages)

    def test_an_institution_is_read_by_its_code(self, aggregator: Aggregator) -> None:
        bank = aggregator.read_institution(self.bank.code)
        assert (self.bank.code, False) == (bank.code, bank.supports_oauth)
        assert self.bank.search.lower() in bank.name.lower()

    @pytest.mark.parametrize("code", ["no_such_bank", "..", "../..", "a/b", ".", "", "\0"])
    def test_an_unknown_code_is_gone(self, aggregator: Aggregator, code: str) -> None:
        with pytest.raises(MemberGone):
            aggregator.read_institution(code)
        with pytest.raises(MemberGone):
            aggregator.list_institution_credentials(code)

    def test_a_form_comes_in_display_order_and_asks_for_the_login(self, aggregator: Aggregator) -> None:
        form = aggregator.list_institution_credentials(self.bank.code)
        assert list(form) == sorted(form, key=lambda field: field.display_order)
        assert [one.guid for one in self.bank.login] == [field.guid for field in form]
        assert all(field.label for field in form)

    # members

    def test_a_new_member_carries_our_identifier_and_is_listed(self, aggregator: Aggregator, user: str) -> None:
        member = self.link(aggregator, user)
        assert (self.bank.code, "contract-link") == (member.institution_code, member.identifier)
        assert [(member.ref, member.identifier)] == [(one.ref, one.identifier) for one in aggregator.list_members(user)]

    def test_the_same_login_twice_is_refused(self, aggregator: Aggregator, user: str) -> None:
        self.link(aggregator, user)
        with pytest.raises(MemberExists):
            self.link(aggregator, user)

    def test_two_people_may_have_the_same_login(self, aggregator: Aggregator, user: str) -> None:
        first, second = self.link(aggregator, user), self.link(aggregator, aggregator.ensure_user("another-person"))
        assert first.ref.member_guid != second.ref.member_guid

    def test_a_field_that_the_form_lacks_is_not_accepted_nor_told(self, aggregator: Aggregator, user: str) -> None:
        with pytest.raises(CredentialsNotAccepted) as refused:
            aggregator.create_member(user, self.bank.code, [Credential("CRD-unknown", "canary")], "link")
        assert "canary" not in refused.value.detail
        assert () == aggregator.list_members(user)

    def test_a_member_of_an_unknown_user_or_institution_is_not_made(self, aggregator: Aggregator, user: str) -> None:
        with pytest.raises(MemberGone):
            aggregator.create_member("USR-unknown", self.bank.code, self.bank.login, "link")
        with pytest.raises(MemberGone):
            aggregator.create_member(user, "no_such_bank", self.bank.login, "link")

    def test_a_login_connects(self, aggregator: Aggregator, user: str) -> None:
        status = self.settled(aggregator, self.link(aggregator, user).ref)
        assert (LinkStatus.SUCCESS, None) == (status.verdict.link_status, status.verdict.reason)
        assert status.successfully_aggregated_at is not None
        assert status.successfully_aggregated_at.tzinfo is UTC
        assert status.has_processed_transactions is not False

    def test_a_refused_login_is_a_wrong_one_for_the_person_to_mend(self, aggregator: Aggregator, user: str) -> None:
        status = self.settled(aggregator, self.link(aggregator, user, self.bank.refused_login).ref)
        verdict = status.verdict
        assert (LinkStatus.WRONG_CREDENTIALS, "credentials_rejected") == (verdict.link_status, verdict.reason)
        assert (ActBy.USER, RetryWith.CREDENTIALS) == (verdict.act_by, verdict.retry_with)
        assert status.successfully_aggregated_at is None

    def test_new_credentials_mend_a_refused_link(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user, self.bank.refused_login).ref
        self.settled(aggregator, ref)
        form = aggregator.list_member_credentials(ref)
        assert [one.guid for one in self.bank.login] == [field.guid for field in form]
        aggregator.update_member_credentials(ref, self.bank.login)
        assert LinkStatus.SUCCESS is self.settled(aggregator, ref).verdict.link_status

    def test_a_refresh_is_a_job_of_its_own(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user).ref
        first = self.settled(aggregator, ref)
        aggregator.aggregate_member(ref)
        second = self.settled(aggregator, ref)
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
        self.link(aggregator, user)

    def test_somebody_elses_member_is_gone(self, aggregator: Aggregator, user: str) -> None:
        ref = self.linked(aggregator, user)
        other = MemberRef(aggregator.ensure_user("another-person"), ref.member_guid)
        for call in (aggregator.read_member_status, aggregator.list_accounts, aggregator.aggregate_member):
            with pytest.raises(MemberGone):
                call(other)
        with pytest.raises(MemberGone):
            aggregator.read_transactions_page(other, *WINDOW, 1)

    # what not every aggregator can do

    def test_its_own_widget_opens_by_a_fresh_address_or_is_refused(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user).ref
        asked = [(user, None, None), (user, self.bank.code, None), (user, None, ref)]
        if not self.bank.has_widget:
            for one in asked:
                with pytest.raises(AggregatorError):
                    aggregator.widget_url(*one)
            return
        urls = {aggregator.widget_url(*one) for one in asked}
        urls.add(aggregator.widget_url(user, None, ref, update_credentials=True))
        assert 4 == len(urls)
        assert all(url.startswith(("http://", "https://")) for url in urls)

    def test_a_widget_of_what_is_not_there_is_not_opened(self, aggregator: Aggregator, user: str) -> None:
        member = self.link(aggregator, user).ref
        other = aggregator.ensure_user("another-person")
        refusal = MemberGone if self.bank.has_widget else AggregatorError
        for asked in (("USR-unknown", None, None), (user, "no_such_bank", None), (other, None, member)):
            with pytest.raises(refusal):
                aggregator.widget_url(*asked)

    def test_a_question_is_asked_and_the_right_answer_connects(self, aggregator: Aggregator, user: str) -> None:
        if self.bank.asking_login is None:
            return  # that it takes no answers is shown below
        ref = self.link(aggregator, user, self.bank.asking_login).ref
        status = self.settled(aggregator, ref)
        (challenge,) = status.challenges
        assert (ActBy.USER, RetryWith.CHALLENGE) == (status.verdict.act_by, status.verdict.retry_with)
        assert challenge.label
        aggregator.resume_aggregation(ref, [Credential(challenge.guid, self.bank.right_answer)])
        ended = self.settled(aggregator, ref)
        assert (LinkStatus.SUCCESS, ()) == (ended.verdict.link_status, ended.challenges)

    def test_an_answer_without_a_question_is_refused(self, aggregator: Aggregator, user: str) -> None:
        ref = self.linked(aggregator, user)
        with pytest.raises(NotChallenged):
            aggregator.resume_aggregation(ref, [Credential("CRD-1", "correct")])

    def test_a_bank_with_its_own_sign_in_waits_for_the_person_others_take_credentials(
        self, aggregator: Aggregator, user: str
    ) -> None:
        with pytest.raises(AggregatorError):
            aggregator.create_oauth_member(user, self.bank.code, "link", RETURN_URI)
        assert () == aggregator.list_members(user)
        if self.bank.own_sign_in_code is None:
            return
        assert aggregator.read_institution(self.bank.own_sign_in_code).supports_oauth
        member = aggregator.create_oauth_member(user, self.bank.own_sign_in_code, "link", RETURN_URI)
        verdict = aggregator.read_member_status(member.ref).verdict
        assert (LinkStatus.PROCESSING, "bank_sign_in") == (verdict.link_status, verdict.reason)
        assert (member.oauth_window_uri or "").startswith("http")
        assert aggregator.read_oauth_window_uri(member.ref, RETURN_URI).startswith("http")

    # data

    def test_accounts_hold_exact_money(self, aggregator: Aggregator, user: str) -> None:
        accounts = aggregator.list_accounts(self.linked(aggregator, user))
        assert accounts
        assert len(accounts) == len({one.guid for one in accounts})
        for one in accounts:
            assert one.balance is None or (isinstance(one.balance, Decimal) and one.balance == round(one.balance, 2))
            assert 3 == len(one.currency_code)

    def test_every_transaction_is_on_one_page_of_the_walk(self, aggregator: Aggregator, user: str) -> None:
        ref = self.linked(aggregator, user)
        rows = self.walk(aggregator, ref)
        assert len(rows) >= self.bank.least_rows
        assert {row.account_guid for row in rows} <= {one.guid for one in aggregator.list_accounts(ref)}
        assert {row.type for row in rows} <= {"debit", "credit"}
        assert {row.status for row in rows} <= {"posted", "pending"}
        assert all(isinstance(row.amount, Decimal) and row.amount >= 0 for row in rows)
        assert all(3 == len(row.currency_code) for row in rows)

    def test_a_window_takes_in_both_its_days(self, aggregator: Aggregator, user: str) -> None:
        ref = self.linked(aggregator, user)
        rows = self.walk(aggregator, ref)
        day = sorted(row.date for row in rows)[len(rows) // 2]
        of_the_day = {row.guid for row in rows if row.date == day}
        assert of_the_day == {row.guid for row in self.walk(aggregator, ref, (day, day))}
        before = day - timedelta(days=1)
        assert not of_the_day & {row.guid for row in self.walk(aggregator, ref, (before, before))}

    def test_a_transaction_that_did_not_change_has_equal_bytes(self, aggregator: Aggregator, user: str) -> None:
        ref = self.linked(aggregator, user)
        first, second = (self.walk(aggregator, ref) for _ in range(2))
        assert {row.guid: row.raw for row in first} == {row.guid: row.raw for row in second}


class MxTestBankContract(AggregatorContract):
    """What adapters do besides that have MX's test bank (ATRIUM.md 4), and ten transactions or more a member."""

    bank = BankUnderTest(
        code="mxbank",
        search="x ban",
        login=credentials("any"),
        refused_login=credentials("INVALID"),
        asking_login=credentials("challenge"),
        right_answer="correct",
        own_sign_in_code="mxbank_oauth",
        has_widget=True,
        least_rows=10,
    )

    def test_the_form_of_the_test_bank_is_as_documented(self, aggregator: Aggregator) -> None:
        form = aggregator.list_institution_credentials("mxbank")
        assert [(LOGIN.guid, "LOGIN"), (PASSWORD.guid, "PASSWORD")] == [(one.guid, one.type) for one in form]

    @pytest.mark.parametrize(
        ("password", "state", "reason"),
        [
            ("UNAUTHORIZED", LinkStatus.WRONG_CREDENTIALS, "credentials_rejected"),
            ("LOCKED", LinkStatus.OTHER_ERROR, "user_action_at_bank"),
            ("SERVER_ERROR", LinkStatus.OTHER_ERROR, "institution_down"),
            ("UNAVAILABLE", LinkStatus.OTHER_ERROR, "institution_down"),
        ],
    )
    def test_a_password_leads_to_its_end(
        self, aggregator: Aggregator, user: str, password: str, state: LinkStatus, reason: str
    ) -> None:
        status = self.settled(aggregator, self.link(aggregator, user, credentials(password)).ref)
        assert (state, reason) == (status.verdict.link_status, status.verdict.reason)
        assert status.successfully_aggregated_at is None

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
    def test_a_question_of_each_type_is_asked_and_answered(
        self, aggregator: Aggregator, user: str, password: str, type_: str
    ) -> None:
        ref = self.link(aggregator, user, credentials(password)).ref
        (challenge,) = self.settled(aggregator, ref).challenges
        assert type_ == challenge.type
        assert (type_ == "IMAGE_DATA") is (challenge.image_data or "").startswith("data:image/")
        if type_ in ("OPTIONS", "IMAGE_OPTIONS"):
            assert "correct" in {option.value for option in challenge.options}
        for option in challenge.options:
            assert (type_ == "IMAGE_OPTIONS") is (option.data_uri or "").startswith("data:image/")
        aggregator.resume_aggregation(ref, [Credential(challenge.guid, "correct")])
        ended = self.settled(aggregator, ref)
        assert (LinkStatus.SUCCESS, ()) == (ended.verdict.link_status, ended.challenges)

    def test_a_wrong_answer_is_rejected_and_a_refresh_asks_again(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user, credentials("challenge")).ref
        (challenge,) = self.settled(aggregator, ref).challenges
        aggregator.resume_aggregation(ref, [Credential(challenge.guid, "wrong")])
        status = self.settled(aggregator, ref)
        assert ("challenge_rejected", RetryWith.REFRESH) == (status.verdict.reason, status.verdict.retry_with)
        aggregator.aggregate_member(ref)
        assert LinkStatus.CHALLENGED is self.settled(aggregator, ref).verdict.link_status

    def test_an_answer_may_bring_one_more_question(self, aggregator: Aggregator, user: str) -> None:
        ref = self.link(aggregator, user, credentials("challenge")).ref
        (first,) = self.settled(aggregator, ref).challenges
        aggregator.resume_aggregation(ref, [Credential(first.guid, "challenge")])
        (second,) = self.settled(aggregator, ref).challenges
        aggregator.resume_aggregation(ref, [Credential(second.guid, "correct")])
        assert LinkStatus.SUCCESS is self.settled(aggregator, ref).verdict.link_status
