"""The hosted modal on the ways that go wrong: repairs, slow and dead banks, no worker, no service."""

# ruff: noqa: F811 - fixtures of the file beside it
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import svcs

from donkies.domain.link_store import LinkedAccountStore
from donkies.domain.unit_of_work import UnitOfWork
from donkies.testing.app import PASSWORD, make_person, sign_in
from donkies.testing.links import LOGIN_GUID, PASSWORD_GUID, USER_NAME, PersonAtTheApi
from donkies.testing.sandbox import SandboxControl

from .test_modal import (  # noqa: F401 - fixtures
    HOST_PAGE,
    House,
    axe,
    choose,
    context,
    house,
    look_at,
    opened,
    page,
    reload,
    screen,
    served_page,
    somebody_new,
    submit,
    told,
    type_login,
)

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Response

PATIENCE_S = 30
LOOK_NOW = "dispatchEvent(new Event('online'))"  # the page's next look is due a minute later


@pytest.fixture
def bank(house: House, sandbox_server: Any) -> Iterator[SandboxControl]:
    with SandboxControl(sandbox_server.url) as control:
        yield control
        control.clear_faults()
        control.mode(job_s=0)


def at_the_api(house: House) -> PersonAtTheApi:
    return PersonAtTheApi(house.app, sign_in(house.app, person=house.person, client=house.client))


def until(person: PersonAtTheApi, link: str, **wanted: Any) -> dict[str, Any]:
    """What polling shows, once it shows this."""
    end = time.monotonic() + PATIENCE_S
    while not wanted.items() <= (state := person.state(link)).items():
        assert time.monotonic() < end, f"{state} never became {wanted}"
        time.sleep(0.02)
    return state


@contextmanager
def kept(house: House, link: str) -> Iterator[tuple[Any, UnitOfWork]]:
    """A link as it is kept, to be changed behind everybody's back."""
    with svcs.Container(house.app.svcs) as container, container.get(UnitOfWork) as unit:
        yield container.get(LinkedAccountStore).lock(house.person.id, UUID(link)), unit


def long_ago(house: House, link: str) -> None:
    """The link has been moving for an hour."""
    with kept(house, link) as (it, unit):
        it.moving_since = unit.now() - timedelta(hours=1)


def answer_rightly(frame: Frame) -> None:
    for text in frame.locator("[data-screen=challenge] input[type=text]").all():
        text.fill("correct")
    for choice in frame.locator("[data-screen=challenge] input[value=correct]").all():
        choice.check()
    submit(frame)


def members_made(bank: SandboxControl) -> list[dict[str, Any]]:
    return [one for one in bank.requests("*/users/*/members") if one["method"] == "POST"]


def polls_of(page: Any) -> list[Response]:
    """What comes of the looks at the link that a page takes from now on."""
    seen: list[Response] = []

    def keep(one: Response) -> None:
        if one.url.endswith("/link/account") and one.request.method == "GET":
            seen.append(one)

    page.on("response", keep)
    return seen


def test_each_kind_of_question_is_answered(page, house, bank, axe):
    for kind in ("token", "options", "image", "image_options", "two_questions"):
        house.person = make_person(house.app, email=f"ada.{kind}@people.example")
        person = at_the_api(house)
        link = person.link(kind)
        until(person, link, link_status="challenged")
        frame = opened(page, house, linked_account_id=link)
        screen(frame, "challenge")
        if kind in ("token", "image", "options"):
            look_at(page, frame, axe, kind)
        submit(frame)
        frame.get_by_text("Please fill this in.").first.wait_for()
        answer_rightly(frame)
        screen(frame, "success")
        page.evaluate("handles.at(-1).close()")


def test_a_repair_opens_at_what_is_needed(page, house, bank, axe):
    person = at_the_api(house)
    refused = person.link("INVALID")
    until(person, refused, link_status="wrong_credentials")
    frame = opened(page, house, linked_account_id=refused)
    screen(frame, "wrong_credentials")
    type_login(frame, "the right one")
    screen(frame, "success").get_by_text("12 transactions are here.").wait_for()
    assert frame.locator("#found li").count() > 1, "the accounts that were found"
    page.evaluate("handles.at(-1).close()")

    left = person.post("/linked_accounts", {"institution_code": "mxbank_oauth"}, status=201).json["id"]
    until(person, left, reason="bank_sign_in")
    long_ago(house, left)
    until(person, left, reason="bank_sign_in_abandoned")
    frame = opened(page, house, linked_account_id=left)
    assert "did not finish" in screen(frame, "bank_sign_in").inner_text()
    look_at(page, frame, axe, "bank_sign_in-abandoned")
    with page.expect_popup() as popup:
        submit(frame)
    popup.value.close()
    frame.evaluate(LOOK_NOW)
    frame.get_by_text("If you did not finish there, open it again.").wait_for()
    with page.expect_popup() as popup:
        submit(frame)
    popup.value.locator("#consent").click()
    screen(frame, "success")
    page.evaluate("handles.at(-1).close()")
    assert {"onSuccess", "onExit"} <= set(told(page))


