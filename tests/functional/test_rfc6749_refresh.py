"""Refreshing an access token (RFC 6749 §6) with rotation (RFC 9700 §4.14.2)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from donkies.domain.clients import Clients, ClientService
from donkies.domain.granting import GrantService
from donkies.testing.app import PASSWORD, bearer, get_code, get_tokens, log_in, redeem, refresh
from donkies.testing.statements import Statements


@pytest.fixture
def client(client_factory):
    return client_factory()


@pytest.fixture
def tokens(testapp, client, user_factory):
    log_in(testapp, user_factory(password=PASSWORD))
    return get_tokens(testapp, client)


@pytest.fixture
def family(testapp):
    """Reads the family's row on a connection of its own."""

    def read():
        with testapp.engine().connect() as connection:
            return connection.execute(sa.text("SELECT * FROM token_families")).one()._mapping

    return read


def is_dead(testapp, client, tokens):
    testapp.get("/v1/users/me", headers=bearer(tokens["access_token"]), status=401)
    return "invalid_grant" == refresh(testapp, client, tokens["refresh_token"], status=400).json["error"]


def test_the_token_just_superseded_gives_the_same_successor_for_a_while(testapp, client, tokens, clock):
    """Two tabs, and a reply that was lost (S14)."""
    first = refresh(testapp, client, tokens["refresh_token"]).json
    clock.advance(seconds=29)
    again = refresh(testapp, client, tokens["refresh_token"]).json
    assert first["refresh_token"] == again["refresh_token"] != tokens["refresh_token"]
    assert first["access_token"] != again["access_token"]
    testapp.get("/v1/users/me", headers=bearer(again["access_token"]))


def test_after_that_it_ends_the_family(testapp, client, tokens, clock):
    """RFC 9700 §4.14.2 (S13)"""
    successor = refresh(testapp, client, tokens["refresh_token"]).json
    clock.advance(seconds=31)
    assert "invalid_grant" == refresh(testapp, client, tokens["refresh_token"], status=400).json["error"]
    assert is_dead(testapp, client, successor)


def test_a_token_two_generations_old_ends_the_family_even_in_the_same_second(testapp, client, tokens):
    """S14"""
    second = refresh(testapp, client, tokens["refresh_token"]).json
    third = refresh(testapp, client, second["refresh_token"]).json
    assert "invalid_grant" == refresh(testapp, client, tokens["refresh_token"], status=400).json["error"]
    assert is_dead(testapp, client, third)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_replay_costs_as_much_after_thirty_rotations_as_after_two(testapp, user_factory, client_factory):
    """S14; the cost of a replay must not grow with the age of the token"""
    client = client_factory()
    log_in(testapp, user_factory(password=PASSWORD))
    statements, costs = Statements(testapp.engine()), []
    for rotations in (2, 30):
        first = current = get_tokens(testapp, client)
        for _ in range(rotations):
            current = refresh(testapp, client, current["refresh_token"]).json
        with statements.taken() as taken:
            refresh(testapp, client, first["refresh_token"], status=400)
        costs.append(taken)
        assert is_dead(testapp, client, current)
    assert costs[0] == costs[1]
    assert 0 < len(costs[0]) < 10


def test_a_revoked_token_is_refused_inside_the_window_too(testapp, client, tokens):
    """S14, D3"""
    successor = refresh(testapp, client, tokens["refresh_token"]).json
    testapp.post("/oauth/revoke", {"token": successor["refresh_token"], "client_id": client.id})
    assert "invalid_grant" == refresh(testapp, client, tokens["refresh_token"], status=400).json["error"]


def test_fifty_refreshes_at_once_give_one_successor(testapp, client, tokens):
    """S12, D1, D2"""
    browsers = [testapp.another_browser() for _ in range(50)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda app: refresh(app, client, tokens["refresh_token"], status=200).json, browsers))
    (successor,) = {answer["refresh_token"] for answer in answers}
    refresh(testapp, client, successor, status=200)


def test_the_successor_is_kept_sealed_and_erased_in_time(testapp, client, tokens, family, clock):
    successor = refresh(testapp, client, tokens["refresh_token"]).json["refresh_token"]
    sealed = bytes(family()["successor_sealed"])
    for secret in (successor, tokens["refresh_token"]):
        assert secret.encode() not in b"".join(
            bytes(value) for value in family().values() if isinstance(value, bytes | memoryview)
        )
    third = refresh(testapp, client, successor).json["refresh_token"]
    assert sealed != bytes(family()["successor_sealed"])  # the successor was used: what led to it is gone
    with testapp.service(GrantService) as grants:
        clock.advance(seconds=31)
        assert 1 == grants.erase_successors()
    assert family()["successor_sealed"] is None
    testapp.post("/oauth/revoke", {"token": third, "client_id": client.id})
    assert family()["successor_sealed"] is None


def test_rotation_does_not_prolong_a_family(testapp, client, tokens, clock):
    """S13: the lifetime is absolute"""
    token = tokens["refresh_token"]
    for _ in range(3):
        clock.advance(days=9)
        token = refresh(testapp, client, token, status=200).json["refresh_token"]
    clock.advance(days=4)
    assert "invalid_grant" == refresh(testapp, client, token, status=400).json["error"]


