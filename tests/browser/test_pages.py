"""Every hosted page in a real browser: axe finds nothing by day or by night, and nothing sticks out at 320 px.

With DONKIES_SCREENSHOTS=FOLDER the pages are photographed too, 375 and 1280 px wide (`make screenshots`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from donkies.domain.consents import ConsentService
from donkies.domain.emails import EmailService
from donkies.domain.erasing import LeavingService
from donkies.domain.forgotten import ForgottenPasswordService
from donkies.domain.sessions import SessionService
from donkies.serving import Serving
from donkies.testing.app import (
    PASSWORD,
    DonkiesTestApp,
    Person,
    authorize_path,
    give_code_app,
    give_passkey,
    make_client,
    make_person,
    pkce,
    sign_in,
)
from donkies.testing.links import PersonAtTheApi, work
from donkies.testing.people import mailed_link
from donkies.testing.plugin import development_settings
from donkies.testing.ports import free_ports
from donkies.testing.sandbox import SandboxControl
from donkies.testing.social import social_settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

LONG_NAME = "Maximiliane-Alexandra-Wilhelmine"
LONG_EMAIL = "maximiliane.alexandra.wilhelmine.of.the.long.addresses@people.example"
SCREENSHOTS = os.environ.get("DONKIES_SCREENSHOTS")
# what axe knows of the Web Content Accessibility Guidelines up to 2.2 AA, and its own best practice
RUN_AXE = "axe.run(document).then(found => found.violations.map(v => `${v.id}: ${v.nodes.map(n => n.html).join(' ')}`))"


@dataclass
class Site:
    """The service over real HTTP, and somebody with a long name who is logged in in one browser."""

    app: DonkiesTestApp
    url: str
    person: Person
    stranger: BrowserContext
    logged_in: BrowserContext
    bank: str = ""
    receipt: str = ""

    def authorize(self, **parameters: str) -> str:
        client = make_client(self.app, name="Moneta, the household book", is_trusted=False, scopes=SCOPES)
        return self.url + authorize_path(client, pkce()[1], **parameters)

    def mailed(self, page: str) -> str:
        """The address of a link that is mailed to the person."""
        with self.app.service(EmailService) as emails, self.app.service(ForgottenPasswordService) as forgotten:
            emails.send_verification(self.person.id)
            forgotten.ask(self.person.email, address="192.0.2.1")
        return self.url + mailed_link(self.app, self.person.email, page)


SCOPES = "openid profile email accounts:read transactions:read"

# a page's name: whether its visitor is logged in, and the way there
PAGES: dict[str, tuple[bool, Callable[[Site, Page], Any]]] = {
    "home": (False, lambda site, page: page.goto(f"{site.url}/")),
    "login": (False, lambda site, page: page.goto(f"{site.url}/login")),
    "login-refused": (False, lambda site, page: refused_login(site, page)),
    "signup": (False, lambda site, page: page.goto(f"{site.url}/signup")),
    "signup-refused": (False, lambda site, page: refused_signup(site, page)),
    "social-signup": (False, lambda site, page: come_from_google(site, page, "verified")),
    "social-signup-refused": (False, lambda site, page: refused_social_signup(site, page)),
    "social-has-account": (False, lambda site, page: come_from_google(site, page, "squatter")),
    "social-connect": (True, lambda site, page: come_from_google(site, page, "squatter")),
    "consent": (True, lambda site, page: page.goto(site.authorize())),
    "choose-account": (True, lambda site, page: page.goto(site.authorize(prompt="select_account"))),
    "error": (False, lambda site, page: page.goto(site.authorize(redirect_uri="https://elsewhere.example/"))),
    "not-found": (False, lambda site, page: page.goto(f"{site.url}/nowhere")),
    "logout": (True, lambda site, page: page.goto(f"{site.url}/oauth/logout")),
    "email": (True, lambda site, page: page.goto(f"{site.url}/email?done=sent")),
    "email-change-refused": (True, lambda site, page: refused_change(site, page)),
    "email-confirm": (False, lambda site, page: page.goto(site.mailed("/email/verify"))),
    "email-confirmed": (False, lambda site, page: page.goto(f"{site.url}/email/confirmed")),
    "email-over": (True, lambda site, page: page.goto(f"{site.url}/email/verify?token=x")),
    "password-forgot": (False, lambda site, page: page.goto(f"{site.url}/password/forgot")),
    "password-forgot-sent": (False, lambda site, page: page.goto(f"{site.url}/password/forgot?done=sent")),
    "password-reset": (False, lambda site, page: page.goto(site.mailed("/password/reset"))),
    "password-over": (False, lambda site, page: page.goto(f"{site.url}/password/reset?token=x")),
    "password-change": (True, lambda site, page: page.goto(f"{site.url}/password/change")),
    "factors": (True, lambda site, page: open_factors(site, page)),
    "factors-app": (True, lambda site, page: refused_app(site, page)),
    "factors-passkey": (True, lambda site, page: page.goto(f"{site.url}/factors/passkey")),
    "recovery-codes": (True, lambda site, page: new_recovery_codes(site, page)),
    "second-step": (False, lambda site, page: refused_second_step(site, page)),
    "account": (True, lambda site, page: page.goto(f"{site.url}/account?done=profile")),
    "account-profile": (True, lambda site, page: page.goto(f"{site.url}/account/profile")),
    "account-profile-refused": (True, lambda site, page: refused_profile(site, page)),
    "account-bank": (True, lambda site, page: page.goto(f"{site.url}/account/banks/{site.bank}/delete")),
    "account-export": (True, lambda site, page: page.goto(f"{site.url}/account/export")),
    "account-delete": (True, lambda site, page: page.goto(f"{site.url}/account/delete")),
    "account-deleted": (False, lambda site, page: page.goto(f"{site.url}/account/deleted/{site.receipt}")),
    "bank-return": (False, lambda site, page: page.goto(f"{site.url}/link/return")),
}


def refused_login(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/login")
    page.fill("[name=email]", site.person.email)
    page.fill("[name=password]", "not the password")
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_role("alert").wait_for()


def refused_signup(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/signup")
    page.fill("[name=first_name]", LONG_NAME)
    page.fill("[name=email]", "no address")
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("alert").wait_for()


def refused_change(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/email/change")
    page.fill("[name=email]", "no address")
    page.get_by_role("button", name="Mail the link").click()
    page.get_by_role("alert").wait_for()


def open_factors(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/factors")
    for summary in page.locator("summary").all():
        summary.click()


def refused_app(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/factors")
    page.get_by_role("button", name="Set up an app").click()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("alert").wait_for()


def new_recovery_codes(site: Site, page: Page) -> None:
    open_factors(site, page)
    page.get_by_role("button", name="Make new recovery codes").click()
    page.get_by_role("heading", name="Keep these recovery codes").wait_for()


def refused_second_step(site: Site, page: Page) -> None:
    person = make_person(site.app, password=PASSWORD, first_name=LONG_NAME, email=f"second.{LONG_EMAIL}")
    give_code_app(site.app, person)
    give_passkey(site.app, person)
    page.goto(f"{site.url}/login")
    page.fill("[name=email]", person.email)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_text("Use a recovery code").click()
    page.get_by_label("Recovery code").fill("none of them")
    page.get_by_role("button", name="Confirm with it").click()
    page.get_by_role("alert").get_by_text("none of your recovery codes").wait_for()


def refused_profile(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/account/profile")
    page.fill("[name=first_name]", "x" * 101)
    page.get_by_role("button", name="Save").click()
    page.get_by_role("alert").wait_for()


def furnish(site: Site) -> None:
    """Two more browsers, two apps and two banks of the person's; and the receipt of somebody who left."""
    banks = PersonAtTheApi(site.app, sign_in(site.app, person=site.person))
    site.bank = banks.link()
    banks.link("INVALID", "harbour")
    work(site.app)
    for agent in ("Mozilla/5.0 (iPhone) Version/18.5 Safari/604.1", "Mozilla/5.0 (X11; Linux) Firefox/140.0"):
        with site.app.service(SessionService) as sessions:
            sessions.open(site.person.id, user_agent=agent)
    for name in ("Moneta, the household book", LONG_NAME):
        client = make_client(site.app, name=name, is_trusted=False, scopes=SCOPES)
        with site.app.service(ConsentService) as consents:
            consents.give(site.person.id, client.id, tuple(SCOPES.split()))
    with site.app.service(LeavingService) as leaving:
        site.receipt = str(leaving.leave(make_person(site.app).id).id)


