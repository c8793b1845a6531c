"""MX's own widget inside our page: every claim is checked at MX, and nothing that was linked there is lost.

The aggregator is MX Atrium as the sandbox speaks it, over HTTP; the widget's own calls are made as its page makes them.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest
import requests
import svcs
from sqlalchemy import func, select

from donkies.adapters.persistence.tables import banking
from donkies.domain.adopting import AdoptingService
from donkies.testing.app import make_person, sign_in
from donkies.testing.canaries import database_dump
from donkies.testing.links import PersonAtTheApi, login, work
from donkies.testing.threads import in_threads

from .test_link_sessions import begin, policy_of

TIMEOUT_S = 10


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
        "donkies.link.widget_look_s": 0.05,
    }


@pytest.fixture(autouse=True)
def small_histories(sandbox):
    sandbox.history(6, 30)


@pytest.fixture
def person(testapp):
    return make_person(testapp)


class Widget:
    """The widget, as its own page uses it."""

    def __init__(self, url):
        page = requests.get(url, timeout=TIMEOUT_S)
        assert 200 == page.status_code, "an address opens once"
        self.settings = json.loads(re.search(r"const settings = (\{.*?\});\n", page.text)[1])
        self.inside = f"{url.rsplit('/', 1)[0]}/{self.settings['session']}/api"

    def ask(self, method, path, **member):
        answer = requests.request(method, self.inside + path, json={"member": member}, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()["member"] if answer.content else None

    def link(self):
        return self.ask("POST", "/members", institution_code="mxbank", credentials=login("any"))["guid"]


def opened(app, person, **body):
    modal = begin(app, person, mode="mx_connect", **body)
    modal.open()
    return modal, Widget(modal.ask("post", "widget", {}, status=200).json["url"])


def links(app, person):
    return PersonAtTheApi(app, sign_in(app, person=person)).get("/linked_accounts").json["data"]


def seen(modal, member, status=200, **more):
    return modal.ask("post", "widget/member", {"member_guid": member, **more}, status=status).json


def test_a_bank_is_linked_in_the_widget_and_shown_as_in_the_hosted_modal(testapp, person):
    modal, widget = opened(testapp, person)
    made = seen(modal, widget.link())
    assert ("mxbank", "MX Bank", "processing", False) == tuple(
        made[name] for name in ("institution_code", "institution_name", "link_status", "is_known")
    )
    work(testapp)
    assert "success" == modal.ask("get", "account").json["link_status"]
    assert modal.ask("get", "account/found").json["data"]
    modal.ask("post", "close", status=204)
    (link,) = links(testapp, person)
    assert (made["id"], "complete", 6) == (link["id"], link["transactions_status"], link["transactions_count"])


def test_the_page_frames_the_widgets_origin_and_nothing_else(testapp, sandbox_server):
    modal = begin(testapp, mode="mx_connect")
    policy = policy_of(modal.page())
    assert sandbox_server.url == policy["frame-src"]
    assert ("'none'", "'self'") == (policy["default-src"], policy["script-src"])
    assert "mx_connect.js" in modal.page().text
    hosted = begin(testapp)
    assert "frame-src" not in policy_of(hosted.page())
    assert "mx_connect.js" not in hosted.page().text


def test_an_address_at_another_origin_than_the_settings_name_is_not_handed_on(make_testapp, settings):
    settings["donkies.atrium.widget_origins"] = "https://widgets.example https://more.example:8443"
    app = make_testapp()
    modal = begin(app, mode="mx_connect")
    assert "https://widgets.example https://more.example:8443" == policy_of(modal.page())["frame-src"]
    modal.open()
    refused = modal.ask("post", "widget", {}, status=503).json
    assert ("aggregator_misbehaved", True) == (refused["code"], "donkies.atrium.widget_origins" in refused["detail"])


def test_a_claim_that_mx_does_not_bear_out_stores_nothing(testapp, person, atrium_caller):
    modal, widget = opened(testapp, person)
    _, stranger = atrium_caller.linked()
    for member in ("MBR-invented", stranger, "../../users"):
        assert "unknown_member" == seen(modal, member, 404)["code"]
    assert {} == seen(modal, widget.link(), is_deleted=True)
    assert {} == seen(modal, stranger, is_deleted=True)
    with testapp.engine().connect() as connection:
        assert 0 == connection.scalar(select(func.count()).select_from(banking.linked_accounts))
    seen(modal, "", 422)
    hosted = begin(testapp, person)
    hosted.open()
    for path, body in (("widget", {}), ("widget/member", {"member_guid": "MBR-1"}), ("widget/left", {})):
        hosted.ask("post", path, body, status=404)
        testapp.post_json(f"/link/{path}", body, status=410)
        other_site = {"Sec-Fetch-Site": "cross-site"}
        modal.ask("post", path, body, status=403, **other_site)


def test_two_claims_two_sweeps_and_the_end_at_once_make_one_link(testapp, person):
    modal, widget = opened(testapp, person)
    member = widget.link()

    def sweep():
        with svcs.Container(testapp.svcs) as container:
            container.get(AdoptingService).adopt_due()

    def claim():
        with svcs.Container(testapp.svcs) as container:
            container.get(AdoptingService).seen(person.id, member)

    in_threads(claim, sweep, claim, sweep, lambda: modal.ask("post", "close"))
    assert 1 == len(links(testapp, person))


def test_who_closes_the_page_before_any_message_has_the_link_all_the_same(testapp, person):
    modal, widget = opened(testapp, person)
    widget.link()
    ended = modal.ask("post", "close", status=200).json
    assert [ended["linked_account_id"]] == [one["id"] for one in links(testapp, person)]


def test_a_page_that_goes_away_and_mx_down_are_made_up_for(testapp, person, sandbox):
    modal, widget = opened(testapp, person)
    widget.link()
    sandbox.fault("status", path="/users/*/members", method="GET", status=503)
    modal.ask("post", "widget/left", status=204)
    modal.ask("post", "close", status=204)
    assert [] == links(testapp, person)
    sandbox.clear_faults()
    assert 1 == len(eventually_linked(testapp, person))


def test_a_process_that_died_before_anybody_told_leaves_a_row_that_a_sweep_takes_up(make_testapp, person, testapp):
    _, widget = opened(testapp, person)
    widget.link()
    testapp.close()  # and nothing of it told anybody
    survivor = make_testapp()
    (link,) = eventually_linked(survivor, person)
    work(survivor)
    assert "success" == links(survivor, person)[0]["link_status"]
    assert "mxbank" == link["institution_code"]


def eventually_linked(app, person):
    """What is there once the visit's due time has come; no message wakes anybody."""
    for _ in range(200):
        with svcs.Container(app.svcs) as container:
            container.get(AdoptingService).adopt_due()
        if found := links(app, person):
            return found
    raise AssertionError("nothing was taken in")


