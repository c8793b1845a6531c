"""Registering clients."""

import copy
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from donkies.adapters.client_keys import JwkClientKeys
from donkies.adapters.memory.grants import MemoryGrantStore
from donkies.adapters.memory.identity import MemoryClientStore, MemoryIdentity
from donkies.domain.clients import Client, ClientRules, ClientService
from donkies.domain.errors import Invalid, NotFound
from donkies.domain.registrations import Registration
from donkies.testing.app import MovableClock

GOOD = Registration(
    name="App",
    type="public",
    redirect_uris=["https://app.example/callback"],
    origins=["https://app.example"],
    scopes=["profile", "openid"],
)


class Remembering:
    """Revocations and PublicKeys that remember what they were told."""

    def __init__(self):
        self.revoked, self.prepared = [], []

    def add(self, *ids):
        self.revoked += ids

    def prepare(self, algorithm):
        self.prepared.append(algorithm)


@pytest.fixture
def told():
    return Remembering()


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture
def make_service(told, clock):
    def make(*, is_production=False):
        rows = MemoryIdentity()
        clients, rules = MemoryClientStore(rows), ClientRules(is_production)
        return ClientService(rows, clients, clients, JwkClientKeys(), told, MemoryGrantStore(rows), told, rules, clock)

    return make


@pytest.fixture
def service(make_service):
    return make_service()


def bad_fields(service, **changed):
    with pytest.raises(Invalid) as caught:
        service.register(replace(GOOD, **changed))
    return set(caught.value.fields)


def test_a_public_client_has_no_secret(service):
    client, secret = service.register(GOOD)
    assert secret is None
    assert client.secret_hash is None
    assert ("openid", "profile") == client.scopes  # in the order of the contract


def test_a_confidential_clients_secret_is_given_once_and_kept_as_a_hash(service):
    client, secret = service.register(replace(GOOD, type="confidential"))
    assert 43 == len(secret)
    now = datetime.now(UTC)
    assert client.has_secret(secret, now)
    for wrong in (secret + "x", "", "\ud800"):
        assert not client.has_secret(wrong, now)
    assert secret not in repr(client)
    assert secret.encode() not in client.secret_hash


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/callback",
        "http://127.0.0.1.evil.example/",
        "http://localhost.evil.example/",
        "https://app.example/callback#part",
        "https://app.example/callback#",
        "https://user@app.example/",
        "https://app.example/a/../b",
        "http://evil.example\\[::1]/callback",
        "http://evil.example[::1]/callback",
        "http://[::1]evil.example/callback",
        "https://app.example\\@evil.example/",
        "https:///callback",
        "https://app.example/a b",
        "https://app.example/\u00e4",
        "//app.example/",
        "/callback",
        "callback",
        "",
        "javascript:alert(1)",
        "data:text/html,x",
        "com.example.app:/back",
        "https://*.example/",
    ],
)
def test_redirect_uris_that_cannot_be_registered(service, uri):
    assert {"redirect_uris"} == bad_fields(service, redirect_uris=[uri])


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:8000/cb", "http://[::1]:8000/cb", "http://localhost/cb", "https://a.example"]
)
def test_loopback_is_for_all_in_development(service, uri):
    assert service.register(replace(GOOD, redirect_uris=[uri]))


def test_a_native_client_may_use_a_scheme_of_its_own(service):
    native = replace(GOOD, is_native=True, redirect_uris=["com.example.app:/back"], origins=[])
    assert service.register(native)
    assert {"redirect_uris"} == bad_fields(service, is_native=True, redirect_uris=["myapp:/back"])
    assert {"type"} == bad_fields(service, is_native=True, type="confidential")


def test_production_is_stricter(make_service):
    service = make_service(is_production=True)
    assert service.register(GOOD)
    assert {"redirect_uris"} == bad_fields(service, redirect_uris=["http://127.0.0.1/cb"])
    assert {"origins"} == bad_fields(service, origins=["http://localhost:6544"])
    native = {"is_native": True, "origins": ()}
    assert service.register(replace(GOOD, **native, redirect_uris=["http://127.0.0.1/cb"]))
    assert {"redirect_uris"} == bad_fields(service, **native, redirect_uris=["http://localhost/cb"])
    assert {"is_trusted"} == bad_fields(service, **native, is_trusted=True)


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example/",
        "https://app.example:443",
        "HTTPS://app.example",
        "null",
        "*",
        "https://*.example",
        "http://app.example",
        "https://App.example",
        "http://evil.example[::1]",
        "https://app.example\\",
        "https://\u00e4.example",
    ],
)
def test_origins_are_written_as_browsers_send_them(service, origin):
    assert {"origins"} == bad_fields(service, origins=[origin])


@pytest.mark.parametrize("scope", ["links:credentials", "users:write"])
def test_some_scopes_need_trust(service, scope):
    assert {"scopes"} == bad_fields(service, type="confidential", scopes=[scope])
    assert service.register(replace(GOOD, type="confidential", scopes=[scope], is_trusted=True))


