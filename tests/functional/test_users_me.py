"""`/v1/users/me` and `POST /v1/users`."""

import pytest

from donkies.testing.app import ALL_SCOPES, make_client, make_person, sign_in

ME = "/v1/users/me"


@pytest.fixture
def headers(testapp):
    return sign_in(testapp, ALL_SCOPES)


def test_the_profile_has_the_fields_of_the_contract(testapp):
    person = make_person(testapp)
    response = testapp.get(ME, headers=sign_in(testapp, "profile", person=person))
    assert "no-store" == response.headers["Cache-Control"]
    names = "id first_name last_name email email_verified birthday picture locale created_at"
    assert names.split() == list(response.json)
    assert (str(person.id), person.email, "1990-12-31") == (
        response.json["id"],
        response.json["email"],
        response.json["birthday"],
    )
    assert response.json["created_at"].endswith("Z")


def test_changes_keep_what_was_not_sent(testapp, headers):
    changed = testapp.patch_json(ME, {"first_name": "Grace", "locale": "en-GB"}, headers=headers).json
    assert ("Grace", "en-GB", "1990-12-31") == (changed["first_name"], changed["locale"], changed["birthday"])
    assert changed == testapp.get(ME, headers=headers).json
    assert testapp.patch_json(ME, {"locale": None}, headers=headers).json["locale"] is None


def test_all_bad_fields_are_named(testapp, headers):
    body = {"first_name": "", "birthday": "soon", "email": "new@people.example", "is_admin": True}
    refused = testapp.patch_json(ME, body, headers=headers, status=422).json
    assert {"email", "is_admin"} == {error["field"] for error in refused["errors"]}
    refused = testapp.patch_json(ME, {"first_name": None, "birthday": "soon"}, headers=headers, status=422).json
    assert {"first_name", "birthday"} == {error["field"] for error in refused["errors"]}


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("{", "application/json", 400),
        ("", "application/json", 400),
        ("[]", "application/json", 422),
        ('"x"', "application/json", 422),
        ("first_name=x", "application/x-www-form-urlencoded", 415),
        ("{}", "text/plain", 415),
        ('{"first_name": "%s"}' % ("x" * 1_100_000), "application/json", 413),
        (b'{"first_name": "\xff"}', "application/json", 400),
        (b'{"first_name": "\\ud800"}', "application/json", 400),
        (b'{"first_name": "\\u0000"}', "application/json", 422),
    ],
)
def test_bodies_that_cannot_be_read(testapp, headers, body, content_type, status):
    refused = testapp.patch(ME, body, headers=headers, content_type=content_type, status=status)
    assert "application/problem+json" == refused.content_type
    assert status == refused.json["status"]


def test_each_route_needs_its_scope(testapp):
    testapp.get(ME, headers=sign_in(testapp, "openid email profile:write"), status=403)
    testapp.patch_json(ME, {}, headers=sign_in(testapp, "profile"), status=403)
    testapp.post_json("/v1/users", {}, headers=sign_in(testapp, ALL_SCOPES), status=403)


def test_a_trusted_client_registers_people(testapp):
    client = make_client(testapp, type="confidential", scopes="users:write", redirect_uris=[])
    form = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": client.secret}
    headers = {"Authorization": f"Bearer {testapp.post('/oauth/token', form).json['access_token']}"}
    body = {"first_name": "A", "last_name": "B", "email": "a@people.example", "birthday": "1990-01-01"}
    missing = testapp.post_json("/v1/users", body, headers=headers, status=422).json
    assert [{"field": "password", "detail": "This field is required."}] == missing["errors"]
    body["password"] = "four quiet words here"
    assert "a@people.example" == testapp.post_json("/v1/users", body, headers=headers, status=201).json["email"]
    assert "email_taken" == testapp.post_json("/v1/users", body, headers=headers, status=409).json["code"]
