"""/account: what is kept of somebody, and what they can do about it; without scripts, and each thing once."""

from __future__ import annotations

import io
import re
from uuid import uuid4
from zipfile import ZipFile

import pytest
import sqlalchemy as sa
import structlog

from donkies.adapters.persistence.tables import banking, identity
from donkies.domain.hashes import hash_of
from donkies.domain.sessions import handle_of
from donkies.testing.app import (
    PASSWORD,
    bearer,
    get_code,
    get_tokens,
    log_in,
    make_client,
    make_person,
    redeem,
    refresh,
    sign_in,
)
from donkies.testing.links import PersonAtTheApi, work

ME = "/v1/users/me"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Safari/604.1"
STALE = "open for a long time"
PAGES = ("/account", "/account/profile", "/account/export", "/account/delete")


@pytest.fixture
def settings(settings):
    return settings | {"donkies.link.look_s": 0.02}


@pytest.fixture
def person(testapp):
    person = make_person(testapp, password=PASSWORD, first_name="Ada", last_name="Lovelace")
    testapp.extra_environ["HTTP_USER_AGENT"] = FIREFOX
    log_in(testapp, person)
    yield person
    del testapp.extra_environ["HTTP_USER_AGENT"]


@pytest.fixture
def client(testapp):
    return make_client(testapp, name="Moneta", is_trusted=False, scopes="openid profile accounts:read")


@pytest.fixture
def phone(testapp, person):
    """The same person's other browser."""
    phone = testapp.another_browser()
    phone.extra_environ = testapp.extra_environ | {"HTTP_USER_AGENT": SAFARI}
    log_in(phone, person)
    return phone


@pytest.fixture
def bank(testapp, person):
    """The id of a linked bank, its transactions downloaded."""
    api = PersonAtTheApi(testapp, sign_in(testapp, person=person))
    link = api.link()
    work(testapp)
    return link


def form_with(page, button):
    """The form whose button says this."""
    (form,) = [
        form for form in page.forms.values()
        if any(button in re.sub(r"<[^>]+>", "", found) for found in re.findall(r"<button.*?</button>", form.text, re.S))
    ]  # fmt: skip
    return form


def words(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text.split("<main", 1)[1]))


def is_logged_in(browser):
    return browser.get("/account").status_int == 200


def count(app, table):
    with app.engine().connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(table))


def test_it_shows_what_is_kept(testapp, person, phone, client, bank):
    get_code(testapp, client)
    page = testapp.get("/account", status=200)
    text = words(page)
    for shown in (
        *("Ada Lovelace", "31 December 1990", person.email, "Not confirmed yet"),
        *("Firefox on Windows This one", "Safari on iPhone"),
        *("Moneta", "see your linked banks, accounts and balances"),
        *("MX Bank Success", "Last synced"),
    ):
        assert shown in text
    assert {"/email", "/password/change", "/factors", "/account/export", "/account/delete"} <= set(
        re.findall(r'href="([^"]+)"', page.text)
    )
    assert "<script" not in page.text
    assert testapp.cookies["donkies_session"] not in page.text
    assert "no-store" in page.headers["Cache-Control"]
    assert "/account" in testapp.get("/").text


def test_whoever_is_not_logged_in_logs_in_and_is_led_back(testapp, person):
    stranger = testapp.another_browser()
    for path in PAGES:
        assert stranger.get(path, status=303).location.endswith(f"/login?next={path.replace('/', '%2F')}")
    for path in (*PAGES[1:], "/account/sessions", "/account/apps", f"/account/banks/{uuid4()}/delete"):
        assert "/login?next=" in stranger.post(path, {"others": "1"}, status=303).location
        assert stranger.get(path).status_int == 303
    page = stranger.get("/account/export").follow()
    page.form["email"], page.form["password"] = person.email, PASSWORD
    assert page.form.submit(status=303).location.endswith("/account/export")
    for path in ("/account/sessions", "/account/apps"):  # a button of the page that was pressed too late
        assert testapp.get(path, status=303).location.endswith("/account")


def test_no_form_is_heeded_that_we_did_not_give(testapp, person, bank):
    """S29"""
    for path in (*PAGES[1:], "/account/sessions", "/account/apps", f"/account/banks/{bank}/delete"):
        for forged in ({}, {"form_token": "f" * 64}):
            assert STALE in testapp.post(path, forged, status=403).text
        token = {"form_token": form_with(testapp.get("/account"), "Log out")["form_token"].value}
        testapp.post(path, token, headers={"Origin": "https://evil.example"}, status=403)
    assert is_logged_in(testapp)
    assert 1 == count(testapp, banking.linked_accounts)


