"""Google's ID tokens, and the calls that fetch them: what is taken and what is refused."""

import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from donkies.adapters.social import AuthomaticProviders, Keys
from donkies.adapters.social.calls import Answer, ProviderCalls
from donkies.adapters.social.facebook import FacebookProvider, _birthday, _picture
from donkies.adapters.social.id_tokens import IdTokenVerifier, PublishedKeys
from donkies.domain.social import ProviderFailed
from donkies.testing.app import MovableClock
from donkies.testing.server import Served

ISSUER, US = "https://accounts.google.com", "our-id"


class Signer:
    """A provider's keys, and how often they were asked for."""

    def __init__(self):
        self.fetched, self.kids = 0, {}
        self.add("k1")

    def add(self, kid):
        self.kids[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def call(self, method, url):
        self.fetched += 1
        keys = [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid} for kid, key in self.kids.items()]
        return Answer(200, {"keys": [*keys, {"kty": "EC", "kid": "k1"}, {"kty": "RSA", "kid": None}, "x"]})

    def sign(self, kid="k1", *, key=None, alg="RS256", headers=None, **changed):
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": US, "sub": "110", "nonce": "n", "iat": now, "exp": now + 3600} | changed
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key or self.kids[kid], algorithm=alg, headers={"kid": kid} | (headers or {}))


@pytest.fixture(scope="module")
def pair():
    signer = Signer()
    keys = PublishedKeys(signer, "https://keys.example")
    return signer, IdTokenVerifier(keys, MovableClock(), issuer=ISSUER, client_id=US)


@pytest.mark.parametrize(
    "changed",
    [{}, {"azp": US}, {"aud": [US], "azp": US}, {"aud": [US, "other"], "azp": US}, {"iss": "accounts.google.com"}],
)
def test_a_good_token_tells_who_it_is(pair, changed):
    signer, verifier = pair
    assert "110" == verifier.verify(signer.sign(**changed), "n")["sub"]


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "https://evil.example"},
        {"iss": "http://accounts.google.com"},
        {"aud": "another"},
        {"aud": [US, "another"]},
        {"azp": "another"},
        {"nonce": "other"},
        {"nonce": None},
        {"sub": None},
        {"exp": None},
        {"iat": None},
        {"exp": int(time.time()) - 61},
        {"iat": int(time.time()) + 300},
        {"iat": int(time.time()) - 90_000},
        {"headers": {"kid": "unknown"}},
    ],
)
def test_a_token_that_is_not_for_this_log_in_is_refused(pair, changed):
    """S20"""
    signer, verifier = pair
    with pytest.raises(ProviderFailed):
        verifier.verify(signer.sign(**changed), "n")


def test_the_tokens_own_word_on_its_algorithm_counts_for_nothing(pair):
    """S20: neither none, nor HS256 under the public key, nor another's RS256"""
    signer, verifier = pair
    public = signer.kids["k1"].public_key().public_numbers().n.to_bytes(256)
    forged = [
        signer.sign(key=public, alg="HS256"),
        jwt.encode({"sub": "110"}, None, algorithm="none", headers={"kid": "k1"}),
        signer.sign(key=rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        jwt.encode({"sub": "110"}, signer.kids["k1"], algorithm="RS256"),
        "a.b.c",
        "",
        None,
        {"sub": "110"},
    ]
    for token in forged:
        with pytest.raises(ProviderFailed):
            verifier.verify(token, "n")


def test_keys_are_kept_and_looked_up_anew_for_one_that_is_unknown():
    signer = Signer()
    verifier = IdTokenVerifier(PublishedKeys(signer, ""), MovableClock(), issuer=ISSUER, client_id=US)
    for _ in range(3):
        verifier.verify(signer.sign(), "n")
    assert 1 == signer.fetched
    signer.add("k2")
    verifier.verify(signer.sign("k2"), "n")
    verifier.verify(signer.sign("k1"), "n")
    assert 2 == signer.fetched


# -- the calls


@contextmanager
def answering(status, body=b"{}", **headers):
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/slow":
            time.sleep(0.5)
        start_response(f"{status} X", list(headers.items()))
        return [body]

    calls = ProviderCalls(timeout_s=2, at_once=1)
    with Served(app, threads=2) as served:
        yield calls, served.url
    calls.close()


@pytest.mark.parametrize(
    ("status", "body", "headers", "reason"),
    [
        (302, b"{}", {"Location": "http://127.0.0.1:1/"}, "redirect"),
        (200, b"<html>", {}, "not_json"),
        (200, b'["a"]', {}, "not_json"),
        (200, b'{"a": "' + b"x" * 300_000 + b'"}', {}, "too_large"),
    ],
)
def test_what_is_no_short_json_object_is_refused(status, body, headers, reason):
    """S35"""
    with answering(status, body, **headers) as (calls, url), pytest.raises(ProviderFailed) as refused:
        calls.call("GET", url)
    assert reason == refused.value.reason
    assert refused.value.__context__ is None


def test_nothing_is_sent_where_somebody_could_read_along():
    calls = ProviderCalls()
    for url in ("http://accounts.example/token", "http://127.0.0.1.evil.example/", "ftp://localhost/", "file:///etc"):
        with pytest.raises(ProviderFailed, match="did not answer") as refused:
            calls.call("POST", url, form={"client_secret": "canary"})
        assert "not_https" == refused.value.reason


def test_a_provider_that_hangs_takes_no_more_threads_than_its_share():
    with answering(200) as (calls, url):
        first = threading.Thread(target=calls.call, args=("GET", f"{url}/slow"))
        first.start()
        time.sleep(0.1)
        with pytest.raises(ProviderFailed) as refused:
            calls.call("GET", url)
        first.join()
        assert "busy" == refused.value.reason
        assert 200 == calls.call("GET", url).status


def test_forms_may_lead_to_facebooks_other_hosts():
    providers = {"facebook": FacebookProvider("https://www.facebook.com/v24.0/dialog/oauth", "", "")}
    made = AuthomaticProviders(providers, {"facebook": Keys("id", "secret")}, SimpleNamespace())
    assert ("https://www.facebook.com", "https://*.facebook.com") == made.form_targets("facebook")
    assert "secret" not in repr(Keys("id", "secret"))


def test_birthdays_and_pictures_of_facebook():
    days = ("04/12/1990", "04/12", "1990", None, 7, "13/40/1990")
    assert ["1990-04-12", None, None, None, None, None] == [_birthday(day) for day in days]
    assert "https://p.example/" == _picture({"data": {"url": "https://p.example/", "is_silhouette": False}})
    for nothing in (None, "x", {"data": None}, {"data": {"url": "https://p.example/", "is_silhouette": True}}):
        assert _picture(nothing) is None
