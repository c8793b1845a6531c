"""/email: verifying an address and changing it, by links that are mailed; and accounts that squat on an address."""

import re
from uuid import uuid4

import pytest
import sqlalchemy as sa

from donkies.adapters.persistence.tables import identity
from donkies.domain.errors import Conflict, NotFound
from donkies.domain.ids import new_id
from donkies.domain.squats import SquatService
from donkies.domain.users import SignUp, UserService
from donkies.testing.app import PASSWORD, Person, bearer, get_tokens, log_in, make_client, make_person, refresh, sign_in
from donkies.testing.people import (
    is_logged_in,
    mailed_link,
    plant,
    planted,
    set_user,
    subjects,
    user_row,
)

NEW = "new@people.example"


@pytest.fixture
def person(testapp):
    return make_person(testapp, password=PASSWORD)


def sign_up(app, email="Zoe@people.example"):
    form = app.get("/signup").form
    typed = {"first_name": "Zoë", "last_name": "Neill", "birthday": "1990-12-31", "email": email, "password": PASSWORD}
    for name, value in typed.items():
        form[name] = value
    form.submit(status=303)


def ask_change(app, to=NEW, password=PASSWORD, status=303):
    form = app.get("/email/change").form
    form["email"] = to
    if "current_password" in form.fields:
        form["current_password"] = password
    return form.submit(status=status)


def test_an_address_is_verified_by_the_button_and_not_by_the_look_of_a_scanner(testapp, clock):
    """S26, D13: in another browser, where nobody is logged in"""
    sign_up(testapp)
    assert "Not confirmed yet" in testapp.get("/email").text
    path = mailed_link(testapp, "Zoe@people.example", "/email/verify")
    elsewhere = testapp.another_browser()
    for _ in range(3):
        page = elsewhere.get(path)
    assert "Not confirmed yet" in testapp.get("/email").text
    token = page.form["token"].value
    assert elsewhere.post("/email/verify", {"token": token}, status=403).form["token"].value == token  # S29
    assert "Log in" in page.form.submit(status=303).follow().text
    assert "Not confirmed" not in testapp.get("/email").text
    with testapp.engine().connect() as connection:
        assert token not in str(connection.execute(sa.select(identity.mailed_links)).all())
    assert "nothing left to do" in elsewhere.get(path, status=410).text
    assert "nothing left to do" in testapp.post("/email/verify", {"token": token, **_form(testapp)}, status=410).text


def _form(app):
    return {"form_token": app.get("/email/change").form["form_token"].value}


def test_a_link_lives_a_day_a_new_one_ends_it_and_none_does_anothers_work(testapp, clock):
    """S26"""
    sign_up(testapp)
    first = mailed_link(testapp, "Zoe@people.example", "/email/verify")
    page = testapp.get("/email").form.submit(status=303).follow()
    assert "on its way" in page.text
    second = mailed_link(testapp, "Zoe@people.example", "/email/verify")
    assert "Ask for a new one" in testapp.get(first, status=410).text
    for wrong in ("/email/confirm", "/password/reset"):
        testapp.get(second.replace("/email/verify", wrong), status=410)
    clock.advance(hours=23, minutes=59)
    log_in(testapp, Person(uuid4(), "Zoe@people.example", PASSWORD))
    testapp.get(second, status=200)
    clock.advance(minutes=2)
    page = testapp.get(second, status=410)
    assert "Log in to ask" in testapp.another_browser().get(second, status=410).text
    page.form.submit(status=303)
    testapp.get(mailed_link(testapp, "Zoe@people.example", "/email/verify")).form.submit(status=303)
    assert ">Confirmed<" in testapp.get("/email").text


def test_mails_that_are_asked_for_are_limited(testapp):
    """S24"""
    sign_up(testapp)
    for _ in range(5):
        testapp.get("/email").form.submit(status=303)
    answer = testapp.get("/email").form.submit(status=429)
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    assert 6 == len(testapp.mails("Zoe@people.example"))


def test_who_is_registered_by_a_client_is_mailed_too_and_a_sign_up_that_fails_mails_nobody(testapp):
    body = {"first_name": "A", "last_name": "B", "birthday": "1990-12-31", "email": NEW, "password": PASSWORD}
    client = make_client(testapp, type="confidential", scopes="users:write")
    token = testapp.post(
        "/oauth/token",
        {"grant_type": "client_credentials", "client_id": client.id, "client_secret": client.secret},
    ).json["access_token"]
    testapp.post_json("/v1/users", body, headers=bearer(token), status=201)
    testapp.post_json("/v1/users", body, headers=bearer(token), status=409)
    assert ["Confirm your e-mail address for donkies"] == subjects(testapp, NEW)
    testapp.get(mailed_link(testapp, NEW, "/email/verify")).form.submit(status=303)


