"""OAuth's best current practice (RFC 9700): what is not shown in the files of the RFCs that it builds on."""

from urllib.parse import quote, urlencode, urlsplit

import pytest

from donkies.testing.app import (
    PASSWORD,
    allow,
    authorize_path,
    get_code,
    get_tokens,
    log_in,
    pkce,
    redeem,
    redirect_parameters,
    refresh,
)
from donkies.testing.routes import operations

EVIL = "https://evil.example/"


@pytest.fixture
def person(user_factory):
    return user_factory(password=PASSWORD)


@pytest.fixture
def client(client_factory):
    return client_factory(type="confidential", post_logout_redirect_uris=["https://app.example/bye"])


NAMES = (
    *("next", "url", "uri", "return_to", "return_uri", "redirect", "redirect_uri", "redirect_to", "continue", "goto"),
    *("target", "target_link_uri", "back", "r", "u", "post_logout_redirect_uri", "request_uri", "RelayState"),
)


def test_no_address_forwards_to_one_that_it_was_given(testapp, client, person):
    """§4.11.1 (S2): tried everywhere, with every usual name, logged in and not"""
    pages = [one for one in operations(testapp) if one.scope is None and "{" not in one.pattern]
    tried = 0
    for is_logged_in in (False, True):
        if is_logged_in:
            log_in(testapp, person)
        for page in pages:
            path = page.pattern.replace("*subpath", "pages.css")
            for query in ("&".join(f"{name}={quote(EVIL)}" for name in NAMES), f"next={quote('//evil.example')}"):
                answer = testapp.request(f"{path}?{query}&client_id={client.id}", method=page.method, status="*")
                assert answer.status_int < 500
                assert urlsplit(answer.headers.get("Location", "")).netloc in ("", "localhost"), page
                assert "evil.example" not in answer.headers.get("Refresh", "")
                tried += 1
    assert tried > 60


def test_after_a_form_comes_303_so_that_no_password_is_sent_on(testapp, client, person):
    """§4.12 (S6)"""
    path = authorize_path(client, pkce()[1])
    form = testapp.get(path, status=303).follow().form
    form["email"], form["password"] = person.email, PASSWORD
    answers = [form.submit(), testapp.post("/oauth/authorize", path.partition("?")[2])]
    answers += [testapp.get("/").form.submit(), testapp.post("/oauth/logout", {"client_id": client.id})]
    sign_up = testapp.get("/signup").form
    sign_up["first_name"], sign_up["last_name"], sign_up["birthday"] = "Ada", "Lovelace", "1990-12-10"
    sign_up["email"], sign_up["password"] = "ada@people.example", PASSWORD
    answers.append(sign_up.submit())
    ask = testapp.get("/oauth/logout", {"client_id": client.id, "post_logout_redirect_uri": "https://app.example/bye"})
    answers.append(ask.form.submit())
    assert [303] * 6 == [answer.status_int for answer in answers]
    assert all(PASSWORD not in answer.location for answer in answers)


@pytest.mark.parametrize("state", ["a\r\nSet-Cookie: planted=1", "a\nb", "a\rb", "a\x00b", "a\u2028b"])
def test_no_control_character_gets_through_state(testapp, client, person, state):
    """§4.7.1: whatever it is, no header and no page is split by it"""
    log_in(testapp, person)
    path = authorize_path(client, pkce()[1], state=state)
    answer = testapp.get(path, status="*")
    assert answer.status_int in (303, 400), "no consent is asked for such a thing"
    assert "planted" not in answer.headers.get("Set-Cookie", "")
    if answer.status_int == 303:
        assert answer.location.isprintable()
        assert "invalid_request" == redirect_parameters(answer)["error"]


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
def test_no_parameter_comes_twice(testapp, client, path):
    """RFC 6749 §3.2 (S10): of two values a proxy may judge the one and we use the other"""
    form = {"client_id": client.id, "client_secret": client.secret, "token": "x", "grant_type": "refresh_token"}
    form |= {"refresh_token": "x", "scope": "openid", "code": "x", "code_verifier": "x", "redirect_uri": EVIL}
    for name in form:
        refused = testapp.post(path, [*form.items(), (name, form[name])], status=400)
        assert "invalid_request" == refused.json["error"], name
        assert name in refused.json["error_description"]
        assert "no-store" == refused.headers["Cache-Control"]


def test_no_token_is_ever_part_of_an_address(testapp, client, person, monkeypatch):
    """§4.3.1, §4.3.2 (S17): a whole journey, each address that was asked for or led to"""
    addresses, ask = [], type(testapp).do_request

    def noted(self, request, *args, **kw):
        answer = ask(self, request, *args, **kw)
        addresses.extend((request.url, answer.headers.get("Location", ""), answer.headers.get("Refresh", "")))
        return answer

    monkeypatch.setattr(type(testapp), "do_request", noted)
    log_in(testapp, person)
    code, verifier = get_code(testapp, client)
    first = redeem(testapp, client, code, verifier).json
    second = refresh(testapp, client, first["refresh_token"]).json
    proof = {"client_id": client.id, "client_secret": client.secret}
    for path in ("/oauth/introspect", "/oauth/revoke"):
        testapp.post(path, {"token": second["access_token"]} | proof)
    testapp.get("/").form.submit()
    assert len(addresses) > 20
    secrets = [first["id_token"], verifier, client.secret, PASSWORD, testapp.cookies.get("donkies_session", "none")]
    secrets += [tokens[name] for tokens in (first, second) for name in ("access_token", "refresh_token")]
    assert not [address for address in addresses for secret in secrets if secret in address]
    assert [code] == [code for address in addresses if code in address], "once, on its way to the client"


def test_what_carries_a_code_tells_no_referrer_and_is_kept_by_no_cache(testapp, client, person):
    """§4.2.4"""
    log_in(testapp, person)
    for parameters in ({}, {"response_type": "token"}, {"prompt": "none"}):
        answer = allow(testapp.get(authorize_path(client, pkce()[1], **parameters)))
        assert ("no-store", "no-referrer") == (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"])


def test_a_token_is_for_this_api_and_for_no_other_party(testapp, client, person):
    """§2.3, §4.9: an ID token and a refresh token open nothing"""
    log_in(testapp, person)
    tokens = get_tokens(testapp, client)
    for name in ("id_token", "refresh_token"):
        for path in ("/v1/users/me", "/v1/accounts", "/oauth/userinfo"):
            testapp.get(path, headers={"Authorization": f"Bearer {tokens[name]}"}, status=401)
    form = {"grant_type": "refresh_token", "client_id": client.id, "client_secret": client.secret}
    testapp.post("/oauth/token", urlencode(form | {"refresh_token": tokens["access_token"]}), status=400)
