"""The page /login, and the session that it begins."""

import threading
import time
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from donkies.adapters.persistence.tables.identity import outgoing_mails
from donkies.testing.app import PASSWORD, authorize_path, log_in, make_client, make_person, pkce


@pytest.fixture
def person(testapp):
    return make_person(testapp, password=PASSWORD)


def submit(app, email, password=PASSWORD, status="*", headers=None, path="/login"):
    form = app.get(path).form
    form["email"], form["password"] = email, password
    return form.submit(status=status, headers=headers)


def cookie(response):
    (found,) = [value for value in response.headers.getall("Set-Cookie") if "donkies_session=" in value]
    return found


def test_logging_in_and_out(testapp, person):
    page = log_in(testapp, person).follow()
    assert "Ada" in page.text
    before = testapp.cookies["donkies_session"]
    page.form.submit(status=303)
    assert "Ada" not in testapp.get("/").text
    testapp.set_cookie("donkies_session", before)
    assert "Ada" not in testapp.get("/").text  # it is gone on the server


def test_known_and_unknown_addresses_look_alike(testapp, person):
    """S23"""
    wrong = submit(testapp, person.email, "not the password", 422)
    unknown = submit(testapp, "nobody@people.example", "not the password", 422)
    assert wrong.text.replace(person.email, "X") == unknown.text.replace("nobody@people.example", "X")


@pytest.mark.parametrize("email", ["", "x", "\x00", "a@b.example\x00", "é" * 5000, "' OR 1=1 --"])
def test_strange_addresses_are_refused_like_others(testapp, email):
    submit(testapp, email, status=422)


def test_known_and_unknown_addresses_take_as_long(settings, make_testapp):
    """S23: with the cost of production, in the processor's time, so that a busy machine tells nothing"""
    settings |= {"donkies.password.memory_kib": 19_456, "donkies.password.passes": 2, "donkies.limits.enabled": False}
    app = make_testapp()
    person = make_person(app, password=PASSWORD)
    form = app.get("/login").form
    took = {}
    for email in (person.email, "nobody@people.example") * 7:
        form["email"], form["password"] = email, "not the password"
        began = time.process_time()
        form.submit(status=422)
        took.setdefault(email, []).append(time.process_time() - began)
    known, unknown = (min(times) for times in took.values())
    assert 0.6 < known / unknown < 1.6


def test_nobody_logs_in_without_a_password_set_nor_when_disabled(testapp, person):
    submit(testapp, make_person(testapp).email, "", 422)
    with testapp.engine().begin() as connection:
        connection.execute(sa.text("UPDATE users SET is_disabled = true"))
    submit(testapp, person.email, status=422)


def test_the_session_gets_a_new_id_and_the_old_one_ends(testapp, person):
    """S25: session fixation"""
    testapp.set_cookie("donkies_session", "planted")
    log_in(testapp, person)
    first = testapp.cookies["donkies_session"]
    assert "planted" != first
    form = testapp.another_browser().get("/login").form
    assert form
    with testapp.engine().connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM browser_sessions")).all()
    assert 1 == len(rows)
    assert first not in str(rows)


def test_sessions_end_when_idle_and_at_last(testapp, person, clock):
    """S25"""
    log_in(testapp, person)
    clock.advance(hours=11)
    assert "Ada" in testapp.get("/").text
    clock.advance(hours=11)
    assert "Ada" in testapp.get("/").text
    clock.advance(hours=13)
    assert "Ada" not in testapp.get("/").text
    log_in(testapp, person)
    for _ in range(40):
        clock.advance(hours=9)
        last = testapp.get("/").text
    assert "Ada" not in last


def test_a_session_that_is_ended_while_a_page_is_asked_for_breaks_nothing(testapp, person, clock):
    """S25: the page comes as before the end, or as after it"""
    log_in(testapp, person)
    clock.advance(minutes=2)  # so that its use is noted again
    with testapp.engine().connect() as connection, connection.begin() as ending:
        connection.execute(sa.text("DELETE FROM browser_sessions"))
        timer = threading.Timer(0.5, ending.commit)
        timer.start()
        testapp.get("/", status=200)
        timer.join()