def test_what_is_deleted_here_is_not_taken_in_again_while_mx_has_it_still(testapp, person, sandbox):
    modal, widget = opened(testapp, person)
    member = widget.link()
    link = seen(modal, member)["id"]
    sandbox.fault("status", path="/users/*/members/*", method="DELETE", status=503)
    PersonAtTheApi(testapp, sign_in(testapp, person=person)).delete(f"/linked_accounts/{link}", status=204)
    with suppress(AssertionError):
        work(testapp, until_s=0.2)
    seen(modal, member, 404)
    assert [] == links(testapp, person)


def test_deleting_in_the_widget_is_checked_at_mx_and_keeps_the_history(testapp, person):
    modal, widget = opened(testapp, person)
    member = widget.link()
    link = seen(modal, member)["id"]
    work(testapp)
    assert {} == seen(modal, member, is_deleted=True)
    widget.ask("DELETE", f"/members/{member}")
    gone = seen(modal, member, is_deleted=True)
    assert (link, "disconnected") == (gone["id"], gone["reason"])
    assert 6 == links(testapp, person)[0]["transactions_count"]


def test_a_link_is_mended_in_the_widget_at_its_member(testapp, person):
    banks = PersonAtTheApi(testapp, sign_in(testapp, person=person))
    link = banks.link("INVALID")
    work(testapp)
    begin(testapp, status=404, mode="mx_connect", linked_account_id=link)
    modal, widget = opened(testapp, person, linked_account_id=link)
    member = widget.settings["member_guid"]
    assert widget.settings["update_credentials"]
    assert "wrong_credentials" == seen(modal, member)["link_status"]
    widget.ask("PUT", f"/members/{member}", institution_code="mxbank", credentials=login("any"))
    mended = seen(modal, member)
    assert (link, True, "processing") == (mended["id"], mended["is_known"], mended["link_status"])
    work(testapp)
    assert ["success"] == [one["link_status"] for one in links(testapp, person)]
    anew = Widget(modal.ask("post", "widget", {"is_anew": True}).json["url"])
    assert (None, None) == (anew.settings["member_guid"], anew.settings["institution_code"])


def test_the_widgets_address_stays_nowhere(testapp, person, caplog):
    modal = begin(testapp, person, institution_code="mxbank", mode="mx_connect")
    assert "mx_connect" == modal.open().json["mode"]
    answer = modal.ask("post", "widget", {})
    assert "no-store" in answer.headers["Cache-Control"]
    token = answer.json["url"].rsplit("/", 1)[1]
    work(testapp)
    assert token.encode() not in database_dump(testapp.engine())
    assert token not in caplog.text
    assert "mxbank" == Widget(answer.json["url"]).settings["institution_code"]
