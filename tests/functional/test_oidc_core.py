"""OpenID Connect Core 1.0, and what its Basic certification plan asks (docs/reference/conformance.md)."""

import base64
import hashlib
import json
import time
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from donkies.domain.tokens import IdTokens, PublicKeys
from donkies.testing.app import (
    PASSWORD,
    allow,
    authorize_path,
    bearer,
    get_code,
    get_tokens,
    log_in,
    pkce,
    redeem,
    redirect_parameters,
)


@pytest.fixture
def person(testapp, user_factory):
    person = user_factory(password=PASSWORD)
    log_in(testapp, person)
    return person


@pytest.fixture
def client(client_factory):
    """First-party and confidential: nothing is asked but what these tests are about."""
    return client_factory(type="confidential", scopes="openid profile email")


@pytest.fixture
def ask(testapp, client):
    """Asks for authorization; a page or a redirect comes."""
    return lambda **parameters: testapp.get(authorize_path(client, pkce()[1], **parameters))


def claims_of(app, tokens):
    keys = KeySet.import_key_set(app.get("/.well-known/jwks.json").json)
    return jwt.decode(tokens["id_token"], keys, algorithms=["RS256"]).claims


def outcome(response):
    """`code`, an error's code, or the log-in page's address."""
    if "/login?" in response.location:
        return "login"
    answer = redirect_parameters(response)
    assert ("state-1", "http://localhost") == (answer["state"], answer["iss"])
    return "code" if "code" in answer else answer["error"]


def log_in_again(page, email=None, password=PASSWORD):
    """Fill the log-in page in, and be led on."""
    form = page.follow(status=200).form
    if email:
        form["email"] = email
    form["password"] = password
    return form.submit(status=303).follow()


class TestIdToken:
    def test_it_tells_who_when_how_and_for_whom(self, testapp, client, person):
        """§2, §3.1.3.6"""
        tokens = get_tokens(testapp, client, nonce="n-1")
        claims = claims_of(testapp, tokens)
        assert ("http://localhost", client.id, str(person.id)) == (claims["iss"], claims["aud"], claims["sub"])
        assert ("n-1", "1", ["pwd"]) == (claims["nonce"], claims["acr"], claims["amr"])
        assert claims["auth_time"] <= claims["iat"] < claims["exp"]
        half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
        assert base64.urlsafe_b64encode(half).rstrip(b"=").decode() == claims["at_hash"]
        assert claims["sid"]
        testapp.get("/v1/users/me", headers=bearer(tokens["id_token"]), status=401)

    def test_its_signature_is_checked_with_the_published_key(self, testapp, client, person):
        """§2, §10.1"""
        tokens = get_tokens(testapp, client)
        header = json.loads(base64.urlsafe_b64decode(tokens["id_token"].split(".")[0] + "=="))
        (published,) = [key["kid"] for key in testapp.get("/.well-known/jwks.json").json["keys"] if key["kty"] == "RSA"]
        assert ("RS256", published) == (header["alg"], header["kid"])
        assert claims_of(testapp, tokens)
        body, _, signature = tokens["id_token"].rpartition(".")
        with pytest.raises(Exception, match="signature"):
            claims_of(testapp, {"id_token": f"{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"})

    def test_without_a_nonce_there_is_none_in_it(self, testapp, client, person):
        """§3.1.2.1"""
        assert "nonce" not in claims_of(testapp, get_tokens(testapp, client))

    def test_more_than_one_factor_is_told(self, testapp, client, person):
        """§2 acr, amr; RFC 8176 §2"""
        with testapp.engine().begin() as connection:
            connection.execute(sa.text("UPDATE browser_sessions SET methods = 'pwd otp mfa'"))
        claims = claims_of(testapp, get_tokens(testapp, client))
        assert ("2", ["pwd", "otp", "mfa"]) == (claims["acr"], claims["amr"])

    def test_there_is_none_without_the_scope_openid(self, testapp, client, person):
        """§3.1.2.1"""
        assert "id_token" not in get_tokens(testapp, client, scope="profile")

    def test_none_is_never_its_algorithm(self, testapp):
        """Discovery 1.0 §3"""
        told = testapp.get("/.well-known/openid-configuration").json
        assert "none" not in told["id_token_signing_alg_values_supported"]


