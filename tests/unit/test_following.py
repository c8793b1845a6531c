"""Following links: what a looker claims, reads and writes, also when it is overtaken or the aggregator is down."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from donkies.adapters.read_pool import ThreadReadPool
from donkies.domain.aggregator import (
    ActBy,
    AggregatorDown,
    AggregatorThrottled,
    JobRunning,
    LinkStatus,
    MemberGone,
    RetryWith,
)
from donkies.domain.link_store import MemberHint
from donkies.testing.aggregator import ScriptedAggregator, credentials
from donkies.testing.banking import BankingServices, InlinePool, budget_of

SUCCESS, PROCESSING = LinkStatus.SUCCESS, LinkStatus.PROCESSING
WRONG, CHALLENGED, OTHER = LinkStatus.WRONG_CREDENTIALS, LinkStatus.CHALLENGED, LinkStatus.OTHER_ERROR


def linked(*words: str, **kw: Any) -> tuple[BankingServices, UUID]:
    """A fresh link whose member says these words, one at each read."""
    services = BankingServices(ScriptedAggregator(*words), **kw)
    return services, add(services)


def add(services: BankingServices, login: str = "somebody") -> UUID:
    typed = credentials("any", login)
    return services.linking.create(services.user_id, "mxbank", typed, "https://us.example/back").id


def shown(services: BankingServices, link_id: UUID) -> tuple[Any, ...]:
    link = services.link(link_id)
    return link.link_status, link.reason, link.retry_with


def make_due(services: BankingServices, link_id: UUID) -> None:
    """The day of a link's next download has come."""
    services.downloading.run(services.user_id, link_id)
    services.clock.advance(86_400)
    services.aggregator.calls.clear()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("CREATED", "CONNECTED"), (SUCCESS, None, None)),
        (("CREATED", "DENIED"), (WRONG, "credentials_rejected", RetryWith.CREDENTIALS)),
        (("CREATED", "PREVENTED"), (WRONG, "credentials_rejected", RetryWith.CREDENTIALS)),
        (("CREATED", "IMPAIRED"), (WRONG, "credentials_incomplete", RetryWith.CREDENTIALS)),
        (("CREATED", "CHALLENGED"), (CHALLENGED, None, RetryWith.CHALLENGE)),
        (("CREATED", "LOCKED"), (OTHER, "user_action_at_bank", RetryWith.REFRESH)),
        (("CREATED", "FAILED"), (OTHER, "institution_down", RetryWith.REFRESH)),
        (("CREATED", "DISCONTINUED"), (OTHER, "institution_discontinued", None)),
        (("CREATED", "SOMETHING_NEW"), (OTHER, "unknown_status", RetryWith.REFRESH)),
        (("DENIED", "UPDATED", "CONNECTED"), (SUCCESS, None, None)),
        (("FAILED", "FAILED", "CONNECTED"), (SUCCESS, None, None)),
    ],
)
def test_a_link_gets_where_its_member_gets(words: tuple[str, ...], expected: tuple[Any, ...]) -> None:
    services, link_id = linked(*words)
    services.look_for(60)
    assert expected == shown(services, link_id)
    assert words[-1] == services.link(link_id).connection_status


def test_success_asks_for_a_download_and_wakes_a_worker_once() -> None:
    services, link_id = linked("CREATED", "CONNECTED")
    services.look_for(30)
    assert [("download", services.user_id, link_id)] == [job for job in services.jobs.sent if job[0] == "download"]
    assert ("downloading", None) == (
        services.link(link_id).transactions_status, services.link(link_id).next_attempt_at,
    )  # fmt: skip


def test_nothing_due_is_nothing_read() -> None:
    services, _ = linked("CONNECTED")
    services.aggregator.calls.clear()
    assert 0 == services.looking.look()
    assert [] == services.aggregator.calls