def test_all_bad_fields_are_named_at_once(service):
    bad = {"name": "", "redirect_uris": ["x"], "origins": ["x"], "scopes": ["x"], "post_logout_redirect_uris": ["x"]}
    assert set(bad) == bad_fields(service, **bad)


def test_ensuring_a_client_twice_changes_nothing_and_brings_it_up_to_date(service):
    first = service.ensure("demo", GOOD)
    assert first == service.ensure("demo", GOOD)
    changed = service.ensure("demo", replace(GOOD, name="Demo"))
    assert ("Demo", first.created_at) == (changed.name, changed.created_at)
    with pytest.raises(Invalid):
        service.ensure("a b", GOOD)


def test_ensuring_takes_away_as_updating_does(service, told):
    service.ensure("demo", replace(GOOD, is_trusted=True))
    service.ensure("demo", replace(GOOD, is_trusted=True, scopes=["openid", "profile", "email"]))
    assert [] == told.revoked
    service.ensure("demo", replace(GOOD, is_trusted=True, scopes=["openid"]))
    service.ensure("demo", replace(GOOD, scopes=["openid"]))
    assert ["demo", "demo"] == told.revoked


def test_a_confidential_client_is_never_ensured_to_be_public(service):
    client, secret = service.register(replace(GOOD, type="confidential"))
    with pytest.raises(Invalid) as caught:
        service.ensure(client.client_id, GOOD)
    assert {"type"} == caught.value.fields.keys()
    assert service.show(client.client_id).has_secret(secret, datetime.now(UTC))


def test_only_a_native_clients_loopback_port_varies():
    native = Client(
        client_id="x",
        name="x",
        type="public",
        is_native=True,
        redirect_uris=("http://127.0.0.1/cb?a=b", "http://[::1]/cb", "http://localhost/cb"),
        created_at=datetime.now(UTC),
    )
    for uri in ("http://127.0.0.1:1/cb?a=b", "http://[::1]:65535/cb", "http://localhost/cb"):
        assert native.accepts_redirect_uri(uri)
        assert uri in native.redirect_uris or not replace(native, is_native=False).accepts_redirect_uri(uri)
    for uri in (
        "http://127.0.0.1:1/cb",
        "http://127.0.0.1:1/cb?a=b&c",
        "http://127.0.0.1:1/cb?a=b#",
        "http://127.0.0.1:0/cb?a=b",
        "http://127.0.0.1:99999/cb?a=b",
        "http://x@127.0.0.1:1/cb?a=b",
        "https://127.0.0.1:1/cb?a=b",
        "http://localhost:1/cb",
        "http://evil.example\\[::1]/cb",
        "http://evil.example[::1]/cb",
        "http://[::1]:1/cb\n",
    ):
        assert not native.accepts_redirect_uri(uri)


def test_people_grant_what_it_is_registered_for_and_trusted_with(service):
    wanted = replace(GOOD, type="confidential", scopes=["profile", "links:credentials", "users:write"], is_trusted=True)
    client, _ = service.register(wanted)
    assert ("profile", "links:credentials") == client.personal_scopes
    assert ("profile",) == replace(client, is_trusted=False).personal_scopes


CONFIDENTIAL = replace(GOOD, type="confidential", scopes=["profile", "users:write"], is_trusted=True)


def test_an_old_secret_is_good_for_as_long_as_it_was_kept(service, clock):
    client, first = service.register(CONFIDENTIAL)
    client, second = service.rotate_secret(client.client_id, keep_old_h=2)
    assert client.has_secret(first, clock.now())
    assert client.has_secret(second, clock.now())
    clock.advance(hours=2)
    assert not client.has_secret(first, clock.now())
    assert client.has_secret(second, clock.now())


def test_an_old_secret_ends_at_once_when_it_is_not_kept_and_the_one_before_it_always(service, clock):
    client, first = service.register(CONFIDENTIAL)
    client, second = service.rotate_secret(client.client_id, keep_old_h=5)
    client, third = service.rotate_secret(client.client_id, keep_old_h=5)
    good = [client.has_secret(secret, clock.now()) for secret in (first, second, third)]
    assert [False, True, True] == good
    client, fourth = service.rotate_secret(client.client_id)
    assert [False, True] == [client.has_secret(secret, clock.now()) for secret in (third, fourth)]
    assert client.old_secret_hash is None


def test_what_has_no_secret_gets_none(service, jwks):
    public, _ = service.register(GOOD)
    with_keys, _ = service.register(replace(CONFIDENTIAL, jwks=jwks))
    for client in (public, with_keys):
        with pytest.raises(Invalid):
            service.rotate_secret(client.client_id)
    with pytest.raises(NotFound):
        service.rotate_secret("nobody")
    client, _ = service.register(CONFIDENTIAL)
    for hours in (-1, 721, float("nan")):
        with pytest.raises(Invalid):
            service.rotate_secret(client.client_id, keep_old_h=hours)