def test_the_profile_is_changed_and_all_that_is_wrong_is_named(testapp, person):
    form = testapp.get("/account").click("Change your profile").form
    assert ("Ada", "1990-12-31", "") == tuple(form[name].value for name in ("first_name", "birthday", "locale"))
    form["first_name"], form["birthday"] = "", "2999-01-01"
    refused = form.submit(status=422)
    assert "Enter your first name." in refused.text
    assert 'aria-invalid="true"' in refused.text
    form = refused.form
    form["first_name"], form["birthday"], form["locale"] = "Ada <b>", "1815-12-10", "de"
    assert "after 1900" in form.submit(status=422).text
    form["birthday"] = "1985-12-10"
    page = form.submit(status=303).follow()
    assert "Your profile is saved." in page.text
    assert "Ada &lt;b&gt; Lovelace" in page.text
    assert "Deutsch" in page.text
    assert "Deutsch" in form.submit(status=303).follow().text


def test_one_other_browser_is_signed_out_with_its_tokens_and_nothing_else(testapp, person, phone, client):
    """S19"""
    here, there = get_tokens(testapp, client), get_tokens(phone, client)
    code, verifier = get_code(phone, client)
    form = form_with(testapp.get("/account"), "Sign out Safari on iPhone")
    assert "signed out" in form.submit(status=303).follow().text
    form.submit(status=303)  # pressed twice
    assert not is_logged_in(phone)
    assert is_logged_in(testapp)
    testapp.get(ME, headers=bearer(there["access_token"]), status=401)
    refresh(testapp, client, there["refresh_token"], status=400)
    redeem(testapp, client, code, verifier, status=400)
    testapp.get(ME, headers=bearer(here["access_token"]), status=200)
    refresh(testapp, client, here["refresh_token"], status=200)


def test_everything_but_this_browser_is_signed_out(testapp, person, phone, client):
    third = testapp.another_browser()
    log_in(third, person)
    here, there = get_tokens(testapp, client), get_tokens(phone, client)
    form_with(testapp.get("/account"), "Sign out everywhere but here").submit(status=303)
    assert [True, False, False] == [is_logged_in(browser) for browser in (testapp, phone, third)]
    refresh(testapp, client, there["refresh_token"], status=400)
    refresh(testapp, client, here["refresh_token"], status=200)
    assert "everywhere but here" not in testapp.get("/account").text


def test_somebody_elses_session_and_bank_are_nobodys(testapp, person, bank):
    """S31"""
    eve = testapp.another_browser()
    log_in(eve, make_person(testapp, password=PASSWORD))
    token = eve.get("/account").forms[0]["form_token"].value
    handle = handle_of(hash_of(testapp.cookies["donkies_session"]))
    eve.post("/account/sessions", {"form_token": token, "session": handle}, status=303)
    assert is_logged_in(testapp)
    assert is_logged_in(eve)
    for wanted in (bank, str(uuid4()), "x"):
        assert "There is no such bank" in eve.get(f"/account/banks/{wanted}/delete", status=404).text
        eve.post(f"/account/banks/{wanted}/delete", {"form_token": token}, status=303)
    assert 1 == count(testapp, banking.linked_accounts)


def test_an_apps_consent_is_withdrawn_and_its_tokens_end(testapp, person, client):
    """S9"""
    other = make_client(testapp, name="Another app", is_trusted=False, scopes="openid profile")
    tokens, kept = get_tokens(testapp, client), get_tokens(testapp, other)
    form = form_with(testapp.get("/account"), "Withdraw what Moneta can do")
    page = form.submit(status=303).follow()
    assert "Moneta" not in words(page)
    assert "Another app" in words(page)
    testapp.get(ME, headers=bearer(tokens["access_token"]), status=401)
    refresh(testapp, client, tokens["refresh_token"], status=400)
    refresh(testapp, other, kept["refresh_token"], status=200)
    form.submit(status=303)


