"""The hosted modal in a real browser, framed by an app on another site, without third-party cookies (S30, D18)."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import svcs

from donkies.domain.downloading import DownloadService
from donkies.domain.following import LookService
from donkies.sandbox import Sandbox
from donkies.serving import Serving
from donkies.testing.app import PASSWORD, DonkiesTestApp, Person, make_client, make_person, sign_in
from donkies.testing.canaries import canary, database_dump, found_in
from donkies.testing.links import LOGIN_GUID, PASSWORD_GUID, USER_NAME
from donkies.testing.plugin import development_settings
from donkies.testing.ports import free_ports
from donkies.testing.sandbox import SandboxControl

from .test_pages import RUN_AXE, SCREENSHOTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Frame, Page

HOST_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Moneta</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<h1>Moneta</h1><button id="open">Link a bank</button>
<script src="{donkies}/link.js"></script>
<script>
  window.told = []; window.heard = []; window.handles = [];
  addEventListener("message", (event) => heard.push(JSON.stringify([event.origin, event.data])));
  window.link = (url) => handles.push(Donkies.open({{ url,
    onSuccess: (more) => told.push(["onSuccess", more]),
    onExit: (more) => told.push(["onExit", more]),
    onEvent: ({{ type, ...more }}) => told.push([type, more]) }}));
</script></html>"""
PROBE = "document.cookie = 'probe=1; SameSite=None; Secure; Path=/'; document.cookie"


class _HostPage(BaseHTTPRequestHandler):
    page = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def served_page(page: str) -> Iterator[int]:
    handler = type("Handler", (_HostPage,), {"page": page.encode()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join(5)


@dataclass
class House:
    """The service, an app of another site, and a person of both."""

    app: DonkiesTestApp
    host: str
    person: Person
    client: Any
    serve: Callable[[], Serving]
    stop: threading.Event = field(default_factory=threading.Event)
    at_work: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.serving = self.serve()

    def url(self, **body: Any) -> str:
        headers = sign_in(self.app, person=self.person, client=self.client)
        return self.app.post_json("/v1/link_sessions", body, headers=headers, status=201).json["url"]

    def work(self) -> None:
        """What a worker does, for as long as the tests run."""
        while not self.stop.wait(0.05):
            with self.at_work, svcs.Container(self.app.svcs) as container:
                container.get(LookService).look()
                downloads = container.get(DownloadService)
                for user_id, link_id in downloads.due():
                    downloads.run(user_id, link_id)

    @contextmanager
    def without_worker(self) -> Iterator[None]:
        """As when it was killed, and is begun again."""
        with self.at_work:
            yield

    @contextmanager
    def without_web(self) -> Iterator[None]:
        self.serving.stop()
        yield
        self.serving = self.serve()


@pytest.fixture(scope="module")
def house(browser, sandbox_server, sqlite_databases, tmp_path_factory) -> Iterator[House]:
    with a_house(sandbox_server, sqlite_databases.fresh(tmp_path_factory.mktemp("modal"))) as house:
        yield house


@contextmanager
def plain(port: int, name: str) -> Iterator[str]:
    """The address of a part: two sites, for `localhost` is another than 127.0.0.1."""
    yield f"http://{'127.0.0.1' if name == 'links' else 'localhost'}:{port}"


@contextmanager
def a_house(sandbox_server: Sandbox, database_url: str, reached: Any = plain) -> Iterator[House]:
    """The service over real HTTP, its worker, and an app's page.

    Args:
        reached: makes of a port and a part's name a context in which the part is reached at an address.
    """
    (port,) = free_ports(1)
    with reached(port, "links") as url:
        yield from _a_house(sandbox_server, database_url, reached, port, url)


def _a_house(sandbox_server: Sandbox, database_url: str, reached: Any, port: int, url: str) -> Iterator[House]:
    settings = development_settings(database_url) | {
        "donkies.public_url": url,
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.05,
        "donkies.link.look_slowest_s": 0.2,
        "donkies.breaker.failures": 1_000,
        "donkies.limits.enabled": False,
    }
    app = DonkiesTestApp(settings)
    with (
        served_page(HOST_PAGE.format(donkies=url)) as host_port,
        reached(host_port, "app") as host,
        SandboxControl(sandbox_server.url) as sandbox,
    ):
        sandbox.reset()
        sandbox.history(12, 30)
        client = make_client(app, name="Moneta", origins=[host])
        serve = partial(Serving, app.app, "modal", listen=f"127.0.0.1:{port}", threads=8)
        house = House(app, host, make_person(app), client, serve)
        worker = threading.Thread(target=house.work)
        worker.start()
        yield house
        house.stop.set()
        worker.join(10)
    house.serving.stop()
    app.close()


@pytest.fixture(autouse=True)
def somebody_new(house: House) -> None:
    """Each test has a person who linked nothing yet."""
    house.person = make_person(house.app, password=PASSWORD, email=f"ada.{uuid4().hex}@people.example")


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 375, "height": 700}, reduced_motion="reduce", locale="en-GB")
    context.set_default_timeout(8_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda one: complaints.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    # a refusal that the modal shows is also written there by Chromium
    assert [] == [one for one in complaints if "status of 4" not in one and "status of 503" not in one]


def opened(page: Page, house: House, **body: Any) -> Frame:
    if not page.url.startswith(house.host):
        page.goto(house.host)
    page.focus("#open")
    page.evaluate("url => link(url)", house.url(**body))
    frame = page.locator("iframe").last.element_handle().content_frame()
    frame.wait_for_selector("[data-screen]")
    return frame


def screen(frame: Any, name: str) -> Any:
    found = frame.locator(f"[data-screen={name}]")
    found.wait_for()
    assert "Moneta links a bank for a…@people.example" in " ".join(frame.locator(".bar p").inner_text().split())
    return found


def reload(frame: Any) -> None:
    """And wait for it: until the new page has come the old one's screens would do for the new one's."""
    with frame.expect_navigation():
        frame.evaluate("location.reload()")


def submit(frame: Any) -> None:
    (one,) = frame.locator("[data-screen] button:not([type=button])").all()
    one.click()


def choose(frame: Any, bank: str = "MX Bank") -> None:
    screen(frame, "search").get_by_label("Name of the bank").fill(bank)
    frame.get_by_role("button", name=bank, exact=True).click()


def type_login(frame: Any, password: str, name: str = USER_NAME) -> None:
    frame.fill(f"[name='{LOGIN_GUID}']", name)
    frame.fill(f"[name='{PASSWORD_GUID}']", password)
    submit(frame)


def told(page: Page) -> list[str]:
    return [one[0] for one in page.evaluate("told")]


def look_at(page: Page, frame: Any, axe: str, name: str) -> None:
    """Axe by day and by night, nothing sticks out at 320 px, and the focus is in what came."""
    size = page.viewport_size
    assert frame.evaluate("document.activeElement !== document.body"), name
    frame.evaluate(axe)
    for width, scheme in ((1280, "light"), (320, "dark")):
        page.set_viewport_size({"width": width, "height": 700})
        page.emulate_media(color_scheme=scheme)
        assert [] == frame.evaluate(RUN_AXE), f"{name}, {width} px"
        assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} sticks out"
    page.emulate_media(color_scheme="light")
    for width, height in ((1280, 800), (375, 700)) if SCREENSHOTS else ():
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(400)  # frames of other sites are drawn apart
        page.screenshot(path=Path(str(SCREENSHOTS)) / f"link-{name}-{width}.png")
    page.set_viewport_size(size)
    # a frame of another site takes its new size a moment later, and a click before that would land elsewhere
    frame.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


