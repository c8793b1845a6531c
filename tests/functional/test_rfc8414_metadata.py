"""Authorization server metadata (RFC 8414), OpenID Connect Discovery 1.0, the JWK set (RFC 7517)."""

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata

DOCUMENTS = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]


@pytest.fixture
def settings(settings):
    return settings | {"donkies.public_url": "https://id.example"}


def test_both_documents_are_valid(testapp):
    """RFC 8414 §2; Discovery §3"""
    OpenIDProviderMetadata(testapp.get(DOCUMENTS[0]).json).validate()
    AuthorizationServerMetadata(testapp.get(DOCUMENTS[1]).json).validate()


@pytest.mark.parametrize("path", DOCUMENTS)
def test_what_is_announced_is_there(testapp, path):
    """S5, RFC 9207 §3"""
    told = testapp.get(path).json
    assert "https://id.example" == told["issuer"]
    assert ["S256"] == told["code_challenge_methods_supported"]
    assert told["authorization_response_iss_parameter_supported"] is True
    assert ["code"] == told["response_types_supported"]
    for name, address in told.items():
        if name.endswith(("_endpoint", "_uri")):
            path = address.removeprefix("https://id.example")
            assert 404 != testapp.get(path, status="*").status_int, name


def test_the_key_set_is_public_halves_only(testapp):
    """RFC 7517 §4"""
    (key,) = testapp.get("/.well-known/jwks.json").json["keys"]
    assert {"kty", "kid", "use", "alg", "n", "e"} == key.keys()
    assert ("RSA", "sig", "RS256") == (key["kty"], key["use"], key["alg"])
    assert 342 == len(key["n"])  # 2048 bits


def test_each_clients_id_tokens_can_be_checked(testapp, client_factory):
    """OpenID Connect Core §3.1.3.7: the key for ES256 is there when the first client is registered for it"""
    client_factory(id_token_alg="ES256")
    keys = {key["alg"]: key for key in testapp.get("/.well-known/jwks.json").json["keys"]}
    assert {"RS256", "ES256"} == keys.keys()
    assert {"kty", "kid", "use", "alg", "crv", "x", "y"} == keys["ES256"].keys()
    assert ("EC", "P-256") == (keys["ES256"]["kty"], keys["ES256"]["crv"])
    assert ["RS256", "ES256"] == testapp.get(DOCUMENTS[0]).json["id_token_signing_alg_values_supported"]
