"""Cross-origin requests: registered origins only, on errors too (DESIGN 5; S16)."""

import pytest

from donkies.testing.app import ORIGIN, authorize_path, make_client, pkce, sign_in

OPEN = ["/v1/users/me", "/oauth/token", "/oauth/revoke", "/oauth/userinfo", "/.well-known/jwks.json", "/openapi.json"]
FRIEND, STRANGER = {"Origin": ORIGIN}, {"Origin": "https://evil.example"}
ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture(autouse=True)
def client(testapp):
    return make_client(testapp)


@pytest.mark.parametrize("path", [*OPEN, "/v1/nothing/here"])
def test_registered_origins_can_read_answers_errors_too(testapp, path):
    for call in (testapp.get, testapp.post, testapp.delete):
        response = call(path, headers=FRIEND, status="*")
        assert ORIGIN == response.headers[ALLOW]
        assert "Origin" in response.headers["Vary"]
        assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers
    assert ALLOW not in testapp.get(path, headers=STRANGER, status="*").headers
    assert ALLOW not in testapp.get(path, headers={"Origin": "null"}, status="*").headers


def test_success_carries_it(testapp):
    response = testapp.get("/v1/users/me", headers=sign_in(testapp, "profile") | FRIEND, status=200)
    assert ORIGIN == response.headers[ALLOW]


@pytest.mark.parametrize("path", ["/v1/users/me", "/v1/nothing/here"])
def test_a_script_can_read_the_id_that_a_person_tells_support(testapp, path):
    response = testapp.get(path, headers=FRIEND, status="*")
    assert response.headers["X-Request-Id"] == response.json["request_id"]
    assert "X-Request-Id" in response.headers["Access-Control-Expose-Headers"].split(", ")


@pytest.mark.parametrize("path", OPEN)
def test_a_preflight_needs_no_token(testapp, path):
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    response = testapp.options(path, headers=FRIEND | asks, status=204)
    assert ORIGIN == response.headers[ALLOW]
    assert "7200" == response.headers["Access-Control-Max-Age"]
    assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    assert ALLOW not in testapp.options(path, headers=STRANGER | asks, status=204).headers


@pytest.mark.parametrize("path", ["/login", "/signup", "/", "/oauth/authorize"])
def test_pages_are_for_navigation_only(testapp, path):
    """S7"""
    assert ALLOW not in testapp.get(path, headers=FRIEND, status="*").headers


def test_nor_is_a_good_authorization_request(testapp, client):
    assert ALLOW not in testapp.get(authorize_path(client, pkce()[1]), headers=FRIEND, status=303).headers