@pytest.fixture(scope="module")
def axe(oidc_packages: Path) -> str:
    return (oidc_packages / "node_modules/axe-core/axe.min.js").read_text()


def test_a_wrong_password_then_the_right_one_and_what_is_typed_stays_nowhere(page, house, axe):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    frame = opened(page, house)
    look_at(page, frame, axe, "search")
    assert "" == frame.evaluate(PROBE), "the frame could keep a cookie, so nothing is shown by its needing none"
    choose(frame)
    screen(frame, "credentials")
    look_at(page, frame, axe, "credentials")
    submit(frame)
    frame.get_by_text("Please fill this in.").first.wait_for()
    wrong = canary("password")
    type_login(frame, wrong, "nobody")
    again = screen(frame, "wrong_credentials")
    assert "did not accept" in again.inner_text()
    assert "nobody" == frame.input_value(f"[name='{LOGIN_GUID}']")
    assert "" == frame.input_value(f"[name='{PASSWORD_GUID}']")
    look_at(page, frame, axe, "wrong_credentials")
    right = canary("password")
    type_login(frame, right)
    screen(frame, "success")
    look_at(page, frame, axe, "success")
    submit(frame)  # Done
    page.locator("dialog").wait_for(state="detached")
    events = told(page)
    assert ["ready", "institution_selected", "link_created"] == events[:3]
    assert ["onSuccess", "exit", "onExit"] == [one for one in events if one in ("onSuccess", "exit", "onExit")]
    assert "open" == page.evaluate("document.activeElement.id"), "the focus is given back"
    stored = [page.evaluate("JSON.stringify([localStorage, sessionStorage, history.state, heard, told])")]
    places = [*stored, *asked, json.dumps(page.context.storage_state()), database_dump(house.app.engine())]
    assert [] == [hit for place in places for hit in found_in(place, [wrong, right])]
    assert [] == page.context.cookies(), "nor is any cookie needed"


