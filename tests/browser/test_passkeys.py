"""Passkeys in a real browser, whose authenticator is pretended; codes in one without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from donkies.serving import Serving
from donkies.testing.app import PASSWORD, DonkiesTestApp, Person, give_code_app, make_person
from donkies.testing.plugin import development_settings
from donkies.testing.ports import free_ports

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
def app(browser: Browser, sqlite_databases, tmp_path) -> Iterator[DonkiesTestApp]:
    """The application under a name, which `localhost` is: passkeys are bound to one."""
    (port,) = free_ports(1)
    settings = development_settings(sqlite_databases.fresh(tmp_path))
    app = DonkiesTestApp(settings | {"donkies.public_url": f"http://localhost:{port}"})
    serving = Serving(app.app, "served", listen=f"127.0.0.1:{port}", threads=8)
    yield app
    serving.stop()
    app.close()


@pytest.fixture
def person(app: DonkiesTestApp) -> Person:
    return make_person(app, password=PASSWORD)


@contextmanager
def opened(browser: Browser, app: DonkiesTestApp, **options) -> Iterator[BrowserContext]:
    """A browser that knows nobody; what it complains of fails the test."""
    context = browser.new_context(base_url=app.settings.public_url, viewport={"width": 320, "height": 700}, **options)
    context.set_default_timeout(10_000)
    complaints: list[str] = []
    context.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    yield context
    context.close()
    assert [] == [one for one in complaints if "422" not in one]  # how it tells that a form was refused


def type_password(page: Page, person: Person) -> None:
    page.goto("/login")
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def methods(app: DonkiesTestApp) -> list[str]:
    with app.engine().connect() as connection:
        return list(connection.exec_driver_sql("SELECT methods FROM browser_sessions ORDER BY created_at").scalars())


def fits(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_passkey_is_added_and_logs_in_alone_and_after_a_password(browser, app, person):
    """S27"""
    with opened(browser, app) as context:
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        device = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})["authenticatorId"]
        type_password(page, person)
        page.goto("/factors")
        page.get_by_role("link", name="Add a passkey").click()
        page.get_by_label("Name").fill("My phone " + "x" * 51)
        press(page, "Add a passkey")
        page.get_by_role("heading", name="Keep these recovery codes").wait_for()
        assert 10 == page.locator("code").count()
        assert fits(page)
        page.get_by_role("link", name="I have kept them").click()
        page.get_by_text("On one device only.").wait_for()
        assert fits(page)

        def set_device(**how: bool) -> None:
            for name, value in how.items():
                method = {"isUserVerified": "setUserVerified", "enabled": "setAutomaticPresenceSimulation"}[name]
                devtools.send(f"WebAuthn.{method}", {"authenticatorId": device, name: value})

        # else it answers by itself what the e-mail field suggests
        set_device(enabled=False, isUserVerified=False)
        page.goto("/")
        press(page, "Log out")
        page.goto("/login")
        page.get_by_role("button", name="Use a passkey").wait_for()
        set_device(enabled=True)
        press(page, "Use a passkey")
        page.get_by_text("No passkey was used.").wait_for()
        assert [] == methods(app)
        set_device(isUserVerified=True)
        press(page, "Use a passkey")
        page.get_by_role("heading", name="Hello").wait_for()
        assert ["pop user mfa"] == methods(app)

        set_device(enabled=False)
        press(page, "Log out")
        type_password(page, person)
        page.get_by_role("heading", name="Confirm your log-in").wait_for()
        assert fits(page)
        set_device(enabled=True)
        press(page, "Use a passkey")
        page.get_by_role("heading", name="Hello").wait_for()
        assert ["pwd pop mfa"] == methods(app)

        press(page, "Log out")
        page.goto("/login")  # and a passkey is picked among the suggestions
        page.get_by_role("heading", name="Hello").wait_for()
        assert ["pop user mfa"] == methods(app)

        # somebody holds a copy whose counter was ahead
        with app.engine().begin() as connection:
            connection.exec_driver_sql("UPDATE passkeys SET sign_count = 1000")
        press(page, "Log out")
        page.goto("/login")
        page.get_by_role("alert").get_by_text("not accepted").wait_for()
        assert [] == methods(app)


def test_a_code_works_without_javascript(browser, app, person):
    """S27"""
    code_app = give_code_app(app, person)
    with opened(browser, app, java_script_enabled=False) as context:
        page = context.new_page()
        type_password(page, person)
        assert "/login/second" == urlsplit(page.url).path
        assert not page.get_by_role("button", name="Use a passkey").is_visible()
        page.get_by_label("Code", exact=True).fill("000000")
        page.keyboard.press("Enter")
        page.get_by_role("alert").get_by_text("not right").wait_for()
        page.get_by_label("Code", exact=True).fill(code_app.code())
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Hello").wait_for()
        assert ["pwd otp mfa"] == methods(app)