class TestUserinfo:
    PROFILE = frozenset({"name", "given_name", "family_name", "birthdate", "updated_at"})
    EMAIL = frozenset({"email", "email_verified"})

    @pytest.mark.parametrize(
        ("scope", "told"),
        [
            ("openid", frozenset()),
            ("openid profile", PROFILE),
            ("openid email", EMAIL),
            ("openid profile email", PROFILE | EMAIL),
            ("openid address", frozenset()),
            ("openid phone", frozenset()),
            ("openid profile email address phone", PROFILE | EMAIL),
            ("openid offline_access", frozenset()),
        ],
    )
    def test_it_tells_what_the_scopes_allow(self, testapp, client, person, scope, told):
        """§5.4; what is not known here is left out of the grant"""
        tokens = get_tokens(testapp, client, scope=scope)
        assert not {"address", "phone", "offline_access"}.intersection(tokens["scope"].split())
        answer = testapp.get("/oauth/userinfo", headers=bearer(tokens["access_token"])).json
        assert {"sub"} | told == answer.keys()
        assert str(person.id) == answer["sub"]

    @pytest.mark.parametrize("scope", ["address", "offline_access phone"])
    def test_nothing_is_no_scope(self, ask, person, scope):
        """RFC 6749 §3.3"""
        assert "invalid_scope" == outcome(ask(scope=scope))

    def test_it_is_asked_by_get_by_post_and_by_a_form(self, testapp, client, person):
        """§5.3.1; RFC 6750 §2.1, §2.2"""
        token = get_tokens(testapp, client, scope="openid profile")["access_token"]
        by_get = testapp.get("/oauth/userinfo", headers=bearer(token))
        by_post = testapp.post("/oauth/userinfo", headers=bearer(token))
        by_form = testapp.post("/oauth/userinfo", {"access_token": token})
        assert by_get.json == by_post.json == by_form.json
        assert "no-store" == by_form.headers["Cache-Control"]
        assert ("Ada", "1990-12-31") == (by_form.json["given_name"], by_form.json["birthdate"])

    def test_a_token_sent_twice_is_refused(self, testapp, client, person):
        """RFC 6750 §2"""
        token = get_tokens(testapp, client)["access_token"]
        testapp.post("/oauth/userinfo", {"access_token": token}, headers=bearer(token), status=400)
        testapp.post("/oauth/userinfo", [("access_token", token), ("access_token", token)], status=400)

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_a_token_in_the_address_is_refused(self, testapp, client, person, method):
        """RFC 9700 §4.3.2 (S17)"""
        token = get_tokens(testapp, client)["access_token"]
        getattr(testapp, method)(f"/oauth/userinfo?access_token={token}", status=400)

    @pytest.mark.parametrize("form", [{}, {"access_token": ""}, {"access_token": "x.y.z"}])
    def test_a_bad_or_missing_token_is_401(self, testapp, form):
        """RFC 6750 §3.1"""
        assert testapp.post("/oauth/userinfo", form, status=401).headers["WWW-Authenticate"].startswith("Bearer")


