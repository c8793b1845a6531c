"""Proof Key for Code Exchange (RFC 7636), demanded of every client (RFC 9700 §2.1.1)."""

import pytest

from donkies.testing.app import (
    PASSWORD,
    allow,
    authorize_path,
    get_code,
    log_in,
    pkce,
    redeem,
    redirect_parameters,
)


@pytest.fixture(autouse=True)
def logged_in(testapp, user_factory):
    log_in(testapp, user_factory(password=PASSWORD))


@pytest.mark.parametrize("type_", ["public", "confidential"])
@pytest.mark.parametrize(
    "parameters",
    [
        {"code_challenge": None},
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge_method": "s256"},
        {"code_challenge": "short"},
        {"code_challenge": "A" * 128},
        {"code_challenge": "!" * 43},
        {"code_challenge": ""},
    ],
)
def test_a_challenge_of_method_s256_is_demanded(testapp, client_factory, type_, parameters):
    """RFC 7636 §4.3, §4.4.1 (S4)"""
    client = client_factory(type=type_)
    answer = redirect_parameters(testapp.get(authorize_path(client, pkce()[1], **parameters), status=303))
    assert "invalid_request" == answer["error"]
    assert "code_challenge" in answer["error_description"]


@pytest.mark.parametrize("type_", ["public", "confidential"])
def test_a_wrong_verifier_is_refused_and_uses_the_code_up(testapp, client_factory, type_):
    """RFC 7636 §4.6 (S4)"""
    client = client_factory(type=type_)
    code, verifier = get_code(testapp, client)
    assert "invalid_grant" == redeem(testapp, client, code, pkce()[0], status=400).json["error"]
    assert "invalid_grant" == redeem(testapp, client, code, verifier, status=400).json["error"]


@pytest.mark.parametrize("verifier", ["", None])
def test_a_missing_verifier_is_refused(testapp, client_factory, verifier):
    """RFC 7636 §4.5 (S4)"""
    client = client_factory()
    code, good = get_code(testapp, client)
    form = {"grant_type": "authorization_code", "client_id": client.id, "code": code}
    form |= {"redirect_uri": client.client.redirect_uris[0]} | ({} if verifier is None else {"code_verifier": verifier})
    assert "invalid_request" == testapp.post("/oauth/token", form, status=400).json["error"]
    redeem(testapp, client, code, good, status=200)


def test_the_challenge_itself_is_no_verifier(testapp, client_factory):
    """RFC 7636 §4.6: no method plain"""
    client, (_, challenge) = client_factory(), pkce()
    code = redirect_parameters(allow(testapp.get(authorize_path(client, challenge))))["code"]
    assert "invalid_grant" == redeem(testapp, client, code, challenge, status=400).json["error"]
