"""A changed password and a disabled person: what ends, what goes on, and that it is so everywhere."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from donkies.adapters.passwords import Argon2PasswordHasher
from donkies.domain.errors import Conflict, Invalid, NotFound, TooMany
from donkies.domain.hashes import hash_of
from donkies.domain.ids import new_id
from donkies.domain.people import AccountService
from donkies.domain.sessions import SessionService
from donkies.domain.users import LoginRefused, LoginService
from donkies.testing.app import (
    PASSWORD,
    bearer,
    get_code,
    get_tokens,
    give_code_app,
    log_in,
    make_person,
    redeem,
    refresh,
)

NEW = "five other quiet words here"
ME = "/v1/users/me"


@pytest.fixture
def person(user_factory):
    return user_factory(password=PASSWORD)


@pytest.fixture
def client(client_factory):
    return client_factory()


@pytest.fixture
def accounts(testapp):
    with testapp.service(AccountService) as service:
        yield service


def log_in_with(app, person, password):
    with app.service(LoginService) as service:
        return service.log_in(person.email, password, address="198.51.100.1").user_id


def is_logged_in(browser):
    return "Log out" in browser.get("/").text


def test_a_changed_password_ends_the_other_sessions_and_all_tokens(testapp, accounts, person, client):
    """S13, S22"""
    other = testapp.another_browser()
    for browser in (testapp, other):
        log_in(browser, person)
    here, there = get_tokens(testapp, client), get_tokens(other, client)
    code, verifier = get_code(other, client)
    accounts.change_password(person.id, PASSWORD, NEW, keep=hash_of(testapp.cookies["donkies_session"]))
    assert is_logged_in(testapp)
    assert not is_logged_in(other)
    for tokens in (here, there):
        testapp.get(ME, headers=bearer(tokens["access_token"]), status=401)
        assert "invalid_grant" == refresh(testapp, client, tokens["refresh_token"], status=400).json["error"]
    assert "invalid_grant" == redeem(testapp, client, code, verifier, status=400).json["error"]
    assert person.id == log_in_with(testapp, person, NEW)
    with pytest.raises(LoginRefused):
        log_in_with(testapp, person, PASSWORD)
    get_tokens(testapp, client)  # the session that it was done in is good for new ones


def test_a_password_is_changed_by_who_knows_it_and_to_a_good_one(testapp, accounts, person):
    for current, new, fields in [
        ("wrong", NEW, {"current_password"}),
        (PASSWORD, "short", {"password"}),
        (PASSWORD, person.email, {"password"}),
        ("wrong", "donkies donkies", {"current_password", "password"}),
    ]:
        with pytest.raises(Invalid) as refused:
            accounts.change_password(person.id, current, new)
        assert fields == refused.value.fields.keys()
    assert person.id == log_in_with(testapp, person, PASSWORD)
    with pytest.raises(NotFound):
        accounts.change_password(new_id(), PASSWORD, NEW)


def test_who_never_had_a_password_cannot_change_it(accounts, user_factory):
    with pytest.raises(Invalid):
        accounts.change_password(user_factory().id, "", NEW)


def test_guessing_the_current_password_is_limited(accounts, person):
    """S24"""
    for _ in range(10):
        with pytest.raises(Invalid):
            accounts.change_password(person.id, "guess", NEW)
    with pytest.raises(TooMany):
        accounts.change_password(person.id, PASSWORD, NEW)


def test_of_two_changes_at_once_one_holds(testapp, person):
    def change(new):
        with testapp.service(AccountService) as service:
            try:
                service.change_password(person.id, PASSWORD, new)
            except (Conflict, Invalid):
                return None
            return new

    with ThreadPoolExecutor(2) as pool:
        (held,) = [new for new in pool.map(change, (NEW, NEW + "!")) if new]
    assert person.id == log_in_with(testapp, person, held)


def test_an_operator_sets_a_password_and_everything_ends(testapp, accounts, person, client):
    log_in(testapp, person)
    tokens = get_tokens(testapp, client)
    with pytest.raises(Invalid):
        accounts.set_password(person.id, "short")
    assert is_logged_in(testapp)
    accounts.set_password(person.id, NEW)
    assert not is_logged_in(testapp)
    refresh(testapp, client, tokens["refresh_token"], status=400)
    assert person.id == log_in_with(testapp, person, NEW)
    with pytest.raises(NotFound):
        accounts.set_password(new_id(), NEW)


def test_who_is_disabled_is_out_at_once_and_everywhere_within_two_seconds(
    make_testapp, testapp, accounts, person, client
):
    """S13, S19; DESIGN 5"""
    other = make_testapp()
    log_in(testapp, person)
    tokens = get_tokens(testapp, client)
    code, verifier = get_code(testapp, client)
    other.get(ME, headers=bearer(tokens["access_token"]), status=200)
    accounts.disable(person.id)
    accounts.disable(person.id)
    deadline = time.monotonic() + 2
    assert not is_logged_in(testapp)
    testapp.get(ME, headers=bearer(tokens["access_token"]), status=401)
    refresh(other, client, tokens["refresh_token"], status=400)
    redeem(other, client, code, verifier, status=400)
    with pytest.raises(LoginRefused):
        log_in_with(testapp, person, PASSWORD)
    while other.get(ME, headers=bearer(tokens["access_token"]), status="*").status_int != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_who_is_enabled_again_starts_afresh(testapp, accounts, person, client):
    log_in(testapp, person)
    tokens = get_tokens(testapp, client)
    accounts.disable(person.id)
    accounts.enable(person.id)
    assert not is_logged_in(testapp)
    testapp.get(ME, headers=bearer(tokens["access_token"]), status=401)
    refresh(testapp, client, tokens["refresh_token"], status=400)
    log_in(testapp, person)
    get_tokens(testapp, client)
    with pytest.raises(NotFound):
        accounts.disable(new_id())
    with pytest.raises(NotFound):
        accounts.enable(new_id())


def test_nothing_of_others_ends(testapp, accounts, person, user_factory, client):
    other = testapp.another_browser()
    log_in(other, user_factory(password=PASSWORD))
    tokens = get_tokens(other, client)
    accounts.disable(person.id)
    accounts.set_password(person.id, NEW)
    assert is_logged_in(other)
    refresh(other, client, tokens["refresh_token"], status=200)


class HastyOwner:
    """A PasswordHasher; each time that it has found a password right, its owner does something."""

    def __init__(self, hasher):
        self._hasher, self.does = hasher, lambda: None

    def verify(self, password_hash, password):
        is_right = self._hasher.verify(password_hash, password)
        if is_right:
            self.does()
        return is_right

    def __getattr__(self, name):
        return getattr(self._hasher, name)


@pytest.fixture
def hasty(settings, make_testapp):
    """The application, and what its owner of an account does between a right password and the log-in."""
    app = make_testapp(password_hasher=(owner := HastyOwner(Argon2PasswordHasher(memory_kib=8, time_cost=1))))
    return app, owner


def sets_password(app, person):
    with app.service(AccountService) as service:
        service.set_password(person.id, NEW)


def is_disabled(app, person):
    with app.service(AccountService) as service:
        service.disable(person.id)


def sessions_of(app):
    with app.engine().connect() as connection:
        return connection.execute(sa.text("SELECT count(*) FROM browser_sessions")).scalar_one()


@pytest.mark.parametrize("change", [sets_password, is_disabled])
@pytest.mark.parametrize("has_second", [False, True])
def test_a_log_in_with_the_old_password_that_is_under_way_ends_too(hasty, change, has_second):
    """S22; OWASP ASVS 5.0, 7.4.3: it opens no session after all sessions were ended"""
    app, owner = hasty
    person = make_person(app, password=PASSWORD)
    if has_second:
        give_code_app(app, person)
    owner.does = lambda: change(app, person)
    answer = log_in(app, person)
    if has_second:
        answer = answer.follow(status=303)  # from the second step, which there is not
    assert answer.location.startswith("http://localhost/login")
    if not has_second:
        assert "Log in once more" in answer.follow().text
    assert 0 == sessions_of(app)
    assert "donkies_device" not in app.cookies
    assert not [mail for mail in app.mails(person.email) if mail.subject.startswith("New log-in")]


def test_a_log_in_waits_for_a_change_of_the_account_that_is_under_way(testapp, person):
    """S22"""
    with testapp.service(LoginService) as service:
        shown = service.log_in(person.email, PASSWORD, address="198.51.100.1")
    with ThreadPoolExecutor() as pool, testapp.engine().connect() as connection:
        with connection.begin(), testapp.service(SessionService) as sessions:
            connection.execute(sa.text("UPDATE users SET password_hash = 'another'"))
            opened = pool.submit(sessions.open, shown.user_id, password_mark=shown.password_mark)
            with pytest.raises(TimeoutError):
                opened.result(timeout=0.5)
        with pytest.raises(LoginRefused):
            opened.result()
    assert 0 == sessions_of(testapp)


def test_of_two_log_ins_that_renew_the_hash_at_once_both_count(make_testapp, person):
    """Neither takes what the other made of the same password for another password"""
    newer = make_testapp(password_hasher=(owner := HastyOwner(Argon2PasswordHasher(memory_kib=8, time_cost=2))))

    def log_in_elsewhere():
        owner.does = lambda: None
        log_in(newer.another_browser(), person)

    owner.does = log_in_elsewhere
    log_in(newer, person)
    assert is_logged_in(newer)
    assert 2 == sessions_of(newer)
