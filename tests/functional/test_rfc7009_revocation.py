"""Token revocation (RFC 7009): either token ends the pair."""

import time
from uuid import uuid4

import pytest
import sqlalchemy as sa

from donkies.domain.grants import Revocations
from donkies.testing.app import PASSWORD, bearer, get_tokens, log_in, refresh


@pytest.fixture
def client(client_factory):
    return client_factory()


@pytest.fixture
def tokens(testapp, client, user_factory):
    log_in(testapp, user_factory(password=PASSWORD))
    return get_tokens(testapp, client)


def revoke(testapp, client, token, status=200, **extra):
    form = {"token": token, "client_id": client.id} | ({"client_secret": client.secret} if client.secret else {})
    return testapp.post("/oauth/revoke", form | extra, status=status)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "strange"])
def test_either_token_ends_the_pair(testapp, client, tokens, which, hint):
    """§2.1 (S19, D3)"""
    testapp.get("/v1/users/me", headers=bearer(tokens["access_token"]), status=200)
    revoke(testapp, client, tokens[which], **({"token_type_hint": hint} if hint else {}))
    refused = testapp.get("/v1/users/me", headers=bearer(tokens["access_token"]), status=401)
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert "invalid_grant" == refresh(testapp, client, tokens["refresh_token"], status=400).json["error"]


def test_another_process_learns_of_it_within_two_seconds(make_testapp, testapp, client, tokens):
    """DESIGN 5"""
    other = make_testapp()
    other.get("/v1/users/me", headers=bearer(tokens["access_token"]), status=200)
    revoke(testapp, client, tokens["refresh_token"])
    deadline = time.monotonic() + 2
    while other.get("/v1/users/me", headers=bearer(tokens["access_token"]), status="*").status_int != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", "A" * 86])
def test_a_token_that_is_none_is_no_error(testapp, client, token):
    """§2.2"""
    revoke(testapp, client, token)


def test_an_old_refresh_token_ends_its_family_too(testapp, client, tokens):
    """§2.1"""
    successor = refresh(testapp, client, tokens["refresh_token"]).json
    revoke(testapp, client, tokens["refresh_token"])
    refresh(testapp, client, successor["refresh_token"], status=400)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_another_client_cannot_revoke(testapp, client, tokens, client_factory, which):
    """§2.1 (S18, D3)"""
    assert "invalid_grant" == revoke(testapp, client_factory(), tokens[which], status=400).json["error"]
    testapp.get("/v1/users/me", headers=bearer(tokens["access_token"]), status=200)
    refresh(testapp, client, tokens["refresh_token"], status=200)


def test_a_confidential_client_must_prove_itself(testapp, client_factory):
    """§2.1 (S15)"""
    client = client_factory(type="confidential")
    client.secret = "wrong"
    assert "invalid_client" == revoke(testapp, client, "any", status=401).json["error"]


def test_a_clients_own_token_can_be_revoked(testapp, client_factory):
    """§2.1: it has no family"""
    client = client_factory(type="confidential", scopes="users:write", redirect_uris=[])
    form = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": client.secret}
    token = testapp.post("/oauth/token", form).json["access_token"]
    testapp.post_json("/v1/users", {}, headers=bearer(token), status=422)
    revoke(testapp, client, token)
    testapp.post_json("/v1/users", {}, headers=bearer(token), status=401)


def test_the_token_must_be_sent(testapp, client):
    """§2.1"""
    assert "invalid_request" == testapp.post("/oauth/revoke", {"client_id": client.id}, status=400).json["error"]


@pytest.mark.parametrize("how", ["the family", "the person"])
def test_where_secrets_are_handed_on_the_database_is_asked(testapp, client, tokens, how):
    """DESIGN 5: there nothing is good for two seconds more, even when this process has not heard of it yet"""
    with testapp.service(Revocations) as revocations:
        revocations.holds("none")
        revocations._every_s, revocations._max_age_s = 3600, 7200
    headers, link = bearer(tokens["access_token"]), f"/v1/linked_accounts/{uuid4()}"
    typed = {"credentials": [{"guid": "g", "value": "v"}]}
    requests = [
        lambda: testapp.put_json(f"{link}/credentials", typed, headers=headers, status="*"),
        lambda: testapp.post_json(
            "/v1/linked_accounts", typed | {"institution_code": "x"}, headers=headers, status="*"
        ),
        lambda: testapp.get(f"{link}/challenges", headers=headers, status="*"),
        lambda: testapp.post_json(f"{link}/challenges", {"answers": []}, headers=headers, status="*"),
        lambda: testapp.delete(link, headers=headers, status="*"),
    ]
    assert 401 not in {request().status_int for request in requests}
    with testapp.engine().begin() as connection:
        if how == "the family":
            connection.execute(sa.text("UPDATE token_families SET revoked_at = CURRENT_TIMESTAMP"))
        else:
            connection.execute(sa.text("UPDATE users SET is_disabled = true"))
    testapp.get("/v1/linked_accounts", headers=headers, status=200)  # has not heard of it
    for request in requests:
        refused = request()
        assert (401, "invalid_token") == (refused.status_int, refused.json["code"])
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