def test_a_question_that_expired_is_told_and_asked_anew(page, house, bank, axe):
    person = at_the_api(house)
    link = person.link("challenge")
    until(person, link, link_status="challenged")
    frame = opened(page, house, linked_account_id=link)
    screen(frame, "challenge").locator("input").fill("half")
    frame.get_by_role("button", name="Close").click()
    frame.get_by_role("button", name="Stay").click()
    bank.advance_clock(601)
    until(person, link, reason="challenge_expired", retry_with="refresh")
    frame.evaluate(LOOK_NOW)
    assert "open for too long" in screen(frame, "error").inner_text()
    look_at(page, frame, axe, "challenge-expired")
    submit(frame)  # Try again
    screen(frame, "challenge")
    answer_rightly(frame)
    screen(frame, "success")


def test_a_bank_that_is_down_and_a_form_that_cannot_be_had(page, house, bank):
    bank.fault("status", "/institutions/mxbank_throttled*", status=503)
    frame = opened(page, house, institution_code="mxbank_throttled")
    screen(frame, "error").get_by_role("alert").wait_for()
    bank.clear_faults()
    frame.get_by_role("button", name="Try again").click()
    screen(frame, "credentials")
    frame.get_by_role("button", name="Choose another bank").click()
    choose(frame, "MX Bank Down")
    screen(frame, "credentials")
    (name, secret) = frame.locator("form input").all()
    name.fill(USER_NAME)
    secret.fill("any")
    submit(frame)
    assert "cannot be reached right now. Try again in a few minutes" in screen(frame, "error").inner_text()
    submit(frame)  # Try again: it is asked, and still down
    page.wait_for_function(
        "told.filter(([type, { reason }]) => type === 'status' && reason === 'institution_down').length > 1"
    )
    screen(frame, "error")
    frame.get_by_role("button", name="Choose another bank").click()
    screen(frame, "search")


def test_a_slow_bank_is_told_and_may_be_left_without_loss(context, house, bank, axe):
    bank.mode(job_s=90)
    context.clock.install()
    page = context.new_page()
    sent: list[str] = []
    page.on("request", lambda one: one.url.endswith("/link/account") and one.method == "POST" and sent.append(one.url))
    frame = opened(page, house, institution_code="mxbank")
    frame.fill(f"[name='{LOGIN_GUID}']", USER_NAME)
    frame.fill(f"[name='{PASSWORD_GUID}']", "any")
    frame.locator("form button").dblclick()
    connecting = screen(frame, "connecting")
    connecting.get_by_text("Signing in at your bank…").wait_for()
    look_at(page, frame, axe, "connecting")
    context.clock.fast_forward(20_000)
    connecting.get_by_text("takes longer than usual").wait_for()
    context.clock.fast_forward(60_000)
    connecting.get_by_text("slow today").wait_for()
    assert "nothing is lost" in connecting.inner_text()
    frame.get_by_role("button", name="Close").click()
    page.locator("dialog").wait_for(state="detached")
    assert 1 == len(sent), "of a double click one is sent"
    person = at_the_api(house)
    (link,) = person.get("/linked_accounts").json["data"]
    bank.advance_clock(50)
    until(person, link["id"], connection_status="CONNECTED")
    frame = opened(page, house, linked_account_id=link["id"])
    screen(frame, "connecting").get_by_text("Getting your accounts…").wait_for()
    assert "done" == frame.locator(".stepping li").first.get_attribute("class")
    bank.advance_clock(50)
    until(person, link["id"], transactions_status="complete")
    context.clock.fast_forward(2_000)
    screen(frame, "success")


def test_no_worker_and_no_service_for_a_while_and_polls_that_cost_the_bank_nothing(context, house, bank):
    pages = [context.new_page()]
    with house.without_worker():
        first = opened(pages[0], house, institution_code="mxbank")
        screen(first, "credentials")
        type_login(first, "any")
        screen(first, "connecting")
        (link,) = at_the_api(house).get("/linked_accounts").json["data"]
        pages.append(context.new_page())
        frames = [first, opened(pages[1], house, linked_account_id=link["id"])]
        before = len(bank.requests("*/members/*"))
        polls = [polls_of(one) for one in pages]
        end = time.monotonic() + PATIENCE_S
        while min(map(len, polls)) < 3:
            assert time.monotonic() < end, polls
            pages[0].wait_for_timeout(50)
        assert before == len(bank.requests("*/members/*")), "no poll reaches the bank"
        for looks in polls:
            assert {304} == {one.status for one in looks[1:]}
            begun = [one.request.timing["startTime"] for one in looks]
            assert min(b - a for a, b in pairwise(begun)) >= 950, "poll_after_ms is obeyed"
        with house.without_web():
            for frame in frames:
                frame.get_by_text("This page tries again by itself.").wait_for()
        for frame in frames:
            frame.locator("#trouble").wait_for(state="detached")
            assert "takes" not in screen(frame, "connecting").inner_text()
    for frame in frames:
        screen(frame, "success")


