"""What people ask of a link once it is there: answers, refreshing, and an end."""

from __future__ import annotations

import threading
from typing import Any
from uuid import UUID

import pytest

from donkies.domain.aggregator import (
    ActBy,
    AggregatorDown,
    JobRunning,
    MemberGone,
    NotChallenged,
    RetryWith,
)
from donkies.domain.challenges import ChallengeAnswer
from donkies.domain.errors import IllegalTransition, Invalid, NotFound
from donkies.testing.banking import BankingServices

from .link_steps import (
    CHALLENGED,
    OTHER,
    PROCESSING,
    SUCCESS,
    connected,
    create,
    members,
    shown,
    while_it_runs,
)


@pytest.fixture
def services() -> BankingServices:
    return BankingServices()


class TestAnswers:
    @pytest.fixture
    def link_id(self, services: BankingServices) -> UUID:
        link = create(services, "challenge")
        services.look_for(10)
        assert CHALLENGED == services.link(link.id).link_status
        return link.id

    def answer(self, services: BankingServices, link_id: UUID, value: str) -> None:
        (asked,) = services.linking.challenges(services.user_id, link_id)
        services.linking.answer(services.user_id, link_id, [ChallengeAnswer(asked.guid, value)])

    def test_the_right_one_connects(self, services: BankingServices, link_id: UUID) -> None:
        self.answer(services, link_id, "correct")
        assert (PROCESSING, ()) == (services.link(link_id).link_status, services.link(link_id).challenges)
        services.look_for(30)
        assert SUCCESS == services.link(link_id).link_status

    def test_a_wrong_one_asks_for_a_refresh_which_brings_a_new_question(
        self, services: BankingServices, link_id: UUID
    ) -> None:
        self.answer(services, link_id, "wrong")
        services.look_for(30)
        assert (OTHER, "challenge_rejected", RetryWith.REFRESH) == shown(services, link_id)
        services.linking.refresh(services.user_id, link_id)
        services.look_for(30)
        assert CHALLENGED == services.link(link_id).link_status

    def test_one_that_does_not_fit_leaves_the_question_open(self, services: BankingServices, link_id: UUID) -> None:
        with pytest.raises(Invalid):
            services.linking.answer(services.user_id, link_id, [ChallengeAnswer("CRD-other", "x")])
        assert CHALLENGED == services.link(link_id).link_status
        self.answer(services, link_id, "correct")

    def test_one_that_comes_when_the_question_has_expired_asks_for_a_refresh(
        self, services: BankingServices, link_id: UUID
    ) -> None:
        services.aggregator.instead("resume_aggregation", NotChallenged("405"))
        self.answer(services, link_id, "correct")
        assert (OTHER, "challenge_expired", RetryWith.REFRESH) == shown(services, link_id)

    def test_one_whose_fate_is_unknown_is_not_sent_again(self, services: BankingServices, link_id: UUID) -> None:
        def heard_of_by_nobody(*args: Any) -> None:
            services.aggregator.inner.resume_aggregation(*args)
            raise AggregatorDown("timed out", outcome_unknown=True)

        services.aggregator.instead("resume_aggregation", heard_of_by_nobody)
        self.answer(services, link_id, "correct")
        services.look_for(30)
        assert SUCCESS == services.link(link_id).link_status
        assert 1 == services.aggregator.calls.count("resume_aggregation")

    def test_a_second_answer_at_the_same_time_is_refused(self, services: BankingServices, link_id: UUID) -> None:
        (asked,) = services.linking.challenges(services.user_id, link_id)

        def another() -> None:
            with pytest.raises(IllegalTransition):
                services.linking.answer(services.user_id, link_id, [ChallengeAnswer(asked.guid, "other")])

        services.aggregator.instead("resume_aggregation", while_it_runs(services, "resume_aggregation", another))
        services.linking.answer(services.user_id, link_id, [ChallengeAnswer(asked.guid, "correct")])
        assert 1 == services.aggregator.calls.count("resume_aggregation")


