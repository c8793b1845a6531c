"""Log in and sign up with Google and Facebook: our side by WebTest, theirs over real HTTP."""

import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import sqlalchemy as sa

from donkies.testing.app import PASSWORD, authorize_path, make_client, make_person, pkce
from donkies.testing.plugin import development_settings
from donkies.testing.social import begin, choose, finish, social_settings, walk

BORN = "1990-12-31"


@pytest.fixture
def settings(sqlite_databases, tmp_path, sandbox):
    # the stores behind it are tried on PostgreSQL by their contract
    return development_settings(sqlite_databases.fresh(tmp_path)) | social_settings(sandbox.url)


def rows(app, table):
    with app.engine().connect() as connection:
        return [row._mapping for row in connection.execute(sa.text(f"SELECT * FROM {table}"))]  # noqa: S608


def own(app, email, **values):
    with app.engine().begin() as connection:
        for name, value in values.items():
            connection.execute(sa.text(f"UPDATE users SET {name} = :v WHERE email = :e"), {"v": value, "e": email})  # noqa: S608


def amr(app):
    return rows(app, "browser_sessions")[-1]["methods"]


def test_with_google_somebody_new_confirms_what_it_told_and_next_time_is_let_in_at_once(testapp):
    page = walk(testapp, "google", "verified")
    assert ("Vera", "Fielding") == (page.form["first_name"].value, page.form["last_name"].value)
    assert "email" not in page.form.fields
    assert "Confirmed by Google" in page.text
    page = finish(page)
    assert ["birthday"] == re.findall(r'id="(\w+)-error"', page.text)
    assert "Hello, Vera" in finish(page, birthday=BORN).follow().text
    (user,) = rows(testapp, "users")
    assert ("vera@example.com", 1, None, "en-GB") == tuple(
        user[name] for name in ("email", "email_verified", "password_hash", "locale")
    )
    assert user["picture"].endswith("/portraits/verified.png")
    assert "fed" == amr(testapp)
    other = testapp.another_browser()
    assert "Hello, Vera" in walk(other, "google", "verified").text
    assert 1 == len(rows(testapp, "users"))
    assert ["New log-in to your donkies account"] == [mail.subject for mail in testapp.mails("vera@example.com")]


def test_a_renamed_address_is_the_same_person_and_changes_nothing(testapp):
    """D12, S20: the key is (provider, subject)"""
    finish(walk(testapp, "google", "verified"), birthday=BORN)
    assert "Hello, Vera" in walk(testapp.another_browser(), "google", "renamed").text
    (user,), (identity,) = rows(testapp, "users"), rows(testapp, "external_identities")
    assert ("vera@example.com", "vera.new@example.com") == (user["email"], identity["label"])


@pytest.mark.parametrize("persona", ["no_email", "minimal"])
def test_without_an_address_from_facebook_it_is_asked_for_once_and_never_again(testapp, persona):
    """D11"""
    page = walk(testapp, "facebook", persona)
    assert "" == page.form["email"].value
    assert page.form["first_name"].value
    assert "email-error" in finish(page, birthday=BORN).text
    finish(page, birthday=BORN, email="new@people.example").follow(status=200)
    (user,) = rows(testapp, "users")
    assert ("new@people.example", 0) == (user["email"], user["email_verified"])
    assert "Hello" in walk(testapp.another_browser(), "facebook", persona).text


@pytest.mark.parametrize(("provider", "persona"), [("facebook", "verified"), ("google", "unverified")])
def test_an_unverified_address_is_only_a_proposal(testapp, provider, persona):
    """S21"""
    page = walk(testapp, provider, persona)
    assert page.form["email"].value in ("vera@example.com", "umar@example.com")
    finish(page, birthday=BORN)
    assert 0 == rows(testapp, "users")[0]["email_verified"]


def test_facebooks_birthday_is_taken_over(testapp):
    assert "1990-04-12" == walk(testapp, "facebook", "verified").form["birthday"].value


def test_long_names_in_many_letters(testapp):
    page = walk(testapp, "google", "second")
    assert page.form["first_name"].value.startswith("Zoë Þórgunnur")
    assert "Hello, Zoë" in finish(page, birthday=BORN).follow().text


