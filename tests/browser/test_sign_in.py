"""From nothing to nothing on the hosted pages of the embedded default, by real mail and the pretended providers.

Each walk is walked with scripts and without: no page needs them.
"""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyotp
import pytest
import requests

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

    from .conftest import Embedded

PASSWORD, NEW_PASSWORD = "four quiet words here", "seven louder words there"
BORN = "1990-12-31"


@pytest.fixture(params=[True, False], ids=["with scripts", "without"])
def context(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(java_script_enabled=request.param, locale="en-GB", accept_downloads=True)
    context.set_default_timeout(15_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def mailed(embedded: Embedded, to: str, about: str) -> str:
    """The link in the newest mail to somebody about something; the worker sends it at once."""
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(100):
            mails = session.get(f"{embedded.sandbox}/inbox.json", params={"to": to}, timeout=5).json()["mails"]
            for mail in mails:
                if about in mail["subject"]:
                    return re.search(r"http://\S+", mail["text"])[0]
            time.sleep(0.05)
    raise AssertionError(f"no mail about {about!r}: {[mail['subject'] for mail in mails]}")


def sign_up(page: Page, embedded: Embedded, *, twice: bool = False) -> str:
    """Create an account by the form, by a click or a double click. Returns: its address."""
    email = f"walker-{uuid4().hex[:12]}@people.example"
    page.goto(f"{embedded.web}/signup")
    typed = {"first_name": "Wanda", "last_name": "Walker", "email": email, "birthday": BORN, "password": PASSWORD}
    for name, value in typed.items():
        page.fill(f"[name={name}]", value)
    page.get_by_role("button", name="Create account").click(click_count=2 if twice else 1)
    page.get_by_text("Hello, Wanda").wait_for()
    return email


def log_in(page: Page, embedded: Embedded, email: str, password: str) -> None:
    page.goto(f"{embedded.web}/login")
    page.fill("[name=email]", email)
    page.fill("[name=password]", password)
    press(page, "Log in")


def log_out(page: Page, embedded: Embedded) -> None:
    page.goto(f"{embedded.web}/account")
    press(page, "Log out")
    page.get_by_role("link", name="Log in").wait_for()


def test_by_form_with_mail_a_forgotten_password_and_a_code_app_until_the_account_is_deleted(
    page: Page, embedded: Embedded, tmp_path: Path
) -> None:
    email = sign_up(page, embedded)
    page.goto(mailed(embedded, email, "Confirm"))
    press(page, "Confirm this address")
    page.goto(f"{embedded.web}/account")
    page.get_by_text("Confirmed", exact=True).wait_for()

    log_out(page, embedded)
    page.goto(f"{embedded.web}/password/forgot")
    page.fill("[name=email]", email)
    press(page, "Mail the link")
    page.get_by_text("Look into your mailbox").wait_for()
    page.goto(mailed(embedded, email, "new password"))
    page.fill("[name=password]", NEW_PASSWORD)
    press(page, "Change password")
    log_in(page, embedded, email, PASSWORD)
    page.get_by_role("alert").wait_for()
    log_in(page, embedded, email, NEW_PASSWORD)
    page.get_by_text("Hello, Wanda").wait_for()

    page.goto(f"{embedded.web}/factors")
    page.get_by_role("link", name="Set up an app").or_(page.get_by_role("button", name="Set up an app")).click()
    secret = "".join(page.locator("code").first.inner_text().split())
    page.fill("[name=code]", pyotp.TOTP(secret).now())
    press(page, "Confirm")
    codes = re.findall(r"\b\w{4}(?:-\w{4}){3}\b", page.inner_text("main"))
    assert 10 == len(set(codes))
    log_out(page, embedded)
    log_in(page, embedded, email, NEW_PASSWORD)
    page.get_by_text("Use a recovery code").click()
    page.fill("[name=recovery_code]", codes[0])
    press(page, "Confirm with it")
    page.get_by_text("Hello, Wanda").wait_for()

    page.goto(f"{embedded.web}/account/export")
    with page.expect_download() as download:
        press(page, "Get the file")
    download.value.save_as(tmp_path / "export.zip")
    assert "profile.json" in zipfile.ZipFile(tmp_path / "export.zip").namelist()
    page.goto(f"{embedded.web}/account/delete")
    press(page, "Delete my account")
    page.get_by_role("heading", name="The account is").wait_for()
    log_in(page, embedded, email, NEW_PASSWORD)
    page.get_by_role("alert").wait_for()


@pytest.mark.parametrize("provider", ["Google", "Facebook"])
def test_by_a_provider_and_back_again(page: Page, embedded: Embedded, provider: str, context: BrowserContext) -> None:
    persona = {"Google": "second", "Facebook": "no_email"}[provider]
    page.goto(f"{embedded.web}/login")
    press(page, f"Continue with {provider}")
    page.locator(f"button[value={persona}]").click()
    page.wait_for_url(lambda url: url.startswith(embedded.web))
    if page.url.startswith(f"{embedded.web}/signup/finish"):  # the first of the two walks makes the account
        if page.locator("[name=email]").count():
            page.fill("[name=email]", f"walker-{uuid4().hex[:12]}@people.example")
        page.fill("[name=birthday]", BORN)
        press(page, "Create account")
    page.get_by_text("Hello,").wait_for()
    log_out(page, embedded)
    page.goto(f"{embedded.web}/login")
    press(page, f"Continue with {provider}")
    page.locator(f"button[value={persona}]").click()
    page.get_by_text("Hello,").wait_for()


def test_who_changes_their_mind_at_the_provider_is_led_back_with_a_word(page: Page, embedded: Embedded) -> None:
    page.goto(f"{embedded.web}/signup")
    press(page, "Continue with Google")
    page.locator("button[value=cancel]").click()
    page.get_by_text("You did not log in with Google").wait_for()
    assert page.get_by_role("button", name="Log in", exact=True).is_visible()


def test_a_double_click_and_the_back_button_do_no_harm(page: Page, embedded: Embedded) -> None:
    email = sign_up(page, embedded, twice=True)
    page.wait_for_load_state("networkidle")  # the second click leads somewhere too
    page.goto(f"{embedded.web}/account")
    assert email in page.inner_text("main")
    press(page, "Log out")
    page.get_by_role("link", name="Log in").wait_for()
    page.go_back()
    page.wait_for_load_state("networkidle")
    page.goto(f"{embedded.web}/account")
    assert page.get_by_role("button", name="Log in", exact=True).is_visible()