class TestRefresh:
    def test_a_healthy_link_stays_in_sight(self, services: BankingServices) -> None:
        link_id = connected(services)
        services.linking.refresh(services.user_id, link_id)
        assert (SUCCESS, True) == (services.link(link_id).link_status, services.link(link_id).is_refreshing)
        services.look_for(30)
        assert (SUCCESS, False) == (services.link(link_id).link_status, services.link(link_id).is_refreshing)

    @pytest.mark.parametrize("web_calls", [32, 1])
    def test_twenty_at_once_are_one_job_however_few_may_call(self, web_calls: int) -> None:
        services = BankingServices(web_calls=web_calls)
        link_id = connected(services)
        services.aggregator.calls.clear()
        barrier = threading.Barrier(20)
        failures: list[BaseException] = []

        def refresh() -> None:
            barrier.wait()
            try:
                services.linking_service().refresh(services.user_id, link_id)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=refresh) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ([], 1) == (failures, services.aggregator.calls.count("aggregate_member"))

    def test_one_that_overtakes_another_between_its_read_and_its_lock_changes_nothing(
        self, services: BankingServices
    ) -> None:
        link_id = connected(services)
        late = services.linking_service()
        services.aggregator.calls.clear()

        class OvertakenAfterReading:
            def __enter__(self) -> Any:
                return unit_of_work.__enter__()

            def __exit__(self, *error: Any) -> None:
                unit_of_work.__exit__(*error)
                late.unit_of_work = unit_of_work
                services.linking.refresh(services.user_id, link_id)

        unit_of_work, late.unit_of_work = late.unit_of_work, OvertakenAfterReading()  # type: ignore[assignment]
        assert late.refresh(services.user_id, link_id).is_refreshing
        assert ["aggregate_member"] == services.aggregator.calls

    def test_a_job_that_runs_already_is_as_good(self, services: BankingServices) -> None:
        link_id = connected(services)
        services.aggregator.instead("aggregate_member", JobRunning("409"))
        services.linking.refresh(services.user_id, link_id)
        assert (SUCCESS, True) == (services.link(link_id).link_status, services.link(link_id).is_refreshing)

    def test_a_link_without_a_member_asks_for_credentials(self, services: BankingServices) -> None:
        link_id = connected(services)
        services.aggregator.instead("aggregate_member", MemberGone("404"))
        services.linking.refresh(services.user_id, link_id)
        assert (OTHER, "member_gone", RetryWith.CREDENTIALS) == shown(services, link_id)
        assert ActBy.USER == services.link(link_id).act_by

    def test_a_refused_link_wants_credentials_instead(self, services: BankingServices) -> None:
        link = create(services, "INVALID")
        services.look_for(30)
        with pytest.raises(IllegalTransition) as refused:
            services.linking.refresh(services.user_id, link.id)
        assert "credentials" == refused.value.extra["retry_with"]


class TestGoodbye:
    def test_disconnecting_keeps_the_link_and_deletes_the_member(self, services: BankingServices) -> None:
        link_id = connected(services)
        services.linking.disconnect(services.user_id, link_id)
        assert (OTHER, "disconnected", None) == shown(services, link_id)
        services.removing.remove()
        assert ([], {}) == (members(services), services.world.rows.committed.removals)
        services.aggregator.calls.clear()
        services.clock.advance(100_000)
        services.looking.look()
        assert [] == services.aggregator.calls

    def test_deleting_erases_the_link_and_deletes_the_member(self, services: BankingServices) -> None:
        services.linking.delete(services.user_id, connected(services))
        assert {} == services.world.rows.committed.links
        assert ("remove_members",) == services.jobs.sent[-1]
        services.removing.remove()
        assert [] == members(services)

    @pytest.mark.parametrize("goodbye", ["delete", "disconnect"])
    @pytest.mark.parametrize("slow_call", ["ensure_user", "create_member"])
    def test_a_member_that_is_made_meanwhile_is_deleted_too(
        self, services: BankingServices, goodbye: str, slow_call: str
    ) -> None:
        def leave() -> None:
            ((_, link_id),) = services.world.rows.committed.links
            getattr(services.linking, goodbye)(services.user_id, link_id)

        services.aggregator.instead(slow_call, while_it_runs(services, slow_call, leave))
        if goodbye == "delete":
            with pytest.raises(NotFound):
                create(services)
        else:
            create(services)
        for _ in range(3):
            services.removing.remove()
            services.clock.advance(61)
        assert ([], {}) == (members(services), services.world.rows.committed.removals)

    def test_a_member_whose_guid_never_became_known_is_found_by_its_identifier(self, services: BankingServices) -> None:
        def made_but_not_heard_of(*args: Any) -> None:
            services.aggregator.inner.create_member(*args)
            raise AggregatorDown("timed out", outcome_unknown=True)

        services.aggregator.instead("create_member", made_but_not_heard_of)
        services.linking.delete(services.user_id, create(services).id)
        assert 0 == services.removing.remove(), "a request may still be making it"
        services.clock.advance(61)
        services.removing.remove()
        assert [] == members(services)

    def test_the_member_is_deleted_whatever_it_takes(self, services: BankingServices) -> None:
        services.linking.delete(services.user_id, connected(services))
        services.aggregator.instead("delete_member", *[AggregatorDown("no")] * 3)
        waited = 0
        while members(services):
            services.removing.remove()
            services.clock.advance(5)
            waited += 5
        assert 40 == waited, "5, 10 and 20 s after each failure"
        assert {} == services.world.rows.committed.removals

    def test_one_that_fails_for_months_holds_up_no_other(self, services: BankingServices) -> None:
        services.linking.delete(services.user_id, connected(services))
        removals = services.world.rows.committed.removals
        (removal,) = removals.values()
        removal.attempts = 2_000
        services.aggregator.instead("delete_member", AggregatorDown("no"))
        services.removing.remove()
        (removal,) = services.world.rows.committed.removals.values()
        assert 3_600 == (removal.due_at - services.clock.now()).total_seconds()

    def test_a_removal_that_was_taken_over_is_left_to_whoever_took_it(self, services: BankingServices) -> None:
        services.linking.delete(services.user_id, connected(services))

        def take_over() -> None:
            services.clock.advance(61)
            with services.stores.unit_of_work:
                assert 1 == len(services.stores.removals.claim_due(10, 60))

        services.aggregator.instead("delete_member", while_it_runs(services, "delete_member", take_over))
        services.removing.remove()
        (removal,) = services.world.rows.committed.removals.values()
        assert 2 == removal.lease_no