class TestParameters:
    @pytest.mark.parametrize(
        "parameters",
        [
            {"display": "page"},
            {"display": "popup"},
            {"ui_locales": "se fr-CA en"},
            {"claims_locales": "se"},
            {"acr_values": "1 2"},
            {"claims": '{"userinfo": {"name": {"essential": true}}}'},
            {"extra": "foobar"},
            {"prompt": "create"},
            {"prompt": ""},
            {"max_age": ""},
            {"request": ""},
            {"response_mode": "query"},
            {"login_hint": "buffy@people.example"},
            {"nonce": "n"},
        ],
    )
    def test_what_cannot_be_met_is_tolerated(self, ask, person, parameters):
        """§3.1.2.1, §5.2, §5.5; RFC 6749 §3.1"""
        assert "code" == outcome(ask(**parameters))

    def test_no_order_matters(self, testapp, client, person):
        """RFC 6749 §3.3; and the ID token keeps what userinfo tells out (§5.4)"""
        verifier, challenge = pkce()
        path, _, query = authorize_path(client, challenge, scope="email profile openid").partition("?")
        back = testapp.get(f"{path}?{'&'.join(reversed(query.split('&')))}", status=303)
        tokens = redeem(testapp, client, redirect_parameters(back)["code"], verifier, status=200).json
        assert {"openid", "profile", "email"} == set(tokens["scope"].split())
        assert not {"email", "name"}.intersection(claims_of(testapp, tokens))

    @pytest.mark.parametrize(
        ("parameters", "error"),
        [
            ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
            ({"request": "x", "redirect_uri": "https://app.example/callback"}, "request_not_supported"),
            ({"request_uri": "https://app.example/request.jwt"}, "request_uri_not_supported"),
            ({"registration": "{}"}, "registration_not_supported"),
            ({"response_mode": "fragment"}, "invalid_request"),
            ({"response_mode": "form_post"}, "invalid_request"),
            ({"max_age": "-1"}, "invalid_request"),
            ({"max_age": "soon"}, "invalid_request"),
            ({"max_age": "1.5"}, "invalid_request"),
            ({"max_age": "²"}, "invalid_request"),
            ({"prompt": "none login"}, "invalid_request"),
            ({"prompt": "consent none"}, "invalid_request"),
            ({"response_type": None}, "unsupported_response_type"),
            ({"response_type": "id_token"}, "unsupported_response_type"),
            ({"scope": "openid everything"}, "invalid_scope"),
            ({"state": "a\r\nSet-Cookie: b=c"}, "invalid_request"),
        ],
    )
    def test_what_is_refused_is_told_to_the_client(self, testapp, client, person, parameters, error):
        """§3.1.2.6, §6, §7.2.1"""
        back = testapp.get(authorize_path(client, pkce()[1], **parameters), status=303)
        answer = redirect_parameters(back)
        assert (error, "http://localhost") == (answer["error"], answer["iss"])
        assert answer["error_description"]
        assert "Set-Cookie" not in back.headers
        assert back.location.startswith("https://app.example/callback?")

    def test_what_discovery_says_is_so(self, testapp):
        """Discovery 1.0 §3"""
        told = testapp.get("/.well-known/openid-configuration").json
        assert {"none", "login", "consent", "select_account", "create"} == set(told["prompt_values_supported"])
        assert ["1", "2"] == told["acr_values_supported"]
        assert {"acr", "amr", "auth_time", "nonce", "at_hash", "sid"} <= set(told["claims_supported"])
        for name in ("claims_parameter", "request_parameter", "request_uri_parameter"):
            assert told[f"{name}_supported"] is False

    def test_too_long_a_request_gets_a_page(self, testapp, client, person):
        for method in (testapp.get, testapp.post):
            path, _, query = authorize_path(client, pkce()[1], claims="x" * 8000).partition("?")
            page = method(path, query, status=400)
            assert "8000 characters" in page.text


