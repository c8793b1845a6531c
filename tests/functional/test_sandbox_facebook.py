"""The sandbox's Facebook: dialog, code, profile by fields, proof of the secret, faults. Source: DESIGN.md 11."""

import hashlib
import hmac
import json
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from donkies.sandbox import Sandbox

TIMEOUT_S = 10
BACK = "http://localhost:1/back"
SECRET = "canary-secret"
EVERY_SCOPE = "public_profile,email,user_birthday,user_gender,user_link"
EVERY_FIELD = (
    "id,name,first_name,middle_name,last_name,email,birthday,gender,locale,link,"
    "picture.width(200).height(200){url,is_silhouette}"
)


class App:
    """An app that signs people in at the sandbox's Facebook."""

    def __init__(self, url, version="v24.0"):
        self.url = f"{url}/facebook/{version}"

    def ask(self, **changed):
        query = {"client_id": "an-app", "redirect_uri": BACK, "scope": EVERY_SCOPE, "state": "canary-state", **changed}
        return requests.get(f"{self.url}/dialog/oauth", query, timeout=TIMEOUT_S)

    def choose(self, persona, **changed):
        """Press a button. Returns: what the app is told."""
        page = self.ask(**changed)
        went = requests.post(page.url, {"persona": persona}, timeout=TIMEOUT_S, allow_redirects=False)
        assert 303 == went.status_code
        assert went.headers["Location"].startswith(f"{BACK}?")
        return {name: value for name, (value,) in parse_qs(urlsplit(went.headers["Location"]).query).items()}

    def exchange(self, code, method="GET", **changed):
        given = {"client_id": "an-app", "client_secret": SECRET, "redirect_uri": BACK, "code": code, **changed}
        where = {"params": given} if method == "GET" else {"data": given}
        return requests.request(method, f"{self.url}/oauth/access_token", timeout=TIMEOUT_S, **where)

    def sign_in(self, persona, **changed):
        answer = self.exchange(self.choose(persona, **changed)["code"])
        assert 200 == answer.status_code, answer.text
        return answer.json()["access_token"]

    def me(self, token, fields=EVERY_FIELD, secret=SECRET, **more):
        proof = hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest()
        query = {"fields": fields, "access_token": token, "appsecret_proof": proof, **more}
        return requests.get(f"{self.url}/me", query, timeout=TIMEOUT_S)


@pytest.fixture
def app(sandbox):
    return App(sandbox.url)


def error_of(answer):
    """Read Facebook's error. Returns: the status, the type, the code."""
    error = answer.json()["error"]
    assert error["message"]
    return answer.status_code, error["type"], error["code"]


# -- the whole walk


def test_somebody_signs_in_and_everything_is_told(app):
    answer = app.choose("verified")
    assert "canary-state" == answer["state"]
    token = app.exchange(answer["code"], "POST").json()
    assert ("bearer", 5_184_000) == (token["token_type"], token["expires_in"])
    me = app.me(token["access_token"]).json()
    picture = me.pop("picture")["data"]
    assert {
        "id": "10160000000000001",
        "name": "Vera Fielding",
        "first_name": "Vera",
        "last_name": "Fielding",
        "email": "vera@example.com",
        "birthday": "04/12/1990",
        "gender": "female",
        "locale": "en_GB",
        "link": "https://facebook.example/10160000000000001",
    } == me
    assert picture["is_silhouette"] is False
    assert 200 == requests.get(picture["url"], timeout=TIMEOUT_S).status_code


def test_every_persona_is_as_promised(app, sandbox):
    sandbox.social(squatter_email="grace@example.net")
    keys = ("verified", "second", "unverified", "no_email", "minimal", "renamed", "squatter")
    everybody = {key: app.me(app.sign_in(key)).json() for key in keys}
    assert {
        "verified": ("10160000000000001", "vera@example.com"),
        "second": ("10160000000000002", "zoe.second@example.org"),
        "unverified": ("10160000000000003", "umar@example.com"),
        "no_email": ("10160000000000004", None),
        "minimal": ("10160000000000005", None),
        "renamed": ("10160000000000001", "vera.new@example.com"),
        "squatter": ("10160000000000006", "grace@example.net"),
    } == {key: (one["id"], one.get("email")) for key, one in everybody.items()}
    assert {"id", "name"} == set(everybody["minimal"])
    assert "02/29/1984" == everybody["second"]["birthday"]
    assert "Þórgunnur Aðalheiður" == everybody["second"]["middle_name"]
    assert everybody["no_email"]["picture"]["data"]["is_silhouette"] is True


