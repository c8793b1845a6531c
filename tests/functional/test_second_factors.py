"""The second step of a log-in, the page /factors, and what tokens tell of it."""

import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import KeySet
from structlog.testing import capture_logs

from donkies.domain.factor_keeping import FactorService
from donkies.domain.factors import FactorRefused
from donkies.domain.people import AccountService
from donkies.domain.second_step import SecondStepService
from donkies.testing.app import (
    PASSWORD,
    allow,
    authorize_path,
    get_tokens,
    give_code_app,
    log_in,
    make_client,
    make_person,
    pkce,
    redeem,
    redirect_parameters,
    sign_in,
)


@pytest.fixture
def database_url(sqlite_databases, tmp_path):
    """SQLite alone: what databases do differently is in the store's contract."""
    return sqlite_databases.fresh(tmp_path)


@pytest.fixture
def person(testapp):
    return make_person(testapp, password=PASSWORD)


@pytest.fixture
def code_app(testapp, person):
    return give_code_app(testapp, person)


def step_form(page, field="code"):
    (form,) = [form for form in page.forms.values() if field in form.fields]
    return form


def show(page, value, field="code", status=303):
    """Fill the second step in."""
    form = step_form(page, field)
    form[field] = value
    return form.submit(status=status)


def second_step(app, person):
    """The page of the second step, after the password."""
    answer = log_in(app, person)
    assert urlsplit(answer.location).path == "/login/second"
    return answer.follow()


def act(page, action, status=303):
    """Press one of the buttons of /factors."""
    (form,) = [form for form in page.forms.values() if f'value="{action}"' in form.text]
    return form.submit("action", value=action, status=status)


def begin_app(app):
    return act(app.get("/factors"), "begin_app").follow()


def secret_on(page):
    return re.search(r"<code>([A-Z2-7 ]+)</code>", page.text)[1].replace(" ", "")


def recovery_codes_on(page):
    return re.findall(r"<code>([\w-]{19})</code>", page.text)


def is_logged_in(app):
    return "Log out" in app.get("/").text


def methods(app):
    with app.engine().connect() as connection:
        return connection.execute(sa.text("SELECT methods FROM browser_sessions")).scalars().all()


def claims_of(app, tokens):
    keys = app.get("/.well-known/jwks.json").json
    return jwt.decode(tokens["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"]).claims


