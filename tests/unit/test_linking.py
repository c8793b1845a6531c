"""What people ask of their links, and what becomes of it when something goes wrong in between (DESIGN 3 and 6)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from donkies.adapters.memory.aggregator import MemoryAggregator
from donkies.domain.aggregator import (
    AggregatorDown,
    AggregatorMisbehaved,
    AggregatorRefusedUs,
    AggregatorThrottled,
    CallsExhausted,
    CredentialsNotAccepted,
    MemberLimitReached,
    MemberRef,
    RetryWith,
)
from donkies.domain.challenges import ChallengeAnswer
from donkies.domain.errors import Conflict, IllegalTransition, Invalid, NotFound
from donkies.domain.link_store import IdempotencyKey
from donkies.domain.linked_accounts import LinkedAccount
from donkies.testing.aggregator import ScriptedAggregator, credentials
from donkies.testing.banking import BankingServices

from .link_steps import (
    OTHER,
    PROCESSING,
    RETURN,
    SUCCESS,
    WRONG,
    connected,
    create,
    members,
    shown,
    while_it_runs,
)


@pytest.fixture
def services() -> BankingServices:
    return BankingServices()


class TestCreate:
    def test_a_link_is_made_with_its_id_as_the_members_identifier(self, services: BankingServices) -> None:
        link = create(services)
        assert [str(link.id)] == members(services)
        kept = services.link(link.id)
        assert (PROCESSING, None, None) == (kept.link_status, kept.reason, kept.retry_with)
        assert (None, "MX Bank") == (kept.lease_until, kept.institution_name)
        assert [("look",)] == services.jobs.sent

    def test_the_row_is_committed_and_held_before_the_aggregator_is_called(self, services: BankingServices) -> None:
        seen: list[LinkedAccount] = []

        def look() -> None:
            seen.extend(services.world.rows.committed.links.values())
            assert services.world.rows.open is None

        services.aggregator.instead("create_member", while_it_runs(services, "create_member", look))
        create(services)
        (held,) = seen
        assert (1, None) == (held.lease_no, held.member_guid)
        assert held.lease_until == held.next_look_at
        assert held.lease_until is not None

    def test_an_unknown_institution_makes_nothing(self, services: BankingServices) -> None:
        with pytest.raises(NotFound) as refused:
            services.linking.create(services.user_id, "no_such_bank", credentials("any"), RETURN)
        assert "unknown_institution" == refused.value.code
        assert {} == services.world.rows.committed.links

    def test_credentials_that_do_not_fit_the_form_make_nothing(self, services: BankingServices) -> None:
        with pytest.raises(Invalid):
            services.linking.create(services.user_id, "mxbank", credentials("any")[:1], RETURN)
        assert {} == services.world.rows.committed.links

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (AggregatorDown("refused"), (OTHER, "aggregator_down", RetryWith.CREDENTIALS)),
            (AggregatorThrottled("429", retry_after_s=9), (OTHER, "aggregator_throttled", RetryWith.CREDENTIALS)),
            (AggregatorRefusedUs("401"), (OTHER, "aggregator_refused_us", RetryWith.CREDENTIALS)),
            (AggregatorMisbehaved("html"), (OTHER, "aggregator_misbehaved", RetryWith.CREDENTIALS)),
            (MemberLimitReached("25"), (OTHER, "member_limit", RetryWith.CREDENTIALS)),
            (CredentialsNotAccepted("400"), (WRONG, "credentials_incomplete", RetryWith.CREDENTIALS)),
        ],
    )
    def test_when_the_aggregator_does_not_make_it_the_link_exists_and_says_why(
        self, services: BankingServices, error: Exception, expected: tuple[Any, ...]
    ) -> None:
        services.aggregator.instead("create_member", error)
        link = create(services)
        assert expected == shown(services, link.id)
        services.look_for(120)
        assert expected == shown(services, link.id), "no later look hides the reason"
        services.linking.put_credentials(services.user_id, link.id, credentials("any"))
        services.look_for(20)
        assert SUCCESS == services.link(link.id).link_status
        assert [str(link.id)] == members(services)

    def test_a_bank_whose_form_cannot_be_read_gives_a_link_that_says_why(self, services: BankingServices) -> None:
        services.aggregator.instead("read_institution", AggregatorDown("no"))
        link = create(services)
        assert (OTHER, "aggregator_down", RetryWith.CREDENTIALS) == shown(services, link.id)

    def test_a_member_that_was_made_by_a_request_that_timed_out_is_adopted(self, services: BankingServices) -> None:
        def made_but_not_heard_of(*args: Any) -> None:
            services.aggregator.inner.create_member(*args)
            raise AggregatorDown("timed out", outcome_unknown=True)

        services.aggregator.instead("create_member", made_but_not_heard_of)
        link = create(services)
        assert (PROCESSING, None, None) == shown(services, link.id)
        services.look_for(20)
        assert (SUCCESS, None, None) == shown(services, link.id)
        assert ["create_member"] == [name for name in services.aggregator.calls if name.startswith("create")]

    def test_a_member_that_was_not_made_after_all_is_asked_for_again(self, services: BankingServices) -> None:
        services.aggregator.instead("create_member", AggregatorDown("timed out", outcome_unknown=True))
        link = create(services)
        services.look_for(20)
        assert (OTHER, "member_gone", RetryWith.CREDENTIALS) == shown(services, link.id)
        services.linking.put_credentials(services.user_id, link.id, credentials("any"))
        services.look_for(20)
        assert SUCCESS == services.link(link.id).link_status

    def test_a_member_whose_request_died_is_adopted_after_its_lease(self, services: BankingServices) -> None:
        class Killed(BaseException):
            pass

        def made_then_killed(*args: Any) -> None:
            services.aggregator.inner.create_member(*args)
            raise Killed

        services.aggregator.instead("create_member", made_then_killed)
        with pytest.raises(Killed):
            create(services)
        (link,) = services.world.rows.committed.links.values()
        services.look_for(55)
        assert PROCESSING == services.link(link.id).link_status, "the request may still be at work"
        services.look_for(30)
        assert SUCCESS == services.link(link.id).link_status

    def test_a_login_that_is_linked_already_leads_to_its_link(self, services: BankingServices) -> None:
        first = connected(services)
        with pytest.raises(Conflict) as refused:
            create(services)
        assert ("already_linked", str(first)) == (refused.value.code, refused.value.extra["linked_account_id"])
        assert [first] == [link_id for _, link_id in services.world.rows.committed.links]

    def test_a_login_that_is_just_being_unlinked_can_be_tried_again(self, services: BankingServices) -> None:
        services.linking.delete(services.user_id, connected(services))
        link = create(services)
        assert (OTHER, "already_linked", RetryWith.CREDENTIALS) == shown(services, link.id)
        services.removing.remove()
        services.linking.put_credentials(services.user_id, link.id, credentials("any"))
        services.look_for(20)
        assert SUCCESS == services.link(link.id).link_status

    def test_two_logins_at_one_bank_are_two_links(self, services: BankingServices) -> None:
        first, second = create(services), create(services, login="somebody else")
        assert {str(first.id), str(second.id)} == set(members(services))

    def test_the_same_idempotency_key_makes_one_link(self, services: BankingServices) -> None:
        key = IdempotencyKey("client", "key", b"f" * 32)
        first, second = create(services, idempotency=key), create(services, idempotency=key)
        assert first.id == second.id
        assert 1 == services.aggregator.calls.count("create_member")

    def test_an_idempotency_key_for_another_request_is_refused(self, services: BankingServices) -> None:
        create(services, idempotency=IdempotencyKey("client", "key", b"f" * 32))
        with pytest.raises(Conflict) as refused:
            create(services, idempotency=IdempotencyKey("client", "key", b"g" * 32))
        assert "idempotency_key_reused" == refused.value.code

    def test_with_every_place_taken_nothing_is_sent_and_nothing_is_made(self) -> None:
        services = BankingServices(web_calls=1)
        with services.calls.place(), pytest.raises(CallsExhausted) as refused:
            create(services)
        assert 5 == refused.value.retry_after_s
        assert ([], {}) == (services.aggregator.calls, services.world.rows.committed.links)

    def test_the_fence_of_a_request_that_was_taken_over_lets_it_write_nothing(self, services: BankingServices) -> None:
        taken: list[LinkedAccount] = []

        def take_over() -> None:
            with services.stores.unit_of_work:
                (link,) = services.stores.links.list_of(services.user_id)
                link.claim(services.clock.now(), 60)
                taken.append(link)

        services.aggregator.instead("create_member", while_it_runs(services, "create_member", take_over))
        link = create(services)
        assert (2, None) == (services.link(link.id).lease_no, services.link(link.id).member_guid)
        assert taken[0].lease_until == services.link(link.id).lease_until
        assert [] == services.jobs.sent


class TestABankWithItsOwnSignIn:
    @pytest.fixture
    def link_id(self, services: BankingServices) -> UUID:
        return services.linking.create(services.user_id, "mxbank_oauth", [], RETURN).id

    def member(self, services: BankingServices, link_id: UUID) -> MemberRef:
        user_guid = services.aggregator.inner.ensure_user(str(services.user_id))
        return services.link(link_id).member(user_guid)

    def test_the_person_is_sent_there_and_the_link_is_followed(self, services: BankingServices, link_id: UUID) -> None:
        assert (PROCESSING, "bank_sign_in", RetryWith.BANK_SIGN_IN) == shown(services, link_id)
        services.look_for(30)
        assert (PROCESSING, "bank_sign_in", RetryWith.BANK_SIGN_IN) == shown(services, link_id)
        services.aggregator.inner.consent(self.member(services, link_id))
        services.look_for(30)
        assert (SUCCESS, None, None) == shown(services, link_id)

    def test_each_address_is_a_fresh_one_and_is_kept_nowhere(self, services: BankingServices, link_id: UUID) -> None:
        first = services.linking.authorize(services.user_id, link_id, RETURN)
        second = services.linking.authorize(services.user_id, link_id, RETURN)
        assert first != second
        assert "consent" not in repr(vars(services.link(link_id)))

    def test_who_walks_away_can_sign_in_later(self, services: BankingServices, link_id: UUID) -> None:
        services.look_for(920, step_s=10)
        assert (OTHER, "bank_sign_in_abandoned", RetryWith.BANK_SIGN_IN) == shown(services, link_id)
        services.linking.authorize(services.user_id, link_id, RETURN)
        assert (PROCESSING, "bank_sign_in", RetryWith.BANK_SIGN_IN) == shown(services, link_id)
        services.look_for(60, step_s=10)
        assert PROCESSING == services.link(link_id).link_status

    def test_an_address_that_cannot_be_had_leaves_the_link_as_it_was(
        self, services: BankingServices, link_id: UUID
    ) -> None:
        services.aggregator.instead("read_oauth_window_uri", AggregatorDown("no"))
        with pytest.raises(AggregatorDown):
            services.linking.authorize(services.user_id, link_id, RETURN)
        assert (PROCESSING, "bank_sign_in", RetryWith.BANK_SIGN_IN) == shown(services, link_id)
        assert services.link(link_id).lease_until is None

    def test_a_bank_with_a_form_has_no_page_to_send_to(self, services: BankingServices) -> None:
        with pytest.raises(IllegalTransition):
            services.linking.authorize(services.user_id, connected(services), RETURN)


class TestNewCredentials:
    def test_they_mend_a_refused_link(self, services: BankingServices) -> None:
        link = create(services, "INVALID")
        services.look_for(30)
        assert (WRONG, "credentials_rejected", RetryWith.CREDENTIALS) == shown(services, link.id)
        services.linking.put_credentials(services.user_id, link.id, credentials("right"))
        assert (PROCESSING, None, None) == shown(services, link.id)
        services.look_for(30)
        assert SUCCESS == services.link(link.id).link_status

    def test_a_member_deleted_behind_our_back_is_made_anew(self, services: BankingServices) -> None:
        link_id = connected(services)
        old = services.link(link_id).member_guid
        services.aggregator.inner.delete_member(
            MemberRef(services.aggregator.inner.ensure_user(str(services.user_id)), old)
        )
        services.linking.refresh(services.user_id, link_id)
        assert (OTHER, "member_gone", RetryWith.CREDENTIALS) == shown(services, link_id)
        services.linking.put_credentials(services.user_id, link_id, credentials("any"))
        services.look_for(30)
        assert SUCCESS == services.link(link_id).link_status
        assert old != services.link(link_id).member_guid

    def test_a_form_that_does_not_fit_changes_nothing(self, services: BankingServices) -> None:
        link = create(services, "INVALID")
        services.look_for(30)
        with pytest.raises(Invalid):
            services.linking.put_credentials(services.user_id, link.id, [])
        assert (WRONG, "credentials_rejected", RetryWith.CREDENTIALS) == shown(services, link.id)

    def test_where_they_cannot_be_sent_the_link_says_why(self, services: BankingServices) -> None:
        link = create(services, "INVALID")
        services.look_for(30)
        services.aggregator.instead("update_member_credentials", AggregatorDown("no"))
        services.linking.put_credentials(services.user_id, link.id, credentials("right"))
        assert (OTHER, "aggregator_down", RetryWith.CREDENTIALS) == shown(services, link.id)

    def test_of_two_at_once_one_is_sent(self, services: BankingServices) -> None:
        link = create(services, "INVALID")
        services.look_for(30)

        def another() -> None:
            with pytest.raises(IllegalTransition):
                services.linking.put_credentials(services.user_id, link.id, credentials("other"))

        services.aggregator.instead(
            "update_member_credentials", while_it_runs(services, "update_member_credentials", another)
        )
        services.linking.put_credentials(services.user_id, link.id, credentials("right"))
        assert 1 == services.aggregator.calls.count("update_member_credentials")

    def test_somebody_elses_link_is_not_there(self, services: BankingServices) -> None:
        link_id = connected(services)
        stranger = services.world.person()
        for call in (
            lambda: services.linking.put_credentials(stranger, link_id, credentials("any")),
            lambda: services.linking.refresh(stranger, link_id),
            lambda: services.linking.challenges(stranger, link_id),
            lambda: services.linking.answer(stranger, link_id, []),
            lambda: services.linking.authorize(stranger, link_id, RETURN),
            lambda: services.linking.disconnect(stranger, link_id),
            lambda: services.linking.delete(stranger, link_id),
        ):
            with pytest.raises(NotFound):
                call()


def test_no_credential_or_answer_is_in_any_row() -> None:
    services = BankingServices(ScriptedAggregator("CHALLENGED", "CONNECTED"))
    link = create(services, "canary-password", login="canary-login")
    services.look_for(10)
    (asked,) = services.linking.challenges(services.user_id, link.id)
    services.linking.answer(services.user_id, link.id, [ChallengeAnswer(asked.guid, "canary-answer")])
    services.look_for(30)
    assert SUCCESS == services.link(link.id).link_status
    kept = repr([vars(row) for row in services.world.rows.committed.links.values()]) + repr(services.jobs.sent)
    assert "canary" not in kept


def test_units_of_work_are_closed_whenever_the_aggregator_is_called() -> None:
    class Suspicious(MemoryAggregator):
        def __getattribute__(self, name: str) -> Any:
            if name in ("create_member", "read_member_status", "aggregate_member", "list_accounts"):
                assert not services.world.rows.is_open_here()
            return super().__getattribute__(name)

    services = BankingServices(Suspicious())
    link_id = connected(services)
    services.linking.refresh(services.user_id, link_id)
    services.downloading.run(services.user_id, link_id)