@pytest.mark.parametrize("value", ['"\\377"', "\xff\xfe", '"\\355\\240\\200"'])
@pytest.mark.parametrize("name", ["donkies_session", "donkies_form", "donkies_device", "somebody_elses"])
def test_a_cookie_that_is_no_text_is_none(testapp, person, name, value):
    log_in(testapp, person)
    own = "; ".join(f"{one}={text}" for one, text in testapp.cookies.items() if one != name)
    page = testapp.get("/", headers={"Cookie": f"{name}={value}; {own}"}, status=200)
    assert (name != "donkies_session") == ("Log out" in page.text)
    testapp.get("/oauth/logout", headers={"Cookie": f"{own}; {name}={value}"}, status=200)


def test_cookies_over_http(testapp, person):
    """S28"""
    set_cookie = cookie(log_in(testapp, person))
    assert set_cookie.startswith("donkies_session=")
    assert "HttpOnly" in set_cookie
    assert "SameSite=Lax" in set_cookie
    assert "secure" not in set_cookie.lower()


def test_cookies_over_https(settings, make_testapp):
    """S28"""
    settings["donkies.public_url"] = "https://id.example"
    app = make_testapp()
    person = make_person(app, password=PASSWORD)
    app.extra_environ |= {"wsgi.url_scheme": "https", "HTTP_HOST": "id.example"}
    response = submit(app, person.email, status=303)
    set_cookie = cookie(response)
    assert set_cookie.startswith("__Host-donkies_session=")
    assert {"secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(set_cookie.split("; "))
    assert "Domain" not in set_cookie
    assert "max-age=31536000" in response.headers["Strict-Transport-Security"]


@pytest.mark.parametrize(
    "strange",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "/oauth/authorize\\@evil.example",
        "javascript:alert(1)",
        "/login?next=https://evil.example/",
        "/oauth/authorize?x=\r\nSet-Cookie: a=b",
        "/oauth/authorize.evil.example",
        "/oauth/authorizex?",
        "/accounting",
        "/email.evil.example",
        "/v1/users/me",
    ],
)
def test_nobody_is_led_elsewhere(testapp, person, strange):
    """S2: no open redirect"""
    form = testapp.get("/login", {"next": strange}).form
    form["email"], form["password"] = person.email, PASSWORD
    assert "http://localhost/" == form.submit(status=303).location
    assert "http://localhost/" == testapp.get("/login", {"next": strange}, status=303).location


def test_who_must_show_once_more_that_it_is_them_is_asked_and_led_back(testapp, person, clock):
    """S25: step-up"""
    log_in(testapp, person)
    clock.advance(seconds=601)
    page = testapp.get("/login", {"why": "step_up", "next": "/account/export?format=csv"}, status=200)
    assert "show that it is still you" in page.text
    assert person.email == page.form["email"].value
    page.form["password"] = "wrong"
    page = page.form.submit(status=422)
    page.form["password"] = PASSWORD
    assert page.form.submit(status=303).location.endswith("/account/export?format=csv")


def test_pages_send_what_keeps_them_safe(testapp):
    """S7, S28"""
    client = make_client(testapp)
    for path in ("/login", "/signup", "/"):
        headers = testapp.get(path).headers
        policy = headers["Content-Security-Policy"]
        scripts = " script-src 'self'; connect-src 'self';" if path == "/login" else ""  # for passkeys
        assert policy.startswith(
            f"default-src 'none'; style-src 'self'; img-src 'self' data:;{scripts} base-uri 'none'"
        )
        assert "frame-ancestors 'none'" in policy
        assert policy.endswith("form-action 'self'")
        assert ("no-referrer", "no-store", "nosniff") == (
            headers["Referrer-Policy"],
            headers["Cache-Control"],
            headers["X-Content-Type-Options"],
        )
    page = testapp.get(authorize_path(client, pkce()[1]), status=303).follow()
    # Chromium holds the redirects after a POST to form-action as well (D6)
    assert page.headers["Content-Security-Policy"].endswith("form-action 'self' https://app.example")
    assert '<script src="/static/passkeys.js" defer></script>' in page.text
    assert 1 == page.text.count("<script"), "and none in the page itself"
    assert "style=" not in page.text


def test_a_strange_redirect_uri_gets_no_place_in_the_policy(testapp):
    client = make_client(testapp)
    path = authorize_path(client, pkce()[1], redirect_uri="https://evil.example/callback")
    policy = testapp.get("/login", {"next": path}).headers["Content-Security-Policy"]
    assert policy.endswith("form-action 'self'")


