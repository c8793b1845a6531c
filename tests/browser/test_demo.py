"""The demo front end in a real browser, against everything that `make run` starts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import requests

from .test_pages import RUN_AXE, SCREENSHOTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FrameLocator, Locator, Page

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
    # a refusal that the app tells in words is also written there by Chromium
    assert [] == [text for text in complaints if "status of 422" not in text]


@pytest.fixture(scope="module")
def axe(oidc_packages: Path) -> str:
    return (oidc_packages / "node_modules/axe-core/axe.min.js").read_text()


def sign_up(page: Page, embedded: Embedded) -> None:
    page.goto(f"{embedded.demo}/")
    button(page, "Create an account").click()
    email = f"ada.{uuid4().hex[:12]}@example.com"
    fields = {"first_name": "Ada", "last_name": "Byron", "email": email, "birthday": "1990-12-10", "password": PASSWORD}
    for name, value in fields.items():
        page.fill(f"[name={name}]", value)
    page.locator("button[type=submit]").click()
    button(page, "Allow").click()
    page.get_by_role("heading", name="Hello, Ada").wait_for()


def modal(page: Page) -> FrameLocator:
    return page.frame_locator("dialog iframe")


def submit(frame: FrameLocator) -> None:
    frame.locator("[data-screen] button:not([type=button])").click()


def choose(page: Page, bank: str) -> FrameLocator:
    """Begin to link on the hosted page."""
    button(page, "Link a bank").click()
    frame = modal(page)
    frame.get_by_label("Name of the bank").fill(bank)
    frame.get_by_role("button", name=bank, exact=True).click()
    return frame


def leave(page: Page) -> None:
    """Close the hosted page in the middle of something."""
    page.keyboard.press("Escape")
    modal(page).get_by_role("button", name="Leave").click()
    page.locator("dialog").wait_for(state="detached")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def screen(page: Page, name: str) -> Locator:
    found = page.locator(f"[data-screen={name}]")
    found.wait_for()
    return found


def card(page: Page, link_status: str) -> Locator:
    found = page.locator(f".card[data-link-status={link_status}]")
    found.wait_for()
    return found


def look_at(page: Page, axe: str, name: str) -> None:
    """axe finds nothing by day or by night, nothing sticks out at 320 px; photographed when that is asked for."""
    page.evaluate(axe)
    for width, scheme in ((1280, "light"), (320, "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        assert [] == page.evaluate(RUN_AXE), f"{name}, {width} px, {scheme}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} sticks out"
    page.emulate_media(color_scheme="light")
    for width, height in ((375, 700), (1280, 800)) if SCREENSHOTS else ():
        photograph(page, name, width, height)
    page.set_viewport_size({"width": 1280, "height": 900})


def photograph(page: Page, name: str, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(
        "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
    )  # the picture is redrawn
    page.screenshot(path=Path(str(SCREENSHOTS)).parent / "demo" / f"{name}-{width}.png")


def test_from_sign_up_to_a_picture_of_spending_and_out_again(page: Page, embedded: Embedded, axe: str) -> None:
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url))
    page.goto(f"{embedded.demo}/")
    button(page, "Sign in").wait_for()
    look_at(page, axe, "start")
    sign_up(page, embedded)
    assert f"{embedded.demo}/" == page.url, "no code stays in the address"
    assert 0 == page.evaluate("localStorage.length"), "tokens do not outlive the tab"
    page.get_by_text("No bank is linked yet.").wait_for()
    look_at(page, axe, "empty")

    frame = choose(page, "MX Bank")
    frame.get_by_label("Username").fill("test_atrium")
    frame.get_by_label("Password").fill("challenge")
    if SCREENSHOTS:
        photograph(page, "link", 1280, 800)
        photograph(page, "link", 375, 700)
    submit(frame)
    frame.locator("[data-screen=challenge]").wait_for()
    leave(page)
    card(page, "challenged").get_by_text("The bank asks a question before it goes on. Answer it to go on.").wait_for()
    page.get_by_text("No transactions yet.").wait_for()
    look_at(page, axe, "challenged")
    page.get_by_role("button", name="Answer the bank's question: MX Bank").click()
    modal(page).locator("[data-screen=challenge] input").fill("correct")
    submit(modal(page))
    modal(page).locator("[data-screen=success] button").last.click()
    card(page, "success").get_by_text("up to date as of").wait_for()

    picture = page.get_by_role("img", name="Spending by month")
    picture.wait_for()
    assert not any("/v1/transactions?" in url and "limit=500" in url for url in asked), "the API adds up"
    told = (picture.locator("desc").text_content() or "").split("; ")
    assert re.fullmatch(r"\w{3} \d{4}: \$[\d,.]+", told[-1])
    table = page.locator("figure", has=picture).locator("tbody tr")
    assert told == [": ".join(row.locator("th, td").all_text_contents()) for row in table.all()]
    by_category = page.get_by_role("img", name="Spending by category")
    by_category.wait_for()
    assert spent(page, embedded) == (cents_of(picture), sum(cents_of(by_category).values()))
    assert 6 == page.locator(".accounts li").count()
    assert 3 == page.locator(".accounts li", has_text="owed").count()
    look_at(page, axe, "home")
    look_through(page)

    with page.expect_response(lambda response: response.url.endswith("/oauth/revoke")) as revoked:
        button(page, "Sign out").click()
    assert 200 == revoked.value.status
    page.get_by_text("You are signed out, here and at the login page.").wait_for()
    assert 0 == page.evaluate("sessionStorage.length")
    button(page, "Sign in").click()
    page.locator("[name=password]").wait_for()  # the login page knows nobody any more


def cents_of(picture: Locator) -> dict[str, int]:
    """What a picture says in words: cents by what they stand at."""
    said = (picture.locator("desc").text_content() or "").split("; ")
    parts = [one.rpartition(": ") for one in said]
    return {label: int(re.sub(r"\D", "", amount)) for label, _, amount in parts}


def spent(page: Page, embedded: Embedded) -> tuple[dict[str, int], int]:
    """The same from each of the person's transactions: by month, and in all."""
    with page.expect_request("**/v1/transactions?**") as asked:
        page.get_by_label("Direction").select_option("Money out")
    authorization = {"Authorization": asked.value.headers["authorization"]}
    button(page, "Clear").click()
    now = datetime.now(UTC)
    begin = f"{now.year - (now.month < 12)}-{now.month % 12 + 1:02}-01"
    rows, cursor = [], ""
    with requests.Session() as session:
        session.trust_env = False
        while cursor is not None:
            url = f"{embedded.web}/v1/transactions?type=debit&from={begin}&limit=500{cursor}"
            answer = session.get(url, headers=authorization, timeout=10).json()
            rows += answer["data"]
            cursor = answer["next_cursor"] and f"&cursor={answer['next_cursor']}"
    months: Counter[str] = Counter()
    for row in rows:
        if row["top_level_category"] not in ("Transfer", "Investments"):
            months[datetime.fromisoformat(row["date"]).strftime("%b %Y")] += round(float(row["amount"]) * 100)
    return dict(months), months.total()


