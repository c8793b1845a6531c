"""The sandbox's Google: dialog, tokens, keys, profile, faults. Source: DESIGN.md 11; OpenID Connect Core."""

import base64
import hashlib
import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from donkies.sandbox import Sandbox
from donkies.testing.sandbox import SandboxControl

TIMEOUT_S = 10
BACK = "http://localhost:1/back?provider=google"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
FORWARDED = {"X-Forwarded-Proto": "https", "Host": "accounts.test:8443"}
KNOWN_TO_GOOGLE = {"name", "given_name", "family_name", "locale", "picture"}


class App:
    """An app that signs people in at the sandbox's Google."""

    client_id = "an-app"
    client_secret = "canary-secret"

    def __init__(self, url):
        self.url = f"{url}/google"

    def question(self, **changed):
        asked = {
            "client_id": self.client_id,
            "redirect_uri": BACK,
            "response_type": "code",
            "scope": "openid email profile",
            "state": "canary-state",
            "nonce": "canary-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changed,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def ask(self, **changed):
        return requests.get(
            f"{self.url}/o/oauth2/v2/auth", self.question(**changed), timeout=TIMEOUT_S, allow_redirects=False
        )

    def choose(self, persona, **changed):
        """Press a button. Returns: what the app is told."""
        went = requests.post(
            f"{self.url}/o/oauth2/v2/auth",
            params=self.question(**changed),
            data={"persona": persona},
            timeout=TIMEOUT_S,
            allow_redirects=False,
        )
        assert 303 == went.status_code
        assert went.headers["Location"].startswith(BACK + "&")
        return {name: value for name, (value,) in parse_qs(urlsplit(went.headers["Location"]).query).items()}

    def exchange(self, code, headers=None, auth=None, **changed):
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": BACK,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "code_verifier": VERIFIER,
            **changed,
        }
        form = {name: value for name, value in form.items() if value is not None}
        return requests.post(f"{self.url}/token", form, headers=headers, auth=auth, timeout=TIMEOUT_S)

    def sign_in(self, persona, headers=None, **changed):
        answer = self.exchange(self.choose(persona, **changed)["code"], headers)
        assert 200 == answer.status_code, answer.text
        return answer.json()

    def claims(self, tokens):
        """Read an ID token as a client should. Raises: JoseError when its signature or algorithm is wrong."""
        keys = KeySet.import_key_set(requests.get(f"{self.url}/oauth2/v3/certs", timeout=TIMEOUT_S).json())
        return jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims

    def userinfo(self, token):
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{self.url}/v1/userinfo", headers=headers, timeout=TIMEOUT_S)


@pytest.fixture
def app(sandbox):
    return App(sandbox.url)


# -- the whole walk


def test_somebody_signs_in_and_the_id_token_is_what_the_keys_say(app):
    tokens = app.sign_in("verified")
    claims = app.claims(tokens)
    assert (app.url, "an-app", "an-app", "canary-nonce") == tuple(claims[c] for c in ("iss", "aud", "azp", "nonce"))
    assert 3600 == claims["exp"] - claims["iat"]
    assert abs(claims["iat"] - time.time()) < 5
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert base64.urlsafe_b64encode(half).rstrip(b"=").decode() == claims["at_hash"]
    told = app.userinfo(tokens["access_token"]).json()
    assert told == {name: claims[name] for name in told}
    picture = requests.get(told["picture"], timeout=TIMEOUT_S)
    assert (200, "image/png") == (picture.status_code, picture.headers["Content-Type"])


def test_the_app_gets_its_state_back_and_is_told_who_answers(app):
    answer = app.choose("verified")
    assert ("google", "canary-state", app.url) == (answer["provider"], answer["state"], answer["iss"])
    assert "state" not in app.choose("verified", state=None)


