"""The consent page: when it is shown, what it says, and what each of its buttons does (S9)."""

from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa

from donkies.testing.app import (
    PASSWORD,
    authorize_path,
    get_tokens,
    log_in,
    make_person,
    pkce,
    redeem,
    redirect_parameters,
)


@pytest.fixture
def person(testapp, user_factory):
    person = user_factory(password=PASSWORD)
    log_in(testapp, person)
    return person


@pytest.fixture
def ask(testapp):
    """Asks for authorization; a page or a redirect comes."""
    return lambda client, **parameters: testapp.get(authorize_path(client, pkce()[1], **parameters))


def consents(app):
    with app.engine().connect() as connection:
        return connection.execute(sa.text("SELECT client_id, scopes FROM consents")).all()


def test_it_says_who_wants_what_for_how_long_and_where_it_leads(ask, client_factory, person):
    """S9; ASVS 10.7.2"""
    client = client_factory(name="Piggy <b>Bank</b>")
    page = ask(client, scope="openid transactions:read")
    assert "Piggy &lt;b&gt;Bank&lt;/b&gt;" in page.text
    for said in ("see your transactions", "recognise you", "until you withdraw it", "30 days", "app.example"):
        assert said in page.text
    assert person.email in page.text
    assert "balances" not in page.text  # which it did not ask for


def test_it_is_shown_once_and_what_was_allowed_is_remembered(testapp, ask, client_factory, person):
    client = client_factory()
    back = ask(client, scope="openid profile").form.submit("decision", value="allow", status=303)
    assert {"code", "state", "iss"} == redirect_parameters(back).keys()
    assert "code" in redirect_parameters(ask(client, scope="openid profile"))
    assert "code" in redirect_parameters(ask(client, scope="openid"))
    assert [(client.id, "openid profile")] == consents(testapp)


def test_more_than_was_allowed_is_asked_for_again(testapp, ask, client_factory, person):
    client = client_factory()
    get_tokens(testapp, client, scope="openid")
    page = ask(client, scope="openid email")
    page.form.submit("decision", value="deny", status=303)
    assert [(client.id, "openid")] == consents(testapp)


def test_cancel_leads_back_with_access_denied(testapp, ask, client_factory, person):
    """RFC 6749 §4.1.2.1; RFC 9207 §2"""
    back = ask(client_factory()).form.submit("decision", value="deny", status=303)
    answer = redirect_parameters(back)
    assert ("access_denied", "state-1", "http://localhost") == (answer["error"], answer["state"], answer["iss"])
    assert back.location.startswith("https://app.example/callback?")
    assert [] == consents(testapp)


def test_the_code_of_an_allowed_request_is_good(testapp, client_factory, person):
    client, (verifier, challenge) = client_factory(), pkce()
    back = testapp.get(authorize_path(client, challenge)).form.submit("decision", value="allow", status=303)
    assert "no-store" in back.headers["Cache-Control"]
    redeem(testapp, client, redirect_parameters(back)["code"], verifier, status=200)


def test_one_consent_is_not_anothers(testapp, ask, client_factory, person):
    client = client_factory()
    get_tokens(testapp, client)
    assert 200 == ask(client_factory()).status_int
    log_in(testapp.another_browser(), other := make_person(testapp, password=PASSWORD))
    testapp.reset()
    log_in(testapp, other)
    assert 200 == ask(client).status_int


def test_a_first_party_that_proves_who_it_is_need_not_ask_yet_may(ask, client_factory, person):
    client = client_factory(type="confidential")
    assert "code" in redirect_parameters(ask(client))
    assert 200 == ask(client, prompt="consent").status_int


@pytest.mark.parametrize("kind", [{"type": "public"}, {"type": "confidential", "is_trusted": False}])
def test_all_others_ask(ask, client_factory, person, kind):
    """S9"""
    assert 200 == ask(client_factory(scopes="openid profile", **kind)).status_int


def test_prompt_consent_asks_what_was_allowed_before(testapp, ask, client_factory, person):
    """OpenID Connect Core 1.0 §3.1.2.1"""
    client = client_factory()
    get_tokens(testapp, client)
    page = ask(client, prompt="consent")
    assert "code" in redirect_parameters(page.form.submit("decision", value="allow", status=303))


def test_prompt_none_does_not_ask(testapp, ask, client_factory, person):
    """OpenID Connect Core 1.0 §3.1.2.6"""
    client = client_factory()
    assert "consent_required" == redirect_parameters(ask(client, prompt="none"))["error"]
    get_tokens(testapp, client)
    assert "code" in redirect_parameters(ask(client, prompt="none"))


def test_sending_the_form_twice_does_no_harm(testapp, client_factory, person):
    client, (verifier, challenge) = client_factory(), pkce()
    login = testapp.get(authorize_path(client, challenge, prompt="login"), status=303).follow().form
    login["password"] = PASSWORD
    form = login.submit(status=303).follow(status=200).form
    form.submit("decision", value="allow", status=303)
    again = form.submit("decision", value="allow", status=303)
    redeem(testapp, client, redirect_parameters(again)["code"], verifier, status=200)