def test_by_keyboard_alone_full_screen_on_a_phone_and_the_focus_is_given_back(page, house):
    frame = opened(page, house)
    screen(frame, "search")
    assert {"x": 0, "y": 0, "width": 375, "height": 700} == page.locator("iframe").bounding_box()
    page.set_viewport_size({"width": 1280, "height": 800})
    page.wait_for_function("() => innerWidth === 1280 && document.querySelector('iframe').clientWidth === 460")
    assert 410 == page.locator("iframe").bounding_box()["x"]
    keys = page.keyboard
    keys.type("MX Bank")
    frame.get_by_role("button", name="MX Bank", exact=True).wait_for()
    frame.wait_for_function("() => document.querySelectorAll('.banks button').length < 10")
    for _ in range(12):  # it goes round: what lies under it is out of reach
        keys.press("Tab")
        assert "open" != page.evaluate("document.activeElement.id")
    frame.locator("#bank").focus()
    keys.press("Tab")
    for _ in range(20):  # to the first bank, from wherever the list's own links begin
        if "MX Bank" == frame.evaluate("document.activeElement.innerText.split('\\n').at(-1)"):
            break
        keys.press("Tab")
    keys.press("Enter")
    screen(frame, "credentials")
    for typed in (USER_NAME, "any"):
        keys.press("Tab")
        keys.type(typed)
    keys.press("Enter")
    screen(frame, "success")
    keys.press("Tab")
    keys.press("Enter")  # Done
    page.locator("dialog").wait_for(state="detached")
    assert "open" == page.evaluate("document.activeElement.id")


def test_a_reload_while_it_connects_and_a_second_tab_go_on_and_nothing_is_sent_twice(context, page, house, bank):
    bank.mode(job_s=90)
    before = len(members_made(bank))
    frame = opened(page, house, institution_code="mxbank")
    type_login(frame, "any")
    screen(frame, "connecting")
    reload(frame)
    screen(frame, "connecting").get_by_text("Signing in at your bank…").wait_for()
    (link,) = at_the_api(house).get("/linked_accounts").json["data"]
    second = opened(context.new_page(), house, linked_account_id=link["id"])
    screen(second, "connecting")
    assert before + 1 == len(members_made(bank)), "the bank heard it once"
    bank.advance_clock(91)
    for one in (frame, second):
        screen(one, "success")
    assert 1 == told(page).count("onSuccess")


def test_a_question_of_a_bank_in_the_background_is_answered_where_the_repair_opens(page, house, bank):
    person = at_the_api(house)
    link = person.link("challenge")
    until(person, link, link_status="challenged")
    person.answer(link, "correct")
    until(person, link, transactions_status="complete")
    with kept(house, link) as (it, unit):
        it.next_attempt_at = unit.now()
    until(person, link, link_status="success", reason="needs_user", retry_with="challenge")
    frame = opened(page, house, linked_account_id=link)
    assert "before it gives new data" in screen(frame, "challenge").inner_text()
    answer_rightly(frame)
    screen(frame, "success")
    until(person, link, reason=None, retry_with=None)


def test_where_frames_are_refused_it_opens_in_a_window_of_its_own(context, house):
    """An app whose own policy knows nothing of the modal's origin; there the person logs in, for nobody vouches."""
    policy = "<meta http-equiv='Content-Security-Policy' content=\"frame-src 'none'\">"
    page = context.new_page()
    with served_page(policy + HOST_PAGE.format(donkies=house.app.settings.public_url)) as port:
        page.goto(f"http://localhost:{port}/")
    page.evaluate("url => link(url)", house.url(return_uri="https://app.example/callback"))
    page.get_by_text("The page cannot be shown here.").wait_for()
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Open it in a new window").click()
    alone = popup.value
    alone.fill("[name=email]", house.person.email)
    alone.fill("[name=password]", PASSWORD)
    alone.get_by_role("button", name="Log in", exact=True).click()
    choose(alone)
    screen(alone, "credentials")
    type_login(alone, "any")
    screen(alone, "success")
    page.get_by_role("button", name="Close").click()
    assert ["onExit"] == told(page)
