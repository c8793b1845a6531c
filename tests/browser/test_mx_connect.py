"""MX's own widget inside our page, in a real browser: frames in frames, no third-party cookies (S29, S30)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from donkies.testing.app import make_person, sign_in
from donkies.testing.canaries import canary, database_dump, found_in
from donkies.testing.links import LOGIN_GUID, PASSWORD_GUID, USER_NAME, PersonAtTheApi
from donkies.testing.sandbox import SandboxControl

from .test_modal import House, axe, context, house, look_at, opened, page, reload, screen, submit, told

if TYPE_CHECKING:
    from playwright.sync_api import Frame, Page

__all__ = ["axe", "context", "house", "page"]

# what a widget of another origin, or one that lies, might say
FAKE_WIDGET = """<!doctype html><title>MX</title><script>
const around = location.ancestorOrigins[0];
const say = (type, metadata) => parent.postMessage({mx: true, type, metadata}, around);
say("mx/connect/loaded", {initial_step: "search"});
</script>"""


@pytest.fixture(autouse=True)
def quick_banks(house: House, sandbox_server: Any) -> Iterator[None]:
    house.person = make_person(house.app, email=f"ada.{uuid4().hex}@people.example")
    with SandboxControl(sandbox_server.url) as sandbox:
        sandbox.mode(job_s=0.4)
        yield
        sandbox.mode(job_s=0)


def opened_widget(page: Page, house: House, **body: Any) -> tuple[Frame, Frame]:
    """Our page's frame, and MX's in it."""
    ours = opened(page, house, mode="mx_connect", **body)
    return ours, widget_of(ours)


def widget_of(ours: Frame) -> Frame:
    widget = ours.wait_for_selector("iframe.widget").content_frame()
    assert widget is not None
    widget.wait_for_selector("#form", state="attached")
    return widget


def sign_in_at(widget: Any, typed: str, name: str = USER_NAME) -> None:
    widget.fill(f"[name='{LOGIN_GUID}']", name)
    widget.fill(f"[name='{PASSWORD_GUID}']", typed)
    widget.get_by_role("button", name="Continue").click()


def links(house: House) -> list[dict[str, Any]]:
    headers = sign_in(house.app, person=house.person, client=house.client)
    found: list[dict[str, Any]] = PersonAtTheApi(house.app, headers).get("/linked_accounts").json["data"]
    return found


def test_a_wrong_password_a_question_and_success_and_nothing_typed_stays(page, house, axe):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ours, widget = opened_widget(page, house)
    screen(ours, "search")
    look_at(page, ours, axe, "mx_search")
    widget.get_by_label("Search").fill("MX Bank")
    widget.get_by_role("button", name="MX Bank", exact=True).click()
    screen(ours, "credentials")
    typed = [canary("password"), canary("login")]
    sign_in_at(widget, *typed)
    screen(ours, "wrong_credentials")
    widget.get_by_text("It did not work: DENIED.").wait_for()
    page.wait_for_function("told.some(([type, more]) => type === 'status' && more.link_status === 'wrong_credentials')")
    look_at(page, ours, axe, "mx_wrong_credentials")
    sign_in_at(widget, "challenge")
    screen(ours, "challenge")
    widget.locator("#form input").fill("correct")
    widget.get_by_role("button", name="Continue").click()
    screen(ours, "success")
    submit(ours)
    page.locator("dialog").wait_for(state="detached")
    events = told(page)
    assert ["ready", "institution_selected", "link_created"] == [
        one for one in events if one not in ("status", "error")
    ][:3]
    assert 1 == events.count("link_created")
    assert ["onSuccess", "exit", "onExit"] == [one for one in events if one in ("onSuccess", "exit", "onExit")]
    (link,) = links(house)
    assert "success" == link["link_status"]
    heard = page.evaluate("JSON.stringify([heard, told])")
    assert "MBR-" not in heard, "MX's names are not the app's"
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage, history.state])")
    assert [] == found_in(json.dumps([heard, stored, asked]) + str(database_dump(house.app.engine())), typed)
    assert [] == page.context.cookies()


def test_who_closes_before_the_message_comes_has_the_link_all_the_same(page, house):
    ours, widget = opened_widget(page, house, institution_code="mxbank")
    screen(ours, "credentials")
    page.route("**/link/widget/member", lambda route: route.fulfill(status=204))
    sign_in_at(widget, "any")
    widget.get_by_text("Connected.").wait_for()
    ours.get_by_role("button", name="Close").click()
    page.locator("dialog").wait_for(state="detached")
    (link,) = links(house)
    exit_ = next(more for type_, more in page.evaluate("told") if type_ == "exit")
    assert link["id"] == exit_["linked_account_id"]


def test_a_link_is_mended_at_its_member_and_a_reload_goes_on_there(page, house):
    headers = sign_in(house.app, person=house.person, client=house.client)
    link = PersonAtTheApi(house.app, headers).link("INVALID")
    ours, widget = opened_widget(page, house, linked_account_id=link)
    widget.wait_for_selector(f"[name='{PASSWORD_GUID}']")
    reload(ours)
    widget = widget_of(ours)
    screen(ours, "credentials")
    sign_in_at(widget, "any")
    screen(ours, "success")
    assert "link_created" not in told(page)
    assert [(link, "success")] == [(one["id"], one["link_status"]) for one in links(house)]


def test_only_the_widgets_own_frame_and_origin_are_heard(page, house, sandbox_server):
    """S29: of three that speak MX's language one is believed, and of that one nothing before MX said so too."""
    page.route(
        f"{sandbox_server.url}/connect/*", lambda route: route.fulfill(body=FAKE_WIDGET, content_type="text/html")
    )
    asked: list[str] = []
    page.on(
        "request", lambda request: asked.append(request.post_data or "") if "/widget/member" in request.url else None
    )
    ours = opened(page, house, mode="mx_connect")
    screen(ours, "search")
    widget = ours.wait_for_selector("iframe.widget").content_frame()
    lie = "(name, guid) => ({mx: true, type: 'mx/connect/' + name, metadata: {member_guid: guid, code: guid}})"
    # the app's page, our own page, and a frame of the right origin that is not the widget
    page.evaluate(f"frames[0].postMessage(({lie})('memberConnected', 'from-the-app'), '*')")
    ours.evaluate(f"postMessage(({lie})('memberConnected', 'from-ourselves'), '*')")
    widget.evaluate(f"""async () => {{
        const other = document.body.appendChild(document.createElement('iframe'));
        other.contentWindow.eval(`parent.parent.postMessage(({lie})('memberConnected', 'from-another-frame'), '*')`);
    }}""")
    for name in ("memberStatusUpdate", "memberStatusUpdated", "submitMFA", "submitMfa"):
        widget.evaluate(f"parent.postMessage(({lie})('{name}', 'from-{name}'), '*')")
    widget.evaluate(f"parent.postMessage(({lie})('selectedInstitution', 'last'), '*')")
    page.wait_for_function("told.filter(([type, more]) => more.code === 'unknown_member').length === 4")
    said = " ".join(asked)
    assert all(
        f"from-{name}" in said for name in ("memberStatusUpdate", "memberStatusUpdated", "submitMFA", "submitMfa")
    )
    assert not any(wrong in said for wrong in ("from-the-app", "from-ourselves", "from-another-frame"))
    assert {"ready", "institution_selected", "error"} == set(told(page))
    assert [] == links(house)
    page.unroute_all()


def test_a_banks_own_sign_in_and_the_widgets_last_button(page, house):
    ours, widget = opened_widget(page, house, institution_code="mxbank_oauth")
    widget.get_by_role("link", name="Go to the bank").wait_for()
    with page.context.expect_page() as popup:
        widget.get_by_role("link", name="Go to the bank").click()
    popup.value.locator("#consent").click()
    popup.value.wait_for_load_state()
    popup.value.close()
    screen(ours, "success")
