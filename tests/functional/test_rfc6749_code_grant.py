"""The authorization code grant (RFC 6749 §4.1), with what RFC 9700 and OAuth 2.1 add."""

from urllib.parse import urlsplit

import pytest

from donkies.testing.app import (
    PASSWORD,
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
    back = form.submit(status=303).follow(status=303)

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
