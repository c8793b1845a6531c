"""The page /signup."""

import re

import pytest
import sqlalchemy as sa

from donkies.testing.app import PASSWORD, authorize_path, log_in, make_client, make_person, pkce

GOOD = {
    "first_name": "Zoë",
    "last_name": "O'Neill-Łukasz",
    "email": "Zoe.Neill@People.example",
    "birthday": "1990-12-31",
    "password": PASSWORD,
}


def submit(app, status=None, path="/signup", **changed):
    form = app.get(path).form
    for name, value in (GOOD | changed).items():
        form[name] = value
    return form.submit(status=status or "*")


def test_signing_up_logs_in(testapp):
    assert "Zoë" in submit(testapp, 303).follow().text
    with testapp.engine().connect() as connection:
        row = connection.execute(sa.text("SELECT * FROM users")).one()._mapping
    assert ("Zoe.Neill@People.example", "zoe.neill@people.example") == (row["email"], row["email_key"])
    assert row["password_hash"].startswith("$argon2id$")
    assert PASSWORD not in str(row)
    submit_again = submit(
        testapp.another_browser(), 422, email="zoe.neill@people.EXAMPLE", password="some other words here"
    )
    assert "There is an account with this address already." in submit_again.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_name", ""),
        ("first_name", "   "),
        ("first_name", "x" * 101),
        ("last_name", "a\x00b"),
        ("last_name", "\u202egnp.exe"),
        ("email", ""),
        ("email", "nobody"),
        ("email", "a@b"),
        ("email", "a b@c.example"),
        ("email", "a@b@c.example"),
        ("email", "a@-.example"),
        ("email", "a" * 250 + "@c.example"),
        ("birthday", ""),
        ("birthday", "31.12.1990"),
        ("birthday", "1990-02-30"),
        ("birthday", "1899-12-31"),
        ("birthday", "2999-01-01"),
        ("birthday", "2024-01-01"),
        ("password", ""),
        ("password", "7 chars"),
        ("password", "x" * 129),
        ("password", "Password1"),
        ("password", "aaaaaaaaaa"),
        ("password", "my Donkies password"),
        ("password", "zoe.neill@people.example!"),
    ],
)
def test_what_cannot_be_used_is_named_and_the_rest_stays_typed(testapp, field, value):
    """S22; A 6.2"""
    page = submit(testapp, 422, **{field: value})
    assert f'id="{field}-error"' in page.text
    assert 1 == page.text.count('aria-invalid="true"')
    assert "" == page.form["password"].value
    for name in {"first_name", "last_name", "birthday"} - {field}:
        assert GOOD[name] == page.form[name].value


def test_all_bad_fields_are_named_at_once(testapp):
    page = submit(testapp, 422, **dict.fromkeys(GOOD, ""))
    assert set(GOOD) == set(re.findall(r'id="(\w+)-error"', page.text))
    assert set(GOOD) == set(re.findall(r'href="#(\w+)"', page.text))


@pytest.mark.parametrize(
    "password", ["x7 bcd e", "пароль для меня", "🔑🗝️🔒🔓 four keys", "a" * 60 + "b" * 60 + "c" * 8, " lead and trail "]
)
def test_any_characters_make_a_password(testapp, password):
    """A 6.2.4: all characters, no truncation"""
    submit(testapp, 303, password=password)
    for typed, status in ((password, 303), (password[:-1], 422), (password.strip() + "!", 422)):
        form = testapp.another_browser().get("/login").form
        form["email"], form["password"] = GOOD["email"], typed
        form.submit(status=status)


def test_a_form_without_its_token_changes_nothing_and_leads_on(testapp):
    """S29, D5"""
    page = testapp.post("/signup", GOOD, status=403)
    assert GOOD["email"] == page.form["email"].value
    assert GOOD["password"] not in page.text
    with testapp.engine().connect() as connection:
        assert 0 == connection.execute(sa.text("SELECT count(*) FROM users")).scalar()
    page.form["password"] = PASSWORD
    page.form.submit(status=303)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_form_from_elsewhere_is_not_taken_even_with_its_token(testapp, headers):
    """S29"""
    form = testapp.get("/signup").form
    for name, value in GOOD.items():
        form[name] = value
    form.submit(headers=headers, status=403)


def test_a_form_of_another_browser_is_not_taken(testapp):
    """S29"""
    token = testapp.another_browser().get("/signup").form["form_token"].value
    testapp.get("/signup")
    testapp.post("/signup", GOOD | {"form_token": token}, status=403)


def test_our_own_no_referrer_pages_send_origin_null(testapp):
    form = testapp.get("/signup").form
    for name, value in GOOD.items():
        form[name] = value
    form.submit(headers={"Origin": "null", "Sec-Fetch-Site": "same-origin"}, status=303)


def test_who_is_logged_in_is_led_on(testapp):
    log_in(testapp, make_person(testapp, password=PASSWORD))
    testapp.get("/signup", status=303)
    path = authorize_path(make_client(testapp), pkce()[1])
    assert testapp.get("/signup", {"next": path}, status=303).location.endswith(path)


def test_sign_ups_of_one_address_are_limited(testapp):
    """S24"""
    page = testapp.get("/signup").form
    for number in range(31):
        for name, value in GOOD.items():
            page[name] = value
        page["email"] = f"nr{number}@people.example"
        response = page.submit(status="*")
        page = testapp.another_browser().get("/signup").form if response.status_int == 303 else page
        testapp.reset()
        page = testapp.get("/signup").form
    assert 429 == response.status_int
    assert 3500 < int(response.headers["Retry-After"]) <= 3600
    other = testapp.another_browser()
    other.extra_environ = {"REMOTE_ADDR": "198.51.100.7"}
    submit(other, 303)


def test_the_form_sent_twice_leads_to_the_one_account(testapp):
    """As by a double click: the browser drops the first answer, and its cookie with it"""
    submit(testapp, 303)
    again = testapp.another_browser()
    assert "Zoë" in submit(again, 303).follow().text
    with testapp.engine().connect() as connection:
        assert 1 == connection.execute(sa.text("SELECT count(*) FROM users")).scalar()