def test_another_client_cannot_refresh(testapp, client, tokens, client_factory):
    """§6 (S13)"""
    assert "invalid_grant" == refresh(testapp, client_factory(), tokens["refresh_token"], status=400).json["error"]
    refresh(testapp, client, tokens["refresh_token"], status=200)


def test_fewer_scopes_can_be_asked_for_not_more(testapp, client_factory, user_factory):
    """§6 (S13)"""
    client = client_factory()
    log_in(testapp, user_factory(password=PASSWORD))
    tokens = get_tokens(testapp, client, scope="openid profile")
    answer = refresh(testapp, client, tokens["refresh_token"], extra={"scope": "profile"}).json
    assert "profile" == answer["scope"]
    refused = refresh(testapp, client, answer["refresh_token"], extra={"scope": "profile accounts:read"}, status=400)
    assert "invalid_scope" == refused.json["error"]
    assert "openid profile" == refresh(testapp, client, answer["refresh_token"], status=200).json["scope"]


@pytest.mark.parametrize("ignored", ["offline_access", "address phone"])
def test_the_scope_that_authorization_took_is_taken_here_too(testapp, client, user_factory, ignored):
    """§6: also with what is ignored there (OpenID Connect Core 1.0 §5.4, §11)"""
    log_in(testapp, user_factory(password=PASSWORD))
    scope = f"openid profile {ignored}"
    tokens = get_tokens(testapp, client, scope=scope)
    answer = refresh(testapp, client, tokens["refresh_token"], extra={"scope": scope}, status=200).json
    assert "openid profile" == answer["scope"]
    answer = refresh(testapp, client, answer["refresh_token"], extra={"scope": ignored}, status=200).json
    assert "openid profile" == answer["scope"], "nothing left of it means none"


@pytest.fixture
def registry(make_testapp, client):
    """Changes the client's registration in another process; this one sees it when the test says so."""

    def change(**changes):
        with make_testapp().service(ClientService) as service:
            service.update(client.id, **changes)

    return change


def see_changes(testapp):
    """What happens by itself within five seconds."""
    with testapp.service(Clients) as reader:
        reader.forget()


def test_a_scope_that_the_client_lost_is_not_granted_again_by_who_did_not_hear_of_it(testapp, client, tokens, registry):
    """§1.5, §3.3: neither by the code nor by any refresh; what is registered now is what counts"""
    registry(scopes=("openid", "profile"), is_trusted=False)
    scope = "openid accounts:read links:credentials"
    late = get_tokens(testapp, client, scope=scope)
    assert set(scope.split()) == set(late["scope"].split()), "this process did not hear of it"
    code, verifier = get_code(testapp, client, scope=scope)
    only, only_verifier = get_code(testapp, client, scope="accounts:read")
    kept = get_tokens(testapp, client, scope="accounts:read")
    see_changes(testapp)
    refused = refresh(testapp, client, late["refresh_token"], extra={"scope": "accounts:read"}, status=400)
    assert "invalid_scope" == refused.json["error"]
    answer = refresh(testapp, client, late["refresh_token"], status=200).json
    assert "openid" == answer["scope"]
    testapp.get("/v1/linked_accounts", headers=bearer(answer["access_token"]), status=403)
    assert "openid" == redeem(testapp, client, code, verifier, status=200).json["scope"]
    for refused in (
        redeem(testapp, client, only, only_verifier, status=400),
        redeem(testapp, client, only, only_verifier, status=400),
        refresh(testapp, client, kept["refresh_token"], status=400),
    ):
        assert "invalid_grant" == refused.json["error"]


@pytest.mark.parametrize("scope", ["accounts:read users:write", "openid"])
def test_of_a_token_that_is_not_good_itself_nothing_is_said_about_scopes(testapp, client, user_factory, scope):
    """§5.2"""
    log_in(testapp, user_factory(password=PASSWORD))
    tokens = get_tokens(testapp, client, scope="profile")
    forged = tokens["refresh_token"][:24] + "A" * 62
    assert "invalid_grant" == refresh(testapp, client, forged, extra={"scope": scope}, status=400).json["error"]
    second = refresh(testapp, client, tokens["refresh_token"], status=200).json["refresh_token"]
    third = refresh(testapp, client, second, status=200).json["refresh_token"]
    old = refresh(testapp, client, tokens["refresh_token"], extra={"scope": scope}, status=400)
    assert "invalid_grant" == old.json["error"]
    assert "invalid_grant" == refresh(testapp, client, third, status=400).json["error"], "a replay ends the family"


@pytest.mark.parametrize("token", ["", "x", "ä", "A" * 86, "A" * 10_000])
def test_an_invented_token_is_refused_and_hurts_nobody(testapp, client, tokens, token):
    """§5.2"""
    assert refresh(testapp, client, token, status=400).json["error"] in ("invalid_grant", "invalid_request")
    # the family's id is no secret, so knowing it must not be enough to end the family
    forged = tokens["refresh_token"][:24] + "A" * 62
    assert "invalid_grant" == refresh(testapp, client, forged, status=400).json["error"]
    refresh(testapp, client, tokens["refresh_token"], status=200)


def test_a_disabled_person_gets_no_more_tokens(testapp, client, tokens):
    """S13"""
    with testapp.engine().begin() as connection:
        connection.execute(sa.text("UPDATE users SET is_disabled = true"))
    assert "invalid_grant" == refresh(testapp, client, tokens["refresh_token"], status=400).json["error"]