def test_two_lookers_share_what_is_due() -> None:
    services = BankingServices(ScriptedAggregator("CONNECTED"))
    for number in range(5):
        add(services, f"login {number}")
    services.clock.advance(10)
    with services.stores.unit_of_work:
        first = services.stores.links.claim_due(3, 60, 3)
    with services.stores.unit_of_work:
        second = services.stores.links.claim_due(3, 60, 3)
    assert (3, 2) == (len(first), len(second))
    assert 5 == len({due.link.id for due in [*first, *second]})


def test_a_looker_that_was_overtaken_writes_nothing_and_asks_for_nothing() -> None:
    services, link_id = linked("CONNECTED")

    def overtake(*args: Any) -> Any:
        with services.stores.unit_of_work:
            services.stores.links.lock(services.user_id, link_id).claim(services.clock.now(), 60)
        return services.aggregator.inner.read_member_status(*args)

    services.clock.advance(10)
    services.aggregator.instead("read_member_status", overtake)
    services.looking.look()
    assert (PROCESSING, None, None) == shown(services, link_id)
    assert {} == services.world.rows.committed.downloads
    assert [("look",)] == services.jobs.sent


def test_a_link_deleted_while_it_was_read_stays_deleted() -> None:
    services, link_id = linked("CONNECTED")

    def delete(*args: Any) -> Any:
        services.linking.delete(services.user_id, link_id)
        raise MemberGone("404")

    services.clock.advance(10)
    services.aggregator.instead("read_member_status", delete)
    services.looking.look()
    assert {} == services.world.rows.committed.links


def test_a_member_that_is_gone_asks_for_credentials() -> None:
    services, link_id = linked("CREATED")
    services.clock.advance(10)
    services.aggregator.instead("read_member_status", MemberGone("404"))
    services.looking.look()
    assert (OTHER, "member_gone", RetryWith.CREDENTIALS) == shown(services, link_id)
    assert ActBy.USER == services.link(link_id).act_by


def test_while_the_aggregator_is_down_nothing_changes_until_the_deadline() -> None:
    services, link_id = linked("CREATED")
    services.aggregator.instead("read_member_status", *[AggregatorDown("no")] * 1_000)
    services.look_for(890, step_s=10)
    assert (PROCESSING, None, None) == shown(services, link_id)
    services.look_for(30, step_s=10)
    assert (OTHER, "aggregator_down", RetryWith.REFRESH) == shown(services, link_id)


def test_an_error_of_ours_counts_as_an_aggregator_that_is_down() -> None:
    services, link_id = linked("CONNECTED")
    services.looking.pool = pool = ThreadReadPool(1, 1)
    services.clock.advance(10)
    services.aggregator.instead("read_member_status", ZeroDivisionError())
    services.looking.look()
    pool.close()
    services.looking.pool = InlinePool()
    assert (PROCESSING, 0) == (services.link(link_id).link_status, services.looking.outstanding)
    services.look_for(20)
    assert SUCCESS == services.link(link_id).link_status


def test_a_throttled_reading_waits_as_long_as_the_aggregator_asks() -> None:
    services, link_id = linked("CONNECTED")
    services.clock.advance(10)
    services.aggregator.instead("read_member_status", AggregatorThrottled("429", retry_after_s=120))
    services.looking.look()
    assert 120 == (services.link(link_id).next_look_at - services.clock.now()).total_seconds()


def test_a_member_that_stands_still_is_nudged_once() -> None:
    class Still(ScriptedAggregator):
        def next_word(self, kept: Any) -> tuple[str, bool]:
            return kept.shown, False

    services = BankingServices(Still("CREATED"))
    link_id = add(services)
    services.look_for(300)
    assert 1 == services.aggregator.calls.count("aggregate_member")
    assert PROCESSING == services.link(link_id).link_status


def test_a_nudge_that_fails_harms_nobody() -> None:
    class Still(ScriptedAggregator):
        def next_word(self, kept: Any) -> tuple[str, bool]:
            return kept.shown, False

    services = BankingServices(Still("CREATED"))
    link_id = add(services)
    services.aggregator.instead("aggregate_member", AggregatorDown("no"))
    services.look_for(120)
    assert (PROCESSING, None, None) == shown(services, link_id)