def test_a_bank_is_deleted_on_a_second_page(testapp, person, bank):
    page = testapp.get("/account").click(href="/account/banks/")
    assert "30 transactions" in page.text
    assert 1 == count(testapp, banking.linked_accounts)
    assert "The bank is deleted" in page.form.submit(status=303).follow().text
    assert 0 == count(testapp, banking.linked_accounts)
    page.form.submit(status=303)
    work(testapp)
    assert 0 == count(testapp, banking.member_removals)


def test_the_same_export_as_from_the_api(testapp, person, bank):
    answer = testapp.get("/account").click("Export").form.submit(status=200)
    assert "application/zip" == answer.content_type
    with ZipFile(io.BytesIO(answer.body)) as archive:
        assert person.email in archive.read("profile.json").decode()
        assert 30 == len(archive.read("transactions.ndjson").splitlines())


def test_an_export_is_limited_and_may_want_a_verified_address(settings, make_testapp):
    """S39"""
    settings["donkies.link.verified_email_only"] = True
    app = make_testapp()
    log_in(app, make_person(app, password=PASSWORD))
    form = app.get("/account/export").form
    assert "Verify your e-mail address" in form.submit(status=403).text
    with app.engine().begin() as connection:
        connection.execute(sa.update(identity.users).values(email_verified=True))
    for _ in range(10):
        form.submit(status=200)
    assert "Retry-After" in form.submit(status=429).headers


def test_what_takes_everything_wants_a_recent_log_in(testapp, clock, person):
    """S25"""
    forms = {path: testapp.get(path).form for path in ("/account/export", "/account/delete")}
    clock.advance(minutes=11)
    testapp.get("/account", status=200)
    testapp.get("/account/profile", status=200)
    for path, form in forms.items():
        for answer in (testapp.get(path), form.submit()):
            assert 303 == answer.status_int
            assert "why=step_up" in answer.location
            assert answer.location.endswith(path.replace("/", "%2F"))
    page = testapp.get("/account/delete").follow()
    page.form["password"] = PASSWORD
    assert "Delete your account?" in page.form.submit(status=303).follow().text
    assert 1 == count(testapp, identity.users)


def test_the_account_is_deleted_on_a_second_page_and_pressed_twice_the_receipt_is_the_same(testapp, person, bank):
    asked = testapp.get("/account").click("Delete account")
    assert "MX Bank" in asked.text
    cookies = dict(testapp.cookies)
    first = asked.form.submit(status=303)
    assert "donkies_session" not in testapp.cookies
    for name, value in cookies.items():  # the second click was sent before the answer to the first had come
        testapp.set_cookie(name, value)
    assert first.location == asked.form.submit(status=303).location
    page = first.follow(status=200)
    assert "is being told" in page.text
    work(testapp)
    assert "Nothing is left" in testapp.get(first.location).text
    assert 0 == count(testapp, identity.users)
    assert "/login" in testapp.get("/account", status=303).location
    for unknown in (uuid4(), "x"):
        assert "no such receipt" in testapp.get(f"/account/deleted/{unknown}", status=404).text
    (mail,) = [mail for mail in testapp.mails(person.email) if "deleted" in mail.subject]
    assert first.location.removeprefix("http://localhost") in mail.text


def test_a_receipt_cannot_be_chosen(testapp, person):
    form = testapp.get("/account/delete").form
    form["receipt"] = str(uuid4())
    assert STALE in form.submit(status=403).text
    assert 1 == count(testapp, identity.users)


def test_each_change_is_told_in_the_log_without_what_was_typed(testapp, person, phone, client, bank):
    """S37"""
    get_code(testapp, client)
    with structlog.testing.capture_logs() as logged:
        form = testapp.get("/account/profile").form
        form["first_name"] = "Canary-4471"
        form.submit()
        form_with(testapp.get("/account"), "Sign out Safari").submit()
        form_with(testapp.get("/account"), "Withdraw").submit()
        testapp.get("/account/export").form.submit()
        testapp.get("/account/delete").form.submit()
        work(testapp)
    told = [line for line in logged if line["event"] not in ("request", "atrium_call")]
    wanted = ["profile_changed", "session_ended", "consent_withdrawn", "export", "account_deleted", "erasure_done"]
    assert wanted == [line["event"] for line in told if line["event"] in wanted]
    assert {str(person.id)} == {line["user_id"] for line in told if line["event"] in wanted[:5]}
    assert "Canary-4471" not in str(logged)
    assert person.email not in str(logged)