@pytest.mark.parametrize("what", ["form_token", "shown"])
def test_a_forged_form_gives_nothing(testapp, ask, client_factory, person, what):
    """S29"""
    form = ask(client_factory()).form
    form[what] = "0" * 64
    form.submit("decision", value="allow", status=403)
    assert [] == consents(testapp)


def test_a_form_made_for_one_request_allows_no_other(testapp, ask, client_factory, person):
    """What was shown is what is allowed."""
    form = ask(client_factory(), scope="openid").form
    form["next"] = authorize_path(client_factory(), pkce()[1])
    page = form.submit("decision", value="allow", status=403)
    assert "see your transactions" in page.text
    assert [] == consents(testapp)


def test_a_form_of_another_site_gives_nothing(testapp, ask, client_factory, person):
    """S29"""
    form = ask(client_factory()).form
    form.submit("decision", value="allow", status=403, headers={"Origin": "https://evil.example"})
    form.submit("decision", value="allow", status=403, headers={"Sec-Fetch-Site": "cross-site"})
    assert [] == consents(testapp)


def test_a_stale_form_shows_the_page_again_and_goes_on(testapp, ask, client_factory, person, clock):
    """D5"""
    form = ask(client_factory()).form
    clock.advance(minutes=21)
    page = form.submit("decision", value="allow", status=403)
    assert "once more" in page.text
    assert "code" in redirect_parameters(page.form.submit("decision", value="allow", status=303))


def test_a_form_whose_session_ended_leads_by_log_in_back_to_the_page(testapp, ask, client_factory, person):
    """D5"""
    form = ask(client_factory()).form
    testapp.reset()
    login = form.submit("decision", value="allow", status=303).follow().form
    login["email"], login["password"] = person.email, PASSWORD
    page = login.submit(status=303).follow(status=200)
    assert "code" in redirect_parameters(page.form.submit("decision", value="allow", status=303))


@pytest.mark.parametrize("decision", ["", "perhaps"])
def test_no_decision_shows_the_page_again(ask, client_factory, person, decision):
    assert "Cancel" in ask(client_factory()).form.submit("decision", value=decision, status=200).text


@pytest.mark.parametrize(
    "changed", [{"redirect_uri": "https://evil.example/"}, {"client_id": "nobody"}, {"redirect_uri": None}]
)
def test_a_request_carried_along_is_checked_anew(ask, client_factory, person, changed):
    """S1, S2"""
    client = client_factory()
    form = ask(client).form
    form["next"] = authorize_path(client, pkce()[1], **changed)
    page = form.submit("decision", value="allow", status=400)
    assert "Location" not in page.headers


@pytest.mark.parametrize("way", ["", "/account", "https://evil.example/oauth/authorize?x", "//evil.example"])
def test_a_form_without_a_request_gets_a_page(testapp, ask, client_factory, person, way):
    form = ask(client_factory()).form
    form["next"] = way
    assert "Location" not in form.submit("decision", value="allow", status=400).headers


def test_its_errors_go_back_like_those_of_get(ask, client_factory, person):
    client = client_factory()
    form = ask(client).form
    form["next"] = authorize_path(client, pkce()[1], scope="openid everything")
    assert "invalid_scope" == redirect_parameters(form.submit("decision", value="allow", status=303))["error"]


def test_another_account_can_be_used(testapp, ask, client_factory, person):
    other = make_person(testapp, password=PASSWORD)
    login = ask(client_factory()).click("Use another account")
    assert f"Go on as {person.email}" in login.text
    form = login.form
    assert "" == form["email"].value
    form["email"], form["password"] = other.email, PASSWORD
    assert other.email in form.submit(status=303).follow(status=200).text


def test_its_policy_lets_the_redirect_through_and_nothing_else(ask, client_factory, person):
    """S7, D6"""
    page = ask(client_factory())
    policy = page.headers["Content-Security-Policy"]
    assert policy.endswith("; form-action 'self' https://app.example")
    assert "frame-ancestors 'none'" in policy
    assert ("no-store", "no-referrer") == (page.headers["Cache-Control"], page.headers["Referrer-Policy"])
    native = client_factory(
        is_native=True, is_trusted=False, scopes="openid", redirect_uris=["com.example.app:/back"], origins=[]
    )
    assert ask(native).headers["Content-Security-Policy"].endswith("; form-action 'self' com.example.app:")


def test_a_parameter_called_next_leads_nowhere_else(testapp, ask, client_factory, person):
    page = ask(client_factory(), next="/account")
    assert "/oauth/authorize?" == page.form["next"].value[:17]
    assert "/account" == parse_qs(urlsplit(page.form["next"].value).query)["next"][0]
    assert "code" in redirect_parameters(page.form.submit("decision", value="allow", status=303))


def test_what_was_shown_in_one_browser_counts_in_no_other(testapp, client_factory, person):
    """Else one who knows an old page could spare another's log-in its prompt=login."""
    path = authorize_path(client_factory(), pkce()[1])
    elsewhere = testapp.another_browser()
    log_in(elsewhere, person)
    form = testapp.get(path).form
    form["shown"] = elsewhere.get(path).form["shown"].value
    form.submit("decision", value="allow", status=403)
    assert [] == consents(testapp)
