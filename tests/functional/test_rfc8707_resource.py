"""Resource indicators (RFC 8707): every token is for one audience, and a client may say so."""

import pytest

from donkies.testing.app import (
    PASSWORD,
    allow,
    authorize_path,
    get_tokens,
    log_in,
    pkce,
    redeem,
    redirect_parameters,
    refresh,
)

API = "http://localhost/v1"
OTHERS = ["https://other.example/", "http://localhost", f"{API}/", f"{API}#x", "v1"]


@pytest.fixture(autouse=True)
def person(testapp, user_factory):
    log_in(testapp, user_factory(password=PASSWORD))


@pytest.mark.parametrize("resource", OTHERS)
def test_another_resource_is_refused_at_authorization(testapp, client_factory, resource):
    """§2.1"""
    back = testapp.get(authorize_path(client_factory(), pkce()[1], resource=resource), status=303)
    assert ("invalid_target", "state-1") == (redirect_parameters(back)["error"], redirect_parameters(back)["state"])


def test_the_api_may_be_named_even_more_than_once(testapp, client_factory):
    """§2"""
    client, (verifier, challenge) = client_factory(), pkce()
    path = authorize_path(client, challenge, resource=API)
    code = redirect_parameters(allow(testapp.get(f"{path}&resource={API}")))["code"]
    form = [("grant_type", "authorization_code"), ("client_id", client.id), ("code", code)]
    form += [("redirect_uri", client.client.redirect_uris[0]), ("code_verifier", verifier)]
    testapp.post("/oauth/token", [*form, ("resource", API), ("resource", API)], status=200)


def test_one_wrong_among_them_is_refused(testapp, client_factory):
    """§2"""
    path = authorize_path(client_factory(), pkce()[1], resource=API)
    back = testapp.get(f"{path}&resource=https://other.example/", status=303)
    assert "invalid_target" == redirect_parameters(back)["error"]


@pytest.mark.parametrize("resource", OTHERS)
def test_another_resource_is_refused_at_the_token_endpoint_and_uses_nothing_up(testapp, client_factory, resource):
    """§2.2"""
    client = client_factory()
    token = get_tokens(testapp, client)["refresh_token"]
    refused = refresh(testapp, client, token, extra={"resource": resource}, status=400).json
    assert "invalid_target" == refused["error"]
    refresh(testapp, client, token, extra={"resource": API}, status=200)


def test_a_code_is_not_used_up_by_it(testapp, client_factory):
    """§2.2"""
    client, (verifier, challenge) = client_factory(), pkce()
    code = redirect_parameters(allow(testapp.get(authorize_path(client, challenge))))["code"]
    form = {"grant_type": "authorization_code", "client_id": client.id, "code": code, "code_verifier": verifier}
    form |= {"redirect_uri": client.client.redirect_uris[0]}
    refused = testapp.post("/oauth/token", form | {"resource": "https://other.example/"}, status=400).json
    assert "invalid_target" == refused["error"]
    redeem(testapp, client, code, verifier, status=200)