def test_an_account_with_the_verified_address_is_joined_only_after_its_owner_logged_in(testapp, sandbox):
    """D9, D10: no loop; afterwards both ways work"""
    person = make_person(testapp, password=PASSWORD, email="ada@example.com")
    own(testapp, person.email, email_verified=True)
    page = walk(testapp, "google", "squatter")
    assert "There is an account with the address" in page.text
    assert "It is not mine" not in page.text
    assert [] == rows(testapp, "external_identities") == rows(testapp, "browser_sessions")
    login = page.click("Log in to connect Google").forms[0]
    login["email"], login["password"] = person.email, PASSWORD
    page = login.submit(status=303).follow()
    assert "Connect Google?" in page.text
    assert [] == rows(testapp, "external_identities")
    page.form.submit(status=303).follow(status=200)
    assert [person.email] == [one["label"] for one in rows(testapp, "external_identities")]
    assert "Hello, Ada" in walk(testapp.another_browser(), "google", "squatter").text
    log_in_by_form(testapp.another_browser(), person)
    assert any("Google is connected" in mail.subject for mail in testapp.mails(person.email))


def log_in_by_form(app, person):
    form = app.get("/login").forms[0]
    form["email"], form["password"] = person.email, PASSWORD
    return form.submit(status=303)


def test_an_account_that_never_verified_the_address_can_be_joined_by_whoever_can_log_in_to_it(testapp):
    """D9"""
    person = make_person(testapp, password=PASSWORD, email="ada@example.com")
    page = walk(testapp, "google", "squatter")
    login = page.click("Log in to connect Google").forms[0]
    login["email"], login["password"] = person.email, PASSWORD
    login.submit(status=303).follow().form.submit(status=303)
    (user,) = rows(testapp, "users")
    assert user["email_verified"]
    assert 1 == len(rows(testapp, "external_identities"))


def test_the_owner_of_a_squatted_address_gets_a_new_account_and_the_squat_loses_everything(testapp):
    """D9, S21"""
    squatter = make_person(testapp, password=PASSWORD, email="ada@example.com", first_name="Squatter")
    thief = testapp.another_browser()
    log_in_by_form(thief, squatter)
    connect(thief, "facebook", "verified", 303)
    assert 1 == len(rows(testapp, "external_identities"))
    page = walk(testapp, "google", "squatter").click("It is not mine")
    assert "Sid" == page.form["first_name"].value
    finish(page, birthday=BORN).follow(status=200)
    old, new = sorted(rows(testapp, "users"), key=lambda row: row["created_at"])
    assert ("ada@example.com", 1, "Sid") == (new["email"], new["email_verified"], new["first_name"])
    assert "ada@example.com" not in (old["email"], old["email_key"])
    assert old["password_hash"] is None
    assert {new["id"]} == {row["user_id"] for row in rows(testapp, "external_identities")}
    assert "Squatter" not in thief.get("/").text
    form = thief.get("/login").forms[0]
    form["email"], form["password"] = "ada@example.com", PASSWORD
    form.submit(status=422)


def test_a_verified_account_is_never_taken_by_saying_it_is_not_mine(testapp):
    """D9"""
    person = make_person(testapp, password=PASSWORD, email="ada@example.com")
    page = walk(testapp, "google", "squatter").click("It is not mine")
    own(testapp, person.email, email_verified=True)
    assert "Log in to connect Google" in finish(page, birthday=BORN).follow().text
    assert 1 == len(rows(testapp, "users"))


def test_facebooks_address_neither_joins_nor_takes_an_account(testapp, sandbox):
    """S21, D9; but its owner can log in to it and connect Facebook"""
    sandbox.social(squatter_email="ada@example.com")
    person = make_person(testapp, password=PASSWORD, email="ada@example.com")
    page = walk(testapp, "facebook", "squatter")
    page.form.action += "?not_mine=1"
    page = finish(page, birthday=BORN)
    assert "There is an account with this address already." in page.text
    assert [person.email] == [row["email"] for row in rows(testapp, "users")]
    login = page.click("Log in to that account").click("Log in", index=0).forms[0]
    login["email"], login["password"] = person.email, PASSWORD
    login.submit(status=303).follow().form.submit(status=303)
    (user,) = rows(testapp, "users")
    assert not user["email_verified"]
    assert "Hello, Ada" in walk(testapp.another_browser(), "facebook", "squatter").text


def test_who_is_disabled_is_told_so(testapp):
    finish(walk(testapp, "google", "verified"), birthday=BORN)
    own(testapp, "vera@example.com", is_disabled=True)
    other = testapp.another_browser()
    page = other.get(choose(begin(other, "google"), "verified"), status=403)
    assert "You cannot log in" in page.text
    assert "donkies_session" not in other.cookies