def look_through(page: Page) -> None:
    """Page on, search, filter by everything there is."""
    rows = page.locator(".transactions tbody tr")
    said = page.locator(".more [role=status]")
    dates = [one.get_attribute("datetime") for one in page.locator(".transactions time").all()]
    assert (50, sorted(dates, reverse=True)) == (len(dates), dates)
    with page.expect_request(lambda request: "cursor=" in request.url):
        button(page, "Load more").click()
    page.get_by_text("100 shown.").wait_for()
    assert 100 == rows.count()

    page.get_by_label("Search").fill("coffee")
    rows.filter(has_not_text=re.compile("coffee", re.I)).first.wait_for(state="detached")
    assert rows.count() > 0
    page.locator("[name=category]").select_option("Coffee Shops")
    page.locator("[name=account_id]").select_option(label="Rewards Card (MX Bank)")
    page.get_by_label("Direction").select_option("Money out")
    page.get_by_label("From").fill("2026-01-01")
    with page.expect_request(lambda request: "min_amount=3.5" in request.url) as asked:
        page.get_by_label("At least").fill("3.5")
        page.get_by_label("At least").blur()
    for part in ("q=coffee", "category=Coffee+Shops", "account_id=", "type=debit", "from=2026-01-01"):
        assert part in asked.value.url
    page.get_by_text("5 set").wait_for()
    page.get_by_label("At most").fill("1")
    page.get_by_label("At most").blur()
    said.filter(has_text="“At least” is more than “At most”").wait_for()
    page.get_by_label("At least").fill("")
    page.get_by_label("At most").fill("0.01")
    page.get_by_label("At most").blur()
    said.filter(has_text="No transaction fits.").wait_for()
    button(page, "Clear").click()
    said.filter(has_text="50 shown. There are more.").wait_for()


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


