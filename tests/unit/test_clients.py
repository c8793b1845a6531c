"""Registering clients."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from donkies.adapters.clock import SystemClock
from donkies.adapters.memory.identity import MemoryClientStore, MemoryIdentity
from donkies.domain.clients import Client, ClientRules, ClientService, Registration
from donkies.domain.errors import Invalid

GOOD = Registration(
    name="App",
    type="public",
    redirect_uris=["https://app.example/callback"],
    origins=["https://app.example"],
    scopes=["profile", "openid"],
)


@pytest.fixture
def make_service():
    def make(*, is_production=False):
        rows = MemoryIdentity()
        clients = MemoryClientStore(rows)
        return ClientService(rows, clients, clients, ClientRules(is_production), SystemClock())

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
    assert client.has_secret(secret)
    assert not client.has_secret(secret + "x")
    assert not client.has_secret("")
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
    ):
        assert not native.accepts_redirect_uri(uri)
