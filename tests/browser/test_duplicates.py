"""A login that was linked before, on the hosted page: it says so, and leads to the link that is there."""

# ruff: noqa: F811 - fixtures of the file beside it
from __future__ import annotations

import time
from typing import Any

import pytest

from donkies.domain.downloading import DownloadService
from donkies.testing.app import sign_in
from donkies.testing.links import PersonAtTheApi

from .test_modal import (  # noqa: F401 - fixtures
    House,
    axe,
    choose,
    context,
    house,
    look_at,
    opened,
    page,
    screen,
    somebody_new,
    submit,
    told,
    type_login,
)
from .test_mx_connect import opened_widget, sign_in_at

ANOTHER_SPELLING = "Test_Atrium"  # MX takes it for another login, the bank for the same customer


@pytest.fixture
def person(house: House, somebody_new: None) -> PersonAtTheApi:
    return PersonAtTheApi(house.app, sign_in(house.app, person=house.person, client=house.client))


@pytest.fixture
def first(person: PersonAtTheApi) -> str:
    """The link that is there, with all its accounts."""
    link, end = person.link(), time.monotonic() + 30
    while person.state(link)["transactions_status"] != "complete":
        assert time.monotonic() < end
        time.sleep(0.1)
    return link


def successes(page: Any) -> list[dict[str, Any]]:
    found = [more for type_, more in page.evaluate("told") if type_ == "onSuccess"]
    return [{name: value for name, value in more.items() if name != "source"} for more in found]


def leads_to(page: Any, frame: Any, first: str) -> None:
    success = screen(frame, "success")
    frame.get_by_text("nothing was linked twice").wait_for()
    success.get_by_text("Everyday Checking").wait_for()
    submit(frame)
    page.locator("dialog").wait_for(state="detached")
    assert [{"linked_account_id": first, "institution_code": "mxbank", "is_duplicate": True}] == successes(page)
    assert {"linked_account_id": first} == page.evaluate("told.find(([type]) => type === 'onExit')[1]")


def test_the_person_is_told_and_led_to_the_link_that_is_there(page, house, person, first, axe):
    frame = opened(page, house)
    choose(frame)
    type_login(frame, "any", ANOTHER_SPELLING)
    screen(frame, "success")
    look_at(page, frame, axe, "success-known")
    leads_to(page, frame, first)
    second, one = person.get("/linked_accounts").json["data"]
    assert ("already_linked", first, first) == (second["reason"], second["duplicate_of"], one["id"])


def test_so_it_is_in_mx_connect(page, house, person, first):
    ours, widget = opened_widget(page, house, institution_code="mxbank")
    sign_in_at(widget, "any", ANOTHER_SPELLING)
    leads_to(page, ours, first)
    assert {None, first} == {one["duplicate_of"] for one in person.get("/linked_accounts").json["data"]}


def test_a_login_that_mx_knows_is_told_so_too(page, house, person, first):
    frame = opened(page, house, institution_code="mxbank")
    type_login(frame, "any")
    leads_to(page, frame, first)
    assert [first] == [one["id"] for one in person.get("/linked_accounts").json["data"]]


def test_a_session_about_a_link_that_points_to_another_opens_at_that_one(page, house, person, first):
    second, end = person.link(user_name=ANOTHER_SPELLING), time.monotonic() + 30
    while person.state(second)["duplicate_of"] is None:
        assert time.monotonic() < end
        time.sleep(0.1)
    leads_to(page, opened(page, house, linked_account_id=second), first)


def test_one_that_is_new_is_told_once_and_is_no_duplicate(page, house, person):
    frame = opened(page, house, institution_code="mxbank")
    type_login(frame, "any")
    screen(frame, "success")
    page.wait_for_timeout(1_000)
    (success,) = successes(page)
    assert success["is_duplicate"] is False
    assert 0 == frame.get_by_text("nothing was linked twice").count()


def test_where_no_worker_gets_the_accounts_nobody_waits_for_ever(page, house, person, first):
    """The page shows the success after ten seconds; what comes to light later is told once more."""
    frame = opened(page, house, institution_code="mxbank")
    held = DownloadService.run
    DownloadService.run = lambda *_: None
    try:
        type_login(frame, "any", ANOTHER_SPELLING)
        screen(frame, "connecting")
        frame.locator("[data-screen=success]").wait_for(timeout=20_000)
    finally:
        DownloadService.run = held
    frame.get_by_text("nothing was linked twice").wait_for(timeout=20_000)
    early, late = successes(page)
    assert (False, True, first) == (early["is_duplicate"], late["is_duplicate"], late["linked_account_id"])
    assert early["linked_account_id"] != first