class TestPromptAndAge:
    def test_prompt_none_answers_without_asking(self, testapp, client, ask, user_factory):
        """§3.1.2.1, §3.1.2.6"""
        assert "login_required" == outcome(ask(prompt="none"))
        log_in(testapp, user_factory(password=PASSWORD))
        first, again = get_tokens(testapp, client), get_tokens(testapp, client, prompt="none")
        told = [claims_of(testapp, tokens) for tokens in (first, again)]
        assert told[0]["sub"] == told[1]["sub"]
        assert told[0]["auth_time"] == told[1]["auth_time"]

    def test_prompt_login_asks_once_and_counts_for_one_request(self, testapp, client, person, clock):
        """§3.1.2.1"""
        before = claims_of(testapp, get_tokens(testapp, client))
        clock.advance(seconds=5)
        verifier, challenge = pkce()
        path = authorize_path(client, challenge, prompt="login")
        page = testapp.get(path, status=303)
        assert "to be sure that it is you" in page.follow().text
        assert person.email == page.follow().form["email"].value
        back = log_in_again(page)
        tokens = redeem(testapp, client, redirect_parameters(back)["code"], verifier, status=200).json
        assert claims_of(testapp, tokens)["auth_time"] >= before["auth_time"] + 5
        assert "login" == outcome(testapp.get(path))

    def test_another_log_in_does_not_answer_it(self, testapp, ask, person):
        """§3.1.2.1: a log-in for one request is none for another"""
        assert "code" == outcome(log_in_again(ask(prompt="login", state="state-1")))
        log_in(testapp.another_browser(), person)
        assert "login" == outcome(ask(prompt="login"))

    def test_a_log_in_answers_ten_minutes_long(self, testapp, client_factory, person, clock):
        """The consent page was left open: who sits there now?"""
        client = client_factory()
        path = authorize_path(client, pkce()[1], prompt="login")
        assert "Allow" in log_in_again(testapp.get(path, status=303)).text
        assert 200 == testapp.get(path).status_int
        clock.advance(minutes=11)
        assert "login" == outcome(testapp.get(path))

    def test_a_wrong_password_keeps_the_reason_and_the_way(self, ask, person):
        page = ask(prompt="login").follow()
        page.form["password"] = "not the password"
        again = page.form.submit(status=422)
        assert "to be sure that it is you" in again.text
        again.form["password"] = PASSWORD
        assert "code" == outcome(again.form.submit(status=303).follow())

    def test_prompt_login_and_consent_ask_both(self, ask, person):
        page = log_in_again(ask(prompt="login consent"))
        assert "code" == outcome(allow(page))

    def test_select_account_lets_choose(self, ask, person, user_factory):
        """§3.1.2.1"""
        other = user_factory(password=PASSWORD)
        page = ask(prompt="select_account").follow()
        assert "code" == outcome(page.click(f"Go on as {person.email}"))
        assert "code" == outcome(log_in_again(ask(prompt="select_account"), other.email))

    def test_prompt_create_leads_to_the_sign_up_page(self, ask, testapp):
        """Initiating User Registration 1.0 §4; who signed up goes on by himself"""
        page = ask(prompt="create")
        assert "/signup" == urlsplit(page.location).path
        form = page.follow().form
        typed = {"first_name": "Ada", "last_name": "Byron", "email": "new@people.example", "birthday": "1990-12-10"}
        for name, value in (typed | {"password": PASSWORD}).items():
            form[name] = value
        assert "code" == outcome(form.submit(status=303).follow())
        assert "code" == outcome(ask(prompt="create"))

    def test_to_choose_is_not_to_log_in(self, testapp, ask, person):
        """What answers prompt=select_account does not answer prompt=login."""
        way = ask(prompt="login select_account").location
        page = testapp.get(way.replace("why=login", "why=account"))
        assert "login" == outcome(page.click("Go on as"))

    def test_max_age_asks_those_who_logged_in_before(self, testapp, client, ask, person, clock):
        """§3.1.2.1, §15.1"""
        first = claims_of(testapp, get_tokens(testapp, client, max_age="10000"))
        clock.advance(seconds=3)
        kept = claims_of(testapp, get_tokens(testapp, client, max_age="10000"))
        assert first["auth_time"] == kept["auth_time"]
        page = ask(max_age="1")
        assert "some time ago" in page.follow().text
        assert "code" == outcome(log_in_again(page))
        assert first["auth_time"] + 3 <= claims_of(testapp, get_tokens(testapp, client))["auth_time"]
        clock.advance(seconds=2)
        assert "login_required" == outcome(ask(max_age="1", prompt="none"))

    def test_max_age_zero_is_a_log_in(self, ask, person):
        """prompt=login of older clients"""
        page = ask(max_age="0")
        assert "code" == outcome(log_in_again(page))
        assert "login" == outcome(ask(max_age="0"))

    @pytest.mark.parametrize("why", ["", "nothing", "<b>"])
    def test_a_strange_reason_asks_nobody_again(self, testapp, person, why):
        testapp.get("/login", {"why": why}, status=303)


