"""Refreshing an access token (RFC 6749 §6) with rotation (RFC 9700 §4.14.2)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from donkies.domain.grants import GrantService
from donkies.testing.app import PASSWORD, bearer, get_tokens, log_in, refresh


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
