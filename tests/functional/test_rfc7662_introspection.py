"""Token introspection (RFC 7662): for the client that owns the token, and exact."""

import base64

import pytest
import sqlalchemy as sa

from donkies.domain.grants import Revocations
from donkies.domain.people import AccountService
from donkies.domain.sessions import SessionService
from donkies.testing.app import PASSWORD, get_tokens, log_in, refresh

PATH = "/oauth/introspect"
DEAD = {"active": False}


@pytest.fixture
def client(client_factory):
    return client_factory(type="confidential")


@pytest.fixture
def person(user_factory):
    return user_factory(password=PASSWORD)


@pytest.fixture
def tokens(testapp, client, person):
    log_in(testapp, person)
    return get_tokens(testapp, client, scope="openid profile")


@pytest.fixture
def own_token(testapp, client_factory):
    """A client, and a token that it has in its own name."""
    client = client_factory(type="confidential", scopes="users:write", redirect_uris=[])
    form = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": client.secret}
    return client, testapp.post("/oauth/token", form).json["access_token"]


def proof(client):
    return {"client_id": client.id} | ({"client_secret": client.secret} if client.secret else {})


def introspect(app, client, token, status=200, **extra):
    response = app.post(PATH, {"token": token} | proof(client) | extra, status=status)
    assert "no-store" == response.headers["Cache-Control"]
    assert "application/json" == response.content_type
    return response.json


def change_behind_the_back(app, statement, **values):
    """Change something as another process would, of which this one does not hear."""
    with app.service(Revocations) as revocations:
        revocations.holds("none")
        revocations._every_s, revocations._max_age_s = 3600, 7200
    with app.engine().begin() as connection:
        connection.execute(sa.text(statement), values)


def test_an_access_token_is_told_of(testapp, client, person, tokens):
    """§2.2"""
    told = introspect(testapp, client, tokens["access_token"])
    assert {
        "active",
        "scope",
        "client_id",
        "sub",
        "aud",
        "iss",
        "exp",
        "iat",
        "jti",
        "sid",
        "token_type",
    } <= told.keys()
    assert (True, "openid profile", client.id) == (told["active"], told["scope"], told["client_id"])
    assert (str(person.id), "http://localhost", "Bearer") == (told["sub"], told["iss"], told["token_type"])
    assert "http://localhost/v1" in told["aud"]
    assert 600 == told["exp"] - told["iat"]
    assert "username" not in told
    assert person.email not in str(told)


def test_a_refresh_token_is_told_of_and_stays_as_it_is(testapp, client, person, tokens):
    """§2.2"""
    told = introspect(testapp, client, tokens["refresh_token"])
    assert (True, "openid profile", client.id) == (told["active"], told["scope"], told["client_id"])
    assert (str(person.id), 2_592_000) == (told["sub"], told["exp"] - told["iat"])
    assert introspect(testapp, client, tokens["access_token"])["sid"] == told["sid"]
    assert "Bearer" != told["token_type"], "no API may take it for an access token"
    refresh(testapp, client, tokens["refresh_token"], status=200)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "strange"])
def test_the_hint_is_only_a_hint(testapp, client, tokens, which, hint):
    """§2.1"""
    assert introspect(testapp, client, tokens[which], token_type_hint=hint)["active"] is True


