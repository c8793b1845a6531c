"""/password: forgotten, chosen anew by a mailed link, changed."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from donkies.domain.forgotten import ForgottenPasswordService
from donkies.domain.mailed_links import LinkOver
from donkies.testing.app import PASSWORD, get_tokens, log_in, make_client, make_person, refresh
from donkies.testing.people import is_logged_in, mailed_link, plant, planted, set_user, subjects, user_row

NEW = "five other quiet words here"
CHANGED = "The password of your donkies account was changed"


@pytest.fixture
def person(testapp):
    return make_person(testapp, password=PASSWORD)


def forget(app, email, status=303):
    form = app.get("/password/forgot").form
    form["email"] = email
    return form.submit(status=status)


def choose(app, path, password=NEW, status=303):
    form = app.get(path).form
    form["password"] = password
    return form.submit(status=status)


def log_in_with(app, person, password, status):
    form = app.get("/login").form
    form["email"], form["password"] = person.email, password
    return form.submit(status=status)


def change(app, current=PASSWORD, new=NEW, status=303):
    form = app.get("/password/change").form
    form["password"] = new
    if current is not None:
        form["current_password"] = current
    return form.submit(status=status)


def test_a_forgotten_password_is_chosen_anew_and_everything_else_ends(testapp, person):
    """S13, S25, S26, D13: a look at the link spends nothing, a bad password neither; nobody is logged in by it"""
    client = make_client(testapp)
    log_in(testapp, person)
    tokens = get_tokens(testapp, client)
    elsewhere = testapp.another_browser()
    assert "Look into your mailbox" in forget(elsewhere, f" {person.email.upper()} ").follow().text
    path = mailed_link(testapp, person.email, "/password/reset")
    for _ in range(2):
        elsewhere.get(path)
    for bad in ("short", "password123", person.email):
        assert 'id="password-error"' in choose(elsewhere, path, bad, 422).text
    token = elsewhere.get(path).form["token"].value
    elsewhere.post("/password/reset", {"token": token, "password": NEW}, status=403)  # S29
    assert is_logged_in(testapp)
    page = choose(elsewhere, path).follow()
    assert "Your password is changed" in page.text
    assert not is_logged_in(elsewhere)
    assert not is_logged_in(testapp)
    refresh(testapp, client, tokens["refresh_token"], status=400)
    elsewhere.get(path, status=410)
    assert CHANGED == subjects(testapp, person.email)[-1]
    log_in_with(elsewhere, person, PASSWORD, 422)
    log_in_with(elsewhere, person, NEW, 303)


def test_a_link_lives_half_an_hour_and_a_newer_one_ends_it(testapp, person, clock):
    """S26"""
    forget(testapp, person.email)
    first = mailed_link(testapp, person.email, "/password/reset")
    forget(testapp, person.email)
    second = mailed_link(testapp, person.email, "/password/reset")
    testapp.get(first, status=410)
    clock.advance(minutes=29)
    page = testapp.get(second)
    clock.advance(minutes=2)
    page.form["password"] = NEW
    assert "older than 30 minutes" in page.form.submit(status=410).text


def test_of_two_who_spend_a_link_at_once_one_does(testapp, person):
    """S26"""
    forget(testapp, person.email)
    token = mailed_link(testapp, person.email, "/password/reset").partition("=")[2]

    def reset(password):
        with testapp.service(ForgottenPasswordService) as service:
            try:
                service.reset(token, password)
            except LinkOver:
                return None
            return password

    with ThreadPoolExecutor(2) as pool:
        (held,) = [found for found in pool.map(reset, (NEW, NEW + "!")) if found]
    log_in_with(testapp, person, held, 303)


@pytest.mark.parametrize("email", ["nobody@people.example", "", "no address", "é" * 5000])
def test_known_and_unknown_addresses_look_alike(testapp, person, email):
    """S23"""
    known, unknown = forget(testapp, person.email), forget(testapp.another_browser(), email)
    assert (known.status, known.location, known.text) == (unknown.status, unknown.location, unknown.text)
    assert 1 == len(testapp.mails())


def test_who_is_disabled_gets_no_mail(testapp, person):
    set_user(testapp, person, is_disabled=True)
    forget(testapp, person.email)
    assert [] == testapp.mails()


def test_known_and_unknown_addresses_write_alike(testapp, person):
    """S23: the time is that of the commit, and both write a letter"""
    written = {}

    def note(connection, cursor, statement, *_):
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            written[email].append(re.sub(r"\s+", " ", statement)[:30])

    form = testapp.get("/password/forgot").form
    sa.event.listen(testapp.engine(), "before_cursor_execute", note)
    for email in (person.email, "nobody@people.example"):
        written[email], form["email"] = [], email
        form.submit(status=303)
    known, unknown = written.values()
    assert "INSERT INTO outgoing_mails" in {one[:26] for one in known} & {one[:26] for one in unknown}
    assert 2 >= len(known) - len(unknown)


def test_asking_is_limited_for_an_address_and_from_an_address_alike_for_unknown_ones(testapp, person):
    """S24, D14: who asks from elsewhere is not locked out by it"""
    for email in (person.email, "nobody@people.example"):
        for _ in range(5):
            forget(testapp, email)
        assert 0 < int(forget(testapp, email, 429).headers["Retry-After"]) <= 3600
    elsewhere = testapp.another_browser()
    elsewhere.extra_environ = {"REMOTE_ADDR": "198.51.100.7"}
    forget(elsewhere, person.email)
    statuses = [forget(testapp, f"nr{number}@people.example", "*").status_int for number in range(9)]
    assert [303] * 8 + [429] == statuses


def test_a_reset_leaves_the_second_factor_of_a_verified_account_alone(testapp, person):
    """S26"""
    set_user(testapp, person, email_verified=True)
    plant(testapp, person.id)
    before = planted(testapp, person.id)
    forget(testapp, person.email)
    choose(testapp, mailed_link(testapp, person.email, "/password/reset"))
    assert before == planted(testapp, person.id)
    assert not is_logged_in(testapp)


def test_a_reset_of_an_unverified_account_clears_what_a_squatter_left_there(testapp, person):
    """D9, S21: kentcdodds/kody#1977; the link proves the mailbox"""
    client, squatter = make_client(testapp), testapp.another_browser()
    log_in(squatter, person)
    tokens = get_tokens(squatter, client)
    plant(testapp, person.id)
    forget(testapp, person.email)
    choose(testapp, mailed_link(testapp, person.email, "/password/reset"))
    assert set() == planted(testapp, person.id)
    assert user_row(testapp, person.id).email_verified
    assert not is_logged_in(squatter)
    refresh(testapp, client, tokens["refresh_token"], status=400)
    log_in_with(testapp, person, NEW, 303)