def test_only_what_is_given_is_changed(service):
    client, _ = service.register(CONFIDENTIAL)
    changed = service.update(client.client_id, name="Other", redirect_uris=["https://app.example/new"])
    assert replace(client, name="Other", redirect_uris=("https://app.example/new",)) == changed
    assert changed == service.show(client.client_id)
    assert [changed] == service.list()


def test_a_change_is_checked_as_a_registration(service):
    client, _ = service.register(GOOD)
    with pytest.raises(Invalid) as caught:
        service.update(
            client.client_id, redirect_uris=["http://app.example/"], scopes=["users:write"], id_token_alg="none"
        )
    assert {"redirect_uris", "scopes", "id_token_alg"} == caught.value.fields.keys()
    assert client == service.show(client.client_id)
    with pytest.raises(NotFound):
        service.update("nobody", name="x")


def test_who_gets_keys_loses_its_secrets(service, jwks, clock):
    client, secret = service.register(CONFIDENTIAL)
    service.rotate_secret(client.client_id, keep_old_h=1)
    client = service.update(client.client_id, jwks=jwks)
    assert (None, None, None) == (client.secret_hash, client.old_secret_hash, client.old_secret_expires_at)
    assert not client.has_secret(secret, clock.now())


def test_a_scope_or_trust_that_is_taken_away_ends_the_tokens_that_carry_it(service, told):
    client, _ = service.register(CONFIDENTIAL)
    service.update(client.client_id, name="Other")
    service.update(client.client_id, scopes=["profile", "users:write", "openid"])
    assert [] == told.revoked
    service.update(client.client_id, scopes=["profile", "openid"])
    assert [client.client_id] == told.revoked  # its own tokens, for its family has none


def test_the_key_of_an_algorithm_is_made_before_it_signs(service, told):
    client, _ = service.register(replace(GOOD, id_token_alg="ES256"))
    service.update(client.client_id, id_token_alg="RS256")
    assert ["ES256", "RS256"] == told.prepared


def test_a_deleted_client_is_gone(service):
    client, _ = service.register(GOOD)
    service.delete(client.client_id)
    for call in (service.show, service.delete):
        with pytest.raises(NotFound):
            call(client.client_id)


@pytest.fixture(scope="module")
def jwks():
    keys = [RSAKey.generate_key(2048, private=False), ECKey.generate_key("P-256", private=False)]
    return {"keys": [{**key.as_dict(), "use": "sig"} for key in keys]}


def test_a_client_with_keys_has_no_secret_and_keeps_public_members_only(service, jwks):
    given = copy.deepcopy(jwks)
    given["keys"][0] |= {"x5c": ["..."], "key_ops": ["verify"]}
    client, secret = service.register(replace(CONFIDENTIAL, jwks=given))
    assert (None, None) == (secret, client.secret_hash)
    assert jwks == client.jwks


def _changed(**members):
    return lambda key: {"keys": [{name: value for name, value in (key | members).items() if value is not None}]}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda key: {},
        lambda key: {"keys": []},
        lambda key: {"keys": [key | {"kid": str(number)} for number in range(11)]},
        lambda key: {"keys": [key | {"kid": "same"}, key | {"kid": "same"}]},
        lambda key: {"keys": "x"},
        lambda key: {"keys": ["x"]},
        lambda key: key,
        _changed(kty=None),
        _changed(kty=["RSA"]),
        _changed(kty="EC"),
        _changed(n=None),
        _changed(n="AQAB"),
        _changed(n="A" * 342),
        _changed(n="!" * 342),
        _changed(e="AA"),
        _changed(e=7),
        _changed(d="AQAB"),
        _changed(use="enc"),
        _changed(alg="RS512"),
        _changed(alg="none"),
        _changed(alg="HS256"),
        _changed(alg="ES256"),
        _changed(kid=""),
        _changed(kid=7),
        lambda key: {"keys": [OctKey.generate_key(256).as_dict()]},
        lambda key: {"keys": [OKPKey.generate_key("Ed25519", private=False).as_dict()]},
        lambda key: {"keys": [ECKey.generate_key("P-384", private=False).as_dict()]},
        lambda key: {"keys": [ECKey.generate_key("P-256", private=True).as_dict(private=True)]},
        lambda key: {"keys": [ECKey.generate_key("P-256", private=False).as_dict() | {"x": "AQAB"}]},
    ],
)
def test_keys_that_cannot_be_registered(service, jwks, spoil):
    with pytest.raises(Invalid) as caught:
        service.register(replace(CONFIDENTIAL, jwks=spoil(jwks["keys"][0])))
    assert {"jwks"} == caught.value.fields.keys()


def test_a_public_client_has_no_keys(service, jwks):
    assert {"jwks"} == bad_fields(service, jwks=jwks)