def test_a_client_proves_itself_by_header_too(testapp, client, tokens):
    """§2.1"""
    basic = base64.b64encode(f"{client.id}:{client.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    assert testapp.post(PATH, {"token": tokens["access_token"]}, headers=headers).json["active"] is True


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_another_clients_token_is_nothing(testapp, client_factory, tokens, which):
    """§4 (S18, D3)"""
    assert DEAD == introspect(testapp, client_factory(type="confidential"), tokens[which])


def test_what_is_no_token_is_not_active(testapp, client, tokens):
    """§2.2: an ID token neither, nor a token that was tampered with"""
    forged = tokens["access_token"][:-8] + "AAAAAAAA"
    for token in ("nonsense", "a.b.c", "..", "é", "A" * 86, "e30.e30.", forged, tokens["id_token"]):
        assert DEAD == introspect(testapp, client, token)


def test_expired_tokens_are_not_active(testapp, client, tokens, clock):
    """§2.2"""
    clock.advance(seconds=601)
    assert DEAD == introspect(testapp, client, tokens["access_token"])
    assert introspect(testapp, client, tokens["refresh_token"])["active"] is True
    clock.advance(days=30)
    assert DEAD == introspect(testapp, client, tokens["refresh_token"])


def test_a_superseded_refresh_token_is_not_active(testapp, client, tokens):
    """§2.2: not in the seconds either in which it would give its successor again"""
    successor = refresh(testapp, client, tokens["refresh_token"]).json
    assert DEAD == introspect(testapp, client, tokens["refresh_token"])
    assert introspect(testapp, client, successor["refresh_token"])["active"] is True
    assert introspect(testapp, client, tokens["access_token"])["active"] is True


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revoked_tokens_are_not_active(testapp, client, tokens, which):
    """§2.2; RFC 7009"""
    testapp.post("/oauth/revoke", {"token": tokens[which]} | proof(client), status=200)
    assert DEAD == introspect(testapp, client, tokens["access_token"])
    assert DEAD == introspect(testapp, client, tokens["refresh_token"])


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_what_another_process_revoked_is_not_active_at_once(testapp, client, tokens, which):
    """§4: exact, not within two seconds"""
    change_behind_the_back(testapp, "UPDATE token_families SET revoked_at = CURRENT_TIMESTAMP")
    testapp.get("/v1/users/me", headers={"Authorization": f"Bearer {tokens['access_token']}"}, status=200)
    assert DEAD == introspect(testapp, client, tokens[which])


def test_a_clients_own_token(testapp, own_token):
    """§2.2: it has no family; its single end is asked for by jti"""
    client, token = own_token
    told = introspect(testapp, client, token)
    assert (True, client.id, "users:write") == (told["active"], told["sub"], told["scope"])
    assert "sid" not in told
    statement = "INSERT INTO revoked_access_tokens VALUES (:jti, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)"
    change_behind_the_back(testapp, statement, jti=told["jti"])
    assert DEAD == introspect(testapp, client, token)


def test_of_a_client_that_is_gone_nothing_is_active(testapp, own_token):
    """§2.2: also while this process still remembers the client"""
    client, token = own_token
    assert introspect(testapp, client, token)["active"] is True
    change_behind_the_back(testapp, "DELETE FROM clients")
    assert DEAD == introspect(testapp, client, token)


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_nothing_of_a_disabled_persons_is_active(testapp, client, person, tokens, which):
    """§2.2"""
    # the flag alone, without the end of the family
    change_behind_the_back(testapp, "UPDATE users SET is_disabled = true")
    assert DEAD == introspect(testapp, client, tokens[which])
    with testapp.service(AccountService) as accounts:
        accounts.disable(person.id)
    assert DEAD == introspect(testapp, client, tokens[which])


def test_nothing_is_active_after_logout(testapp, client, tokens):
    """D4"""
    with testapp.service(SessionService) as sessions:
        sessions.close(testapp.cookies["donkies_session"])
    assert [DEAD, DEAD] == [introspect(testapp, client, tokens[name]) for name in ("access_token", "refresh_token")]


def test_a_public_client_may_not_ask(testapp, client_factory, person):
    """§2.1, §4: it cannot prove who it is"""
    client = client_factory()
    log_in(testapp, person)
    token = get_tokens(testapp, client)["access_token"]
    assert "invalid_client" == introspect(testapp, client, token, 401)["error"]


def test_a_wrong_secret_tells_nothing(testapp, client, tokens, client_factory):
    """§2.3"""
    for secret in ("wrong", None):
        client.secret = secret
        assert "invalid_client" == introspect(testapp, client, tokens["access_token"], 401)["error"]
    stranger = client_factory(type="confidential")
    stranger.client, stranger.secret = client.client, stranger.secret
    assert "invalid_client" == introspect(testapp, stranger, tokens["access_token"], 401)["error"]
    assert "invalid_client" == testapp.post(PATH, {"token": tokens["access_token"]}, status=401).json["error"]


def test_only_a_form_in_a_body_will_do(testapp, client, tokens):
    """§2.1: by POST, so that no token ends up in a log (S17)"""
    token = tokens["access_token"]
    assert 405 == testapp.get(PATH, {"token": token} | proof(client), status="*").status_int
    requests = [
        lambda: testapp.post_json(PATH, {"token": token} | proof(client), status=400),
        lambda: testapp.post(f"{PATH}?token={token}", proof(client), status=400),
        lambda: testapp.post(PATH, proof(client), status=400),
        lambda: testapp.post(PATH, {"token": ""} | proof(client), status=400),
        lambda: testapp.post(PATH, [("token", token), ("token", token), *proof(client).items()], status=400),
        lambda: testapp.post(PATH, proof(client), upload_files=[("token", "t", token.encode())], status=400),
    ]
    for request in requests:
        response = request()
        assert "invalid_request" == response.json["error"]
        assert token not in response.text


def test_no_token_is_logged(testapp, client, tokens, caplog, capsys):
    """S17"""
    caplog.set_level("DEBUG")
    for name in ("access_token", "refresh_token", "id_token"):
        introspect(testapp, client, tokens[name])
    written = caplog.text + "".join(capsys.readouterr())
    assert not [name for name in ("access_token", "refresh_token", "id_token") if tokens[name] in written]
