"""The hosted modal among strangers who frame, reuse, overhear and forge; where nothing typed may stay (S29, S30)."""

# ruff: noqa: F811 - fixtures of the file beside it
from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from donkies.testing.app import PASSWORD, make_person
from donkies.testing.canaries import canary, found_in
from donkies.testing.links import USER_NAME

from .conftest import CHROMIUM, CHROMIUM_ARGS, need
from .test_demo import choose as choose_in_demo
from .test_demo import sign_up
from .test_modal import (  # noqa: F401 - fixtures
    PROBE,
    House,
    context,
    house,
    opened,
    page,
    reload,
    screen,
    served_page,
    somebody_new,
    submit,
    told,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Frame, Page

    from .conftest import Embedded

OVER = "This link session is over"
FOREIGN_PAGE = """<!doctype html><title>Foreign</title><link rel="icon" href="data:,"><script>
  window.heard = [];
  addEventListener("message", (event) => heard.push([event.origin, event.data]));
</script>"""
FRAME = """url => new Promise((loaded) => {
  const frame = document.createElement("iframe");
  frame.onload = () => loaded();
  frame.src = url;
  document.body.append(frame);
})"""
HELLO = """() => new Promise((nonce) => {
  const seen = heard.map(JSON.parse).find(([, data]) => data.type === "hello");
  seen ? nonce(seen[1].nonce) : addEventListener("message", ({ data }) => data.type === "hello" && nonce(data.nonce));
})"""
# what every frame sees, told to the test: violations of its policy, and all that is said to it
OVERHEAR = """
  addEventListener("securitypolicyviolation", (event) =>
    overheard("violation", [location.href, event.effectiveDirective, event.blockedURI]));
  addEventListener("message", (event) => overheard("message", [location.origin, event.origin, event.data]));
"""
STORAGE = """async () => {
  const kept = [document.cookie, history.state, location.href, performance.getEntries().map((one) => one.name)];
  try {
    kept.push({ ...localStorage }, { ...sessionStorage }, await indexedDB.databases(), await caches.keys());
    kept.push((await navigator.serviceWorker.getRegistrations()).map((one) => one.scope));
  } catch (error) {
    if (error.name !== "SecurityError") throw error; // a frame of another site, where the person wants it so
    kept.push("denied");
  }
  return JSON.stringify(kept);
}"""
PLANT = """async (planted) => {
  localStorage.planted = planted;
  const opening = indexedDB.open("planted", 1);
  await new Promise((done) => {
    opening.onupgradeneeded = () => opening.result.createObjectStore("planted").add(planted, 1);
    opening.onsuccess = done;
  });
}"""


@pytest.fixture
def foreign() -> Iterator[str]:
    """A site that has nothing to do with the app."""
    with served_page(FOREIGN_PAGE) as port:
        yield f"http://foreign.localhost:{port}"


@pytest.fixture
def stranger(context: BrowserContext, foreign: str) -> Page:
    page = context.new_page()
    page.goto(foreign)
    return page


def link_with(page: Page, url: str) -> Frame:
    """What link.js opens for an address."""
    page.evaluate("url => link(url)", url)
    frame: Frame = page.locator("iframe").last.element_handle().content_frame()
    return frame


def nobody_is_named(frame: Any, house: House) -> bool:
    """No form, no person, no app."""
    html = frame.content()
    names = [house.person.email, f"{house.person.email[:1]}…@", "Moneta", "Choose your bank"]
    return frame.locator("input").count() == 0 and not any(name in html for name in names)


def pages_of_ours(page: Page, house: House) -> list[str]:
    return [one.url for one in page.frames if one.url.startswith(house.app.settings.public_url)]


# -- framing ------------------------------------------------------------------------------------------------


def test_a_foreign_page_may_not_frame_it_nor_the_app_that_frames_it(stranger, house):
    refusals: list[str] = []
    stranger.on("console", lambda one: refusals.append(one.text) if "frame-ancestors" in one.text else None)
    stranger.evaluate(FRAME, house.url())
    assert [] == pages_of_ours(stranger, house)
    stranger.evaluate("document.querySelector('iframe').remove()")
    # the app lets itself be framed: then the person sees the app where it is not
    stranger.evaluate(FRAME, house.host)
    app = next(one for one in stranger.frames if one.url.startswith(house.host))
    app.evaluate("url => link(url)", house.url())
    app.wait_for_selector("dialog iframe")
    stranger.wait_for_timeout(500)
    assert [] == pages_of_ours(stranger, house)
    assert [] == stranger.evaluate("heard"), "a page that may not be framed says nothing"
    assert 2 == len(refusals)


def test_a_window_that_a_foreign_page_opens_is_out_of_its_reach(stranger, house):
    with stranger.expect_popup() as popup:
        stranger.evaluate("url => { window.opened = open(url, 'modal'); }", house.url())
    popup.value.wait_for_url("**/login?next=*")
    assert stranger.evaluate("opened.closed"), "Cross-Origin-Opener-Policy cuts the tie"
    assert popup.value.evaluate("opener === null")
    assert 0 == stranger.evaluate("opened.length")
    assert [] == stranger.evaluate("heard")


def test_a_foreign_pages_own_requests_get_nothing_and_use_nothing_up(stranger, page, house):
    url = house.url()
    address = urlsplit(url)
    site = f"{address.scheme}://{address.netloc}"
    body = {"session": address.query.removeprefix("s="), "start": address.fragment, "framed": True}
    ask = """async ([url, options]) => {
        try { const answer = await fetch(url, options); return [answer.status, await answer.text()]; }
        catch { return null; }
    }"""
    for mode, kind in (("cors", "application/json"), ("cors", "text/plain"), ("no-cors", "text/plain")):
        options = {"method": "POST", "mode": mode, "credentials": "include", "body": json.dumps(body)}
        answer = stranger.evaluate(ask, [f"{site}/link/session", options | {"headers": {"Content-Type": kind}}])
        assert answer in (None, [0, ""]), mode
    assert stranger.evaluate(ask, [url, {"credentials": "include"}]) is None
    page.goto(house.host)
    screen(link_with(page, url), "search")


# -- the address once more ----------------------------------------------------------------------------------


def test_an_address_that_was_used_opens_nothing_more(page, context, house):
    page.goto(house.host)
    url = house.url()
    screen(link_with(page, url), "search")
    second = link_with(page, url)
    second.get_by_text(OVER).wait_for()
    assert nobody_is_named(second, house)
    assert [["error", {"code": "link_session_over"}]] == page.evaluate("told.slice(1)")
    # by itself, too: first nobody is logged in there, then somebody else
    alone = context.new_page()
    alone.goto(url)
    alone.wait_for_url("**/login?next=*")
    assert "Moneta" not in alone.content()
    other = make_person(house.app, password=PASSWORD)
    alone.fill("[name=email]", other.email)
    alone.fill("[name=password]", PASSWORD)
    alone.get_by_role("button", name="Log in", exact=True).click()
    alone.get_by_text("opened for somebody else").wait_for()
    assert nobody_is_named(alone, house)
    assert "#" not in alone.url
    alone.go_back()
    alone.go_forward()
    alone.get_by_text("opened for somebody else").wait_for()


def test_an_address_without_its_fragment_opens_nothing(page, context, house):
    page.goto(house.host)
    url = house.url().partition("#")[0]
    for bad in (url, f"{url}#", f"{url}#guessed"):
        frame = link_with(page, bad)
        frame.get_by_text(OVER).wait_for()
        assert nobody_is_named(frame, house)
    alone = context.new_page()
    for bad in (f"{url}#guessed", f"{url}x#guessed", url.partition("?")[0]):
        alone.goto(bad)
        alone.get_by_text(OVER).wait_for()
        assert nobody_is_named(alone, house)


# -- messages -----------------------------------------------------------------------------------------------


def test_the_page_heeds_only_its_opener_that_answers_what_it_asked(page, house, foreign):
    """Whoever knows the start token and even the nonce, but is not the parent at the right origin, is not heard."""
    page.goto(house.host)
    url, _, start = house.url().partition("#")
    page.evaluate(FRAME, url)
    frame = page.frames[1]
    nonce = page.evaluate(HELLO)
    welcome = {"source": "donkies", "type": "welcome", "nonce": nonce, "start": start}
    # the right origin and the right nonce, another window
    page.evaluate(
        """welcome => {
        const sibling = document.body.appendChild(document.createElement("iframe"));
        sibling.contentWindow.eval(`parent.frames[0].postMessage(${JSON.stringify(welcome)}, "*")`);
    }""",
        welcome,
    )
    # another origin, which the app's page opened
    with page.expect_popup() as popup:
        page.evaluate("url => { open(url); }", foreign)
    popup.value.wait_for_load_state()
    popup.value.evaluate("welcome => opener.frames[0].postMessage(welcome, '*')", welcome)
    # the right window, and not what was asked
    for wrong in ({"nonce": "guessed"}, {"nonce": None}, {"source": "someone"}, {"type": "close"}):
        page.evaluate("wrong => frames[0].postMessage(wrong, '*')", welcome | wrong)
    page.evaluate("['welcome', null, 7, [], {}].forEach((wrong) => frames[0].postMessage(wrong, '*'))")
    page.wait_for_timeout(300)
    assert "" == frame.locator("main").inner_text().strip()
    assert nobody_is_named(frame, house)
    page.evaluate("welcome => frames[0].postMessage(welcome, '*')", welcome)
    screen(frame, "search")
    # a window beside it cannot close it either
    popup.value.evaluate("opener.frames[0].postMessage({source: 'donkies', type: 'close'}, '*')")
    page.wait_for_timeout(200)
    screen(frame, "search")


def test_link_js_heeds_only_its_own_frame(page, house, foreign):
    frame = opened(page, house)
    screen(frame, "search")
    with page.expect_popup() as popup:
        page.evaluate("url => { open(url); }", foreign)
    popup.value.wait_for_load_state()
    lies = [
        {"source": "donkies", "type": name, "nonce": "mine", "start": "mine", "linked_account_id": "forged"}
        for name in ("hello", "renewal", "ready", "link_created", "status", "success", "error", "exit")
    ]
    send = "lies => lies.forEach((lie) => target.postMessage(lie, '*'))"
    popup.value.evaluate(send.replace("target", "opener"), lies)
    page.evaluate(send.replace("target", "window"), lies)  # a script of the app's page, by itself
    page.evaluate(
        """lies => {
        const sibling = document.body.appendChild(document.createElement("iframe"));
        sibling.contentWindow.eval(`${JSON.stringify(lies)}.forEach((lie) => parent.postMessage(lie, "*"))`);
    }""",
        lies,
    )
    page.wait_for_timeout(300)
    assert ["ready"] == told(page)
    assert 1 == page.locator("dialog").count()
    assert [] == popup.value.evaluate("heard"), "a forged hello is not given the start token"
    reload(frame)  # a forged renewal did not take the true one's place
    page.wait_for_function("told.length === 2")
    screen(frame, "search")


# -- what is typed, and where it may not stay ---------------------------------------------------------------


@pytest.fixture
def kept_browser(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., BrowserContext]]:
    """A browser that keeps its files, in tmp_path, and lets third-party cookies pass or not, as its person set it."""
    need("chromium (its person's settings are kept; chromium-headless-shell has none)", CHROMIUM)
    opened: list[BrowserContext] = []

    def launch(*, third_party_cookies: bool = False) -> BrowserContext:
        (tmp_path / "Default").mkdir()
        mode = 0 if third_party_cookies else 1
        (tmp_path / "Default" / "Preferences").write_text(json.dumps({"profile": {"cookie_controls_mode": mode}}))
        context = browser.browser_type.launch_persistent_context(
            tmp_path, executable_path=CHROMIUM, args=CHROMIUM_ARGS, locale="en-US", reduced_motion="reduce"
        )
        context.set_default_timeout(15_000)
        opened.append(context)
        return context

    yield launch
    for one in opened:
        one.close()