def test_every_persona_is_as_promised(app, sandbox):
    everybody = {
        persona: app.claims(app.sign_in(persona))
        for persona in ("verified", "second", "unverified", "no_email", "minimal", "renamed", "squatter")
    }
    assert {
        "verified": ("110000000000000000001", "vera@example.com", True),
        "second": ("110000000000000000002", "zoe.second@example.org", True),
        "unverified": ("110000000000000000003", "umar@example.com", False),
        "no_email": ("110000000000000000004", None, None),
        "minimal": ("110000000000000000005", "mina@example.com", True),
        "renamed": ("110000000000000000001", "vera.new@example.com", True),
        "squatter": ("110000000000000000006", "ada@example.com", True),
    } == {key: (one["sub"], one.get("email"), one.get("email_verified")) for key, one in everybody.items()}
    for complete in ("verified", "second"):
        assert set(everybody[complete]) >= KNOWN_TO_GOOGLE
    assert not KNOWN_TO_GOOGLE & set(everybody["minimal"])
    assert len(everybody["second"]["name"]) > 60
    sandbox.social(squatter_email="grace@example.net", squatter_email_verified=False)
    squatter = app.claims(app.sign_in("squatter"))
    assert ("grace@example.net", False) == (squatter["email"], squatter["email_verified"])


def test_an_app_is_told_no_more_than_it_asked_for(app):
    claims = app.claims(app.sign_in("verified", scope="openid", nonce=None))
    assert {"iss", "azp", "aud", "sub", "at_hash", "iat", "exp"} == set(claims)


def test_the_addresses_follow_those_that_were_asked(app):
    configuration = requests.get(
        f"{app.url}/.well-known/openid-configuration", headers=FORWARDED, timeout=TIMEOUT_S
    ).json()
    assert "https://accounts.test:8443/google" == configuration["issuer"]
    assert "https://accounts.test:8443/google/token" == configuration["token_endpoint"]
    claims = app.claims(app.sign_in("verified", FORWARDED))
    assert configuration["issuer"] == claims["iss"]
    assert claims["picture"].startswith("https://accounts.test:8443/")


# -- the dialog


def test_the_page_shows_whom_one_can_be(app):
    page = app.ask(client_id="<b>app", login_hint="umar@example.com")
    assert 200 == page.status_code
    for persona in "verified second unverified no_email minimal renamed squatter cancel".split():
        assert f'name="persona" value="{persona}"' in page.text
    assert "&lt;b&gt;app" in page.text
    assert 'value="unverified" autofocus' in page.text


def test_cancelling_and_asking_without_a_page_send_an_error_back(app):
    assert ("access_denied", "canary-state") == tuple(app.choose("cancel")[name] for name in ("error", "state"))
    assert "error=interaction_required" in app.ask(prompt="none").headers["Location"]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_id": None}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"redirect_uri": "javascript:alert(1)"}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "email profile"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ],
)
def test_a_bad_question_is_answered_by_a_page_and_nobody_is_sent_anywhere(app, changed, error):
    page = app.ask(**changed)
    assert (400, True) == (page.status_code, f"<code>{error}</code>" in page.text)


# -- the code


def test_a_code_works_once(app):
    code = app.choose("verified")["code"]
    assert [200, 400] == [app.exchange(code).status_code for _ in range(2)]
    assert "invalid_grant" == app.exchange(code).json()["error"]


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        ({"code_verifier": "w" * 43}, 400, "invalid_grant"),
        ({"code_verifier": None}, 400, "invalid_grant"),
        ({"redirect_uri": "http://localhost:1/other"}, 400, "redirect_uri_mismatch"),
        ({"client_id": "another-app"}, 400, "unauthorized_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
)
def test_a_code_is_bound_to_who_asked_and_how(app, changed, status, error):
    answer = app.exchange(app.choose("verified")["code"], **changed)
    assert (status, error) == (answer.status_code, answer.json()["error"])


def test_a_code_works_for_a_minute(app, sandbox):
    early, late = app.choose("verified")["code"], app.choose("verified")["code"]
    sandbox.advance_clock(58)
    assert 200 == app.exchange(early).status_code
    sandbox.advance_clock(2)
    assert 400 == app.exchange(late).status_code


def test_an_access_token_ends(app, sandbox):
    token = app.sign_in("verified")["access_token"]
    assert 200 == app.userinfo(token).status_code
    sandbox.advance_clock(3600)
    assert 401 == app.userinfo(token).status_code == app.userinfo("invented").status_code


