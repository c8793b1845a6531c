"""Clients that prove themselves by a signed assertion (RFC 7523 §2.2, §3; OpenID Connect Core 1.0 §9)."""

import base64
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from donkies.testing.app import PASSWORD, get_code, log_in, make_client, redeem

ISSUER = "http://localhost"
TOKEN_URL = f"{ISSUER}/oauth/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPES = "openid profile users:write"


@pytest.fixture(scope="session")
def rsa_key():
    return RSAKey.generate_key(2048, {"kid": "rsa"})


@pytest.fixture(scope="session")
def ec_key():
    return ECKey.generate_key("P-256", {"kid": "ec"})


@pytest.fixture
def client(client_factory, rsa_key, ec_key):
    return client_factory(type="confidential", scopes=SCOPES, jwks=public(rsa_key, ec_key))


def public(*keys):
    return {"keys": [key.as_dict(private=False) for key in keys]}


@dataclass(frozen=True)
class Ahead:
    """A time from now on, for cases that are collected long before they run."""

    seconds: int


def make_assertion(client, key, alg="RS256", header=None, **changed):
    """One that is good but for what is changed; a value of None takes a claim away."""
    now = int(time.time())
    claims = {"iss": client.id, "sub": client.id, "aud": ISSUER, "exp": now + 60, "iat": now}
    claims |= {"jti": secrets.token_urlsafe()} | changed
    claims = {name: now + value.seconds if isinstance(value, Ahead) else value for name, value in claims.items()}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": alg} | (header or {}), claims, key, algorithms=[alg])


def form(assertion, **fields):
    proof = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    return {"grant_type": "client_credentials"} | proof | fields


def ask(app, assertion, status=200, **fields):
    return app.post("/oauth/token", form(assertion, **fields), status=status)


def refused(app, assertion, **fields):
    answer = ask(app, assertion, status=401, **fields)
    assert "invalid_client" == answer.json["error"]
    assert "WWW-Authenticate" not in answer.headers
    assert assertion not in answer.text
    return answer.json["error_description"]


def test_a_client_proves_itself_by_any_of_its_keys(testapp, client, rsa_key, ec_key):
    """§2.2"""
    for key, algorithm in ((rsa_key, "RS256"), (rsa_key, "PS256"), (ec_key, "ES256")):
        assert ask(testapp, make_assertion(client, key, algorithm)).json["access_token"]
        assert ask(testapp, make_assertion(client, key, algorithm, {"kid": key.kid}), client_id=client.id).json


@pytest.mark.parametrize("audience", [ISSUER, TOKEN_URL, [ISSUER], [TOKEN_URL, ISSUER]])
def test_it_is_meant_for_us(testapp, client, rsa_key, audience):
    """§3, item 3; Core §9"""
    ask(testapp, make_assertion(client, rsa_key, aud=audience))


def test_it_gets_a_persons_tokens_and_can_end_and_look_at_them(testapp, client, rsa_key, user_factory):
    """§2.2 at each endpoint; RFC 7009 §2.1, RFC 7662 §2.1"""
    log_in(testapp, user_factory(password=PASSWORD))
    code, verifier = get_code(testapp, client)
    fields = {"code": code, "redirect_uri": client.client.redirect_uris[0], "code_verifier": verifier}
    tokens = ask(testapp, make_assertion(client, rsa_key), grant_type="authorization_code", **fields).json
    tokens = ask(
        testapp,
        make_assertion(client, rsa_key),
        grant_type="refresh_token",
        refresh_token=tokens["refresh_token"],
    ).json

    def about(token):
        return testapp.post("/oauth/introspect", form(make_assertion(client, rsa_key), token=token)).json["active"]

    assert about(tokens["access_token"])
    testapp.post("/oauth/revoke", form(make_assertion(client, rsa_key), token=tokens["refresh_token"]), status=200)
    assert not about(tokens["access_token"])
    for path in ("/oauth/revoke", "/oauth/introspect"):
        answer = testapp.post(path, form("x.y.z", token=tokens["access_token"]), status=401)
        assert "invalid_client" == answer.json["error"]


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"aud": "https://other.example"}, "aud"),
        ({"aud": [ISSUER, "https://other.example"]}, "aud"),
        ({"aud": f"{ISSUER}/"}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": 7}, "aud"),
        ({"aud": [[ISSUER]]}, "aud"),
        ({"aud": None}, "aud"),
        ({"iss": "another"}, "MUST match"),
        ({"iss": None}, "iss"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sub": "another"}, "not exist"),
        ({"sub": "\0"}, "not exist"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"exp": Ahead(-60)}, "expired"),
        ({"exp": Ahead(3600), "iat": None}, "5 minutes"),
        ({"exp": Ahead(3600), "iat": Ahead(-400)}, "5 minutes ago"),
        ({"exp": float("inf"), "iat": None}, "exp"),
        ({"exp": float("nan"), "iat": None}, "exp"),
        ({"iat": Ahead(300)}, ""),
        ({"iat": "now"}, "iat"),
        ({"iat": float("nan")}, "iat"),
        ({"nbf": Ahead(300)}, ""),
        ({"jti": None}, "JWT ID"),
        ({"jti": ""}, "jti"),
        ({"jti": 7}, "jti"),
    ],
)
def test_what_does_not_fit_is_named(testapp, client, rsa_key, changed, word):
    """§3, items 1 to 7"""
    assert word in refused(testapp, make_assertion(client, rsa_key, **changed))


