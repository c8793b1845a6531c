"""OAuth clients that others wrote, over real HTTP and as they come."""

import html
import re
from urllib.parse import urlsplit

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from requests_oauthlib import OAuth2Session

from donkies.testing.app import PASSWORD, make_client, make_person

REDIRECT_URI = "http://127.0.0.1:9/callback"


@pytest.fixture
def address(served_testapp, monkeypatch):
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return served_testapp, served_testapp.settings.public_url


def visit(start, person):
    """What a browser does: log in, allow where that is asked, follow until the client's own address."""
    with requests.Session() as browser:
        page = browser.get(start)
        form = hidden(page.text) | {"email": person.email, "password": PASSWORD}
        answer = browser.post(page.url.partition("?")[0], form, allow_redirects=False)
        while urlsplit(answer.headers.get("Location", "")).path != "/callback":
            if answer.status_code == 200:
                consent = requests.compat.urljoin(answer.url, "/oauth/consent")
                answer = browser.post(consent, hidden(answer.text) | {"decision": "allow"}, allow_redirects=False)
                continue
            answer = browser.get(requests.compat.urljoin(answer.url, answer.headers["Location"]), allow_redirects=False)
        return answer.headers["Location"]


def hidden(page):
    """A form's hidden fields."""
    fields = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', page)
    return {name: html.unescape(value) for name, value in fields}


def test_requests_oauthlib(address):
    app, url = address
    person, client = make_person(app, password=PASSWORD), make_client(app, redirect_uris=[REDIRECT_URI])
    with OAuth2Session(client.id, redirect_uri=REDIRECT_URI, scope="openid profile", pkce="S256") as session:
        start, _ = session.authorization_url(f"{url}/oauth/authorize")
        back = visit(start, person)
        session.fetch_token(f"{url}/oauth/token", authorization_response=back, include_client_id=True)
        assert person.email == session.get(f"{url}/v1/users/me").json()["email"]
        session.refresh_token(f"{url}/oauth/token", client_id=client.id)
        assert person.email == session.get(f"{url}/v1/users/me").json()["email"]


def test_authlib(address):
    app, url = address
    person = make_person(app, password=PASSWORD)
    client = make_client(app, redirect_uris=[REDIRECT_URI], type="confidential")
    told = requests.get(f"{url}/.well-known/openid-configuration", timeout=5).json()
    with AuthlibSession(client.id, client.secret, redirect_uri=REDIRECT_URI, scope="openid profile") as session:
        verifier = "v" * 64
        start, _ = session.create_authorization_url(
            told["authorization_endpoint"],
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        back = visit(start, person)
        token = session.fetch_token(told["token_endpoint"], authorization_response=back, code_verifier=verifier)
        assert token["id_token"]
        assert str(person.id) == session.get(told["userinfo_endpoint"]).json()["sub"]
        session.refresh_token(told["token_endpoint"])
        assert 200 == session.revoke_token(told["revocation_endpoint"], token=session.token["access_token"]).status_code
        assert 401 == session.get(told["userinfo_endpoint"]).status_code