class TestTheSchedule:
    def test_a_link_whose_day_has_come_is_refreshed_in_the_background_once(self) -> None:
        services, link_id = linked("CONNECTED")
        services.look_for(10)
        make_due(services, link_id)
        services.look_for(120)
        assert 1 == services.aggregator.calls.count("aggregate_member")
        link = services.link(link_id)
        assert (SUCCESS, False, "downloading") == (link.link_status, link.is_refreshing, link.transactions_status)
        assert 2 == sum(job[0] == "download" for job in services.jobs.sent)

    def test_nothing_is_asked_for_before_that(self) -> None:
        services, link_id = linked("CONNECTED")
        services.look_for(10)
        services.downloading.run(services.user_id, link_id)
        services.aggregator.calls.clear()
        services.look_for(60_000, step_s=600)
        assert [] == services.aggregator.calls

    def test_a_job_that_runs_anyway_is_waited_for(self) -> None:
        services, link_id = linked("CONNECTED")
        services.look_for(10)
        make_due(services, link_id)
        services.aggregator.instead("aggregate_member", JobRunning("409"))
        services.looking.look()
        services.look_for(30)
        assert "downloading" == services.link(link_id).transactions_status

    def test_a_question_in_the_background_stops_the_schedule_until_the_person_is_there(self) -> None:
        services, link_id = linked("CONNECTED")
        services.look_for(10)
        make_due(services, link_id)
        services.aggregator.inner.words = ("CHALLENGED",)
        services.looking.look()
        assert (SUCCESS, "needs_user", RetryWith.CHALLENGE) == shown(services, link_id)
        services.aggregator.calls.clear()
        services.look_for(1_000_000, step_s=3_600)
        assert [] == services.aggregator.calls
        assert (SUCCESS, "needs_user", RetryWith.CHALLENGE) == shown(services, link_id)
        services.aggregator.inner.words = ("CONNECTED",)
        services.linking.refresh(services.user_id, link_id)
        services.look_for(30)
        assert SUCCESS == services.link(link_id).link_status

    def test_an_outage_leaves_a_healthy_link_as_it_was_and_it_is_asked_ever_less_often(self) -> None:
        services, link_id = linked("CONNECTED")
        services.look_for(10)
        make_due(services, link_id)
        outage = [AggregatorDown("no")] * 1_000
        services.aggregator.instead("aggregate_member", *outage)
        services.aggregator.instead("read_member_status", *outage)
        services.look_for(3_600, step_s=5)
        assert (SUCCESS, None, None) == shown(services, link_id)
        link = services.link(link_id)
        assert (False, "complete") == (link.is_refreshing, link.transactions_status)
        assert 9 == services.aggregator.calls.count("aggregate_member")  # after 10, 20, 40, … seconds
        assert 0 == services.aggregator.calls.count("read_member_status")

    def test_the_refresh_that_an_outage_put_off_is_made_up_for(self) -> None:
        services, link_id = linked("CONNECTED")
        services.look_for(10)
        make_due(services, link_id)
        services.aggregator.instead("aggregate_member", AggregatorDown("no"))
        services.aggregator.instead("read_member_status", AggregatorDown("no"))
        services.look_for(60)
        assert (SUCCESS, None, None) == shown(services, link_id)
        link = services.link(link_id)
        assert (False, "downloading", 0) == (link.is_refreshing, link.transactions_status, link.looks)

    def test_the_wait_that_the_aggregator_names_is_kept(self) -> None:
        services, link_id = linked("CONNECTED")
        services.look_for(10)
        make_due(services, link_id)
        services.aggregator.instead("aggregate_member", AggregatorThrottled("no", retry_after_s=500))
        services.look_for(499)
        assert 1 == services.aggregator.calls.count("aggregate_member")
        services.look_for(5)
        assert 2 == services.aggregator.calls.count("aggregate_member")

    def test_what_waits_for_the_budget_of_calls_is_as_well_as_before(self) -> None:
        services, link_id = linked("CONNECTED")
        services.looking.budget = budget_of(services.clock, 1)
        services.look_for(10)
        make_due(services, link_id)
        services.looking.budget.spend(is_again=False)
        services.looking.look()
        link = services.link(link_id)
        assert (0, False, SUCCESS, None) == (link.looks, link.is_refreshing, link.link_status, link.reason)
        assert 0 < (link.next_attempt_at - services.clock.now()).total_seconds() <= 60
        assert 0 == services.aggregator.calls.count("aggregate_member")
        services.look_for(65, step_s=5)
        assert 1 == services.aggregator.calls.count("aggregate_member")

    def test_a_link_in_an_error_is_not_refreshed_by_the_schedule(self) -> None:
        services, link_id = linked("CONNECTED", "DENIED")
        services.look_for(10)
        make_due(services, link_id)
        services.look_for(30)
        assert WRONG == services.link(link_id).link_status
        services.look_for(200_000, step_s=3_600)
        assert 1 == services.aggregator.calls.count("aggregate_member")