def test_configured_keys_must_be_shown_exactly():
    with Sandbox(port=0, google_client=("an-app", "s:ecret/ü")) as server:
        app = App(server.url)
        code = app.choose("verified")["code"]
        assert "invalid_client" in app.ask(client_id="other").text
        assert 401 == app.exchange(code).status_code
        in_header = ("an-app", "s%3Aecret%2F%C3%BC")
        assert 200 == app.exchange(code, auth=in_header, client_id=None, client_secret=None).status_code


# -- what goes wrong on request


@pytest.mark.parametrize(
    ("fault", "claim", "wrong"),
    [
        ("wrong_nonce", "nonce", "of-another-sign-in"),
        ("wrong_aud", "aud", "another-app"),
        ("wrong_iss", "iss", "https://accounts.invalid"),
    ],
)
def test_an_id_token_may_hold_a_wrong_claim(app, sandbox, fault, claim, wrong):
    sandbox.social(google={"fault": fault})
    assert wrong == app.claims(app.sign_in("verified"))[claim]


def test_an_id_token_may_be_expired(app, sandbox):
    sandbox.social(google={"fault": "expired"})
    assert app.claims(app.sign_in("verified"))["exp"] < time.time() - 600


@pytest.mark.parametrize("fault", ["alg_none", "bad_signature"])
def test_an_id_token_may_be_signed_by_nobody(app, sandbox, fault):
    sandbox.social(google={"fault": fault})
    tokens = app.sign_in("verified")
    with pytest.raises(JoseError):
        app.claims(tokens)
    sandbox.reset()
    app.claims(app.sign_in("verified"))


@pytest.mark.parametrize(
    ("fault", "status", "kind"), [("server_error", 500, "application/json"), ("html", 502, "text/html; charset=utf-8")]
)
def test_what_servers_call_may_be_down_while_people_still_choose(app, sandbox, fault, status, kind):
    sandbox.social(google={"fault": fault})
    answer = app.exchange(app.choose("verified")["code"])
    assert (status, kind) == (answer.status_code, answer.headers["Content-Type"])
    assert status == app.userinfo("any").status_code
    sandbox.social(google={"fault": None})
    assert 401 == app.userinfo("any").status_code


def test_google_may_be_slow(app, sandbox):
    sandbox.social(google={"fault": "slow", "delay_s": 0.3})
    started = time.monotonic()
    app.userinfo("any")
    assert 0.3 <= time.monotonic() - started < 2


def test_a_fault_may_name_one_path_and_one_for_mx_leaves_google_alone(app, sandbox):
    sandbox.fault("status", status=503)
    sandbox.fault("garbage", "/google/v1/*", times=1)
    token = app.sign_in("verified")["access_token"]
    with pytest.raises(requests.JSONDecodeError):
        app.userinfo(token).json()
    assert "vera@example.com" == app.userinfo(token).json()["email"]


@pytest.mark.parametrize(
    "body",
    [
        {"google": {"fault": "unheard"}},
        {"facebook": {"fault": "alg_none"}},
        {"google": "slow"},
        {"google": {"delay": 1}},
        {"squatter_email": "ada"},
        {"twitter": {}},
    ],
)
def test_a_wrong_setting_is_refused_and_changes_nothing(sandbox, body):
    before = sandbox.overview()["social"]
    with pytest.raises(requests.HTTPError, match="422"):
        sandbox.social(**body)
    assert before == sandbox.overview()["social"]


# -- the log


def test_the_log_holds_no_secret(app, sandbox: SandboxControl):
    code = app.choose("verified", login_hint="canary-hint", **{"id_token_hint": "canary-token"})["code"]
    app.ask()
    token = app.exchange(code).json()["access_token"]
    requests.get(f"{app.url}/v1/userinfo?%61ccess_token={token}&alt=json", timeout=TIMEOUT_S)
    log = json.dumps(sandbox.requests("/google/*"), ensure_ascii=False)
    for secret in (code, token, "canary", CHALLENGE, VERIFIER):
        assert secret not in log
    assert "client_id=an-app" in log
    assert "ccess_token=…&alt=json" in log