class TestSecondStep:
    def test_a_password_alone_opens_no_session_and_a_code_does(self, testapp, person, code_app):
        """S27; ASVS 6.3.3"""
        page = second_step(testapp, person)
        assert not is_logged_in(testapp)
        assert [] == methods(testapp)
        assert "donkies_device" not in testapp.cookies, "the password alone makes no browser known"
        assert 1 == len(testapp.mails(person.email)), "about the app; a new browser is told of when it is in"
        show(page, code_app.code())
        assert ["pwd otp mfa"] == methods(testapp)
        assert is_logged_in(testapp)
        assert "donkies_device" in testapp.cookies
        assert "New log-in" in testapp.mails(person.email)[-1].subject

    def test_a_code_counts_once_in_any_browser(self, testapp, person, code_app):
        """S27; RFC 6238 §5.2; ASVS 6.5.1"""
        code = code_app.code()
        show(second_step(testapp, person), code)
        other = testapp.another_browser()
        page = show(second_step(other, person), code, status=422)
        assert 'role="alert"' in page.text
        assert not is_logged_in(other)
        show(page, code_app.code(1))

    def test_the_step_ends_with_its_first_proof_and_after_ten_minutes(self, testapp, person, code_app, clock):
        """S26: one use, and a time limit"""
        page = second_step(testapp, person)
        key = testapp.cookies["donkies_second"]
        show(page, code_app.code())
        thief = testapp.another_browser()
        thief.set_cookie("donkies_second", key)
        assert thief.get("/login/second", status=303).location.endswith("/login")
        page = second_step(thief, person)
        clock.advance(seconds=601)
        assert show(page, code_app.code()).location.endswith("/login")
        assert not is_logged_in(thief)

    def test_the_step_belongs_to_the_browser_that_gave_the_password(self, testapp, person, code_app):
        page = second_step(testapp, person)
        other = testapp.another_browser()
        token = other.get("/login").form["form_token"].value
        answer = other.post("/login/second", {"form_token": token, "code": code_app.code()}, status=303)
        assert answer.location.endswith("/login")
        step_form(page)["form_token"] = "invented"
        assert "open for a long time" in show(page, code_app.code(), status=403).text

    def test_who_asked_for_log_in_is_led_back_to_from_the_second_step(self, testapp, person, code_app):
        """Also for prompt=login, which the whole log-in answers once"""
        client = make_client(testapp)
        verifier, challenge = pkce()
        page = testapp.get(authorize_path(client, challenge, prompt="login")).follow()
        page.form["email"], page.form["password"] = person.email, PASSWORD
        back = show(page.form.submit(status=303).follow(), code_app.code()).follow()
        claims = claims_of(testapp, redeem(testapp, client, redirect_parameters(allow(back))["code"], verifier).json)
        assert ("2", ["pwd", "otp", "mfa"]) == (claims["acr"], claims["amr"])

    def test_a_session_that_was_there_before_does_not_come_back_by_half_a_log_in(self, testapp, person, code_app):
        """S25: a new id, and the old session ends"""
        show(second_step(testapp, person), code_app.code())
        before = testapp.cookies["donkies_session"]
        page = testapp.get("/login", {"why": "step_up", "next": "/factors"})
        page.form["password"] = PASSWORD
        page = page.form.submit(status=303).follow()
        assert before == testapp.cookies["donkies_session"]
        assert show(page, code_app.code(1)).location.endswith("/factors")
        assert before != testapp.cookies["donkies_session"]
        assert ["pwd otp mfa"] == methods(testapp)

    def test_guesses_are_few_and_the_owner_is_not_locked_out(self, testapp, person, code_app):
        """S24, S27; ASVS 6.6.3"""
        show(second_step(testapp, person), code_app.code())
        thief = testapp.another_browser()
        thief.extra_environ = {"REMOTE_ADDR": "198.51.100.7"}
        page = second_step(thief, person)
        for _ in range(5):
            page = show(page, "000000", status=422)
        assert 0 < int(show(page, "000000", status=429).headers["Retry-After"]) <= 900
        page = second_step(thief, person)  # a new step gives no new guesses
        page = show(page, code_app.code(1), status=429)
        show(page, code_app.recovery_codes[0], "recovery_code")  # the owner, somewhere new
        testapp.get("/").forms[0].submit()
        show(second_step(testapp, person), code_app.code(1))  # the owner, where they were before

    def test_who_was_disabled_or_got_another_password_meanwhile_begins_again(self, testapp, person, code_app):
        page = second_step(testapp, person)
        with testapp.service(AccountService) as accounts:
            accounts.set_password(person.id, "five other quiet words here")
        assert show(page, code_app.code()).location.endswith("/login")
        person.password = "five other quiet words here"
        page = second_step(testapp, person)
        with testapp.service(AccountService) as accounts:
            accounts.disable(person.id)
        assert show(page, code_app.code(1)).location.endswith("/login")

    def test_page_and_cookie_over_https(self, settings, make_testapp):
        """S28"""
        settings["donkies.public_url"] = "https://id.example"
        app = make_testapp()
        app.extra_environ |= {"wsgi.url_scheme": "https", "HTTP_HOST": "id.example"}
        person = make_person(app, password=PASSWORD)
        give_code_app(app, person)
        (cookie,) = [one for one in log_in(app, person).headers.getall("Set-Cookie") if "donkies_second" in one]
        assert cookie.startswith("__Host-donkies_second=")
        assert {"secure", "HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=600"} <= set(cookie.split("; "))


class TestAtOnce:
    @pytest.fixture
    def database_url(self, postgres_database):
        return postgres_database.fresh()

    def test_of_many_who_show_the_same_code_at_once_one_gets_in(self, testapp, person, code_app):
        with testapp.service(SecondStepService) as service:
            keys = [service.begin(person.id, "pwd") for _ in range(4)]

        def try_it(key):
            with testapp.service(SecondStepService) as service:
                try:
                    return service.by_code(key, code_app.code(), address="", device="").methods
                except FactorRefused:
                    return None

        with ThreadPoolExecutor(4) as pool:
            assert {None: 3, "pwd otp mfa": 1} == _counted(pool.map(try_it, keys))


class TestRecoveryCodes:
    def test_each_is_good_once_however_it_is_typed_and_its_owner_is_told(self, testapp, person, code_app):
        """S27; ASVS 6.5.1, 6.5.2"""
        code = code_app.recovery_codes[3]
        typed = " " + code.upper().replace("-", " ").replace("0", "O").replace("1", "l")
        show(second_step(testapp, person), typed, "recovery_code")
        assert ["pwd rc mfa"] == methods(testapp)
        assert "Left: 9" in next(mail for mail in testapp.mails(person.email) if "recovery code" in mail.subject).text
        page = second_step(testapp.another_browser(), person)
        show(page, code, "recovery_code", 422)

    def test_they_are_random_and_kept_hashed(self, testapp, person, code_app):
        """S27; ASVS 6.5.2, 6.5.3: 80 bits"""
        codes = code_app.recovery_codes
        assert (10, 10) == (len(codes), len(set(codes)))
        assert all(re.fullmatch("([0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}", code) for code in codes)
        with testapp.engine().connect() as connection:
            kept = connection.execute(sa.text("SELECT code_hash FROM recovery_codes")).scalars().all()
            secret = connection.execute(sa.text("SELECT secret FROM totp_secrets")).scalar_one()
        assert {32} == {len(one) for one in kept}
        assert code_app.secret.encode() not in bytes(secret)


