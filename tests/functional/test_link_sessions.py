"""The hosted modal's sessions: who gets a page token, for how long, and what it opens (S30, D18).

On SQLite only: what is kept is a flow, and flows have their contract tests.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from docs.tools import words
from donkies.domain.people import AccountService
from donkies.testing.app import (
    ORIGIN,
    PASSWORD,
    REDIRECT_URI,
    bearer,
    log_in,
    make_client,
    make_person,
    sign_in,
)
from donkies.testing.canaries import canary, database_dump, found_in
from donkies.testing.links import PersonAtTheApi, login, work

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to" / "link-modal.md"
PAGE_SCRIPT = ROOT / "donkies" / "views" / "static" / "link_page.js"


@pytest.fixture
def database_url(sqlite_databases, tmp_path):
    return sqlite_databases.fresh(tmp_path)


@pytest.fixture
def settings(settings):
    return settings | {"donkies.link.look_s": 0.02}


class Modal:
    """A page of a link session, as its script asks."""

    def __init__(self, app, url, **start):
        self.app = app
        address = urlsplit(url)
        self.handle, self.start = parse_qs(address.query)["s"][0], address.fragment
        self.token = ""

    def open(self, status=200, *, start=None, framed=True, **headers):
        body = {"session": self.handle, "start": start or self.start, "framed": framed}
        answer = self.app.post_json("/link/session", body, headers=headers, status=status)
        self.token = answer.json.get("token", self.token)
        return answer

    def again(self, status=200):
        """As after a reload of a page by itself: the start token is gone."""
        body = {"session": self.handle, "framed": False}
        answer = self.app.post_json("/link/session", body, status=status)
        self.token = answer.json.get("token", self.token)
        return answer

    def ask(self, method, path, body=None, status=None, **headers):
        headers |= {"Authorization": f"Link {self.token}"}
        send = getattr(self.app, method + ("_json" if body is not None else ""))
        return send(f"/link/{path}", *([body] if body is not None else []), headers=headers, status=status)

    def page(self):
        return self.app.get(f"/link?s={self.handle}")


def begin(app, person=None, client=None, status=201, **body):
    headers = sign_in(app, person=person, client=client)
    answer = app.post_json("/v1/link_sessions", body, headers=headers, status=status)
    return Modal(app, answer.json["url"]) if status == 201 else answer


def policy_of(page):
    return dict(part.strip().partition(" ")[::2] for part in page.headers["Content-Security-Policy"].split(";"))


def test_a_bank_is_linked_by_the_token_of_the_page_alone(testapp):
    person = make_person(testapp)
    modal = begin(testapp, person)
    opened = modal.open().json
    assert ("Test app", f"p…@{person.email.partition('@')[2]}") == (opened["app"], opened["person"])
    found = modal.ask("get", "institutions?search=MX Bank").json["data"]
    assert "mxbank" in [one["code"] for one in found]
    assert modal.ask("get", "institutions/mxbank").json["fields"]
    modal.ask("get", "account", status=404)
    made = modal.ask("post", "account", {"institution_code": "mxbank", "credentials": login("any")}, status=201).json
    work(testapp)
    read = modal.ask("get", "account", status=200)
    assert (made["id"], "success", 60_000) == tuple(read.json[name] for name in ("id", "link_status", "poll_after_ms"))
    modal.ask("get", "account", status=304, **{"If-None-Match": read.headers["ETag"]})
    assert {"name", "type", "masked_number"} == modal.ask("get", "account/found").json["data"][0].keys()
    modal.ask("post", "close", status=204)
    assert "link_session_over" == modal.ask("get", "account", status=410).json["code"]
    assert [made["id"]] == [one["id"] for one in PersonAtTheApi(testapp, sign_in(testapp, person=person)).get(
        "/linked_accounts").json["data"]]  # fmt: skip


def test_a_login_that_is_linked_already_leads_to_its_link(testapp):
    person, body = make_person(testapp), {"institution_code": "mxbank", "credentials": login("any")}
    modals = [begin(testapp, person) for _ in range(2)]
    for modal in modals:
        modal.open()
    first, second = (modal.ask("post", "account", body).json for modal in modals)
    assert (first["id"], False, True) == (second["id"], first["is_known"], second["is_known"])
    assert first["id"] == modals[1].ask("get", "account").json["id"]


def test_a_start_token_counts_once_and_its_successor_goes_on_where_it_was(testapp):
    modal = begin(testapp)
    first = modal.open().json
    old = modal.token
    made = modal.ask("post", "account", {"institution_code": "mxbank", "credentials": login("any")}).json
    assert "link_session_over" == modal.open(410).json["code"]
    renewed = modal.open(start=first["renewal"]).json
    assert (made["id"], first["expires_at"]) == (renewed["linked_account_id"], renewed["expires_at"])
    modal.ask("get", "account", status=200)
    modal.open(410, start=first["renewal"])
    modal.token = old
    modal.ask("get", "account", status=410)  # of one session one page is open


def test_a_start_token_lives_ten_minutes_and_a_session_half_an_hour(testapp, clock):
    late = begin(testapp)
    clock.advance(seconds=601)
    late.open(410)
    modal = begin(testapp)
    renewal = modal.open().json["renewal"]
    clock.advance(seconds=1790)
    renewal = modal.open(start=renewal).json["renewal"]
    clock.advance(seconds=11)
    modal.ask("get", "institutions", status=410)
    modal.open(410, start=renewal)
    assert "'none'" == policy_of(modal.page())["frame-ancestors"]


def test_only_the_registered_origin_of_the_session_may_frame_the_page(testapp):
    client = make_client(testapp, origins=[ORIGIN, "https://other.example"])
    page = begin(testapp, client=client, origin="https://other.example").page()
    assert "https://other.example" == policy_of(page)["frame-ancestors"]
    assert "X-Frame-Options" not in page.headers
    wanted = {"default-src": "'none'", "script-src": "'self'", "connect-src": "'self'", "style-src": "'self'"}
    assert wanted.items() <= policy_of(page).items()
    unknown = testapp.get("/link?s=unknown")
    assert "'none'" == policy_of(unknown)["frame-ancestors"]
    assert "over" in unknown.text
    assert "<script" not in unknown.text


def test_origins_and_return_uris_are_the_clients_own(testapp):
    two = make_client(testapp, origins=[ORIGIN, "https://other.example"])
    none = make_client(testapp, origins=[], type="confidential")
    for client, body, field in (
        (two, {"origin": "https://evil.example"}, "origin"),
        (two, {"origin": "https://app.example.evil.example"}, "origin"),
        (two, {}, "origin"),
        (none, {}, "origin"),
        (two, {"origin": ORIGIN, "return_uri": "https://evil.example/"}, "return_uri"),
        (two, {"origin": ORIGIN, "mode": "plaid"}, "mode"),
        (two, {"origin": ORIGIN, "mode": "mx_connect"}, "mode"),  # the twin in memory has no widget
    ):
        assert [field] == [one["field"] for one in begin(testapp, client=client, status=422, **body).json["errors"]]
    alone = begin(testapp, client=none, return_uri=REDIRECT_URI)
    assert "'none'" == policy_of(alone.page())["frame-ancestors"]
    alone.open(410)  # nobody may frame it


def test_a_page_by_itself_wants_its_persons_own_log_in(testapp):
    person, other = (make_person(testapp, password=PASSWORD) for _ in range(2))
    modal = begin(testapp, person)
    asked = modal.open(401, framed=False).json
    assert ("log_in_first", f"/login?next=%2Flink%3Fs%3D{modal.handle}") == (asked["code"], asked["location"])
    form = testapp.get(asked["location"]).form
    form["email"], form["password"] = person.email, PASSWORD
    assert form.submit().location.endswith(f"/link?s={modal.handle}")
    assert modal.again().json["renewal"] is None
    modal.ask("get", "institutions", status=200)
    modal.app = testapp.another_browser()
    log_in(modal.app, other)
    assert "another_person" == modal.again(403).json["code"]
    assert "another_person" == begin_in(modal.app, person).open(403, framed=False).json["code"]


def begin_in(browser, person):
    modal = begin(browser, person)
    modal.app = browser
    return modal


def test_a_handle_alone_opens_nothing_and_ends_nothing(testapp):
    person = make_person(testapp, password=PASSWORD)
    log_in(testapp, person)
    modal = begin(testapp, person)
    modal.again(410)  # the log-in alone does not do, while the start token was not shown
    modal.open(410, start="guessed")
    modal.open(200)


def test_no_other_site_and_no_other_token_gets_an_answer(testapp):
    modal = begin(testapp)
    assert "other_site" == modal.open(403, **{"Sec-Fetch-Site": "cross-site"}).json["code"]
    modal.open()
    assert "other_site" == modal.ask("get", "institutions", status=403, **{"Sec-Fetch-Site": "cross-site"}).json["code"]
    answer = modal.ask("get", "institutions", Origin=ORIGIN)
    assert "Access-Control-Allow-Origin" not in answer.headers
    for headers in ({}, {"Authorization": "Link x"}, {"Authorization": f"Link {modal.handle}.x"}, bearer("x")):
        testapp.get("/link/institutions", headers=headers, status=410)
    testapp.get("/v1/linked_accounts", headers={"Authorization": f"Link {modal.token}"}, status=401)


def test_the_gate_and_the_limit_apply(make_testapp, settings, clock):
    settings["donkies.link.verified_email_only"] = True
    app = make_testapp(clock=clock)
    assert "email_unverified" == begin(app, status=403).json["code"]
    settings["donkies.link.verified_email_only"] = False
    app = make_testapp(clock=clock)
    headers = sign_in(app)
    for _ in range(60):
        app.post_json("/v1/link_sessions", {}, headers=headers, status=201)
    app.post_json("/v1/link_sessions", {}, headers=headers, status=429)


def test_what_ends_the_person_or_the_apps_grant_ends_the_session(testapp):
    person, client = make_person(testapp), make_client(testapp)
    headers = sign_in(testapp, person=person, client=client)
    modal, waiting = (
        Modal(testapp, testapp.post_json("/v1/link_sessions", {}, headers=headers).json["url"]) for _ in range(2)
    )
    modal.open()
    token = headers["Authorization"].removeprefix("Bearer ")
    testapp.post("/oauth/revoke", {"token": token, "client_id": client.id}, status=200)
    modal.ask("get", "institutions", status=410)
    waiting.open(410)
    modal = begin(testapp, person)
    modal.open()
    with testapp.service(AccountService) as people:
        people.disable(person.id)
    modal.ask("get", "institutions", status=410)


def test_a_link_is_mended_at_what_it_needs_and_nobody_elses_is(testapp):
    person = make_person(testapp)
    banks = PersonAtTheApi(testapp, sign_in(testapp, person=person))
    link = banks.link("INVALID")
    work(testapp)
    begin(testapp, status=404, linked_account_id=link)
    modal = begin(testapp, person, linked_account_id=link)
    assert link == modal.open().json["linked_account_id"]
    assert "credentials" == modal.ask("get", "account").json["retry_with"]
    assert (
        "processing" == modal.ask("put", "account/credentials", {"credentials": login("challenge")}).json["link_status"]
    )
    work(testapp)
    (asked,) = modal.ask("get", "account/challenges").json["data"]
    modal.ask("post", "account/challenges", {"answers": [{"guid": asked["guid"], "value": "correct"}]}, status=202)
    work(testapp)
    assert "success" == modal.ask("get", "account").json["link_status"]


def test_what_is_typed_stays_nowhere_and_tokens_are_kept_as_hashes(testapp):
    modal = begin(testapp)
    opened = modal.open().json
    typed = [canary("password"), canary("login")]
    body = {"institution_code": "mxbank", "credentials": login(*typed)}
    answers = [modal.ask("post", "account", body)]
    work(testapp)
    answers.append(modal.ask("put", "account/credentials", {"credentials": login(typed[0])}))
    dump = database_dump(testapp.engine())
    assert [] == [hit for place in (dump, *(one.body for one in answers)) for hit in found_in(place, typed)]
    for token in (modal.start, opened["token"].partition(".")[2], opened["renewal"]):
        assert token.encode() not in dump


def test_the_script_is_small_kept_and_as_the_how_to_says(testapp):
    script = testapp.get("/link.js")
    assert len(script.body) < 8_000
    assert "public, max-age=86400" == script.headers["Cache-Control"]
    assert 304 == testapp.get("/link.js", headers={"If-None-Match": script.headers["ETag"]}).status_int
    assert "*" == script.headers["Access-Control-Allow-Origin"]
    assert "open(options: LinkOptions)" in testapp.get("/link.d.ts").text
    digest = base64.b64encode(hashlib.sha384(script.body).digest()).decode()
    assert [f"sha384-{digest}"] == re.findall(r"sha384-[\w+/=]+", HOW_TO.read_text())


def test_the_page_has_words_for_each_reason():
    script = PAGE_SCRIPT.read_text()
    told = set(re.findall(r"^ {4}(\w+): \"", script.partition("const REASONS = {")[2].partition("};")[0], re.M))
    on_screens_of_their_own = {"bank_sign_in", "unproved"}  # the latter is of downloads, which go on by themselves
    assert words.reasons() - on_screens_of_their_own == told