def test_clocks_may_differ_a_little(testapp, client, rsa_key):
    """§3, item 4"""
    now = int(time.time())
    ask(testapp, make_assertion(client, rsa_key, iat=now + 5, nbf=now + 5, exp=now + 305))
    ask(testapp, make_assertion(client, rsa_key, iat=now - 60, exp=now - 5))


def test_an_hours_life_counts_for_five_minutes_from_its_making(testapp, client, rsa_key):
    """§3, item 4: "unreasonably far in the future"; Authlib's own default is an hour"""
    now = int(time.time())
    ask(testapp, make_assertion(client, rsa_key, iat=now - 290, exp=now + 3310))
    refused(testapp, make_assertion(client, rsa_key, iat=now - 320, exp=now + 3280))


def test_each_is_good_once(testapp, client, rsa_key, ec_key):
    """§3, item 7"""
    assertion = make_assertion(client, rsa_key, jti="one")
    ask(testapp, assertion)
    assert "JWT ID is used before" in refused(testapp, assertion)
    assert "JWT ID is used before" in refused(testapp, make_assertion(client, ec_key, "ES256", jti="one"))
    ask(testapp, make_assertion(client, rsa_key, jti="ONE"))


def test_what_was_refused_is_not_used_up(testapp, client, rsa_key):
    refused(testapp, make_assertion(client, rsa_key, jti="two", aud="https://other.example"))
    ask(testapp, make_assertion(client, rsa_key, jti="two"))


def test_of_twenty_at_once_one_is_taken(testapp, client, rsa_key):
    """§3, item 7"""
    assertion = make_assertion(client, rsa_key)
    apps = [testapp.another_browser() for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda app: ask(app, assertion, status="*").status_int, apps))
    assert [200] + [401] * 19 == sorted(statuses)


def test_another_process_knows_what_was_used(testapp, make_testapp, client, rsa_key):
    assertion = make_assertion(client, rsa_key)
    ask(testapp, assertion)
    refused(make_testapp(), assertion)


def unsigned(client, header, sign=lambda message: b""):
    body = json.dumps({"iss": client.id, "sub": client.id, "aud": ISSUER, "exp": time.time() + 60, "jti": "x"})
    message = ".".join(encode(part.encode()) for part in (json.dumps(header), body))
    return f"{message}.{encode(sign(message.encode()))}"


