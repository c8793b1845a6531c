"""/docs in a real browser: it reads well, asks no other host, and calls can be tried with a token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from donkies.domain.clients import ClientService, Registration
from donkies.serving import Serving
from donkies.testing.app import PASSWORD, DonkiesTestApp, make_client, make_person, sign_in
from donkies.testing.canaries import found_in
from donkies.testing.plugin import development_settings
from donkies.testing.ports import free_ports

from .test_demo import PASSWORD as DEMO_PASSWORD
from .test_modal_strangers import OVERHEAR, STORAGE
from .test_pages import SCREENSHOTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from .conftest import Embedded

SCOPES = ("openid", "profile", "email", "accounts:read")


class Watched:
    """A page, the requests that it sent, what its policy refused and what it complained of."""

    def __init__(self, browser: Browser) -> None:
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB")
        self.context.set_default_timeout(8_000)
        self.asked: list[str] = []
        self.overheard: list[list[Any]] = []
        self.complaints: list[str] = []
        self.context.expose_binding("overheard", lambda _, *what: self.overheard.append(list(what)))
        self.context.add_init_script(OVERHEAR)
        self.context.on("request", lambda one: self.asked.append(one.url))
        self.context.on("console", lambda one: self.complaints.append(one.text) if one.type == "error" else None)
        self.context.on("weberror", lambda one: self.complaints.append(str(one.error)))
        self.page = self.context.new_page()

    def is_clean(self, origin: str) -> bool:
        assert [] == [one for one in self.overheard if one[0] == "violation"]
        assert [] == [one for one in self.complaints if "status of 401" not in one and "status of 403" not in one]
        return {urlsplit(origin).netloc} == {urlsplit(one).netloc for one in self.asked if not one.startswith("data:")}


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    watched = Watched(browser)
    yield watched
    watched.context.close()


@pytest.fixture
def service(sqlite_databases: Any, tmp_path: Path) -> Iterator[DonkiesTestApp]:
    """A service that names a client for its docs, as in production; nobody registered it yet."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    settings = {"donkies.public_url": url, "donkies.docs.client_id": "our-docs", "donkies.limits.enabled": False}
    app = DonkiesTestApp(development_settings(sqlite_databases.fresh(tmp_path)) | settings)
    serving = Serving(app.app, "docs", listen=f"127.0.0.1:{port}", threads=8)
    yield app
    serving.stop()
    app.close()


def register(app: DonkiesTestApp, **fields: Any) -> None:
    """As `donkies client create` does."""
    url = app.settings.public_url
    known = {"name": "Docs", "type": "public", "redirect_uris": (f"{url}/docs/signed-in",), "origins": (url,)}
    with app.service(ClientService) as clients:
        clients.ensure("our-docs", Registration(**known | {"scopes": SCOPES} | fields))


def open_docs(page: Page, url: str, more: str = "") -> None:
    page.goto(f"{url}/docs{more}")
    page.locator(".opblock-tag").first.wait_for()


def open_sign_in(page: Page) -> None:
    page.get_by_role("button", name="Authorize").click()
    page.locator(".dialog-ux .auth-container").first.wait_for()


def ways_to_sign_in(page: Page) -> list[str]:
    return [one.split()[0] for one in page.locator(".dialog-ux h4").all_inner_texts()]


def part(page: Page, name: str) -> Any:
    return page.locator(".dialog-ux .auth-container", has=page.locator("h4", has_text=re.compile(rf"^\s*{name}\b")))


def try_call(page: Page, operation: str, path: str) -> tuple[str, str]:
    """Execute it from the page: the status and the body that are shown."""
    block = page.locator(".opblock", has=page.locator(f"[data-path='{path}']")).filter(
        has=page.locator(".opblock-summary-method", has_text=operation)
    )
    if not block.count():
        page.get_by_role("link", name="Users").click()
    if "is-open" not in (block.get_attribute("class") or ""):
        block.locator(".opblock-summary-control").click()
    block.locator(".try-out__btn").wait_for()  # it says "Cancel" where the form is open already
    if block.get_by_role("button", name="Try it out").count():
        block.get_by_role("button", name="Try it out").click()
    with page.expect_response(f"**{path}"):
        block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table tbody tr").first
    answer.wait_for()
    return answer.locator(".response-col_status").inner_text().split()[0], answer.inner_text()


def photograph(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(str(SCREENSHOTS)) / f"docs-{name}.png")


