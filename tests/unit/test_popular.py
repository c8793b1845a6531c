"""Popular banks first, each once, and every other one still there. No I/O."""

from __future__ import annotations

from itertools import chain

import pytest

from donkies.domain.aggregator import AggregatorDown, Institution, MemberGone, Page
from donkies.domain.institutions import FormCache, InstitutionService, ReadCalls
from donkies.domain.popular import PopularInstitutions
from donkies.testing.banking import WatchedAggregator

BANKS = [Institution(f"b{number}", f"Bank {number}", None, None, False) for number in range(23)]


class ManyBanks:
    """Twenty-three banks, in pages."""

    def search_institutions(self, text: str, page: int, per_page: int) -> Page[Institution]:
        found = [one for one in BANKS if text in one.name]
        rows = found[(page - 1) * per_page : page * per_page]
        return Page(rows, page, per_page, len(found), -(-len(found) // per_page))

    def read_institution(self, code: str) -> Institution:
        if found := [one for one in BANKS if one.code == code]:
            return found[0]
        raise MemberGone("no such bank")


@pytest.fixture
def aggregator() -> WatchedAggregator:
    return WatchedAggregator(ManyBanks())


def service(aggregator: WatchedAggregator, *codes: str, **more: float) -> InstitutionService:
    return InstitutionService(aggregator, ReadCalls(4), FormCache(), PopularInstitutions(codes, **more))


def walk(service: InstitutionService, limit: int = 10, text: str = "") -> list[list[str]]:
    pages, at = [], (1, 0)
    while True:
        found = service.search(text, at[0], limit, at[1])
        assert len(found.rows) <= limit
        pages.append([one.code for one in found.rows])
        if found.goes_on_at is None:
            return pages
        assert found.goes_on_at > at, "it ends"
        at = found.goes_on_at


@pytest.mark.parametrize("limit", [10, 11, 23, 50])
@pytest.mark.parametrize("codes", [(), ("b22", "b3"), ("b0",), tuple(f"b{n}" for n in range(20, 2, -2))])
def test_they_come_first_in_their_order_and_nobody_is_lost_or_named_twice(
    aggregator: WatchedAggregator, codes: tuple[str, ...], limit: int
) -> None:
    everybody = list(chain(*walk(service(aggregator, *codes), limit)))
    rest = [one.code for one in BANKS if one.code not in codes]
    assert [*codes, *rest] == everybody


def test_more_than_a_page_holds_are_where_they_were(aggregator: WatchedAggregator) -> None:
    codes = [f"b{number}" for number in range(22, 10, -1)]
    everybody = list(chain(*walk(service(aggregator, *codes))))
    assert codes[:9] == everybody[:9]
    assert sorted(one.code for one in BANKS) == sorted(everybody)


def test_who_searches_gets_them_as_the_aggregator_orders_them(aggregator: WatchedAggregator) -> None:
    assert [["b2", "b20", "b21", "b22"]] == walk(service(aggregator, "b22"), text="Bank 2")
    assert "read_institution" not in aggregator.calls


def test_one_that_is_unknown_is_left_out_and_one_named_twice_comes_once(aggregator: WatchedAggregator) -> None:
    assert ["b5", "b4"] == walk(service(aggregator, "gone", "b5", "b5", "b4"))[0][:2]


def test_they_are_read_once_for_all(aggregator: WatchedAggregator) -> None:
    banks = service(aggregator, "b5", "b4")
    walk(banks)
    walk(banks)
    assert 2 == aggregator.calls.count("read_institution")


def test_while_they_cannot_be_read_the_list_is_there_without_them_and_nobody_waits_again(
    aggregator: WatchedAggregator,
) -> None:
    aggregator.instead("read_institution", None, AggregatorDown("no"))
    banks = service(aggregator, "b5", "b4")
    assert "b0" == walk(banks)[0][0]
    assert "b0" == walk(banks)[0][0]
    assert 2 == aggregator.calls.count("read_institution")
    aggregator.instead("read_institution", AggregatorDown("no"))
    soon = service(aggregator, "b5", again_s=0)
    assert ["b0", "b5"] == [walk(soon)[0][0], walk(soon)[0][0]]


def test_those_that_were_known_stay_while_the_aggregator_is_down(aggregator: WatchedAggregator) -> None:
    banks = service(aggregator, "b5", keep_s=0)
    assert "b5" == walk(banks)[0][0]
    aggregator.instead("read_institution", AggregatorDown("no"))
    assert ["b5", "b0"] == [one.code for one in banks.search("", 1, 10).rows][:2]
