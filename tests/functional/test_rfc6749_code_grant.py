"""The authorization code grant (RFC 6749 §4.1), with what RFC 9700 and OAuth 2.1 add."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from donkies.testing.app import (
    PASSWORD,
    allow,
    authorize_path,
    bearer,
    get_code,
    get_tokens,
    log_in,
    pkce,
    redeem,
    redirect_parameters,
    refresh,
)


@pytest.fixture
def person(user_factory):
    return user_factory(password=PASSWORD)


def test_a_journey_from_sign_up_to_refreshed_tokens(testapp, client_factory):
    """RFC 6749 §1.2: the client sends the visitor, who signs up, and is led back by itself."""
    client, (verifier, challenge) = client_factory(), pkce()
    page = testapp.get(authorize_path(client, challenge), status=303).follow()
    form = page.click("Create an account").form
    form["first_name"], form["last_name"], form["birthday"] = "Ada", "Lovelace", "1990-12-10"
    form["email"], form["password"] = "ada@people.example", PASSWORD
    back = allow(form.submit(status=303).follow())

    answer = redirect_parameters(back)
    assert ("https", "app.example", "/callback") == urlsplit(back.location)[:3]
    assert {"code", "state", "iss"} == answer.keys()
    assert ("state-1", "http://localhost") == (answer["state"], answer["iss"])

    tokens = redeem(testapp, client, answer["code"], verifier, status=200)
    assert "no-store" == tokens.headers["Cache-Control"]
    assert ("Bearer", 600) == (tokens.json["token_type"], tokens.json["expires_in"])
    me = testapp.get("/v1/users/me", headers=bearer(tokens.json["access_token"])).json
    assert "Ada" == me["first_name"]

    renewed = refresh(testapp, client, tokens.json["refresh_token"], status=200).json
    assert renewed["refresh_token"] != tokens.json["refresh_token"]
    assert "Ada" == testapp.get("/v1/users/me", headers=bearer(renewed["access_token"])).json["first_name"]


def test_who_is_logged_in_goes_straight_back(testapp, client_factory, person):
    """§4.1.1"""
    log_in(testapp, person)
    assert {"access_token", "refresh_token", "id_token"} <= get_tokens(testapp, client_factory()).keys()


def test_a_code_works_once_and_its_second_use_ends_what_it_gave(testapp, client_factory, person):
    """§4.1.2, RFC 9700 §4.2.4"""
    client = client_factory()
    log_in(testapp, person)
    code, verifier = get_code(testapp, client)
    tokens = redeem(testapp, client, code, verifier, status=200).json
    refused = redeem(testapp, client, code, verifier, status=400).json
    assert "invalid_grant" == refused["error"]
    testapp.get("/v1/users/me", headers=bearer(tokens["access_token"]), status=401)
    assert "invalid_grant" == refresh(testapp, client, tokens["refresh_token"], status=400).json["error"]


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/callback?x=1",
        "https://app.example/callback;x",
        "https://user@app.example/callback",
        "https://app.example/callback#part",
        "https://app.example/callback#",
        "https://app.example:443/callback",
        "https://app.example:8443/callback",
        "https://app.example/Callback",
        "https://app.example/callback/",
        "https://app.example/%63allback",
        "https://app.example/x/%2e%2e/callback",
        "https://app.example/x/../callback",
        "https://app.example.evil.example/callback",
        "https://evil.example/?https://app.example/callback",
        "http://app.example/callback",
        "https://app.example//callback",
        " https://app.example/callback",
        "javascript:alert(1)",
        "",
    ],
)
def test_a_redirect_uri_that_differs_at_all_gets_a_page_and_no_redirect(testapp, client_factory, person, uri):
    """RFC 9700 §2.1, §4.1.3 (S1, S2)"""
    client = client_factory()
    log_in(testapp, person)
    page = testapp.get(authorize_path(client, pkce()[1], redirect_uri=uri), status=400)
    assert "text/html" == page.content_type
    assert "Location" not in page.headers


@pytest.mark.parametrize("client_id", [None, "", "nobody", "\x00", "a" * 3000])
def test_an_unknown_client_gets_a_page_and_no_redirect(testapp, client_factory, person, client_id):
    """RFC 9700 §4.11 (S2)"""
    log_in(testapp, person)
    page = testapp.get(authorize_path(client_factory(), pkce()[1], client_id=client_id), status=400)
    assert "Location" not in page.headers


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_two_recipients_get_a_page_and_no_redirect(testapp, client_factory, name):
    """§3.1 (S10)"""
    client = client_factory()
    doubled = {"client_id": client.id, "redirect_uri": client.client.redirect_uris[0]}[name]
    testapp.get(f"{authorize_path(client, pkce()[1])}&{name}={doubled}", status=400)


@pytest.mark.parametrize("name", ["state", "scope", "response_type", "code_challenge", "nonce"])
def test_other_repeated_parameters_are_refused(testapp, client_factory, person, name):
    """§3.1 (S10)"""
    log_in(testapp, person)
    path = authorize_path(client_factory(), pkce()[1], nonce="n")
    answer = redirect_parameters(testapp.get(f"{path}&{name}=profile", status=303))
    assert "invalid_request" == answer["error"]
    assert name in answer["error_description"]
    assert "http://localhost" == answer["iss"]


QUERIES = ["?flag", "?a=%zz", "?a=1&c=%41&b=%2f+%20", "?x=;&&y", "?a=~'()*!"]


@pytest.mark.parametrize("query", QUERIES)
def test_the_registered_query_comes_back_as_it_is(testapp, client_factory, person, query):
    """§3.1.2, with a code and with an error"""
    log_in(testapp, person)
    uri = f"https://app.example/callback{query}"
    client, (verifier, challenge) = client_factory(redirect_uris=[uri]), pkce()
    back = allow(testapp.get(authorize_path(client, challenge, state="a&b=ä")))
    code = redirect_parameters(back)["code"]
    assert f"{uri}&code={code}&state=a%26b%3D%C3%A4&iss=http%3A%2F%2Flocalhost" == back.location
    redeem(testapp, client, code, verifier, status=200)
    back = testapp.get(authorize_path(client, challenge, scope="nothing"), status=303)
    assert back.location.startswith(f"{uri}&error=invalid_scope&error_description=")
    assert back.location.endswith("&state=state-1&iss=http%3A%2F%2Flocalhost")


def test_nothing_of_a_query_is_added_where_it_is_empty(testapp, client_factory, person):
    """§3.1.2"""
    log_in(testapp, person)
    client = client_factory(redirect_uris=["https://app.example/callback?"])
    assert allow(testapp.get(authorize_path(client, pkce()[1]))).location.startswith(
        "https://app.example/callback?code="
    )


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "openid users:write"}, "invalid_scope"),
        ({"scope": "openid everything"}, "invalid_scope"),
    ],
)
def test_errors_go_back_with_state_and_issuer(testapp, client_factory, person, parameters, error):
    """§4.1.2.1; RFC 9207 §2 (S3, S5)"""
    log_in(testapp, person)
    answer = redirect_parameters(testapp.get(authorize_path(client_factory(), pkce()[1], **parameters), status=303))
    assert (error, "state-1", "http://localhost") == (answer["error"], answer["state"], answer["iss"])
    assert answer["error_description"]


def test_nobody_is_redirected_before_they_logged_in_errors_neither(testapp, client_factory):
    """RFC 9700 §4.11.2 (S8)"""
    response = testapp.get(authorize_path(client_factory(), pkce()[1], response_type="token"), status=303)
    assert "http://localhost/login" == response.location.partition("?")[0]


def test_prompt_none_does_not_ask(testapp, client_factory):
    """OpenID Connect Core 1.0 §3.1.2.1"""
    answer = redirect_parameters(testapp.get(authorize_path(client_factory(), pkce()[1], prompt="none"), status=303))
    assert ("login_required", "state-1") == (answer["error"], answer["state"])


def test_posted_authorization_requests_lead_to_the_same(testapp, client_factory, person):
    """OpenID Connect Core 1.0 §3.1.2.1"""
    log_in(testapp, person)
    path, _, query = authorize_path(client_factory(), pkce()[1]).partition("?")
    assert "code" in redirect_parameters(allow(testapp.post(path, query, status=303).follow()))


def test_a_client_gets_no_more_scopes_than_it_asked_for(testapp, client_factory, person):
    """§3.3 (S18)"""
    log_in(testapp, person)
    assert "profile" == get_tokens(testapp, client_factory(), scope="profile")["scope"]
    assert "openid profile" == get_tokens(testapp, client_factory(scopes="profile openid"), scope=None)["scope"]


def test_a_code_lives_a_minute(testapp, client_factory, person, clock):
    """§4.1.2 (S11)"""
    client = client_factory()
    log_in(testapp, person)
    code, verifier = get_code(testapp, client)
    clock.advance(seconds=61)
    assert "invalid_grant" == redeem(testapp, client, code, verifier, status=400).json["error"]


def test_a_code_is_worth_nothing_to_another_client_and_stays_good(testapp, client_factory, person):
    """§4.1.3 (S11)"""
    client, thief = client_factory(), client_factory()
    log_in(testapp, person)
    code, verifier = get_code(testapp, client)
    assert "invalid_grant" == redeem(testapp, thief, code, verifier, status=400).json["error"]
    redeem(testapp, client, code, verifier, status=200)


@pytest.mark.parametrize("uri", ["https://app.example/other", None])
def test_a_code_is_bound_to_its_redirect_uri(testapp, client_factory, person, uri):
    """§4.1.3 (S11)"""
    client = client_factory(redirect_uris=["https://app.example/callback", "https://app.example/other"])
    log_in(testapp, person)
    code, verifier = get_code(testapp, client)
    form = {"grant_type": "authorization_code", "client_id": client.id, "code": code, "code_verifier": verifier}
    refused = testapp.post("/oauth/token", form | ({"redirect_uri": uri} if uri else {}), status=400)
    assert "invalid_grant" == refused.json["error"]


def test_of_fifty_redemptions_at_once_one_succeeds_and_then_nothing_works(testapp, client_factory, person):
    """RFC 9700 §4.2.4 (S12)"""
    client = client_factory()
    log_in(testapp, person)
    code, verifier = get_code(testapp, client)
    browsers = [testapp.another_browser() for _ in range(50)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda app: redeem(app, client, code, verifier, status="*"), browsers))
    (good,) = [answer for answer in answers if answer.status_int == 200]
    assert {"invalid_grant"} == {answer.json["error"] for answer in answers if answer is not good}
    testapp.get("/v1/users/me", headers=bearer(good.json["access_token"]), status=401)
    refresh(testapp, client, good.json["refresh_token"], status=400)


def test_a_client_that_is_deleted_meanwhile_gets_a_page_and_no_code(testapp, client_factory, user_factory):
    """§4.1.2.1; another process may know of the client for some seconds more"""
    client = client_factory()
    log_in(testapp, user_factory(password=PASSWORD))
    page = testapp.get(authorize_path(client, pkce()[1]), status=200)
    with testapp.engine().begin() as connection:
        connection.execute(sa.text("DELETE FROM clients"))
    answer = page.form.submit("decision", value="allow", status=404)
    assert "not registered any more" in answer
