"""The circuit breaker before the aggregator: when it opens, whom it refuses, and how it closes again."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from donkies.adapters.breaker import LONGEST_WAIT_S, BreakerAggregator
from donkies.adapters.memory.aggregator import MemoryAggregator
from donkies.domain.aggregator import (
    AggregatorDown,
    AggregatorNotAsked,
    AggregatorThrottled,
    InstitutionNotAsked,
    MemberGone,
    MemberRef,
)
from donkies.testing.aggregator import credentials
from donkies.testing.banking import BankingServices, WatchedAggregator
from donkies.testing.contracts.aggregator import MxTestBankContract

SLOW, OTHER = (MemberRef("USR-1", f"MBR-{code}", code) for code in ("slow", "other"))
READ = "read_member_status"


class Breaker(BreakerAggregator):
    """One whose aggregator is told what to do, and whose clock is moved."""

    def __init__(self) -> None:
        self.now = 100.0
        self.watched = WatchedAggregator()
        super().__init__(self.watched, failures=3, open_s=10, clock=lambda: self.now)

    def fail(self, *refs: MemberRef, error: Exception | None = None) -> None:
        for ref in refs:
            self.watched.instead(READ, error or AggregatorDown("no"))
            with pytest.raises((AggregatorDown, AggregatorThrottled)):
                self.read_member_status(ref)

    def work(self, ref: MemberRef) -> None:
        self.watched.instead(READ, lambda member: "read")
        assert "read" == self.read_member_status(ref)

    def sent(self) -> int:
        return len(self.watched.calls)


@pytest.fixture
def breaker() -> Breaker:
    return Breaker()


class TestTheAggregatorContract(MxTestBankContract):
    @pytest.fixture
    def aggregator(self) -> Any:
        return BreakerAggregator(MemoryAggregator(), failures=3, open_s=10)


def test_a_bank_that_failed_often_in_a_row_is_not_asked_and_others_are(breaker: Breaker) -> None:
    breaker.fail(SLOW, SLOW, SLOW)
    sent = breaker.sent()
    with pytest.raises(InstitutionNotAsked) as refused:
        breaker.read_member_status(SLOW)
    assert sent == breaker.sent()
    assert ("institution_down", False, 10) == (
        refused.value.reason, refused.value.outcome_unknown, refused.value.retry_after_s,
    )  # fmt: skip
    breaker.work(OTHER)
    assert ["slow"] == breaker.open_circuits()


def test_credentials_for_it_are_not_sent_either(breaker: Breaker) -> None:
    breaker.fail(SLOW, SLOW, SLOW)
    with pytest.raises(InstitutionNotAsked):
        breaker.create_member("USR-1", "slow", credentials("any"), "link")
    with pytest.raises(InstitutionNotAsked):
        breaker.update_member_credentials(SLOW, credentials("any"))
    assert {READ} == set(breaker.watched.calls)


def test_when_several_banks_fail_the_aggregator_is_not_asked_at_all(breaker: Breaker) -> None:
    breaker.fail(SLOW, OTHER, SLOW)
    with pytest.raises(AggregatorNotAsked) as refused:
        breaker.search_institutions("", 1, 10)
    assert "aggregator_down" == refused.value.reason
    assert ["*"] == breaker.open_circuits()


def test_what_is_no_banks_speaks_for_the_aggregator(breaker: Breaker) -> None:
    breaker.watched.instead("ensure_user", *[AggregatorDown("no")] * 3)
    for _ in range(3):
        with pytest.raises(AggregatorDown):
            breaker.ensure_user("somebody")
    assert ["*"] == breaker.open_circuits()


def test_one_answer_in_between_keeps_it_closed(breaker: Breaker) -> None:
    breaker.fail(SLOW, SLOW)
    breaker.work(SLOW)
    breaker.fail(SLOW, SLOW)
    assert [] == breaker.open_circuits()


def test_a_refusal_is_an_answer(breaker: Breaker) -> None:
    breaker.fail(SLOW, SLOW)
    breaker.watched.instead(READ, MemberGone("404"))
    with pytest.raises(MemberGone):
        breaker.read_member_status(SLOW)
    breaker.fail(SLOW, SLOW)
    assert [] == breaker.open_circuits()


def test_after_a_while_one_call_closes_it(breaker: Breaker) -> None:
    breaker.fail(SLOW, SLOW, SLOW)
    breaker.now += 9.9
    with pytest.raises(InstitutionNotAsked):
        breaker.read_member_status(SLOW)
    breaker.now += 0.1
    breaker.work(SLOW)
    breaker.work(SLOW)
    assert [] == breaker.open_circuits()


def test_or_opens_it_for_as_long_again(breaker: Breaker) -> None:
    breaker.fail(SLOW, SLOW, SLOW)
    breaker.now += 10
    breaker.fail(SLOW)
    breaker.now += 9
    sent = breaker.sent()
    with pytest.raises(InstitutionNotAsked):
        breaker.read_member_status(SLOW)
    assert sent == breaker.sent()


def test_while_one_call_finds_out_all_others_stay_away(breaker: Breaker) -> None:
    breaker.fail(SLOW, SLOW, SLOW)
    breaker.now += 10
    begun, go = threading.Event(), threading.Event()

    def slowly(member: MemberRef) -> str:
        begun.set()
        go.wait(5)
        return "read"

    breaker.watched.instead(READ, slowly)
    probe = threading.Thread(target=breaker.read_member_status, args=(SLOW,))
    probe.start()
    assert begun.wait(5)
    with pytest.raises(InstitutionNotAsked):
        breaker.read_member_status(SLOW)
    breaker.work(OTHER)
    go.set()
    probe.join(5)
    breaker.work(SLOW)


def test_a_probe_that_never_reached_the_aggregator_leaves_no_circuit_stuck(breaker: Breaker) -> None:
    breaker.fail(SLOW, SLOW, SLOW)
    breaker.now += 10
    breaker.watched.instead(READ, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        breaker.read_member_status(SLOW)
    breaker.work(SLOW)


@pytest.mark.parametrize(("asked_s", "waited_s"), [(2, 10), (120, 120), (86_400, LONGEST_WAIT_S)])
def test_the_wait_that_the_aggregator_asks_for_is_kept(breaker: Breaker, asked_s: float, waited_s: float) -> None:
    breaker.fail(SLOW, OTHER, SLOW, error=AggregatorThrottled("429", retry_after_s=asked_s))
    breaker.now += waited_s - 0.1
    with pytest.raises(AggregatorNotAsked):
        breaker.read_member_status(OTHER)
    breaker.now += 0.1
    breaker.work(OTHER)


def test_nothing_is_kept_of_a_bank_that_works(breaker: Breaker) -> None:
    breaker.fail(SLOW)
    breaker.work(SLOW)
    assert {} == breaker._banks


def test_a_link_at_a_bank_that_is_not_asked_says_so_and_goes_on_by_itself() -> None:
    services = BankingServices()
    link = services.linking.create(services.user_id, "mxbank", credentials("any"), "https://us.example/back")
    services.clock.advance(10)
    services.aggregator.instead(READ, InstitutionNotAsked("no", retry_after_s=10))
    services.looking.look()
    shown = services.link(link.id)
    assert ("processing", "institution_down", None) == (shown.link_status, shown.reason, shown.retry_with)
    services.look_for(60)
    assert ("success", None) == (services.link(link.id).link_status, services.link(link.id).reason)