def test_the_address_changes_when_the_new_one_is_confirmed_and_everything_else_ends(testapp, person):
    """S25, D9: nothing before; the old address is told; other sessions, tokens and links end"""
    other, client = testapp.another_browser(), make_client(testapp)
    for browser in (testapp, other):
        log_in(browser, person)
    tokens = get_tokens(testapp, client)
    form = other.get("/password/forgot").form
    form["email"] = person.email
    form.submit(status=303)
    reset = mailed_link(testapp, person.email, "/password/reset")
    ask_change(testapp)
    assert (person.email, False) == (user_row(testapp, person.id).email, user_row(testapp, person.id).email_verified)
    assert [] == [one for one in subjects(testapp, person.email) if "was changed" in one]
    page = testapp.get(mailed_link(testapp, NEW, "/email/confirm"))
    assert NEW in page.text
    page.form.submit(status=303)
    assert (NEW, NEW, True) == user_row(testapp, person.id)[1:4]
    assert ["The e-mail address of your donkies account was changed"] == subjects(testapp, person.email)[-1:]
    assert NEW not in testapp.mails(person.email)[-1].text
    assert is_logged_in(testapp)
    assert not is_logged_in(other)
    refresh(testapp, client, tokens["refresh_token"], status=400)
    other.get(reset, status=410)


def test_it_is_not_changed_without_the_password_or_a_recent_log_in_nor_to_what_is_none(testapp, person, clock):
    """S25"""
    assert testapp.get("/email/change", status=303).location.endswith("/login?next=%2Femail%2Fchange")
    log_in(testapp, person)
    for to, password, fields in [
        (NEW, "wrong", {"current_password"}),
        ("nobody", PASSWORD, {"email"}),
        (person.email.upper(), "", {"email", "current_password"}),
    ]:
        page = ask_change(testapp, to, password, 422)
        assert fields == set(re.findall(r'id="(\w+)-error"', page.text))
        assert to == page.form["email"].value
    page = testapp.get("/email/change")
    clock.advance(seconds=601)
    answer = page.form.submit(status=303)
    assert answer.location.endswith("/login?why=step_up&next=%2Femail%2Fchange")
    page = answer.follow()
    page.form["password"] = PASSWORD
    assert page.form.submit(status=303).location.endswith("/email/change")
    assert [] == testapp.mails(NEW)


def test_a_taken_address_is_answered_alike_and_its_owner_is_told(testapp, person):
    """S23"""
    owner = make_person(testapp)
    set_user(testapp, owner, email_verified=True)
    log_in(testapp, person)
    taken, free = ask_change(testapp, owner.email), ask_change(testapp)
    assert (taken.status, taken.location) == (free.status, free.location)
    assert ["Your e-mail address was typed into donkies"] == subjects(testapp, owner.email)
    assert person.email not in testapp.mails(owner.email)[0].text
    assert owner.email == user_row(testapp, owner.id).email


def test_an_unverified_account_that_took_the_address_meanwhile_loses_it(testapp, person):
    """D9, S21: the mailbox's owner is not locked out by who signed up with their address"""
    log_in(testapp, person)
    ask_change(testapp)
    squatter = testapp.another_browser()
    sign_up(squatter, NEW)
    testapp.get(mailed_link(testapp, NEW, "/email/confirm")).form.submit(status=303)
    assert NEW == user_row(testapp, person.id).email
    assert not is_logged_in(squatter)


def test_an_account_that_verified_the_address_meanwhile_keeps_it(testapp, person):
    """D9"""
    log_in(testapp, person)
    ask_change(testapp)
    path = mailed_link(testapp, NEW, "/email/confirm")
    owner = make_person(testapp, email=NEW)
    set_user(testapp, owner, email_verified=True)
    assert "Another account" in testapp.get(path).form.submit(status=410).text
    assert (person.email, NEW) == (user_row(testapp, person.id).email, user_row(testapp, owner.id).email)
    assert is_logged_in(testapp)


def test_an_old_verification_does_not_vouch_for_a_new_address(testapp, person):
    """D9: the link of an address that was given up since"""
    with testapp.service(UserService) as users:
        zoe = users.sign_up(SignUp("Zoe", "N", "zoe@people.example", "1990-12-31", PASSWORD), mail_link=True)
    path = mailed_link(testapp, "zoe@people.example", "/email/verify")
    set_user(testapp, Person(zoe, "", None), email=NEW, email_key=NEW)
    testapp.get(path).form.submit(status=410)
    assert not user_row(testapp, zoe).email_verified


def test_a_released_squat_keeps_nothing_to_come_in_by(testapp, person):
    """S21, D9"""
    client = make_client(testapp)
    log_in(testapp, person)
    tokens = get_tokens(testapp, client)
    plant(testapp, person.id)
    with testapp.service(SquatService) as squats:
        squats.release_squat(person.id)
        with pytest.raises(NotFound):
            squats.release_squat(new_id())
    left = user_row(testapp, person.id)
    assert ("", f"released:{person.id}", False, None, True) == (
        *(left.email, left.email_key, left.email_verified, left.password_hash, left.is_disabled),
    )
    assert set() == planted(testapp, person.id)
    assert not is_logged_in(testapp)
    testapp.get("/v1/users/me", headers=bearer(tokens["access_token"]), status=401)
    refresh(testapp, client, tokens["refresh_token"], status=400)
    assert sign_in(testapp, person=make_person(testapp, email=person.email))  # its owner signs up


def test_a_verified_account_is_no_squat(testapp, person):
    """S21"""
    set_user(testapp, person, email_verified=True)
    with testapp.service(SquatService) as squats, pytest.raises(Conflict):
        squats.release_squat(person.id)
    assert person.email == user_row(testapp, person.id).email
