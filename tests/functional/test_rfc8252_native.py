"""Apps on a device (RFC 8252)."""

import pytest

from donkies.testing.app import (
    PASSWORD,
    allow,
    authorize_path,
    log_in,
    pkce,
    redeem,
    redirect_parameters,
)


@pytest.fixture(autouse=True)
def person(testapp, user_factory):
    person = user_factory(password=PASSWORD)
    log_in(testapp, person)
    return person


@pytest.fixture
def native(client_factory):
    def make(*redirect_uris):
        fields = {"is_native": True, "is_trusted": False, "scopes": "openid profile", "origins": []}
        return client_factory(redirect_uris=list(redirect_uris), **fields)

    return make


@pytest.mark.parametrize(
    ("registered", "used"),
    [
        ("com.example.app:/oauth2redirect", "com.example.app:/oauth2redirect"),
        ("https://app.example/oauth2redirect", "https://app.example/oauth2redirect"),
        ("http://127.0.0.1/back", "http://127.0.0.1:51234/back"),
        ("http://127.0.0.1:7777/back", "http://127.0.0.1:51234/back"),
        ("http://[::1]/back", "http://[::1]:51234/back"),
    ],
)
def test_each_kind_of_redirect_uri_leads_to_tokens(testapp, native, registered, used):
    """§7.1, §7.2, §7.3"""
    client, (verifier, challenge) = native(registered), pkce()
    back = allow(testapp.get(authorize_path(client, challenge, redirect_uri=used)))
    assert back.location.startswith(f"{used}?code=")
    form = {"grant_type": "authorization_code", "client_id": client.id, "redirect_uri": used, "code_verifier": verifier}
    testapp.post("/oauth/token", form | {"code": redirect_parameters(back)["code"]}, status=200)


@pytest.mark.parametrize(
    ("registered", "sent"),
    [
        ("http://127.0.0.1/back", "http://localhost:51234/back"),
        ("http://127.0.0.1/back", "http://127.0.0.1:51234/else"),
        ("http://127.0.0.1/back", "http://127.0.0.1.evil.example/back"),
        ("http://127.0.0.1/back", "https://127.0.0.1:51234/back"),
        ("http://127.0.0.1/back", "http://[::1]:51234/back"),
        ("http://127.0.0.1/back", "http://evil@127.0.0.1:51234/back"),
        ("http://127.0.0.1/back", "http://127.0.0.1:51234/back?x=1"),
        # a browser takes the backslash for the path's begin
        ("http://[::1]/back", "http://evil.example\\[::1]/back"),
        ("http://[::1]/back", "http://evil.example[::1]/back"),
        ("http://[::1]/back", "http://[::1]\\@evil.example/back"),
        ("http://127.0.0.1/back", "http://evil.example\\@127.0.0.1:51234/back"),
        ("http://127.0.0.1/back", "http://127.0.0.1:51234/back\\"),
        ("http://127.0.0.1/back", "http://127.0.0.1:/back"),
        ("http://127.0.0.1/back", "HTTP://127.0.0.1:51234/back"),
        ("com.example.app:/back", "com.example.app:/else"),
        ("com.example.app:/back", "COM.example.app:/back"),
        ("com.example.app:/back", "com.example.app://back"),
        ("com.example.app:/back", "com.example.application:/back"),
        ("https://app.example/back", "https://app.example:8443/back"),
    ],
)
def test_only_the_loopback_port_may_vary(testapp, native, registered, sent):
    """§7.3, §8.10 (S1): a plain page, never a redirect"""
    page = testapp.get(authorize_path(native(registered), pkce()[1], redirect_uri=sent), status=400)
    assert "text/html" == page.content_type
    assert "Location" not in page.headers


def test_the_person_is_asked_each_time(testapp, native):
    """§8.6: another app on the device can bear its name"""
    client, (_, challenge) = native("com.example.app:/back"), pkce()
    for _ in range(2):
        page = testapp.get(authorize_path(client, challenge), status=200)
        assert "an app on this device (com.example.app)" in page.text
        allow(page)
    silent = testapp.get(authorize_path(client, challenge, prompt="none"), status=303)
    assert "consent_required" == redirect_parameters(silent)["error"]


def test_pkce_is_demanded(testapp, native):
    """§8.1"""
    back = testapp.get(authorize_path(native("com.example.app:/back"), pkce()[1], code_challenge=None), status=303)
    assert "invalid_request" == redirect_parameters(back)["error"]


def test_a_secret_proves_nothing(testapp, native):
    """§8.5: a native client has none, and one that is sent is refused"""
    client, (verifier, challenge) = native("com.example.app:/back"), pkce()
    code = redirect_parameters(allow(testapp.get(authorize_path(client, challenge))))["code"]
    client.secret = "shipped in the app"
    assert "invalid_client" == redeem(testapp, client, code, verifier, status=401).json["error"]


@pytest.mark.parametrize("uri", ["myapp:/back", "http://app.example/back", "http://192.168.1.1/back"])
def test_what_cannot_be_registered(native, uri):
    """§7.1, §8.4"""
    with pytest.raises(Exception, match="cannot be registered"):
        native(uri)


def test_a_confidential_native_client_cannot_be_registered(client_factory):
    """§8.5"""
    with pytest.raises(Exception, match="cannot be registered"):
        client_factory(is_native=True, is_trusted=False, type="confidential", scopes="openid")
