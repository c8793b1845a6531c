"""Access tokens as JWTs (RFC 9068), their use (RFC 6750), and forgeries of them (RFC 8725)."""

import hmac
import time
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy.exc import OperationalError

from donkies.domain.errors import Unavailable
from donkies.domain.tokens import AccessTokens, InvalidToken, PublicKeys
from donkies.testing.app import bearer, make_person, sign_in

ME = "/v1/users/me"


@pytest.fixture
def key(testapp):
    with testapp.service(PublicKeys) as keys:
        return keys.current()


@pytest.fixture
def person(testapp):
    return make_person(testapp)


@pytest.fixture
def forge(person, key):
    """Makes tokens that are good but for what is changed; a value of None takes a claim away."""

    def make(header=None, sign_with=None, algorithm="RS256", **changed):
        now = int(time.time())
        claims = {
            "iss": "http://localhost",
            "aud": "http://localhost/v1",
            "sub": str(person.id),
            "client_id": "some-client",
            "scope": "profile",
            "sid": str(uuid4()),
            "jti": str(uuid4()),
            "iat": now,
            "exp": now + 600,
        } | changed
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"typ": "at+jwt", "kid": key.kid} | (header or {})
        return jwt.encode(claims, sign_with or key.private, algorithm, header)

    return make


def test_a_token_carries_the_claims_of_the_profile(testapp):
    """RFC 9068 §2"""
    token = sign_in(testapp, "profile accounts:read")["Authorization"].removeprefix("Bearer ")
    header, claims = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    assert ("at+jwt", "RS256") == (header["typ"], header["alg"])
    assert {"iss", "aud", "sub", "client_id", "scope", "jti", "sid", "iat", "exp", "auth_time"} == claims.keys()
    assert 600 == claims["exp"] - claims["iat"]
    assert "profile accounts:read" == claims["scope"]


def test_the_forger_can_make_a_good_one(testapp, forge):
    testapp.get(ME, headers=bearer(forge()), status=200)
    testapp.get(ME, headers=bearer(forge(header={"typ": "application/at+jwt"})), status=200)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "http://localhost"},
        {"aud": "some-client"},
        {"aud": None},
        {"exp": int(time.time()) - 1},
        {"exp": None},
        {"exp": "soon"},
        {"iat": int(time.time()) + 3600},
        {"iat": None},
        {"jti": None},
        {"sub": None},
        {"sub": "not-an-id"},
        {"client_id": None},
        {"sid": "not-an-id"},
        {"header": {"typ": "JWT"}},
        {"header": {"typ": None}},
        {"header": {"kid": "another"}},
        {"header": {"kid": None}},
        {"header": {"kid": 7}},
    ],
)
def test_a_token_that_is_wrong_anywhere_is_refused(testapp, forge, changed):
    """RFC 9068 §4; RFC 8725 §3 (S18)"""
    try:
        token = forge(**changed)
    except (TypeError, jwt.InvalidTokenError):
        token = "not.even.made"
    refused = testapp.get(ME, headers=bearer(token), status=401)
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert "invalid_token" == refused.json["code"]


def test_other_algorithms_are_refused(testapp, forge, key):
    """RFC 8725 §2.1, §3.1: `none`, and the public key as an HMAC secret"""
    public = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _, body, _ = forge().split(".")
    for algorithm in ("HS256", "none", "RS512", "PS256"):
        header = jwt.utils.base64url_encode(
            f'{{"alg":"{algorithm}","typ":"at+jwt","kid":"{key.kid}"}}'.encode()
        ).decode()
        message = f"{header}.{body}".encode()
        mac = jwt.utils.base64url_encode(hmac.digest(public, message, "sha256")).decode()
        for signature in (mac, ""):
            testapp.get(ME, headers=bearer(f"{header}.{body}.{signature}"), status=401)


def test_a_strangers_signature_is_refused(testapp, forge):
    """RFC 8725 §3.2"""
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    testapp.get(ME, headers=bearer(forge(sign_with=stranger)), status=401)
    token = forge()
    testapp.get(ME, headers=bearer(token[:-6] + "AAAAAA"), status=401)


def test_a_token_lives_ten_minutes_remembered_or_not(testapp, clock):
    """RFC 9068 §2.2"""
    headers = sign_in(testapp, "profile")
    testapp.get(ME, headers=headers, status=200)
    clock.advance(seconds=595)
    testapp.get(ME, headers=headers, status=200)
    clock.advance(seconds=6)
    testapp.get(ME, headers=headers, status=401)


def test_no_token_is_not_called_an_error(testapp):
    """RFC 6750 §3.1"""
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}):
        refused = testapp.get(ME, headers=headers, status=401)
        assert "Bearer" == refused.headers["WWW-Authenticate"]


def test_a_token_in_the_url_is_refused(testapp):
    """RFC 6750 §5.3; RFC 9700 §4.3.2 (S17)"""
    headers = sign_in(testapp, "profile")
    token = headers["Authorization"].removeprefix("Bearer ")
    assert "invalid_request" == testapp.get(f"{ME}?access_token={token}", status=400).json["code"]
    testapp.get(f"{ME}?access_token={token}", headers=headers, status=400)
    testapp.post(ME, {"access_token": token}, status="4*")


def test_a_missing_scope_is_named(testapp):
    """RFC 6750 §3.1"""
    refused = testapp.get(ME, headers=sign_in(testapp, "accounts:read"), status=403)
    assert 'Bearer error="insufficient_scope", scope="profile"' == refused.headers["WWW-Authenticate"]
    assert ("insufficient_scope", "profile") == (refused.json["code"], refused.json["scope"])


def test_a_clients_own_token_is_no_persons_even_with_the_scope(testapp, forge):
    """DESIGN 4"""
    refused = testapp.get(ME, headers=bearer(forge(sid=None, sub="some-client")), status=403)
    assert "wrong_kind_of_token" == refused.json["code"]
    testapp.post_json("/v1/users", {}, headers=bearer(forge(scope="users:write")), status=403)


def test_the_memory_of_verified_tokens_is_bounded(testapp, forge):
    with testapp.service(AccessTokens) as tokens:
        tokens._keep = 4
        for _ in range(10):
            tokens.verify(forge())
        assert len(tokens._verified) <= 4


def test_without_a_database_tokens_are_good_for_ten_seconds_and_then_refused(testapp, forge, monkeypatch):
    """DESIGN 5: fail closed (S38)"""
    token = forge()
    with testapp.service(AccessTokens) as tokens:
        tokens.verify(token)
        revoked = tokens._revoked

        def broken():
            raise OperationalError("", None, Exception())

        monkeypatch.setattr(revoked._engine, "connect", broken)
        monkeypatch.setattr(revoked, "_read_at", time.monotonic() - 5)
        tokens.verify(token)
        monkeypatch.setattr(revoked, "_read_at", time.monotonic() - 11)
        with pytest.raises(Unavailable):
            tokens.verify(token)
        testapp.get(ME, headers=bearer(token), status=503)


def test_verify_needs_no_request(testapp, forge, person):
    with testapp.service(AccessTokens) as tokens:
        assert person.id == tokens.verify(forge()).user_id
        with pytest.raises(InvalidToken):
            tokens.verify("")