def encode(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_no_signature_is_no_proof(testapp, client, rsa_key):
    """RFC 8725 §2.1, §3.1"""
    for algorithm in ("none", "None", "", "XX", 7, None):
        refused(testapp, unsigned(client, {"alg": algorithm}))
    head, body, _ = make_assertion(client, rsa_key).split(".")
    refused(testapp, f"{head}.{body}.")


def test_the_public_key_is_no_shared_secret(testapp, client, rsa_key):
    """RFC 8725 §2.1"""
    for secret in (rsa_key.as_pem(private=False), json.dumps(public(rsa_key)["keys"][0]).encode()):
        hmac_key = OctKey.import_key(base64.b64encode(secret))
        refused(testapp, jwt.encode({"alg": "HS256"}, {"iss": client.id, "sub": client.id}, hmac_key))
        for header in ({"kid": "rsa"}, {}):
            refused(testapp, make_assertion(client, hmac_key, "HS256", header))


def test_only_the_algorithms_of_a_keys_type_are_taken(testapp, client, client_factory, rsa_key, ec_key):
    """RFC 8725 §3.1"""
    for algorithm in ("RS384", "RS512", "PS512"):
        refused(testapp, make_assertion(client, rsa_key, algorithm))
    pinned = {"keys": [rsa_key.as_dict(private=False) | {"alg": "PS256"}]}
    other = client_factory(type="confidential", scopes=SCOPES, jwks=pinned)
    refused(testapp, make_assertion(other, rsa_key, "RS256"))
    ask(testapp, make_assertion(other, rsa_key, "PS256"))


def test_another_clients_key_is_no_proof(testapp, client, client_factory, ec_key):
    """§3, item 9"""
    stranger = ECKey.generate_key("P-256", {"kid": "ec"})
    other = client_factory(type="confidential", scopes=SCOPES, jwks=public(stranger))
    for header in ({}, {"kid": "ec"}):
        assert "no key" in refused(testapp, make_assertion(client, stranger, "ES256", header))
    ask(testapp, make_assertion(other, stranger, "ES256"))
    assert "no key" in refused(testapp, make_assertion(client, ec_key, "ES256", {"kid": "unknown"}))


def test_keys_and_secrets_do_not_stand_in_for_each_other(testapp, client, client_factory, rsa_key):
    """OpenID Connect Core §9: a client proves itself by its registered method"""
    with_secret = client_factory(type="confidential", scopes=SCOPES)
    assert "No keys" in refused(testapp, make_assertion(with_secret, rsa_key))
    assert "No keys" in refused(testapp, make_assertion(client_factory(), rsa_key))
    for wrong in ({}, {"client_secret": "x"}, {"client_secret": ""}):
        fields = {"grant_type": "client_credentials", "client_id": client.id} | wrong
        answer = testapp.post("/oauth/token", fields, status=401).json
        assert "invalid_client" == answer["error"]
        assert "client_assertion" in answer["error_description"]
    header = {"Authorization": "Basic " + base64.b64encode(f"{client.id}:x".encode()).decode()}
    testapp.post("/oauth/token", {"grant_type": "client_credentials"}, headers=header, status=401)


def test_a_code_is_not_used_up_by_who_has_not_proved_himself(testapp, client, rsa_key, user_factory):
    log_in(testapp, user_factory(password=PASSWORD))
    code, verifier = get_code(testapp, client)
    redeem(testapp, client, code, verifier, status=401)
    fields = {"code": code, "redirect_uri": client.client.redirect_uris[0], "code_verifier": verifier}
    ask(testapp, make_assertion(client, rsa_key), grant_type="authorization_code", **fields)


def test_two_proofs_or_two_names_are_refused(testapp, client, client_factory, rsa_key):
    """RFC 6749 §2.3; RFC 7521 §4.2"""
    good = form(make_assertion(client, rsa_key))
    header = {"Authorization": "Basic eDp5"}
    for fields, headers in (
        (good | {"client_secret": "x"}, {}),
        (good, header),
        (good | {"client_id": client_factory().id}, {}),
    ):
        answer = testapp.post("/oauth/token", fields, headers=headers, status=400)
        assert "invalid_request" == answer.json["error"]


@pytest.mark.parametrize("name", ["client_assertion", "client_assertion_type"])
def test_doubled_parameters_are_refused(testapp, client, rsa_key, name):
    """RFC 6749 §3.2 (S10)"""
    fields = form(make_assertion(client, rsa_key))
    answer = testapp.post("/oauth/token", [*fields.items(), (name, fields[name])], status=400)
    assert "invalid_request" == answer.json["error"]


@pytest.mark.parametrize(
    "assertion",
    ["", "x", "a.b", "a.b.c", "a.b.c.d", "..", "é.é.é", "e30.e30.e30", "W10.W10.AA", "[" * 9000, "A" * 200_000],
)
def test_what_is_no_jwt_is_refused_cleanly(testapp, client, assertion):
    answer = ask(testapp, assertion, status=401)
    assert "invalid_client" == answer.json["error"]
    assert answer.json["error_description"].isascii()


def test_deep_nesting_is_refused_cleanly(testapp):
    ask(testapp, f"{encode(b'[' * 300)}.{encode(b'[' * 90_000)}.AA", status=401)


@pytest.mark.parametrize("kind", [None, "", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"])
def test_the_type_of_assertion_is_said(testapp, client, rsa_key, kind):
    """RFC 7521 §4.2"""
    fields = form(make_assertion(client, rsa_key)) | {"client_assertion_type": kind}
    fields = {name: value for name, value in fields.items() if value is not None}
    answer = testapp.post("/oauth/token", fields, status=401)
    assert ASSERTION_TYPE in answer.json["error_description"]


def test_it_is_announced(testapp):
    """RFC 8414 §2"""
    told = testapp.get("/.well-known/openid-configuration").json
    for endpoint in ("token", "revocation", "introspection"):
        assert "private_key_jwt" in told[f"{endpoint}_endpoint_auth_methods_supported"]
        assert {"RS256", "PS256", "ES256"} == set(told[f"{endpoint}_endpoint_auth_signing_alg_values_supported"])


@pytest.fixture
def address(served_testapp, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return served_testapp, served_testapp.settings.public_url


def test_authlibs_client_as_it_comes(address, rsa_key, ec_key):
    """An unmodified client; its assertions say an hour, and are made anew for each request"""
    app, url = address
    client = make_client(app, type="confidential", scopes=SCOPES, jwks=public(rsa_key, ec_key))
    for key, algorithm in ((rsa_key, "RS256"), (ec_key, "ES256")):
        with OAuth2Session(client.id, key, token_endpoint_auth_method=PrivateKeyJWT(alg=algorithm)) as session:
            for _ in range(2):
                assert session.fetch_token(f"{url}/oauth/token", grant_type="client_credentials")["access_token"]
            auth = PrivateKeyJWT(f"{url}/oauth/token", alg=algorithm)
            session.register_client_auth_method(auth)
            answer = session.revoke_token(
                f"{url}/oauth/revoke", token=session.token["access_token"], auth=session.client_auth("private_key_jwt")
            )
            assert 200 == answer.status_code