def test_it_shows_every_operation_with_files_of_our_own_only(watched: Watched, embedded: Embedded) -> None:
    page = watched.page
    open_docs(page, embedded.web)
    photograph(page, "top")
    page.set_viewport_size({"width": 320, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it sticks out"
    page.set_viewport_size({"width": 1280, "height": 900})
    document = page.evaluate("fetch('/openapi.json').then((answer) => answer.json())")
    tags = {tag for path in document["paths"].values() for one in path.values() for tag in one["tags"]}
    assert len(tags) == page.locator(".opblock-tag").count()
    page.goto(f"{embedded.web}/docs#/Linked%20accounts/{operation_id(document, '/v1/linked_accounts', 'post')}")
    page.reload()
    block = page.locator(".opblock.is-open")
    block.get_by_text("institution_code").first.wait_for()
    photograph(page, "operation")
    assert watched.is_clean(embedded.web)


def operation_id(document: Any, path: str, method: str) -> str:
    return str(document["paths"][path][method]["operationId"])


def test_a_document_of_others_is_not_shown(watched: Watched, embedded: Embedded) -> None:
    strange = "?url=http://foreign.localhost:1/a.json&configUrl=http://foreign.localhost:1/b.json"
    open_docs(watched.page, embedded.web, strange)
    assert watched.is_clean(embedded.web)


def test_in_the_embedded_default_one_signs_in_and_tries_a_call(watched: Watched, embedded: Embedded) -> None:
    page = watched.page
    open_docs(page, embedded.web)
    assert "401" == try_call(page, "GET", "/v1/users/me")[0]
    open_sign_in(page)
    photograph(page, "sign-in")
    scopes = part(page, "oauth2").locator("input[type=checkbox]:checked")
    assert 6 == scopes.count(), "to begin with, none that change or delete much"
    assert ["oauth2", "bearer", "client"] == ways_to_sign_in(page)
    assert "docs" == part(page, "oauth2").locator("#client_id_authorizationCode").input_value()
    with page.expect_popup() as popup:
        part(page, "oauth2").locator("button.authorize").click()
    login = popup.value
    login.get_by_role("link", name="Create an account").click()
    email = f"ada.{uuid4().hex[:12]}@example.com"
    fields = {"first_name": "Ada", "last_name": "Byron", "email": email, "password": DEMO_PASSWORD}
    for name, value in (fields | {"birthday": "1990-12-10"}).items():
        login.fill(f"[name={name}]", value)
    login.locator("button[type=submit]").click()
    login.get_by_role("button", name="Allow").click()
    part(page, "oauth2").get_by_role("button", name="Remove authorization").wait_for()
    page.locator(".dialog-ux .close-modal").click()
    status, body = try_call(page, "GET", "/v1/users/me")
    assert "200" == status
    assert email in body
    assert watched.is_clean(embedded.web)
    if not login.is_closed():
        assert f"{embedded.web}/docs/signed-in" == login.url, "no code stays in the address"
    token = page.evaluate("performance.getEntriesByType('resource').map((one) => one.name).join()")
    assert "code=" not in token
    page.reload()
    page.locator(".opblock-tag").first.wait_for()
    assert "401" == try_call(page, "GET", "/v1/users/me")[0], "nothing outlives the page"


def test_a_token_that_one_has_is_pasted_and_kept_nowhere(watched: Watched, service: DonkiesTestApp) -> None:
    """Without a registered client that is the only way: nobody can sign in from there."""
    page, url = watched.page, service.settings.public_url
    person = make_person(service)
    headers = sign_in(service, person=person, client=make_client(service))
    token = headers["Authorization"].removeprefix("Bearer ")
    open_docs(page, url)
    open_sign_in(page)
    assert ["bearer", "client"] == ways_to_sign_in(page)
    part(page, "bearer").locator("input").fill(token)
    part(page, "bearer").locator("button.authorize").click()
    page.locator(".dialog-ux .close-modal").click()
    status, body = try_call(page, "GET", "/v1/users/me")
    assert ("200", True) == (status, person.email in body)
    assert [] == found_in(page.evaluate(STORAGE), [token])
    assert watched.is_clean(url)


def test_signing_in_wants_a_public_client_that_leads_back_there(watched: Watched, service: DonkiesTestApp) -> None:
    page, url = watched.page, service.settings.public_url
    register(service, redirect_uris=("https://app.example/callback",))
    open_docs(page, url)
    open_sign_in(page)
    assert ["bearer", "client"] == ways_to_sign_in(page)
    register(service)
    person = make_person(service, password=PASSWORD)
    open_docs(page, url)
    open_sign_in(page)
    scopes = part(page, "oauth2").locator("input[type=checkbox]:checked")
    assert len(SCOPES) == scopes.count(), "those that the client is registered for"
    with page.expect_popup() as popup:
        part(page, "oauth2").locator("button.authorize").click()
    login = popup.value
    login.fill("[name=email]", person.email)
    login.fill("[name=password]", PASSWORD)
    login.get_by_role("button", name="Log in", exact=True).click()
    login.get_by_role("button", name="Cancel").click()  # it is no trusted client, so the person is asked
    part(page, "oauth2").get_by_text("access_denied").wait_for()
    assert watched.is_clean(url)


def test_an_answer_that_was_not_asked_for_signs_nobody_in(watched: Watched, embedded: Embedded) -> None:
    page = watched.page
    open_docs(page, embedded.web)
    open_sign_in(page)
    with page.expect_popup() as popup:
        part(page, "oauth2").locator("button.authorize").click()
    popup.value.close()
    sent: list[str] = []
    page.on("request", lambda one: sent.append(one.url) if "/oauth/token" in one.url else None)
    forged = watched.context.new_page()
    forged.goto(f"{embedded.web}/docs/signed-in?code=forged&state=guessed")
    page.wait_for_timeout(300)
    assert [] == sent
    # also of who knows the state: the code was not given for this page's challenge
    state = page.evaluate("swaggerUIRedirectOauth2.state")
    with page.expect_response("**/oauth/token") as answer:
        forged = watched.context.new_page()
        forged.goto(f"{embedded.web}/docs/signed-in?code=forged&state={state}")
    assert 400 == answer.value.status
    part(page, "oauth2").get_by_text("invalid_grant").wait_for()