@pytest.mark.parametrize("fields", ["", "name", "picture.type(large){url},name"])
def test_only_the_fields_that_are_asked_for_come_and_the_id(app, fields):
    me = app.me(app.sign_in("verified"), fields).json()
    assert {"id", "name"} | ({"picture"} if "picture" in fields else set()) == set(me)


def test_an_app_is_told_no_more_than_it_asked_for(app):
    me = app.me(app.sign_in("verified", scope="public_profile")).json()
    assert not {"email", "birthday", "gender", "link"} & set(me)


def test_an_unknown_field_is_refused(app):
    assert (400, "OAuthException", 100) == error_of(app.me(app.sign_in("verified"), "id,shoe_size"))


def test_any_version_is_served_and_addresses_follow_the_request(sandbox):
    app = App(sandbox.url, "v3.2")
    token = app.sign_in("verified")
    proof = hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()
    headers = {"X-Forwarded-Proto": "https", "Host": "graph.test", "Authorization": f"Bearer {token}"}
    query = {"fields": "picture", "appsecret_proof": proof}
    me = requests.get(f"{app.url}/me", query, headers=headers, timeout=TIMEOUT_S).json()
    assert me["picture"]["data"]["url"].startswith("https://graph.test/")
    assert 404 == App(sandbox.url, "latest").ask().status_code


# -- the dialog


def test_the_page_shows_whom_one_can_be_and_a_bad_question_gets_a_page(app):
    page = app.ask()
    for persona in "verified second unverified no_email minimal renamed squatter cancel".split():
        assert f'name="persona" value="{persona}"' in page.text
    assert [400, 400] == [app.ask(client_id="").status_code, app.ask(redirect_uri="").status_code]


def test_cancelling_sends_facebooks_error_back(app):
    answer = app.choose("cancel")
    expected = ("access_denied", "user_denied", "Permissions error", "canary-state")
    assert expected == tuple(answer[name] for name in ("error", "error_reason", "error_description", "state"))


# -- code, secret, proof


def test_a_code_works_once(app):
    code = app.choose("verified")["code"]
    assert 200 == app.exchange(code).status_code
    assert (400, "OAuthException", 100) == error_of(app.exchange(code))


def test_a_code_is_bound_to_app_and_address_and_ends(app, sandbox):
    for changed in ({"redirect_uri": "http://localhost:1/other"}, {"client_id": "another-app"}):
        assert (400, "OAuthException", 100) == error_of(app.exchange(app.choose("verified")["code"], **changed))
    code = app.choose("verified")["code"]
    sandbox.advance_clock(60)
    assert (400, "OAuthException", 100) == error_of(app.exchange(code))
    assert (400, "OAuthException", 1) == error_of(app.exchange(code, client_secret=""))


def test_the_profile_wants_a_proof_of_the_secret(app):
    token = app.sign_in("verified")
    assert 200 == app.me(token).status_code
    for answer in (app.me(token, secret="other"), app.me(token, appsecret_proof=None)):
        assert (400, "GraphMethodException", 100) == error_of(answer)
    assert (400, "OAuthException", 190) == error_of(app.me("invented"))


def test_configured_keys_must_be_shown_exactly():
    with Sandbox(port=0, facebook_client=("an-app", SECRET)) as server:
        app = App(server.url)
        code = app.choose("verified")["code"]
        assert 400 == app.ask(client_id="other").status_code
        assert (400, "OAuthException", 1) == error_of(app.exchange(code, client_secret="wrong"))
        assert 200 == app.exchange(code).status_code


# -- faults and log


@pytest.mark.parametrize(("fault", "status"), [("server_error", 500), ("html", 502)])
def test_what_servers_call_may_be_down_while_people_still_choose(app, sandbox, fault, status):
    sandbox.social(facebook={"fault": fault})
    assert status == app.exchange(app.choose("verified")["code"]).status_code
    assert status == app.me("any").status_code
    sandbox.reset()
    assert 400 == app.me("any").status_code


def test_the_log_holds_no_secret(app, sandbox):
    code = app.choose("verified")["code"]
    token = app.exchange(code).json()["access_token"]
    app.me(token)
    log = json.dumps(sandbox.requests("/facebook/*"), ensure_ascii=False)
    for secret in (code, token, "canary", hmac.new(SECRET.encode(), token.encode(), hashlib.sha256).hexdigest()):
        assert secret not in log
    assert "appsecret_proof=…" in log