def test_questions_of_each_kind_and_a_reload_in_the_middle(page, house, axe):
    frame = opened(page, house, institution_code="mxbank")
    screen(frame, "credentials")
    type_login(frame, "two_rounds")
    screen(frame, "challenge")
    look_at(page, frame, axe, "challenge")
    reload(frame)
    screen(frame, "challenge")
    for _ in range(2):
        before = frame.locator("[data-screen=challenge] label").inner_text()
        frame.locator("[data-screen=challenge] input").fill("correct")
        submit(frame)
        frame.wait_for_function(
            "before => document.querySelector('[data-screen=challenge] label')?.innerText !== before", arg=before
        )
        frame.locator("[data-screen=challenge], [data-screen=success]").first.wait_for()
    screen(frame, "success")


def test_a_stranger_who_opens_the_url_gets_no_form_and_its_person_logs_in_first(page, house, context):
    url = house.url(return_uri="https://app.example/callback")
    page.goto(url)
    page.wait_for_url("**/login?next=*")
    other = make_person(house.app, password=PASSWORD)
    for person, sees in ((other, "opened for somebody else"), (house.person, "Choose your bank")):
        page.fill("[name=email]", person.email)
        page.fill("[name=password]", PASSWORD)
        page.get_by_role("button", name="Log in", exact=True).click()
        page.get_by_text(sees).wait_for()
        assert (1 if person is house.person else 0) == page.locator("input").count()
        assert "#" not in page.url
        if person is other:
            context.clear_cookies()
            page.reload()
    page.reload()
    screen(page, "search")


def test_a_foreign_page_that_frames_it_gets_nothing(context, house):
    page = context.new_page()
    url = house.url()
    foreign = "<script>window.heard = []; addEventListener('message', e => heard.push(1));</script>"
    with served_page(f"{foreign}<iframe src='{url}'></iframe>") as port:
        page.goto(f"http://localhost:{port}/")
        page.wait_for_timeout(300)
        assert [] == page.evaluate("heard")
        assert all(not one.url.startswith(house.app.settings.public_url) for one in page.frames)
    # on the right origin too, nothing is shown to who does not answer as link.js does
    page.goto(house.host)
    script = "url => { const f = document.createElement('iframe'); f.src = url; document.body.append(f); }"
    page.evaluate(script, url)
    page.wait_for_function("heard.length > 0")
    frame = page.frames[1]
    page.evaluate("frames[0].postMessage({source: 'donkies', type: 'welcome', nonce: 'forged', start: 'x'}, '*')")
    page.wait_for_timeout(200)
    assert "" == frame.inner_text("main").strip()


def test_two_at_once_and_close_asks_only_when_something_would_be_lost(page, house):
    page.set_viewport_size({"width": 1280, "height": 800})
    first = opened(page, house, institution_code="mxbank")
    second = opened(page, house)
    choose(second)
    second.fill(f"[name='{PASSWORD_GUID}']", "half typed")
    second.press("body", "Escape")
    second.get_by_role("button", name="Stay").click()
    second.get_by_role("button", name="Close").click()
    second.get_by_role("button", name="Leave").click()
    page.wait_for_function("document.querySelectorAll('dialog').length === 1")
    screen(first, "credentials")
    first.get_by_role("button", name="Close").click()
    page.locator("dialog").wait_for(state="detached")
    assert 2 == told(page).count("onExit")


def test_a_banks_own_sign_in_opens_a_window_and_is_followed(page, house, axe):
    frame = opened(page, house, institution_code="mxbank_oauth")
    submit(frame)
    screen(frame, "bank_sign_in")
    look_at(page, frame, axe, "bank_sign_in")
    with page.expect_popup() as popup:
        submit(frame)
    bank = popup.value
    bank.locator("#consent").click()
    bank.get_by_text("You can close this window").wait_for()
    bank.close()
    screen(frame, "success")


def test_pictures_choices_and_a_bank_that_fails(page, house, axe):
    for password, name, fields in (
        ("image_options", "challenge", "input[type=radio]"),
        ("SERVER_ERROR", "error", "#close"),
    ):
        house.person = make_person(house.app, email=f"ada.{uuid4().hex}@people.example")
        frame = opened(page, house, institution_code="mxbank")
        type_login(frame, password)
        screen(frame, name)
        assert frame.locator(fields).count() > 0
        look_at(page, frame, axe, password if name == "challenge" else name)
        page.evaluate("handles.at(-1).close()")
