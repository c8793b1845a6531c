"""The demo front end in a real browser, against everything that `make run` starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

    from .conftest import Embedded

PASSWORD = "analytical engine no 1"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a browser that knows nobody; what it complains of fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert [] == complaints


def sign_up(page: Page, embedded: Embedded) -> str:
    email = f"ada.{uuid4().hex[:12]}@example.com"
    page.goto(f"{embedded.demo}/")
    button(page, "Create an account").click()
    page.get_by_role("link", name="Create an account").click()
    fields = {"first_name": "Ada", "last_name": "Byron", "email": email, "birthday": "1990-12-10", "password": PASSWORD}
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)
    page.locator("button[type=submit]").click()
    button(page, "Allow").click()
    page.get_by_role("heading", name="Hello, Ada").wait_for()
    return email


def link(page: Page, bank: str, password: str) -> None:
    button(page, "Link a bank").click()
    page.get_by_label("Name of the bank").fill(bank)
    button(page, bank).click()
    page.get_by_label("Username").fill("test_atrium")
    page.get_by_label("Password").fill(password)
    button(page, "Link").click()


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def screen(page: Page, name: str) -> Locator:
    found = page.locator(f"[data-screen={name}]")
    found.wait_for()
    return found


def fits(page: Page, width: int) -> bool:
    """Whether nothing has to be scrolled sideways at this width."""
    size = page.viewport_size
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_timeout(100)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    page.set_viewport_size(size)
    return overflow <= 0


def test_from_sign_up_to_a_picture_of_spending_and_out_again(page: Page, embedded: Embedded) -> None:
    sign_up(page, embedded)
    assert f"{embedded.demo}/" == page.url, "no code stays in the address"
    assert 0 == page.evaluate("localStorage.length"), "tokens do not outlive the tab"

    link(page, "MX Bank", "INVALID")
    wrong = screen(page, "wrong_credentials")
    assert "Wrong Username/Password" in wrong.inner_text()
    assert "test_atrium" == page.get_by_label("Username").input_value()
    assert "" == page.get_by_label("Password").input_value()
    page.get_by_label("Password").fill("options")
    button(page, "Try again").click()

    assert "Challenged" in screen(page, "challenge").inner_text()
    button(page, "Answer").click()
    page.get_by_text("Please fill this in.").wait_for()
    page.get_by_label("The right answer").check()
    assert fits(page, 320)
    button(page, "Answer").click()

    screen(page, "success").get_by_text("up to date as of").wait_for()
    button(page, "See your accounts").click()
    picture = page.get_by_role("img", name="Spending by month")
    picture.wait_for()
    assert re.search(r"\w{3} \d{4}: \$[\d,.]+", picture.locator("desc").text_content())
    page.get_by_role("img", name="Spending by category").wait_for()
    rows = page.locator(".transactions tbody tr")
    assert 50 == rows.count()
    dates = [one.get_attribute("datetime") for one in page.locator(".transactions time").all()]
    assert sorted(dates, reverse=True) == dates
    button(page, "Load more").click()
    page.get_by_text("100 shown.").wait_for()
    assert 6 == page.locator(".accounts li").count()
    assert 3 == page.locator(".accounts li", has_text="owed").count()
    assert fits(page, 320)

    page.get_by_label("Search").fill("coffee")
    rows.filter(has_not_text=re.compile("coffee", re.I)).first.wait_for(state="detached")
    assert rows.count() > 0
    button(page, "Clear").click()

    with page.expect_response(lambda response: response.url.endswith("/oauth/revoke")) as revoked:
        button(page, "Sign out").click()
    assert 200 == revoked.value.status
    page.get_by_text("You are signed out").wait_for()
    assert 0 == page.evaluate("sessionStorage.length")
    page.reload()
    button(page, "Sign in").wait_for()


def test_a_reload_and_a_copied_tab_stay_signed_in_and_go_out_together(page: Page, embedded: Embedded) -> None:
    sign_up(page, embedded)
    page.reload()
    page.get_by_role("heading", name="Hello, Ada").wait_for()
    with page.expect_popup() as popup:  # a window that this one opens starts with a copy of its sessionStorage
        page.evaluate("window.open(location.href)")
    second = popup.value
    second.get_by_role("heading", name="Hello, Ada").wait_for()  # it rotated the refresh token and told the first
    page.reload()
    page.get_by_role("heading", name="Hello, Ada").wait_for()
    button(second, "Sign out").click()
    button(page, "Sign in").wait_for()
    page.get_by_text("Your sign-in has ended").wait_for()


def test_a_bank_with_its_own_sign_in_page_and_a_link_that_goes(page: Page, embedded: Embedded) -> None:
    sign_up(page, embedded)
    button(page, "Link a bank").click()
    page.get_by_label("Name of the bank").fill("oauth")
    button(page, "MX Bank OAuth").click()
    button(page, "Continue").click()
    screen(page, "bank_sign_in")
    with page.expect_popup() as popup:
        button(page, "Open the bank's page").click()
    bank = popup.value
    bank.locator("#consent").click()
    bank.get_by_text("You can close this window").wait_for()
    assert bank.evaluate("window.opener === null")
    bank.close()
    screen(page, "success")
    button(page, "Back to the overview").click()

    page.get_by_role("button", name="Disconnect: MX Bank OAuth").click()
    page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    page.locator(".badge", has_text="Disconnected").wait_for()
    page.get_by_role("button", name="Delete: MX Bank OAuth").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete: MX Bank OAuth").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_text("No bank is linked yet.").wait_for()
