"""Banks, their forms, and the gates that keep slow ones from taking every thread."""

from __future__ import annotations

import pytest

from donkies.adapters.memory.aggregator import LOGIN, PASSWORD
from donkies.domain.aggregator import AggregatorDown, CallsExhausted, Credential
from donkies.domain.errors import Invalid, NotFound
from donkies.domain.institutions import (
    CallGate,
    FormCache,
    InstitutionService,
    ReadCalls,
    check_credentials,
)
from donkies.testing.banking import WatchedAggregator

FORM = (LOGIN, PASSWORD)


@pytest.fixture
def aggregator() -> WatchedAggregator:
    return WatchedAggregator()


@pytest.fixture
def service(aggregator: WatchedAggregator) -> InstitutionService:
    return InstitutionService(aggregator, ReadCalls(1), FormCache())


def test_a_search_finds_by_name(service: InstitutionService) -> None:
    assert ["elm_street"] == [bank.code for bank in service.search("elm", 1, 25).rows]


def test_a_form_is_read_once_and_then_kept(service: InstitutionService, aggregator: WatchedAggregator) -> None:
    assert service.form("mxbank") == service.form("mxbank")
    assert ["read_institution", "list_institution_credentials"] == aggregator.calls


def test_a_form_is_read_again_when_it_is_old(aggregator: WatchedAggregator) -> None:
    service = InstitutionService(aggregator, ReadCalls(1), FormCache(keep_s=0))
    service.form("mxbank")
    service.form("mxbank")
    assert 2 == aggregator.calls.count("read_institution")


def test_a_failure_is_not_kept(service: InstitutionService, aggregator: WatchedAggregator) -> None:
    aggregator.instead("list_institution_credentials", AggregatorDown("no"))
    with pytest.raises(AggregatorDown):
        service.form("mxbank")
    assert "MX Bank" == service.form("mxbank")[0].name


def test_the_cache_does_not_grow_without_end() -> None:
    cache = FormCache(size=2)
    for number in range(10):
        cache.put(str(number), (None, ()))  # type: ignore[arg-type]
    assert 2 >= sum(cache.get(str(number)) is not None for number in range(10))


def test_an_unknown_code_is_not_found(service: InstitutionService) -> None:
    with pytest.raises(NotFound) as refused:
        service.form("no_such_bank")
    assert "unknown_institution" == refused.value.code


def test_a_gate_lets_so_many_in_and_frees_places_also_after_failures() -> None:
    gate = CallGate(2)
    for _ in range(3):
        with gate.place(), gate.place(), pytest.raises(CallsExhausted), gate.place():
            raise AssertionError
        with pytest.raises(ZeroDivisionError), gate.place(), gate.place():
            raise ZeroDivisionError


def test_a_search_past_the_gate_sends_nothing(service: InstitutionService, aggregator: WatchedAggregator) -> None:
    with service.reads.place(), pytest.raises(CallsExhausted):
        service.search("elm", 1, 25)
    assert [] == aggregator.calls


def test_credentials_that_fill_in_the_form_are_fine() -> None:
    check_credentials(FORM, [Credential(PASSWORD.guid, "p"), Credential(LOGIN.guid, "l")])


@pytest.mark.parametrize(
    ("given", "bad"),
    [
        ([], {LOGIN.guid, PASSWORD.guid}),
        ([(LOGIN.guid, "canary")], {PASSWORD.guid}),
        ([(LOGIN.guid, "canary"), (PASSWORD.guid, "")], {PASSWORD.guid}),
        ([(LOGIN.guid, "canary"), (LOGIN.guid, "canary"), (PASSWORD.guid, "canary")], {LOGIN.guid}),
        ([(LOGIN.guid, "canary"), ("CRD-other", "canary")], {PASSWORD.guid, "CRD-other"}),
    ],
)
def test_every_bad_field_is_named_and_no_value(given: list[tuple[str, str]], bad: set[str]) -> None:
    with pytest.raises(Invalid) as refused:
        check_credentials(FORM, [Credential(guid, value) for guid, value in given])
    assert bad == set(refused.value.fields)
    assert "canary" not in repr(refused.value.fields) + str(refused.value)


def test_no_representation_shows_a_credential() -> None:
    assert "canary" not in repr(Credential("CRD-1", "canary"))
