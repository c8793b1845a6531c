"""Bearer tokens in requests (RFC 6750); forged ones are in test_rfc9068_access_token.py."""

import re

import pytest

from donkies.testing.app import make_client, sign_in

ME = "/v1/users/me"
# what error_description may hold: no quote, no backslash, nothing that ends a header
DESCRIPTION = re.compile(r'error_description="[\x20-\x21\x23-\x5b\x5d-\x7e]+"')


@pytest.fixture
def token(testapp):
    return sign_in(testapp, "profile")["Authorization"].removeprefix("Bearer ")


def ask(app, authorization, status, **kw):
    return app.get(ME, headers={"Authorization": authorization}, status=status, **kw)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_schemes_name_has_no_case(testapp, token, scheme):
    """§2.1; RFC 9110 §11.1"""
    ask(testapp, f"{scheme} {token}", 200)


@pytest.mark.parametrize(
    "form", ["Bearer {0} {0}", "Bearer {0}, Bearer {0}", "Bearer {0},", 'Bearer "{0}"', "Bearer x{0}"]
)
def test_only_one_token_and_nothing_else(testapp, token, form):
    """§2.1"""
    refused = ask(testapp, form.format(token), 401)
    assert "invalid_token" == refused.json["code"]
    assert token not in refused.text + refused.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scheme", ["Basic", "DPoP", "Token", "JWT", "Bearer\t"])
def test_by_another_scheme_it_is_no_bearer_token(testapp, token, scheme):
    """§2.1: the challenge names no error, for no bearer token was sent"""
    assert "Bearer" == ask(testapp, f"{scheme} {token}", 401).headers["WWW-Authenticate"]


@pytest.mark.parametrize("text", ["é", "a.b.c", "..", "a" * 20_000, '"', "a\\b", "%00"])
def test_whatever_is_sent_the_challenge_can_be_read(testapp, text):
    """§3"""
    challenge = ask(testapp, f"Bearer {text}", 401).headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer error="invalid_token", ')
    assert DESCRIPTION.search(challenge)


def test_refusals_are_kept_by_no_cache_and_read_by_the_apps_scripts(testapp, token):
    """§5.3; S16"""
    make_client(testapp, origins=["https://spa.example"])
    for authorization in ("Bearer wrong", ""):
        refused = ask(testapp, authorization, 401, extra_environ={"HTTP_ORIGIN": "https://spa.example"})
        assert "no-store" == refused.headers["Cache-Control"]
        assert "https://spa.example" == refused.headers["Access-Control-Allow-Origin"]
        assert "WWW-Authenticate" in refused.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("name", ["access%5Ftoken", "Access_Token", "token", "bearer"])
def test_no_other_spelling_in_the_url_counts(testapp, token, name):
    """§2.3, §5.3; RFC 9700 §4.3.2 (S17)"""
    testapp.get(f"{ME}?{name}={token}", status=401)


def test_neither_does_a_body_or_a_cookie(testapp, token):
    """§2.2: the parameter is for forms only, and only where an endpoint says so"""
    testapp.patch_json(ME, {"access_token": token}, status=401)
    testapp.post("/v1/users", {"access_token": token}, status=401)
    testapp.get(ME, headers={"Cookie": f"access_token={token}; Authorization=Bearer {token}"}, status=401)