# -- connecting, by who is logged in


def test_who_is_logged_in_connects_a_provider_and_nobody_elses(testapp, clock):
    person = make_person(testapp, password=PASSWORD)
    log_in_by_form(testapp, person)
    assert connect(testapp, "google", "verified", 303).location.endswith("/account")
    (identity,) = rows(testapp, "external_identities")
    assert str(person.id).replace("-", "") == str(identity["user_id"]).replace("-", "")
    other, somebody = testapp.another_browser(), make_person(testapp, password=PASSWORD)
    log_in_by_form(other, somebody)
    assert "connected to another account" in connect(other, "google", "verified", 409).text
    assert "Google was not connected" in connect(other, "google", "cancel", 200).text
    clock.advance(seconds=700)  # S25: what gives a way in wants a log-in just before
    response = other.post("/login/google", connect_form(other))
    assert "/login?why=step_up&next=%2Faccount" in response.location


def connect(app, provider, persona, status):
    way = begin(app, provider, "/login?why=account", connect="1", next="/account")
    return app.get(choose(way, persona), status=status)


def connect_form(app):
    form = app.get("/login?why=account").forms[0]
    return {"form_token": form["form_token"].value, "connect": "1", "next": "/account"}


# -- what can go wrong


def test_the_account_page_connects_and_disconnects_but_never_the_last_way_in(testapp):
    finish(walk(testapp, "google", "verified"), birthday=BORN)
    page = testapp.get("/account")
    assert "vera@example.com" in page.text
    assert "You have none: you log in another way." in page.text
    form = next(form for form in page.forms.values() if form.action == "/account/identities")
    refused = form.submit(status=409)
    assert "only way to log in" in refused.text
    connected = testapp.get(choose(begin(testapp, "facebook", "/account"), "verified"), status=303)
    page = connected.follow()
    forms = [form for form in page.forms.values() if form.action == "/account/identities"]
    assert ["google", "facebook"] == [form["provider"].value for form in forms]
    page = forms[0].submit(status=303).follow()
    assert "leads to this account no more" in page.text
    assert ["facebook"] == [row["provider"] for row in rows(testapp, "external_identities")]
    assert ["facebook"] == [
        form["provider"].value for form in page.forms.values() if form.action == "/account/identities"
    ]
    assert "/login/google" in [form.action for form in page.forms.values()]


def test_cancelling_leads_back_with_a_word_and_nothing_is_lost(testapp):
    path = authorize_path(make_client(testapp), pkce()[1])
    for provider, name in (("google", "Google"), ("facebook", "Facebook")):
        page = walk(testapp, provider, "cancel", f"/login?next={quote(path)}")
        assert f"You did not log in with {name}." in page.text
        assert path == page.forms[0]["next"].value


@pytest.mark.parametrize(
    "fault",
    ["wrong_nonce", "wrong_aud", "wrong_iss", "expired", "alg_none", "bad_signature", "server_error", "html", "slow"],
)
def test_whatever_google_does_wrong_lets_nobody_in(make_testapp, settings, sandbox, fault):
    """S20"""
    settings["donkies.social.timeout_s"] = 0.5
    app = make_testapp()
    sandbox.social(google={"fault": fault, "delay_s": 2})
    page = walk(app, "google", "verified")
    assert "Google did not answer as it should." in page.text
    assert [] == rows(app, "external_identities")


@pytest.mark.parametrize("fault", ["server_error", "html", "slow"])
def test_whatever_facebook_does_wrong_lets_nobody_in(make_testapp, settings, sandbox, fault):
    settings["donkies.social.timeout_s"] = 0.5
    sandbox.social(facebook={"fault": fault, "delay_s": 2})
    assert "Facebook did not answer as it should." in walk(make_testapp(), "facebook", "verified").text


def test_the_profile_fails_after_the_token(testapp, sandbox):
    sandbox.fault("status", path="/facebook/*/me", status=400)
    assert "Facebook did not answer as it should." in walk(testapp, "facebook", "verified").text


def test_an_answer_counts_once_in_its_browser_at_its_address_and_for_ten_minutes(testapp, clock):
    """S20: one-use, browser-bound, no mix-up"""
    way = choose(begin(testapp, "google"), "verified")
    assert 400 == testapp.another_browser().get(way, status=400).status_int
    mixed_up = way.replace("/login/google/", "/login/facebook/")
    assert "is over" in testapp.get(mixed_up, status=400).text
    assert "is over" in testapp.get(way, status=400).text  # the mix-up has used it up
    way = choose(begin(testapp, "google"), "verified")
    testapp.get(way, status=303)
    assert "Go to the log-in page" in testapp.get(way, status=400).text
    way = choose(begin(testapp, "google"), "verified")
    clock.advance(seconds=601)
    testapp.get(way, status=400)
    assert [] == rows(testapp, "external_identities")