class TestFactorsPage:
    def test_an_app_is_set_up_by_its_first_code_and_removed(self, testapp, person):
        log_in(testapp, person)
        page = begin_app(testapp)
        assert "data:image/svg+xml" in page.text
        secret = secret_on(page)
        with testapp.service(FactorService) as factors:
            assert factors.overview(person.id).is_none, "it counts for nothing yet"
        assert "not the code" in show(page, "000000", status=422).text
        codes = recovery_codes_on(show(page, pyotp.TOTP(secret).now(), status=200))
        assert 10 == len(codes)
        assert testapp.get("/factors/app", status=303).location.endswith("/factors"), "the secret is shown no more"
        page = testapp.get("/factors")
        assert "10 left" in page.text
        assert not any(code in page.text for code in codes)
        act(page, "remove_app")
        assert "Set up an app" in testapp.get("/factors").text
        assert ["New log-in", "New way to", "A way to c"] == [mail.subject[:10] for mail in testapp.mails(person.email)]
        assert "Nothing but your password" in testapp.mails(person.email)[-1].text
        with testapp.engine().connect() as connection:
            assert 0 == connection.execute(sa.text("SELECT count(*) FROM recovery_codes")).scalar_one()

    def test_new_recovery_codes_replace_the_old(self, testapp, person, code_app):
        show(second_step(testapp, person), code_app.code())
        shown = act(testapp.get("/factors"), "renew_codes", status=200)
        assert code_app.recovery_codes[0] not in shown.text
        page = show(second_step(testapp.another_browser(), person), code_app.recovery_codes[0], "recovery_code", 422)
        show(page, recovery_codes_on(shown)[0], "recovery_code")

    @pytest.mark.parametrize("path", ["/factors/app", "/factors/passkey"])
    def test_changes_need_a_recent_log_in(self, testapp, person, clock, path):
        """S25; ASVS 7.5.1"""
        assert "/login?" in testapp.get(path, status=303).location
        log_in(testapp, person)
        token = testapp.get("/factors").forms[0]["form_token"].value
        clock.advance(seconds=601)
        testapp.get("/factors", status=200)
        for answer in (
            testapp.get(path, status=303),
            testapp.post("/factors", {"form_token": token, "action": "begin_app"}, status=303),
            testapp.post(path, {"form_token": token}, status=303),
        ):
            assert ["step_up"] == parse_qs(urlsplit(answer.location).query)["why"]
        testapp.post("/factors/passkey/options", {"form_token": token}, status=400)

    def test_forms_of_others_change_nothing(self, testapp, person):
        """S29"""
        log_in(testapp, person)
        for path in ("/factors", "/factors/app", "/factors/passkey", "/factors/passkey/options"):
            assert testapp.post(path, {"form_token": "no", "action": "begin_app"}, status="*").status_int in (303, 403)
        with testapp.engine().connect() as connection:
            assert 0 == connection.execute(sa.text("SELECT count(*) FROM totp_secrets")).scalar_one()

    def test_there_are_no_passkeys_where_the_service_has_no_name(self, settings, make_testapp):
        """WebAuthn §5.1.3: an IP address is no domain"""
        settings["donkies.public_url"] = "http://127.0.0.1:6543"
        app = make_testapp()
        log_in(app, make_person(app, password=PASSWORD))
        assert "There can be none here" in app.get("/factors").text
        app.get("/factors/passkey", status=303)
        assert "<script" not in app.another_browser().get("/login").text


class TestPasskeyAtLogIn:
    @pytest.mark.parametrize("answer", ["", "{}", "no json", '{"id": "AA", "rawId": "AA"}', "x" * 20_000])
    def test_strange_answers_get_nobody_in(self, testapp, answer):
        """S27"""
        token = testapp.get("/login").form["form_token"].value
        asked = testapp.post("/login/passkey/options", {"form_token": token}).json
        assert ("required", "localhost") == (asked["options"]["userVerification"], asked["options"]["rpId"])
        sent = {"form_token": token, "challenge": asked["challenge"], "passkey": answer}
        assert "not accepted" in testapp.post("/login/passkey", sent, status=422).text
        assert [] == methods(testapp)

    def test_a_question_is_put_to_pages_of_ours_only(self, testapp):
        """S29"""
        assert "form_stale" == testapp.post("/login/passkey/options", {"form_token": "no"}, status=403).json["code"]
        assert 403 == testapp.post("/login/passkey", {"form_token": "no"}, status="*").status_int
        token = testapp.get("/login").form["form_token"].value
        assert 400 == testapp.post("/login/second/options", {"form_token": token}, status="*").status_int