class TestHints:
    def test_login_hint_is_filled_in(self, testapp, ask):
        """§3.1.2.1"""
        page = ask(login_hint='ada"><b>@people.example').follow()
        assert 'ada"><b>@people.example' == page.form["email"].value
        assert "<b>" not in page.text

    def test_id_token_hint_of_who_is_logged_in_goes_on(self, testapp, client, ask, person, clock):
        """§3.1.2.1: one that expired does as well"""
        hint = get_tokens(testapp, client)["id_token"]
        assert "code" == outcome(ask(id_token_hint=hint, prompt="none"))
        clock.advance(days=1)
        log_in(testapp.another_browser(), person)
        testapp.reset()
        log_in(testapp, person)
        assert "code" == outcome(ask(id_token_hint=hint, prompt="none"))

    def test_id_token_hint_of_another_person_asks_for_them(self, testapp, client, ask, person, user_factory):
        """§3.1.2.1"""
        hint = get_tokens(testapp, client)["id_token"]
        other = user_factory(password=PASSWORD)
        testapp.reset()
        log_in(testapp, other)
        assert "login_required" == outcome(ask(id_token_hint=hint, prompt="none"))
        page = ask(id_token_hint=hint)
        assert "expects another account" in page.follow().text
        assert "login_required" == outcome(log_in_again(page, other.email))
        assert "code" == outcome(log_in_again(ask(id_token_hint=hint), person.email))

    def test_no_other_token_is_a_hint(self, testapp, client, ask, person):
        """§3.1.2.1: it names nobody, so that nobody can be the one; who may be asked goes on as without it"""
        tokens = get_tokens(testapp, client)
        claims = {"iss": "http://localhost", "sub": str(person.id), "aud": client.id, "exp": int(time.time()) + 60}
        forged = jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key(2048), algorithms=["RS256"])
        unsigned = "eyJhbGciOiJub25lIn0.e30."  # {"alg":"none"}
        with testapp.service(IdTokens) as ids:
            foreign = ids.mint(claims | {"iss": "https://other.example"}, access_token="x")
        for hint in (tokens["access_token"], tokens["id_token"] + "x", forged, unsigned, foreign, "x", "x.y.z"):
            assert "login_required" == outcome(ask(id_token_hint=hint, prompt="none"))
            assert "code" == outcome(ask(id_token_hint=hint))
        testapp.reset()
        assert "login" == outcome(ask(id_token_hint="x"))

    def test_a_hint_whose_key_is_retired_is_none(self, testapp, client, ask, person, clock):
        """§3.1.2.1, §10.1.1: a rotation of keys shuts no app out"""
        hint = get_tokens(testapp, client)["id_token"]
        with testapp.service(PublicKeys) as keys:
            keys.rotate("RS256")
        clock.advance(hours=2)
        assert "login_required" == outcome(ask(id_token_hint=hint, prompt="none"))
        assert "code" == outcome(ask(id_token_hint=hint))


class TestCodeReuse:
    @pytest.mark.parametrize("seconds", [0, 30])
    def test_a_code_used_again_later_ends_what_it_gave(self, testapp, client, person, clock, seconds):
        """RFC 6749 §4.1.2: at once, and half a minute later"""
        code, verifier = get_code(testapp, client)
        tokens = redeem(testapp, client, code, verifier, status=200).json
        clock.advance(seconds=seconds)
        assert "invalid_grant" == redeem(testapp, client, code, verifier, status=400).json["error"]
        testapp.get("/oauth/userinfo", headers=bearer(tokens["access_token"]), status=401)
