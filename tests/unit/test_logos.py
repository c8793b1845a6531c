"""Logos: fetched once, kept, tried again later; never asked for by a stranger's word. No I/O."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from donkies.domain.aggregator import CallsExhausted, Institution
from donkies.domain.errors import NotFound
from donkies.domain.logos import (
    KEPT_S,
    UNREACHABLE_S,
    UNUSABLE_S,
    KeptLogo,
    LogoCalls,
    LogoService,
    LogoUnreachable,
    LogoUnusable,
    Picture,
)
from donkies.testing.banking import MemoryWorld
from donkies.testing.threads import in_threads

HERE = "https://pictures.example/bank.png"
OLD, NEW = Picture("image/png", b"old"), Picture("image/png", b"new")


class Source:
    """Gives what it is told to, and counts."""

    def __init__(self, world: MemoryWorld) -> None:
        self.world, self.gives, self.asked = world, OLD, list[str]()
        self.before: Callable[[], object] = lambda: None

    def fetch(self, url: str) -> Picture:
        assert self.world.rows.open is None, "a unit of work was open while another host was asked"
        self.asked.append(url)
        self.before()
        if isinstance(self.gives, Exception):
            raise self.gives
        return self.gives


class House:
    def __init__(self, limit: int = 4) -> None:
        self.world = MemoryWorld()
        self.source, self.calls = Source(self.world), LogoCalls(limit)
        self.service().note([bank(HERE)])

    def service(self) -> LogoService:
        """As another request has it."""
        stores = self.world.stores()
        return LogoService(stores.unit_of_work, stores.logos, self.source, self.calls)

    def read(self) -> Picture | None:
        return self.service().read("bank").picture


def bank(logo_url: str | None, code: str = "bank") -> Institution:
    return Institution(code, "Bank", None, logo_url, False)


@pytest.fixture
def house() -> House:
    return House()


def test_it_is_fetched_once_and_again_after_a_week(house: House) -> None:
    assert [OLD, OLD] == [house.read(), house.read()]
    assert [HERE] == house.source.asked
    house.source.gives = NEW
    house.world.clock.advance(KEPT_S + 1)
    assert NEW == house.read()
    assert [HERE, HERE] == house.source.asked


def test_a_code_that_the_aggregator_never_named_makes_nobody_ask_anybody(house: House) -> None:
    with pytest.raises(NotFound):
        house.service().read("invented")
    assert [] == house.source.asked


def test_a_bank_without_a_logo_and_one_at_an_endless_address_are_not_noted(house: House) -> None:
    house.service().note([bank(None, "bare"), bank("https://x.example/" + "x" * 2_000, "endless")])
    assert {"bank"} == set(house.world.rows.committed.logos)


def test_what_is_no_picture_is_not_asked_for_again_for_a_day(house: House) -> None:
    house.source.gives = LogoUnusable("no picture")
    for _ in range(2):
        with pytest.raises(NotFound) as refused:
            house.read()
        assert "no_logo" == refused.value.code
    assert 1 == len(house.source.asked)
    house.world.clock.advance(UNUSABLE_S + 1)
    house.source.gives = OLD
    assert OLD == house.read()


def test_an_old_picture_is_given_while_the_host_is_down(house: House) -> None:
    house.read()
    house.world.clock.advance(KEPT_S + 1)
    house.source.gives = LogoUnreachable("down")
    assert [OLD, OLD] == [house.read(), house.read()]
    assert 2 == len(house.source.asked), "the failure is remembered"
    house.world.clock.advance(UNREACHABLE_S + 1)
    house.source.gives = NEW
    assert NEW == house.read()


def test_another_address_is_fetched_at_once(house: House) -> None:
    house.read()
    house.source.gives = NEW
    house.service().note([bank("https://pictures.example/new.png")])
    assert NEW == house.read()


def test_a_row_that_was_lost_is_noted_again_once_it_was_missed(house: House) -> None:
    house.world.rows.committed.logos.clear()
    with pytest.raises(NotFound):
        house.read()
    house.service().note([bank(HERE)])
    assert OLD == house.read()


def test_of_many_at_once_one_fetches_and_all_get_it() -> None:
    house = House(limit=8)
    crowd = threading.Barrier(8, timeout=10)
    waiting = threading.Event()
    house.source.before = lambda: waiting.wait(10)
    got: list[Picture | None] = []

    def come() -> None:
        crowd.wait()
        got.append(house.read())

    def open_late() -> None:
        while 8 - house.calls._places._value < 8:  # all have a place: they wait for the one
            pass
        waiting.set()

    in_threads(*[come] * 8, open_late)
    assert ([OLD] * 8, [HERE]) == (got, house.source.asked)


def test_one_who_looked_before_another_had_fetched_it_does_not_fetch_it_again(house: House) -> None:
    once = house.calls.once

    def after_another(code: str, fetch: Callable[[], KeptLogo]) -> KeptLogo:
        house.calls.once = once  # type: ignore[method-assign]
        assert OLD == house.read()
        return once(code, fetch)

    house.calls.once = after_another  # type: ignore[method-assign]
    assert OLD == house.read()
    assert [HERE] == house.source.asked


def test_an_error_of_the_one_reaches_all_and_the_next_asks_anew(house: House) -> None:
    house.source.gives = RuntimeError("a fault of ours")
    with pytest.raises(RuntimeError):
        house.read()
    house.source.gives = OLD
    assert OLD == house.read()


def test_past_so_many_at_once_one_is_told_to_come_again_or_gets_the_old_picture() -> None:
    house = House(limit=1)
    with house.calls.place(), pytest.raises(CallsExhausted):
        house.read()
    house.read()
    house.world.clock.advance(KEPT_S + 1)
    with house.calls.place():
        assert OLD == house.read()
    assert 1 == len(house.source.asked)