def test_this_apps_own_form(page: Page, embedded: Embedded, axe: str) -> None:
    sign_up(page, embedded)
    button(page, "Other ways to link").click()
    button(page, "Use this app's form").wait_for()
    look_at(page, axe, "ways")
    button(page, "Use this app's form").click()
    page.get_by_label("Name of the bank").fill("MX Bank")
    button(page, "MX Bank").click()
    page.get_by_label("Username").fill("test_atrium")
    page.get_by_label("Password").fill("INVALID")
    button(page, "Link").click()
    assert "Wrong Username/Password" in screen(page, "wrong_credentials").inner_text()
    assert "test_atrium" == page.get_by_label("Username").input_value()
    assert "" == page.get_by_label("Password").input_value()
    page.get_by_label("Password").fill("options")
    button(page, "Try again").click()
    assert "Challenged" in screen(page, "challenge").inner_text()
    button(page, "Answer").click()
    page.get_by_text("Please fill this in.").wait_for()
    page.get_by_label("The right answer").check()
    look_at(page, axe, "own-form")
    button(page, "Answer").click()
    screen(page, "success").get_by_text("up to date as of").wait_for()
    button(page, "See your accounts").click()
    card(page, "success")


def test_mx_connect(page: Page, embedded: Embedded) -> None:
    sign_up(page, embedded)
    button(page, "Other ways to link").click()
    button(page, "Open MX Connect").click()
    widget(page).get_by_label("Search").wait_for()
    modal(page).get_by_role("button", name="Close").click()  # nothing is linked, so all ways are still offered
    page.locator("dialog").wait_for(state="detached")
    button(page, "Open MX Connect").click()
    widget(page).get_by_label("Search").fill("MX Bank")
    widget(page).get_by_role("button", name="MX Bank", exact=True).click()
    for password, leads_to in (("INVALID", "wrong_credentials"), ("challenge", "challenge")):
        widget(page).get_by_label("Username").fill("test_atrium")
        widget(page).get_by_label("Password").fill(password)
        widget(page).get_by_role("button", name="Continue").click()
        modal(page).locator(f"[data-screen={leads_to}]").wait_for()
    widget(page).locator("#form input").fill("correct")
    widget(page).get_by_role("button", name="Continue").click()
    modal(page).locator("[data-screen=success] button").last.click()
    card(page, "success").get_by_text("up to date as of").wait_for()
    page.get_by_role("img", name="Spending by month").wait_for()


def widget(page: Page) -> FrameLocator:
    """MX's own, in the backend's page, in the demo's."""
    return modal(page).frame_locator("iframe.widget")


def test_a_bank_with_its_own_sign_in_page_is_polled_while_somebody_looks_and_goes(
    page: Page, embedded: Embedded
) -> None:
    page.clock.install()
    sign_up(page, embedded)
    submit(choose(page, "MX Bank OAuth"))
    modal(page).locator("[data-screen=bank_sign_in]").wait_for()
    leave(page)
    waiting = card(page, "processing")
    waiting.get_by_text("Your bank wants you to sign in on its own page.").wait_for()

    polls: list[str] = []
    page.on("request", lambda request: polls.append(request.url) if "/linked_accounts/" in request.url else None)
    is_same = lambda response: "/linked_accounts/" in response.url and response.status == 304  # noqa: E731
    with page.expect_response(is_same):
        page.clock.run_for(2_000)
    show(page, "hidden")
    before = len(polls)
    page.clock.run_for(30_000)
    page.evaluate("fetch('config.json').then(() => 0)")  # whatever was asked before this would be known by now
    assert before == len(polls)
    with page.expect_response(is_same):
        show(page, "visible")

    with page.expect_popup() as popup:
        page.get_by_role("button", name="Sign in at the bank: MX Bank OAuth").click()
    bank = popup.value
    bank.locator("#consent").click()
    bank.get_by_text("You can close this window").wait_for()
    assert bank.evaluate("window.opener === null")
    bank.close()
    card(page, "success")

    page.get_by_role("button", name="Disconnect: MX Bank OAuth").click()
    page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    page.locator(".badge", has_text="Disconnected").wait_for()
    page.get_by_role("button", name="Delete: MX Bank OAuth").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete: MX Bank OAuth").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_text("No bank is linked yet.").wait_for()


def show(page: Page, state: str) -> None:
    """Hide the tab, or come back to it; answers that are under way are waited for."""
    page.evaluate(
        """async (state) => {
          Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
          document.dispatchEvent(new Event("visibilitychange"));
          await fetch("config.json");
        }""",
        state,
    )
