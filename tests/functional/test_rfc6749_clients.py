"""Client authentication (RFC 6749 §2.3), the token endpoint's manners (§3.2, §5.2), client credentials (§4.4)."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from donkies.adapters.persistence.tables.identity import revoked_access_tokens
from donkies.domain.clients import ClientService
from donkies.testing.app import PASSWORD, bearer, get_code, get_tokens, log_in, redeem, refresh
from donkies.testing.processes import wait_until

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def confidential(client_factory):
    return client_factory(type="confidential", scopes="openid profile users:write")


def basic(client_id, secret):
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def test_a_confidential_client_proves_itself_in_the_body_or_in_the_header(testapp, confidential, user_factory):
    """§2.3.1"""
    log_in(testapp, user_factory(password=PASSWORD))
    tokens = get_tokens(testapp, confidential)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    headers = basic(confidential.id, confidential.secret)
    answer = testapp.post("/oauth/token", form, headers=headers).json
    refresh(testapp, confidential, answer["refresh_token"], status=200)


@pytest.mark.parametrize("secret", [None, "", "wrong", "ä"])
def test_a_missing_or_wrong_secret_is_refused(testapp, confidential, user_factory, secret):
    """§5.2 (S15)"""
    log_in(testapp, user_factory(password=PASSWORD))
    code, verifier = get_code(testapp, confidential)
    secret, confidential.secret = confidential.secret, secret
    refused = redeem(testapp, confidential, code, verifier, status=401)
    assert "invalid_client" == refused.json["error"]
    assert "WWW-Authenticate" not in refused.headers
    confidential.secret = secret
    redeem(testapp, confidential, code, verifier, status=200)  # and the code was not used up


@pytest.mark.parametrize(
    "header", ["Basic ", "Basic !", "Basic /w==", "Basic bm9jb2xvbg==", "Basic bm9ib2R5OnNlY3JldA=="]
)
def test_a_bad_authorization_header_is_challenged(testapp, header):
    """§5.2: 401 with a challenge to who used the header"""
    form = {"grant_type": "client_credentials"}
    refused = testapp.post("/oauth/token", form, headers={"Authorization": header}, status=401)
    assert "invalid_client" == refused.json["error"]
    assert refused.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_secret_proves_nothing_for_a_public_client(testapp, client_factory, user_factory):
    """S15"""
    client = client_factory()
    log_in(testapp, user_factory(password=PASSWORD))
    code, verifier = get_code(testapp, client)
    client.secret = "shipped"
    assert "invalid_client" == redeem(testapp, client, code, verifier, status=401).json["error"]


def test_two_proofs_or_two_names_are_refused(testapp, confidential):
    """§2.3 (S10)"""
    headers = basic(confidential.id, confidential.secret)
    for extra in ({"client_secret": confidential.secret}, {"client_id": "another"}):
        form = {"grant_type": "client_credentials"} | extra
        assert "invalid_request" == testapp.post("/oauth/token", form, headers=headers, status=400).json["error"]


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        ("", FORM, "invalid_request"),
        ("client_id=x", FORM, "invalid_request"),
        ("grant_type=refresh_token&grant_type=refresh_token", FORM, "invalid_request"),
        ("grant_type=password&username=a&password=b", FORM, "unsupported_grant_type"),
        ("grant_type=implicit", FORM, "unsupported_grant_type"),
        ('{"grant_type": "refresh_token"}', "application/json", "invalid_request"),
        ("grant_type=%FF", FORM, "invalid_request"),
        (b"grant_type=\xff", FORM, "invalid_request"),
    ],
)
def test_what_is_malformed_is_refused(testapp, body, content_type, error):
    """§3.2, §5.2 (S3, S10)"""
    refused = testapp.post("/oauth/token", body, content_type=content_type, status=400)
    assert error == refused.json["error"]
    assert refused.json["error_description"]
    assert "no-store" == refused.headers["Cache-Control"]
    assert "application/json" == refused.content_type


def test_parameters_in_the_url_are_refused(testapp, confidential):
    """§3.2: they would end up in logs (S17)"""
    path = f"/oauth/token?grant_type=client_credentials&client_id={confidential.id}"
    assert "invalid_request" == testapp.post(path, {"x": "y"}, status=400).json["error"]


def test_only_post_is_answered(testapp):
    """§3.2 (S32)"""
    for call in (testapp.get, testapp.put, testapp.delete):
        call("/oauth/token", status=405)


def test_a_client_gets_a_token_of_its_own_that_is_no_persons(testapp, confidential):
    """§4.4; DESIGN 4"""
    form = {"grant_type": "client_credentials", "scope": "users:write"}
    answer = testapp.post("/oauth/token", form, headers=basic(confidential.id, confidential.secret)).json
    assert "refresh_token" not in answer
    assert "users:write" == answer["scope"]
    new = {"first_name": "A", "last_name": "B", "email": "a@people.example", "birthday": "1990-01-01"}
    made = testapp.post_json(
        "/v1/users", new | {"password": PASSWORD}, headers=bearer(answer["access_token"]), status=201
    )
    assert "a@people.example" == made.json["email"]
    testapp.get("/v1/users/me", headers=bearer(answer["access_token"]), status=403)


@pytest.mark.parametrize("scope", ["profile", "users:write profile", "accounts:read"])
def test_a_client_gets_nothing_of_a_persons_in_its_own_name(testapp, confidential, scope):
    """§4.4 (S18)"""
    form = {"grant_type": "client_credentials", "scope": scope}
    headers = basic(confidential.id, confidential.secret)
    assert "invalid_scope" == testapp.post("/oauth/token", form, headers=headers, status=400).json["error"]


def test_a_public_client_has_no_credentials_to_use(testapp, client_factory):
    """§4.4"""
    form = {"grant_type": "client_credentials", "client_id": client_factory().id}
    assert "unauthorized_client" == testapp.post("/oauth/token", form, status=400).json["error"]


@pytest.fixture
def change(make_testapp, confidential):
    """Changes what the client is registered for, in another process."""

    def change(*scopes):
        with make_testapp().service(ClientService) as service:
            service.update(confidential.id, scopes=scopes)

    return change


def own_token(app, client):
    form = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": client.secret}
    return app.post("/oauth/token", form, status=200).json["access_token"]


def is_taken(app, token):
    """An empty body is refused too, but not before the token."""
    return app.post_json("/v1/users", {}, headers=bearer(token), status="*").status_int != 401


def is_active(app, client, token):
    form = {"client_id": client.id, "client_secret": client.secret, "token": token}
    return app.post("/oauth/introspect", form, status=200).json["active"]


def test_a_scope_of_a_clients_own_can_be_taken_away_each_day_anew(testapp, confidential, change):
    """§4.4 (S18): every process hears of it each time"""
    change("openid")
    change("openid", "users:write")
    with testapp.engine().begin() as connection:
        yesterday = datetime.now(UTC) - timedelta(days=1)
        tokens = connection.execute(revoked_access_tokens.update().values(revoked_at=yesterday, expires_at=yesterday))
        assert 1 == tokens.rowcount
    token = own_token(testapp, confidential)
    assert is_taken(testapp, token)
    assert is_active(testapp, confidential, token)
    change("openid")
    assert not is_active(testapp, confidential, token), "introspection is exact"
    wait_until(lambda: not is_taken(testapp, token), 3, "the token is refused")


def test_a_scope_that_is_given_back_is_good_again_soon(testapp, confidential, change, clock):
    """§4.4: ten seconds after it was taken away, for until then somebody may not have heard of it"""
    old = own_token(testapp, confidential)
    change("openid")
    change("openid", "users:write")
    wait_until(lambda: not is_taken(testapp, old), 3, "the token is refused")
    assert not is_taken(testapp, own_token(testapp, confidential))
    clock.advance(seconds=15)
    new = own_token(testapp, confidential)
    assert is_taken(testapp, new)
    assert is_active(testapp, confidential, new)
    assert not is_taken(testapp, old)
    assert not is_active(testapp, confidential, old)