def test_the_next_look_is_told_in_seconds() -> None:
    services, _ = linked("CREATED")
    assert 3 == services.looking.seconds_to_next(15)
    assert services.looking.seconds_to_next(2) is None
    services.clock.advance(5)
    assert 0 == services.looking.seconds_to_next(15)


def at_rest(*words: str) -> tuple[BankingServices, UUID]:
    """A healthy link whose member says these words from now on; a webhook has come about it."""
    services, link_id = linked("CONNECTED")
    services.look_for(15)
    services.downloading.run(services.user_id, link_id)
    services.aggregator.calls.clear()
    services.aggregator.inner.words = words
    services.aggregator.inner._read.clear()
    guid = services.link(link_id).member_guid
    with services.stores.unit_of_work:
        services.stores.links.wake(MemberHint(guid), services.clock.now())
    return services, link_id


@pytest.mark.parametrize(
    ("words", "expected", "reads"),
    [
        (("CONNECTED",), (SUCCESS, None, None), 1),
        (("DENIED",), (WRONG, "credentials_rejected", RetryWith.CREDENTIALS), 2),
        (("DENIED", "CONNECTED"), (SUCCESS, None, None), 2),  # an error is believed at the second reading
        (("CHALLENGED",), (SUCCESS, "needs_user", RetryWith.CHALLENGE), 1),
        (("UPDATED",), (SUCCESS, None, None), 1),  # MX at work: it tells when that has ended
    ],
)
def test_a_link_that_was_woken_is_read_and_its_bank_is_not_asked(
    words: tuple[str, ...], expected: tuple[Any, ...], reads: int
) -> None:
    services, link_id = at_rest(*words)
    services.look_for(reads * 3)
    assert expected == shown(services, link_id)
    assert ["read_member_status"] * reads == services.aggregator.calls


def test_a_link_that_was_woken_and_could_not_be_read_is_read_when_the_aggregator_is_back() -> None:
    services, link_id = at_rest("DENIED")
    services.aggregator.instead("read_member_status", *[AggregatorDown("502")] * 3)
    services.look_for(200)  # after 10, 20 and 40 seconds, and twice to believe it
    assert (WRONG, "credentials_rejected", RetryWith.CREDENTIALS) == shown(services, link_id)


def test_a_link_that_was_woken_while_the_aggregator_is_away_is_read_ever_less_often() -> None:
    services, link_id = at_rest("CONNECTED")
    services.aggregator.instead("read_member_status", *[AggregatorDown("502")] * 1_000)
    services.look_for(3_600, step_s=5)
    assert 10 >= services.aggregator.calls.count("read_member_status") >= 8
    assert (SUCCESS, None, None) == shown(services, link_id)


def test_webhooks_about_a_healthy_link_do_not_make_it_one_that_failed() -> None:
    services, link_id = at_rest("CONNECTED")
    services.look_for(3)
    assert 0 == services.link(link_id).looks