def test_a_reset_link_is_over_when_the_password_or_the_address_was_changed(testapp, person):
    """S26"""
    forget(testapp, person.email)
    path = mailed_link(testapp, person.email, "/password/reset")
    set_user(testapp, person, email="x@y.example", email_key="x@y.example")
    testapp.get(path, status=410)
    set_user(testapp, person, email=person.email, email_key=person.email)
    log_in(testapp, person)
    change(testapp)
    testapp.get(path, status=410)


def test_changing_it_keeps_this_session_ends_the_others_and_is_told(testapp, person):
    """S13, S22, S25"""
    other = testapp.another_browser()
    for browser in (testapp, other):
        log_in(browser, person)
    page = change(testapp, "wrong", "short", 422)
    assert {"current_password", "password"} == set(re.findall(r'id="([a-z_]+)-error"', page.text))
    assert CHANGED not in subjects(testapp, person.email)
    assert "Your password is changed" in change(testapp).follow().text
    assert [CHANGED] == subjects(testapp, person.email)[-1:]
    assert is_logged_in(testapp)
    assert not is_logged_in(other)
    log_in_with(other, person, NEW, 303)


def test_it_wants_a_recent_log_in(testapp, person, clock):
    """S25"""
    assert testapp.get("/password/change", status=303).location.endswith("/login?next=%2Fpassword%2Fchange")
    log_in(testapp, person)
    page = testapp.get("/password/change").form
    clock.advance(seconds=601)
    assert "why=step_up" in page.submit(status=303).location


def test_who_came_without_a_password_sets_one_right_after_a_log_in(settings, make_testapp, clock):
    """S22, S25: whatever the setting says, for there is no password to show"""
    settings["donkies.step_up.for"] = "delete"
    app = make_testapp(clock=clock)
    person = make_person(app, password=PASSWORD)
    log_in(app, person)
    set_user(app, person, password_hash=None)
    clock.advance(seconds=601)
    assert "why=step_up" in app.get("/password/change", status=303).location
    clock.advance(seconds=-601)
    change(app, None, "short", 422)
    change(app, None)
    assert [CHANGED] == subjects(app, person.email)[-1:]
    log_in_with(app.another_browser(), person, NEW, 303)