class TestAcr:
    """OpenID Connect Core 1.0 §3.1.2.1, `acr_values`, a voluntary claim"""

    def test_who_can_show_a_second_factor_is_asked_for_it(self, testapp, person):
        log_in(testapp, person)
        code_app = give_code_app(testapp, person)
        client = make_client(testapp)
        verifier, challenge = pkce()
        for wanted in ("1 2", "9"):
            testapp.get(authorize_path(client, challenge, acr_values=wanted), status=200)
        page = testapp.get(authorize_path(client, challenge, acr_values="9 2 1"), status=303).follow()
        assert "confirm your log-in by a second step" in page.text
        page.form["password"] = PASSWORD
        back = allow(show(page.form.submit(status=303).follow(), code_app.code()).follow())
        tokens = redeem(testapp, client, redirect_parameters(back)["code"], verifier).json
        assert "2" == claims_of(testapp, tokens)["acr"]
        testapp.get(authorize_path(client, challenge, acr_values="2"), status=303)

    def test_who_cannot_and_who_may_not_be_asked_goes_on_with_one(self, testapp, person):
        log_in(testapp, person)
        client = make_client(testapp)
        assert "1" == claims_of(testapp, get_tokens(testapp, client, acr_values="2"))["acr"]
        give_code_app(testapp, person)
        assert "1" == claims_of(testapp, get_tokens(testapp, client, acr_values="2", prompt="none"))["acr"]


class TestRfc9470:
    @pytest.fixture
    def link(self, settings, make_testapp, clock):
        """POST /v1/linked_accounts with a token whose log-in was so many seconds ago."""

        def link(step_up_for, ago_s):
            settings["donkies.step_up.for"] = step_up_for
            app = make_testapp(clock=clock)
            headers = sign_in(app, "links:credentials")
            clock.advance(seconds=ago_s)
            return app.post_json("/v1/linked_accounts", {}, headers=headers, status="*")

        return link

    def test_a_link_wants_a_recent_log_in_where_the_setting_says_so(self, link, settings):
        settings["donkies.step_up.within_s"] = 60
        assert 422 == link("factors link", 50).status_int
        answer = link("factors link", 61)
        assert (401, "insufficient_user_authentication", 60) == (
            answer.status_int, answer.json["code"], answer.json["max_age"],
        )  # fmt: skip
        told = answer.headers["WWW-Authenticate"]
        assert told.startswith('Bearer error="insufficient_user_authentication", ')
        assert told.endswith(', max_age="60"')

    def test_by_default_it_does_not(self, link):
        assert 422 == link("email password factors export delete", 599).status_int


def test_an_operator_takes_the_factors_of_somebody_who_lost_them(testapp, person, code_app, command_line):
    show(second_step(testapp, person), code_app.code())
    done = command_line("user", "reset-factors", person.email)
    assert 0 == done.exit_code, done.output
    assert not is_logged_in(testapp)
    assert "every passkey and app" in testapp.mails(person.email)[-1].text
    log_in(testapp, person).follow()
    assert is_logged_in(testapp)
    assert 0 == command_line("user", "reset-factors", str(person.id)).exit_code
    assert 1 == command_line("user", "reset-factors", "nobody@people.example").exit_code


def test_what_is_logged_tells_what_happened_and_no_secret(testapp, person):
    """S37"""
    with capture_logs() as logged:
        log_in(testapp, person)
        page = begin_app(testapp)
        secret = secret_on(page)
        codes = recovery_codes_on(show(page, pyotp.TOTP(secret).now(), status=200))
        other = testapp.another_browser()
        page = show(second_step(other, person), "000000", status=422)
        show(page, codes[0], "recovery_code")
    events = [one["event"] for one in logged if one["event"] != "request"]
    assert ["login", "factor_added", "second_factor_asked", "second_factor_failed", "login"] == events
    failed = next(one for one in logged if one["event"] == "second_factor_failed")
    assert ("code", str(person.id), "192.0.2.1") == (failed["way"], failed["user_id"], failed["address"])
    assert not [hidden for hidden in (secret, *codes, "000000") if hidden in str(logged)]


def _counted(outcomes):
    found = {}
    for one in outcomes:
        found[one] = found.get(one, 0) + 1
    return found