def test_a_stale_form_leads_on(testapp, person):
    """D5"""
    path = authorize_path(make_client(testapp), pkce()[1])
    form = testapp.get(path, status=303).follow().form
    testapp.reset()
    form["email"], form["password"] = person.email, PASSWORD
    page = form.submit(status=403)
    assert person.email == page.form["email"].value
    page.form["password"] = PASSWORD
    assert page.form.submit(status=303).location.endswith(path)


def test_guessing_is_limited_and_its_victim_is_not_locked_out(testapp, person):
    """S24, D14"""
    for _ in range(10):
        submit(testapp, person.email, "guess", 422)
    for headers in (None, {"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}):
        response = submit(testapp, person.email, "guess", 429, headers)
        assert 0 < int(response.headers["Retry-After"]) <= 900
    victim = testapp.another_browser()
    victim.extra_environ = {"REMOTE_ADDR": "198.51.100.7"}
    submit(victim, person.email, status=303)


def test_limits_hold_across_processes_and_end(make_testapp, testapp, person, clock):
    """S24"""
    other = make_testapp(clock=clock)
    for _ in range(5):
        submit(testapp, person.email, "guess", 422)
        submit(other, person.email, "guess", 422)
    submit(testapp, person.email, status=429)
    clock.advance(seconds=901)
    submit(testapp, person.email, status=303)


def test_one_address_cannot_try_many_accounts(testapp):
    """S24"""
    statuses = [submit(testapp, f"nr{number}@people.example", "guess").status_int for number in range(101)]
    assert [422] * 100 + [429] == statuses


def test_other_methods_are_refused(testapp):
    """S32"""
    for path in ("/login", "/signup", "/oauth/authorize", "/logout", "/"):
        assert 405 == testapp.put(path, status="*").status_int


def test_a_browser_that_logged_in_before_has_tries_of_its_own(testapp, person):
    """S24: guesses from the same address, or from everywhere, do not lock it out"""
    log_in(testapp, person)
    testapp.get("/").form.submit()
    thief = testapp.another_browser()
    for _ in range(11):
        submit(thief, person.email, "guess")
    submit(thief, person.email, status=429)
    submit(testapp, person.email, status=303)
    thief.set_cookie("donkies_device", "invented.mark")
    submit(thief, person.email, status=429)
    stolen = testapp.another_browser()
    stolen.set_cookie("donkies_device", testapp.cookies["donkies_device"])
    assert 429 in {submit(stolen, person.email, "guess").status_int for _ in range(21)}


def test_a_log_in_from_a_new_browser_is_told_by_mail_and_the_next_one_is_not(testapp, person):
    testapp.extra_environ["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0 Safari/537.36"
    log_in(testapp, person)
    (mail,) = testapp.mails(person.email)
    assert mail.subject.startswith("New log-in")
    assert "Chrome on Linux" in mail.text
    testapp.post("/logout", {"form_token": testapp.get("/").form["form_token"].value})
    log_in(testapp, person)
    assert 1 == len(testapp.mails(person.email))


def test_mail_that_cannot_be_sent_goes_later_and_log_in_does_not_wait_for_it(testapp, person):
    testapp.postman.is_down = True
    log_in(testapp, person)
    assert [] == testapp.mails(person.email)
    testapp.postman.is_down = False
    with testapp.engine().begin() as connection:
        connection.execute(outgoing_mails.update().values(due_at=datetime.now(UTC)))
    assert 1 == len(testapp.mails(person.email))


def test_behind_tls_that_says_nothing_of_it_redirects_stay_https(settings, make_testapp):
    """A proxy that sets no X-Forwarded-Proto: log-in would lead to http://, which `form-action` does not let pass."""
    settings["donkies.public_url"] = "https://bank.example"
    app = make_testapp()
    person = make_person(app, password=PASSWORD)
    form = app.get("/login?next=/account", extra_environ={"HTTP_HOST": "bank.example"}).form
    form["email"], form["password"] = person.email, PASSWORD
    answer = form.submit(extra_environ={"HTTP_HOST": "bank.example"}, status=303)
    assert "https://bank.example/account" == answer.headers["Location"]