def files_with(folder: Path, wanted: list[str]) -> list[tuple[str, tuple[str, str]]]:
    files = [one for one in folder.rglob("*") if one.is_file()]
    assert files
    return [(one.name, hit) for one in files for hit in found_in(one.read_bytes(), wanted)]


@pytest.mark.parametrize("third_party_cookies", [False, True], ids=["cookies blocked", "cookies allowed"])
def test_what_is_typed_stays_in_no_place_of_the_browser_or_the_service(
    embedded: Embedded, kept_browser: Any, tmp_path: Path, third_party_cookies: bool
) -> None:
    """All of `make run`, its log at DEBUG, and a browser that keeps its files, which are searched when it is over."""
    log, log_begins = embedded.folder / "log.txt", (embedded.folder / "log.txt").stat().st_size
    typed = [canary("wrong"), canary("right"), canary("answer")]
    planted = canary("planted")
    overheard: list[list[Any]] = []
    asked: list[str] = []
    said: list[str] = []
    context = kept_browser(third_party_cookies=third_party_cookies)
    context.expose_binding("overheard", lambda _, *what: overheard.append(list(what)))
    context.add_init_script(OVERHEAR)
    context.on("request", lambda one: asked.append(one.url))
    context.on("console", lambda one: said.append(one.text))
    page = context.pages[0]
    sign_up(page, embedded)
    wrong, right, answer = typed
    seen: list[str] = []

    def look() -> list[str]:
        places = [one.evaluate(STORAGE) for one in (page, page.frames[-1])]
        history = context.new_cdp_session(page).send("Page.getNavigationHistory")
        seen.extend([*places, json.dumps(history), page.frames[-1].content()])
        return places

    frame = choose_in_demo(page, "MX Bank")
    for name, password, leads_to in (("nobody", wrong, "wrong_credentials"), (USER_NAME, right, "success")):
        sign_in_at_bank(frame, name, password, leads_to)
        look()
    submit(frame)  # Done
    page.locator("dialog").wait_for(state="detached")
    frame = choose_in_demo(page, "MX Bank")
    sign_in_at_bank(frame, "mxuser", "challenge", "challenge")
    answer_bank(frame, answer, "error")
    _, kept = look()
    assert third_party_cookies == ("denied" not in kept), "what the frame may keep at all"
    assert third_party_cookies == ("probe=1" in page.frames[-1].evaluate(PROBE))
    submit(frame)  # Try again
    answer_bank(frame, "correct", "success")
    submit(frame)  # Done
    page.locator("dialog").wait_for(state="detached")
    page.get_by_text("transactions").first.wait_for()
    seen += [page.content(), page.evaluate(STORAGE), json.dumps(context.storage_state(indexed_db=True))]
    seen += [json.dumps(overheard), json.dumps(said), *asked]
    page.evaluate(PLANT, planted)
    page.wait_for_timeout(500)
    context.close()
    assert [] == [hit for place in seen for hit in found_in(place, typed)]
    assert "MBR-" not in json.dumps([one for one in overheard if one[0] == "message"])
    assert [] == [one for one in overheard if one[0] == "violation"]
    ours = {urlsplit(one).netloc for one in (embedded.web, embedded.demo)}
    assert ours == {urlsplit(one).netloc for one in asked if not one.startswith("data:")}, "no other host"
    assert [] == files_with(tmp_path, typed)
    assert files_with(tmp_path, [planted]), "what is kept would have been found there"
    said_by_the_service = log.read_bytes()[log_begins:]
    assert b"link" in said_by_the_service
    assert [] == found_in(said_by_the_service, typed)
    assert [] == files_with(embedded.folder, typed)


