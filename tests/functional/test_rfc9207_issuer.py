"""The issuer in authorization answers (RFC 9207), by which a client tells whose answer it is (mix-up attacks)."""

from urllib.parse import parse_qs, urlsplit

import pytest

from donkies.testing.app import (
    PASSWORD,
    allow,
    authorize_path,
    log_in,
    make_client,
    make_person,
    pkce,
    redirect_parameters,
)

ISSUER = "https://id.example"


@pytest.fixture
def settings(settings):
    return settings | {"donkies.public_url": ISSUER}


@pytest.fixture
def app(testapp):
    """Behind TLS, as in production."""
    testapp.extra_environ |= {"wsgi.url_scheme": "https", "HTTP_HOST": "id.example"}
    return testapp


@pytest.fixture
def client(app):
    return make_client(app, redirect_uris=["https://app.example/callback?tenant=a%2Fb"])


@pytest.fixture
def logged_in(app):
    log_in(app, make_person(app, password=PASSWORD))


def announced(app):
    told = app.get("/.well-known/oauth-authorization-server").json
    assert told["authorization_response_iss_parameter_supported"] is True
    return told["issuer"]


@pytest.mark.usefixtures("logged_in")
@pytest.mark.parametrize(
    "parameters",
    [{}, {"response_type": "token"}, {"scope": "no-such-scope"}, {"code_challenge": None}, {"state": None}],
)
def test_every_answer_names_the_issuer_as_announced(app, client, parameters):
    """§2, §2.1: errors too; compared as plain strings (§2.4)"""
    answer = redirect_parameters(allow(app.get(authorize_path(client, pkce()[1], **parameters))))
    assert announced(app) == answer["iss"] == ISSUER
    assert "code" in answer or "error" in answer


def test_also_to_who_is_not_logged_in(app, client):
    """§2.1"""
    answer = redirect_parameters(app.get(authorize_path(client, pkce()[1], prompt="none"), status=303))
    assert ("login_required", ISSUER) == (answer["error"], answer["iss"])


@pytest.mark.usefixtures("logged_in")
def test_nobody_else_can_name_it(app, client):
    """§2.4: a value that came with the request is not sent back"""
    path = authorize_path(client, pkce()[1], iss="https://evil.example")
    query = parse_qs(urlsplit(allow(app.get(path)).location).query)
    assert [ISSUER] == query["iss"]


@pytest.mark.usefixtures("logged_in")
def test_the_redirect_uris_own_query_stays(app, client):
    """§2: added to it, as code and state are (RFC 6749 §4.1.2)"""
    query = parse_qs(urlsplit(allow(app.get(authorize_path(client, pkce()[1]))).location).query)
    assert ["a/b"] == query["tenant"]
    assert {"tenant", "code", "state", "iss"} == query.keys()


def test_it_is_the_id_tokens_issuer_too(app):
    """§2.4; OpenID Connect Core 1.0 §2"""
    assert announced(app) == app.get("/.well-known/openid-configuration").json["issuer"]