def come_from_google(site: Site, page: Page, persona: str) -> None:
    """By the button, as the page's policy must let it; Chromium holds redirects to it."""
    page.goto(f"{site.url}/login?why=account")
    page.get_by_role("button", name="Continue with Google").click()
    page.locator(f"button[value={persona}]").click()
    page.wait_for_url(f"{site.url}/**")


def refused_social_signup(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/signup")
    page.get_by_role("button", name="Continue with Facebook").click()
    page.locator("button[value=no_email]").click()
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("alert").wait_for()


@pytest.fixture(scope="module")
def site(
    browser: Browser, sandbox_server: Any, sqlite_databases: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    (port,) = free_ports(1)
    url = f"http://localhost:{port}"  # a name, so that there can be passkeys
    database_url = sqlite_databases.fresh(tmp_path_factory.mktemp("pages"))
    settings = development_settings(database_url) | social_settings(sandbox_server.url)
    app = DonkiesTestApp(settings | {"donkies.public_url": url, "donkies.link.look_s": 0.02})
    with SandboxControl(sandbox_server.url) as sandbox:
        sandbox.reset()
        sandbox.social(squatter_email=LONG_EMAIL)
    serving = Serving(app.app, "pages", listen=f"127.0.0.1:{port}", threads=8)
    person = make_person(app, first_name=LONG_NAME, email=LONG_EMAIL, password=PASSWORD)
    stranger, logged_in = (browser.new_context(locale="en-GB", reduced_motion="reduce") for _ in range(2))
    for context in (stranger, logged_in):
        context.set_default_timeout(15_000)
    found = Site(app, url, person, stranger, logged_in)
    log_in(found)
    give_passkey(app, person)
    furnish(found)
    yield found
    for context in (stranger, logged_in):
        context.close()
    serving.stop()
    app.close()


def log_in(site: Site) -> None:
    page = site.logged_in.new_page()
    page.goto(f"{site.url}/login")
    page.fill("[name=email]", site.person.email)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.get_by_text(site.person.email).first.wait_for()
    page.close()


@pytest.fixture(scope="module")
def axe(oidc_packages: Path) -> str:
    return (oidc_packages / "node_modules/axe-core/axe.min.js").read_text()


@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_use_it(site: Site, axe: str, name: str) -> None:
    is_logged_in, go = PAGES[name]
    page = (site.logged_in if is_logged_in else site.stranger).new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    go(site, page)
    assert page.locator("main h1").count() == 1
    for width, scheme in ((1280, "light"), (320, "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate(axe)
        assert [] == page.evaluate(RUN_AXE), f"{name}, {width} px, {scheme}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} sticks out"
    assert [] == [text for text in said if "Content Security Policy" in text]
    if SCREENSHOTS:
        photograph(page, name)
    page.close()


def photograph(page: Page, name: str) -> None:
    page.emulate_media(color_scheme="light")
    for width, height in ((375, 700), (1280, 800)):
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=Path(str(SCREENSHOTS)) / f"{name}-{width}.png", full_page=True)