def sign_in_at_bank(frame: Any, name: str, password: str, leads_to: str) -> None:
    frame.get_by_label("Username").fill(name)
    frame.get_by_label("Password").fill(password)
    submit(frame)
    frame.locator(f"[data-screen={leads_to}]").wait_for()


def answer_bank(frame: Any, answer: str, leads_to: str) -> None:
    frame.locator("[data-screen=challenge] input").fill(answer)
    submit(frame)
    frame.locator(f"[data-screen={leads_to}]").wait_for()


# -- the page's own policy ----------------------------------------------------------------------------------


class _Inline(HTMLParser):
    """Scripts, styles and handlers that stand in the page itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)
        self.found += [
            name for name, value in attrs if name == "style" or name.startswith("on") or "script:" in (value or "")
        ]


@pytest.mark.parametrize("mode", ["hosted", "mx_connect"])
def test_the_policy_lets_no_inline_script_run_and_is_never_violated(context, house, sandbox_server, mode):
    page = context.new_page()
    overheard: list[list[Any]] = []
    asked: list[str] = []
    context.expose_binding("overheard", lambda _, *what: overheard.append(list(what)))
    context.add_init_script(OVERHEAR)
    context.on("request", lambda one: asked.append(one.url))
    frame = opened(page, house, mode=mode)
    screen(frame, "search")
    shell = next(one for one in asked if "/link?s=" in one)
    answer = context.request.get(shell)
    policy = answer.headers["content-security-policy"]
    assert re.search(r"script-src 'self'(;|$)", policy)
    assert not re.search(r"unsafe-|\*|data:[^;]*script|strict-dynamic", policy)
    parser = _Inline()
    parser.feed(answer.text())
    assert [] == parser.found
    hosts = {urlsplit(one).netloc for one in asked if not one.startswith("data:")}
    known = {urlsplit(one).netloc for one in (house.host, house.app.settings.public_url)}
    assert known | ({urlsplit(sandbox_server.url).netloc} if mode == "mx_connect" else set()) == hosts
    assert [] == [one for one in overheard if one[0] == "violation"]
    # and it is enforced: what got into the page does not run, nor does it speak to others
    frame.evaluate("""() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        document.body.insertAdjacentHTML("beforeend", "<img src='data:,x' onerror='window.ran = true'>");
        return fetch("http://foreign.localhost:1/").catch(() => {});
    }""")
    page.wait_for_timeout(200)
    assert frame.evaluate("window.ran === undefined")
    refused = {one[1][1] for one in overheard if one[0] == "violation"}
    assert {"script-src-elem", "script-src-attr", "connect-src"} <= refused


# -- without third-party cookies ----------------------------------------------------------------------------


@pytest.mark.parametrize("allowed", [False, True], ids=["blocked", "allowed"])
def test_it_needs_no_cookies_and_they_are_blocked_where_that_is_tested(kept_browser, house, allowed):
    page = kept_browser(third_party_cookies=allowed).pages[0]
    frame = opened(page, house, institution_code="mxbank")
    assert allowed == ("probe=1" in frame.evaluate(PROBE))
    assert allowed == ("probe" in {one["name"] for one in page.context.cookies()})
    for text, value in zip(frame.locator("form input").all(), (USER_NAME, "any"), strict=True):
        text.fill(value)
    submit(frame)
    screen(frame, "success")
    # the very same cookie is taken from a page that stands by itself: it is the frame that it is kept from
    alone = page.context.new_page()
    alone.goto(f"{house.app.settings.public_url}/link?s=none")
    assert "probe=1" in alone.evaluate(PROBE)
