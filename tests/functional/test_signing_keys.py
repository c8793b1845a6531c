"""The keys that sign tokens: their rotation (OpenID Connect Core 1.0 §10.1.1), and ID tokens by RS256 or ES256."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import jwt
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.resealing import Resealing
from donkies.adapters.persistence.tables.identity import signing_keys
from donkies.adapters.sealing import Keyring
from donkies.adapters.signing_keys import AHEAD, ID_TOKEN_S, SigningKeys
from donkies.domain.clients import ClientService
from donkies.domain.tokens import JWKS_MAX_AGE_S, AccessTokens, IdTokens, PublicKeys
from donkies.testing.app import PASSWORD, bearer, get_tokens, log_in, make_client, refresh, sign_in
from donkies.testing.databases import SEALING_KEY
from donkies.testing.processes import wait_until

ME = "/v1/users/me"
JWKS = "/.well-known/jwks.json"


@pytest.fixture
def keys(testapp):
    with testapp.service(PublicKeys) as found:
        found.prepare("RS256")
        return found


@pytest.fixture
def other(make_testapp, clock):
    """Another process on the same database."""
    app = make_testapp(clock=clock)
    app.get(JWKS)
    return app


def kids(app):
    return [key["kid"] for key in app.get(JWKS).json["keys"]]


def token_of(headers):
    return headers["Authorization"].removeprefix("Bearer ")


def kid_of(token):
    return jwt.get_unverified_header(token)["kid"]


def test_a_new_key_is_published_at_once_and_signs_later(testapp, keys, clock):
    first = keys.current().kid
    done = keys.rotate("RS256")
    assert [first, done.kid] == kids(testapp)
    clock.advance(seconds=AHEAD.total_seconds() - 2)
    assert first == kid_of(token_of(sign_in(testapp, "profile")))
    clock.advance(seconds=4)
    assert done.kid == kid_of(token_of(sign_in(testapp, "profile")))
    assert AHEAD >= timedelta(seconds=JWKS_MAX_AGE_S + 30)


def test_old_tokens_live_on_until_they_expire_and_then_their_key_goes(testapp, keys, clock):
    first = keys.current().kid
    keys.rotate("RS256")
    clock.advance(seconds=AHEAD.total_seconds() - 2)
    headers = sign_in(testapp, "profile")
    clock.advance(seconds=590)
    testapp.get(ME, headers=headers, status=200)
    clock.advance(seconds=ID_TOKEN_S)
    assert first not in kids(testapp)
    assert 1 == len(kids(testapp))
    refused = keys.public(first)
    assert refused is None


def test_strict_clients_never_meet_an_unknown_key(testapp, other, keys, clock):
    """Each reads the JWK set, from any process, every five minutes, and never because a key is unknown."""
    one, late = (registered(app, PublicKeys) for app in (testapp, other))
    minters = [registered(app, IdTokens) for app in (testapp, other)]
    for process in (one, late):
        process._every_s = process._max_age_s = float("inf")  # here they look when we say
    caches, valid, met = {}, [], set()
    for step in range(160):  # of half a minute
        if step == 20:
            one.rotate("RS256")
        if step % 2:
            late._read()
        caches[step % 10] = {key["kid"] for key in late.jwks()["keys"]}  # ten clients, each in its turn
        made = {kid_of(minter.mint({"sub": "x", "aud": "y"}, access_token="z")) for minter in minters}
        valid = [*valid[-ID_TOKEN_S // 30 + 1 :], made]
        for cached in caches.values():
            assert set.union(*valid) <= cached
        met |= made
        clock.advance(seconds=30)
    assert 2 == len(met)
    late._read()
    assert 1 == len(late.jwks()["keys"])


def registered(app, kind):
    with app.service(kind) as found:
        return found


def test_running_processes_follow_by_themselves(other, keys):
    done = keys.rotate("RS256")
    wait_until(lambda: done.kid in kids(other), 2, "the other process publishes the new key")


def test_a_key_that_leaked_is_gone_everywhere_within_two_seconds(testapp, other, keys, client_factory, user_factory):
    log_in(testapp, user_factory(password=PASSWORD))
    client = client_factory()
    tokens = get_tokens(testapp, client)
    remembered, unknown = bearer(tokens["access_token"]), sign_in(testapp, "profile")
    waiting = keys.rotate("RS256").kid
    other.get(ME, headers=remembered, status=200)
    done = keys.rotate("RS256", at_once=True)
    for headers in (remembered, unknown):
        testapp.get(ME, headers=headers, status=401)
        wait_until(lambda: other.get(ME, headers=headers, status="*").status_int == 401, 2, "refused")  # noqa: B023
    for app in (testapp, other):
        assert [done.kid] == kids(app)
        assert waiting not in kids(app)
        fresh = refresh(app, client, tokens["refresh_token"], status=200).json["access_token"]
        assert done.kid == kid_of(fresh)
        app.get(ME, headers=bearer(fresh), status=200)
    with testapp.engine().connect() as connection:
        assert [done.kid] == connection.execute(select(signing_keys.c.kid)).scalars().all()


def test_while_a_key_waits_another_rotation_changes_nothing(testapp, keys, clock):
    first = keys.rotate("RS256")
    clock.advance(seconds=60)
    again = keys.rotate("RS256")
    assert (True, False) == (first.is_new, again.is_new)
    assert (first.kid, first.active_from, first.old_until) == (again.kid, again.active_from, again.old_until)
    assert 2 == len(kids(testapp))
    clock.advance(seconds=AHEAD.total_seconds())
    assert keys.rotate("RS256").is_new


def test_of_rotations_at_once_one_counts(testapp, other):
    rings = [registered(app, PublicKeys) for app in (testapp, other)] * 2
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda ring: ring.rotate("ES256"), rings))
        again = list(pool.map(lambda ring: ring.rotate("RS256"), rings))
    assert 1 == len({one.kid for one in again if one.is_new}) == len({one.kid for one in again})
    # the first ES256 key of all signs at once; those who came later added one that waits, or found it
    assert 2 >= len({one.kid for one in done})


def test_the_first_key_of_an_algorithm_is_made_once(testapp, other):
    rings = [registered(app, PublicKeys) for app in (testapp, other)] * 2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda ring: ring.prepare("ES256"), rings))
    assert ["RS256", "ES256"] == [key["alg"] for key in testapp.get(JWKS).json["keys"]]
    assert 1 == len({ring.current("ES256").kid for ring in rings})


def test_the_algorithms_rotate_apart(testapp, keys):
    before = keys.current("RS256").kid, keys.current("ES256").kid
    done = keys.rotate("ES256", at_once=True)
    assert {before[0], done.kid} == set(kids(testapp))


def test_keys_are_sealed_and_can_be_resealed(testapp, keys, database_url, clock):
    keys.prepare("ES256")
    keys.rotate("ES256")
    with testapp.engine().connect() as connection:
        (raw,) = connection.execute(text("SELECT private_key FROM signing_keys WHERE algorithm = 'RS256'")).one()
    assert b"PRIVATE" not in bytes(raw)
    new = Keyring.new_key()
    ring = Keyring(new, SEALING_KEY)
    engines = [make_engine(database_url, one) for one in (ring, Keyring(new))]
    back = make_engine(database_url, Keyring(SEALING_KEY, new))
    try:
        resealing = Resealing(engines[0], ring)
        assert 3 == resealing.left() == sum(resealing.run())
        opened = SigningKeys(engines[1], clock)
        assert kids(testapp) == [key["kid"] for key in opened.jwks()["keys"]]
        assert keys.current("ES256").kid == opened.current("ES256").kid
    finally:
        list(Resealing(back, Keyring(SEALING_KEY, new)).run())  # other tests use this database
        for engine in (*engines, back):
            engine.dispose()


def test_without_a_database_the_keys_that_are_known_go_on(testapp, keys, monkeypatch):
    headers = sign_in(testapp, "profile")

    def broken():
        raise OperationalError("", None, Exception())

    monkeypatch.setattr(keys, "_autocommit", broken)
    monkeypatch.setattr(keys, "_read_at", float("-inf"))
    assert keys.current().kid == kid_of(token_of(headers))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_each_client_has_its_algorithm_for_id_tokens(testapp, client_factory, user_factory, algorithm):
    """Core §2, §3.1.3.6"""
    log_in(testapp, user_factory(password=PASSWORD))
    client = client_factory(id_token_alg=algorithm)
    tokens = get_tokens(testapp, client, nonce="n")
    header = jwt.get_unverified_header(tokens["id_token"])
    assert algorithm == header["alg"]
    keys = {key["kid"]: key for key in testapp.get(JWKS).json["keys"]}
    public = jwt.PyJWK(keys[header["kid"]])
    claims = jwt.decode(tokens["id_token"], public, algorithms=[algorithm], audience=client.id)
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert base64.urlsafe_b64encode(half).rstrip(b"=").decode() == claims["at_hash"]
    assert "RS256" == jwt.get_unverified_header(tokens["access_token"])["alg"]


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_an_id_token_is_no_access_token(testapp, client_factory, user_factory, algorithm):
    """RFC 9068 §4; RFC 8725 §3.11"""
    log_in(testapp, user_factory(password=PASSWORD))
    tokens = get_tokens(testapp, client_factory(id_token_alg=algorithm))
    testapp.get(ME, headers=bearer(tokens["id_token"]), status=401)


def test_the_key_for_id_tokens_by_es256_signs_no_access_tokens(testapp, keys):
    """RFC 8725 §3.1: a key is for one algorithm, whatever a header says"""
    key = keys.current("ES256")
    claims = jwt.decode(token_of(sign_in(testapp, "profile")), options={"verify_signature": False})
    access = keys.current("RS256")
    forged = [
        jwt.encode(claims, key.private, "ES256", {"typ": "at+jwt", "kid": key.kid}),
        jwt.encode(claims, key.private, "ES256", {"typ": "at+jwt", "kid": access.kid}),
        jwt.encode(claims, access.private, "RS256", {"typ": "at+jwt", "kid": key.kid}),
    ]
    for token in forged:
        testapp.get(ME, headers=bearer(token), status=401)


def test_a_deleted_clients_tokens_are_refused_elsewhere_within_two_seconds(testapp, other, user_factory):
    """DESIGN 5; RFC 7009 is for the client, this is for the operator"""
    log_in(testapp, user_factory(password=PASSWORD))
    client = make_client(testapp, type="confidential", scopes="openid profile users:write")
    tokens = get_tokens(testapp, client)
    own = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": client.secret}
    own_token = other.post("/oauth/token", own).json["access_token"]
    other.get(ME, headers=bearer(tokens["access_token"]), status=200)
    verify = registered(other, AccessTokens).verify
    assert client.id == verify(own_token).client_id
    with testapp.service(ClientService) as clients:
        clients.delete(client.id)
    assert "invalid_" in refresh(other, client, tokens["refresh_token"], status="4*").json["error"]
    for token in (tokens["access_token"], own_token):
        testapp.get(ME, headers=bearer(token), status=401)
        wait_until(lambda: other.get(ME, headers=bearer(token), status="*").status_int == 401, 2, "refused")  # noqa: B023
    refresh(testapp, client, tokens["refresh_token"], status=401)