def test_another_issuer_in_the_answer_is_refused(testapp):
    """S20: RFC 9207"""
    way = choose(begin(testapp, "google"), "verified")
    iss = parse_qs(urlsplit(way).query)["iss"][0]
    page = testapp.get(way.replace(quote(iss, safe=""), "https%3A%2F%2Fevil.example")).follow()
    assert "Google did not answer as it should." in page.text


def test_two_tabs_do_not_get_in_each_others_way(testapp):
    first, second = begin(testapp, "google"), begin(testapp, "facebook")
    assert "Finish your account" in testapp.get(choose(first, "verified")).follow().text
    assert "Finish your account" in testapp.get(choose(second, "second")).follow().text


def test_a_held_answer_is_the_browsers_own_and_makes_one_account(testapp):
    page = walk(testapp, "google", "verified")
    other = testapp.another_browser()
    path = "/signup/finish?answer=" + page.form["answer"].value
    assert "is over" in other.get(path, status=400).text
    finish(page, birthday=BORN)
    assert "is over" in testapp.get(path, status=400).text
    assert "is over" in testapp.post("/signup/finish", {"answer": page.form["answer"].value}, status=400).text


def test_the_request_carries_pkce_state_and_nonce_and_nothing_of_ours_is_told(testapp):
    asked = parse_qs(urlsplit(begin(testapp, "google")).query)
    assert (["S256"], ["openid email profile"]) == (asked["code_challenge_method"], asked["scope"])
    assert all(len(asked[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))
    assert ["http://localhost/login/google/callback"] == asked["redirect_uri"]
    assert "secret" not in str(asked)


def test_no_link_from_elsewhere_logs_anybody_in(testapp):
    """S29"""
    testapp.get("/login/google", status=405)
    testapp.post("/login/google", status=403)
    token = testapp.get("/login").forms[0]["form_token"].value
    elsewhere = {"Origin": "https://evil.example"}
    testapp.post("/login/google", {"form_token": token}, headers=elsewhere, status=403)
    page = walk(testapp, "google", "verified")
    page.form["form_token"] = "forged"
    page.form["birthday"] = BORN
    assert "open for a long time" in page.form.submit(status=403).text
    assert [] == rows(testapp, "users")


def test_the_policy_lets_the_redirect_to_the_providers_through(testapp, sandbox):
    """S7, D6: in Chromium the redirect after a POST is held to form-action"""
    for path in ("/login", "/signup"):
        policy = testapp.get(path).headers["Content-Security-Policy"]
        assert policy.endswith(f"form-action 'self' {sandbox.url} {sandbox.url}")


def test_without_keys_there_are_no_buttons_and_no_routes(make_testapp, settings):
    settings["donkies.google.client_secret"] = ""
    page = make_testapp().get("/login")
    assert "Continue with Google" not in page.text
    assert "Continue with Facebook" in page.text
    page.test_app.post("/login/google", {"form_token": page.forms[0]["form_token"].value}, status=404)


def test_an_app_gets_its_person_who_came_by_google(testapp):
    """also with prompt=login, which the log-in answers"""
    client = make_client(testapp)
    path = authorize_path(client, pkce()[1], prompt="login")
    testapp.get(path, status=303)
    page = walk(testapp, "google", "verified", f"/login?next={quote(path)}")
    response = finish(page, birthday=BORN).follow()
    consent = response.form.submit("decision", value="allow", status=303)
    assert consent.location.startswith("https://app.example/callback?code=")


def test_the_join_leads_on_to_the_app_though_it_asked_for_a_log_in(testapp):
    """D10"""
    person = make_person(testapp, password=PASSWORD, email="ada@example.com")
    own(testapp, person.email, email_verified=True)
    path = authorize_path(make_client(testapp), pkce()[1], prompt="login")
    page = walk(testapp, "google", "squatter", f"/login?next={quote(path)}")
    login = page.click("Log in to connect Google").forms[0]
    login["email"], login["password"] = person.email, PASSWORD
    page = login.submit(status=303).follow().form.submit(status=303).follow()
    assert page.form.submit("decision", value="allow", status=303).location.startswith("https://app.example/callback?")
