"""OpenID Connect RP-Initiated Logout 1.0, and what a browser session's end ends."""

import time
from urllib.parse import urlencode
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from donkies.domain.purging import PurgeService
from donkies.domain.tokens import IdTokens, PublicKeys
from donkies.testing.app import (
    PASSWORD,
    bearer,
    get_code,
    get_tokens,
    log_in,
    redeem,
    refresh,
)

PATH = "/oauth/logout"
BYE = "https://app.example/bye"
ME = "/v1/users/me"


@pytest.fixture
def client(client_factory):
    return client_factory(post_logout_redirect_uris=[BYE, "https://app.example/bye?from=donkies"])


@pytest.fixture
def person(user_factory):
    return user_factory(password=PASSWORD)


@pytest.fixture
def tokens(testapp, client, person):
    """Of the person who is logged in in the browser of the test."""
    log_in(testapp, person)
    return get_tokens(testapp, client)


def leave(browser, status=303, **parameters):
    return browser.get(f"{PATH}?{urlencode(parameters)}", status=status)


def is_logged_in(browser):
    return "Log out" in browser.get("/").text


def cross_site(app, form):
    """A POST from the app's own page: cookies that are SameSite=Lax stay behind."""
    headers = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
    return app.another_browser().post(PATH, form, headers=headers, status=303)


def test_an_app_logs_its_person_out_and_gets_them_back(testapp, client, tokens):
    """§2, §3"""
    answer = leave(testapp, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state="s-1")
    assert f"{BYE}?state=s-1" == answer.location
    assert "no-store" == answer.headers["Cache-Control"]
    assert not is_logged_in(testapp)


def test_state_comes_back_only_when_it_was_sent_and_the_uri_keeps_its_query(testapp, client, person):
    """§3"""
    for parameters, expected in [
        ({"post_logout_redirect_uri": BYE}, BYE),
        ({"post_logout_redirect_uri": f"{BYE}?from=donkies"}, f"{BYE}?from=donkies"),
        ({"post_logout_redirect_uri": f"{BYE}?from=donkies", "state": "a&b=c"}, f"{BYE}?from=donkies&state=a%26b%3Dc"),
    ]:
        log_in(testapp, person)
        hint = get_tokens(testapp, client)["id_token"]
        assert expected == leave(testapp, id_token_hint=hint, **parameters).location


@pytest.mark.parametrize("query", ["?flag", "?a=%zz", "?a=1&b=%2f"])
@pytest.mark.parametrize("state", [None, "s 1"])
def test_the_registered_query_comes_back_as_it_is(testapp, client_factory, person, query, state):
    """§3; RFC 6749 §3.1.2"""
    client = client_factory(post_logout_redirect_uris=[BYE + query])
    log_in(testapp, person)
    parameters = {"id_token_hint": get_tokens(testapp, client)["id_token"], "post_logout_redirect_uri": BYE + query}
    answer = leave(testapp, **parameters, **({"state": state} if state else {}))
    assert BYE + query + ("&state=s+1" if state else "") == answer.location


def test_without_a_uri_there_is_a_page(testapp, tokens):
    """§2"""
    page = leave(testapp, 200, id_token_hint=tokens["id_token"])
    assert "You are logged out" in page.text
    assert not is_logged_in(testapp)


def test_by_post_it_is_the_same(testapp, client, tokens):
    """§2: the cookie does not come along with a form of another site's, so the visitor comes again by GET"""
    form = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s-1"}
    answer = cross_site(testapp, form)
    assert is_logged_in(testapp)
    assert f"{BYE}?state=s-1" == testapp.get(answer.location, status=303).location
    assert not is_logged_in(testapp)
    testapp.post(PATH, form | {"state": "x" * 9000}, status=400)


def test_an_expired_hint_will_do(testapp, client, person, clock):
    """§2"""
    clock.advance(hours=-3)
    log_in(testapp, person)
    hint = get_tokens(testapp, client)["id_token"]
    assert jwt.decode(hint, options={"verify_signature": False})["exp"] < time.time() - 3600
    assert BYE == leave(testapp, id_token_hint=hint, post_logout_redirect_uri=BYE).location
    assert not is_logged_in(testapp)


def test_a_hint_will_do_whose_tokens_were_revoked_before(testapp, client, tokens):
    """§2: libraries revoke first and log out then"""
    testapp.post("/oauth/revoke", {"token": tokens["refresh_token"], "client_id": client.id}, status=200)
    assert BYE == leave(testapp, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE).location
    assert not is_logged_in(testapp)


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/bye/",
        "https://app.example/BYE",
        "https://app.example/bye?x=1",
        "https://app.example/bye#x",
        "https://app.example:8443/bye",
        "https://app.example@evil.example/bye",
        "https://app.example/%62ye",
        "https://app.example/callback",
        "https://evil.example/",
        "//app.example/bye",
        "javascript:alert(1)",
    ],
)
def test_a_uri_that_is_not_registered_gets_a_page_and_no_redirect(testapp, client, tokens, uri):
    """§3 (S1, S2): and nobody is logged out by it"""
    for parameters in ({"id_token_hint": tokens["id_token"]}, {"client_id": client.id}):
        page = leave(testapp, 400, post_logout_redirect_uri=uri, **parameters)
        assert "Location" not in page.headers
        assert "text/html" == page.content_type
        assert f'href="{uri}' not in page.text
    assert is_logged_in(testapp)


def test_another_apps_uri_is_none_of_this_ones(testapp, client, tokens, client_factory):
    """§3"""
    client_factory(post_logout_redirect_uris=["https://other.example/bye"])
    leave(testapp, 400, id_token_hint=tokens["id_token"], post_logout_redirect_uri="https://other.example/bye")
    assert is_logged_in(testapp)


@pytest.mark.parametrize("parameters", [{}, {"client_id": "nobody"}, {"client_id": "\x01"}])
def test_a_uri_of_nobody_leads_nowhere(testapp, client, tokens, parameters):
    """§3"""
    page = leave(testapp, 400, post_logout_redirect_uri=BYE, **parameters)
    assert "Location" not in page.headers


def test_the_hint_must_be_the_apps_own(testapp, client, tokens, client_factory):
    """§2: client_id and the token's audience are the same"""
    other = client_factory(post_logout_redirect_uris=[BYE])
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE}
    leave(testapp, 400, client_id=other.id, **parameters)
    assert is_logged_in(testapp)
    assert BYE == leave(testapp, client_id=client.id, **parameters).location


def forgeries(app, client, person, tokens):
    with app.service(PublicKeys) as keys, app.service(IdTokens) as id_tokens:
        key = keys.current()
        claims = jwt.decode(tokens["id_token"], options={"verify_signature": False})
        secret = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        strange = id_tokens.mint(claims | {"iss": "https://evil.example"}, access_token="x")
    header, body, signature = tokens["id_token"].split(".")
    unsigned = jwt.encode(claims, None, "none", {"kid": key.kid})
    as_hmac = jwt.utils.base64url_encode(f'{{"alg":"HS256","typ":"JWT","kid":"{key.kid}"}}'.encode()).decode()
    mac = jwt.utils.base64url_encode(
        jwt.get_algorithm_by_name("HS256").sign(f"{as_hmac}.{body}".encode(), secret)
    ).decode()
    return {
        "garbage": "garbage",
        "dots": "..",
        "not ascii": "é.é.é",
        "tampered": f"{header}.{body}.{signature[:-6]}AAAAAA",
        "alg none": unsigned,
        "HS256 with the public key": f"{as_hmac}.{body}.{mac}",
        "another issuer": strange,
        "an access token": tokens["access_token"],
        "a refresh token": tokens["refresh_token"],
    }


def test_what_is_no_id_token_of_ours_ends_nothing(testapp, client, person, tokens):
    """§2; RFC 8725 §3 (S10): it counts as none, so that the person is asked"""
    for name, hint in forgeries(testapp, client, person, tokens).items():
        for parameters in ({}, {"client_id": client.id, "post_logout_redirect_uri": BYE}):
            page = leave(testapp, 200, id_token_hint=hint, **parameters)
            assert "Location" not in page.headers, name
            assert is_logged_in(testapp), name
            assert person.email in page.text, name
        # of nobody's app there is no URI to lead to
        page = leave(testapp, 400, id_token_hint="x.y.z", post_logout_redirect_uri=BYE)
        assert is_logged_in(testapp)


@pytest.fixture
def retired(testapp, clock):
    """Retires the key that signs."""

    def retire():
        with testapp.service(PublicKeys) as keys:
            keys.rotate("RS256")
        clock.advance(hours=2)

    return retire


@pytest.mark.parametrize("named", [True, False])
def test_a_hint_whose_key_is_retired_asks_first(testapp, client, person, tokens, retired, named):
    """§2, §3; OpenID Connect Core 1.0 §10.1.1: a rotation of keys leaves nobody logged in against their will"""
    retired()
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s-1"}
    page = leave(testapp, 200, **parameters, **({"client_id": client.id} if named else {}))
    assert is_logged_in(testapp)
    assert client.client.name in page.text
    assert person.email in page.text
    assert f"{BYE}?state=s-1" == page.form.submit(status=303).location
    assert not is_logged_in(testapp)
    refresh(testapp, client, tokens["refresh_token"], status=400)


def test_and_leads_nowhere_that_its_app_did_not_register(testapp, client, tokens, retired, client_factory):
    """§3"""
    other = client_factory(post_logout_redirect_uris=["https://other.example/bye"])
    retired()
    hint = {"id_token_hint": tokens["id_token"]}
    leave(testapp, 400, **hint, post_logout_redirect_uri="https://other.example/bye")
    leave(testapp, 400, **hint, client_id=other.id, post_logout_redirect_uri=BYE)
    page = leave(testapp.another_browser(), 200, **hint, post_logout_redirect_uri=BYE)
    assert "Location" not in page.headers, "who is logged out already is not led on unasked either"


def test_doubled_and_unprintable_parameters_are_refused(testapp, tokens):
    """S10"""
    query = urlencode({"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE})
    for more in ("&state=1&state=2", f"&post_logout_redirect_uri={BYE}", "&state=a%0d%0aSet-Cookie:x", "&state=%7f"):
        page = testapp.get(f"{PATH}?{query}{more}", status=400)
        assert "Location" not in page.headers
    assert is_logged_in(testapp)


def test_without_a_hint_the_person_is_asked(testapp, client, person, tokens):
    """§2, §6 (S10): a link on a strange page logs nobody out"""
    page = leave(testapp, 200, client_id=client.id, post_logout_redirect_uri=BYE, state="s-1")
    assert is_logged_in(testapp)
    assert client.client.name in page.text
    assert person.email in page.text
    # Chromium holds the redirects after a POST to form-action as well (D6)
    assert page.headers["Content-Security-Policy"].endswith("form-action 'self' https://app.example")
    assert f"{BYE}?state=s-1" == page.form.submit(status=303).location
    assert not is_logged_in(testapp)


def test_without_anything_the_person_is_asked_too(testapp, tokens):
    """§2"""
    page = leave(testapp, 200)
    assert is_logged_in(testapp)
    assert "You are logged out" in page.form.submit(status=200).text
    assert not is_logged_in(testapp)


def test_a_hint_of_another_session_asks_first(testapp, client, person, tokens):
    """§2 (S10)"""
    other = testapp.another_browser()
    log_in(other, person)
    page = leave(other, 200, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert is_logged_in(other)
    assert is_logged_in(testapp)
    assert BYE == page.form.submit(status=303).location
    assert not is_logged_in(other)
    assert is_logged_in(testapp)
    refresh(testapp, client, tokens["refresh_token"], status=200)


def test_a_hint_of_another_person_asks_first(testapp, client, tokens, user_factory):
    """§2, §4 (S10)"""
    other = testapp.another_browser()
    log_in(other, user_factory(password=PASSWORD))
    leave(other, 200, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert is_logged_in(other)


@pytest.mark.parametrize("claims", [{"sid": None}, {"sid": "strange"}, {"sid": str(uuid4())}, {"sid": 7}, {"sub": "x"}])
def test_a_hint_that_does_not_name_this_session_asks_first(testapp, client, tokens, claims):
    """§2"""
    said = jwt.decode(tokens["id_token"], options={"verify_signature": False}) | claims
    with testapp.service(IdTokens) as id_tokens:
        hint = id_tokens.mint({name: value for name, value in said.items() if value is not None}, access_token="x")
    leave(testapp, 200, id_token_hint=hint)
    assert is_logged_in(testapp)


def test_a_forged_confirmation_ends_nothing(testapp, client, tokens):
    """S10, S29"""
    form = {"form_token": "0" * 64, "client_id": client.id, "post_logout_redirect_uri": BYE}
    page = testapp.post(PATH, form, status=403)
    assert "Location" not in page.headers
    good = leave(testapp, 200).form["form_token"].value
    headers = {"Origin": "https://evil.example"}
    testapp.post(PATH, form | {"form_token": good}, headers=headers, status=403)
    assert is_logged_in(testapp)


def test_a_stale_form_shows_the_page_again(testapp, client, person, tokens):
    """D5"""
    form = leave(testapp, 200, client_id=client.id, post_logout_redirect_uri=BYE, state="s-1").form
    testapp.reset()
    log_in(testapp, person)
    page = form.submit(status=403)
    assert is_logged_in(testapp)
    assert f"{BYE}?state=s-1" == page.form.submit(status=303).location
    assert not is_logged_in(testapp)


def test_pressing_twice_does_no_harm(testapp, client, tokens):
    form = leave(testapp, 200, client_id=client.id, post_logout_redirect_uri=BYE).form
    form.submit(status=303)
    page = form.submit(status=403)  # it was bound to the session that is gone
    assert "You are logged out" in page.text
    assert BYE == page.form.submit(status=303).location


def test_who_is_logged_out_already_goes_straight_on_with_a_hint(testapp, client, tokens):
    """§2, §4"""
    parameters = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s-1"}
    for browser in (testapp.another_browser(), testapp, testapp):
        assert f"{BYE}?state=s-1" == leave(browser, **parameters).location


def test_and_by_a_button_without_one(testapp, client):
    """§3: without a hint nobody is redirected unasked"""
    page = leave(testapp, 200, client_id=client.id, post_logout_redirect_uri=BYE, state="s-1")
    assert "You are logged out" in page.text
    assert f"{BYE}?state=s-1" == page.form.submit(status=303).location
    assert "You are logged out" in leave(testapp, 200).text
    assert "You are logged out" in leave(testapp, 200, client_id=client.id).text


def test_what_the_app_says_is_escaped(testapp, client, tokens):
    """S28"""
    mark = '"><script>alert(1)</script>'
    page = leave(testapp, 200, client_id=client.id, state=mark, ui_locales=mark, logout_hint=mark)
    assert "<script" not in page.text
    assert mark == page.form["state"].value
    for header in ("Content-Security-Policy", "Referrer-Policy", "X-Frame-Options"):
        assert header in page.headers


def test_only_the_session_that_is_left_ends(make_testapp, testapp, client, person, tokens):
    """DESIGN 5; S13, D4: refresh token, access token and code of this session, and nothing of another"""
    elsewhere, other = make_testapp(), testapp.another_browser()
    log_in(other, person)
    others = get_tokens(other, client)
    code, verifier = get_code(testapp, client)
    elsewhere.get(ME, headers=bearer(tokens["access_token"]), status=200)
    leave(testapp, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    deadline = time.monotonic() + 2
    assert "invalid_grant" == refresh(elsewhere, client, tokens["refresh_token"], status=400).json["error"]
    assert "invalid_grant" == redeem(elsewhere, client, code, verifier, status=400).json["error"]
    testapp.get(ME, headers=bearer(tokens["access_token"]), status=401)
    while elsewhere.get(ME, headers=bearer(tokens["access_token"]), status="*").status_int != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert is_logged_in(other)
    testapp.get(ME, headers=bearer(others["access_token"]), status=200)
    refresh(testapp, client, others["refresh_token"], status=200)


@pytest.fixture
def idle(testapp, clock):
    """Lets the session idle out, which the hourly purge then deletes or not."""

    def wait(*, is_purged):
        clock.advance(hours=13)
        if is_purged:
            with testapp.service(PurgeService) as service:
                service.purge()

    return wait


def revoked(app, client, tokens):
    return refresh(app, client, tokens["refresh_token"], status="*").status_int == 400


@pytest.mark.parametrize("parameters", [{}, {"client_id": True}, {"state": "x"}])
def test_once_a_session_has_idled_out_a_link_on_a_strange_page_ends_no_tokens(
    testapp, client, tokens, idle, parameters
):
    """§6 (S10): the cookie outlives the session, and the person's apps go on"""
    idle(is_purged=False)
    if "client_id" in parameters:
        parameters = {"client_id": client.id}
    assert "You are logged out" in leave(testapp, 200, **parameters).text
    assert "donkies_session" not in testapp.cookies
    assert not revoked(testapp, client, tokens)


def test_nor_does_an_id_token_of_another_session(testapp, client, person, tokens, idle):
    """§6"""
    other = testapp.another_browser()
    log_in(other, person)
    others = get_tokens(other, client)
    idle(is_purged=False)
    assert BYE == leave(testapp, id_token_hint=others["id_token"], post_logout_redirect_uri=BYE).location
    assert not revoked(testapp, client, tokens)
    assert not revoked(testapp, client, others)


@pytest.mark.parametrize("is_purged", [False, True])
def test_but_its_own_id_token_does(testapp, client, tokens, idle, is_purged):
    """§2: the app itself says that its person leaves"""
    idle(is_purged=is_purged)
    leave(testapp, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert revoked(testapp, client, tokens)


def test_and_so_does_the_person(testapp, client, tokens, idle):
    """§3: by the button of our page"""
    idle(is_purged=False)
    page = leave(testapp, 200, client_id=client.id, post_logout_redirect_uri=BYE)
    assert not revoked(testapp, client, tokens)
    assert BYE == page.form.submit(status=303).location
    assert revoked(testapp, client, tokens)


def test_plain_logout_ends_the_tokens_too(testapp, client, tokens):
    """D4"""
    testapp.get("/").form.submit(status=303)
    refresh(testapp, client, tokens["refresh_token"], status=400)
    testapp.get(ME, headers=bearer(tokens["access_token"]), status=401)


@pytest.fixture
def log_in_again(testapp):
    """By a form that was open before somebody logged in."""
    form = testapp.get("/login").form

    def submit(person):
        session = testapp.cookies["donkies_session"]
        form["email"], form["password"] = person.email, PASSWORD
        form.submit(status=303)
        assert session != testapp.cookies["donkies_session"]

    return submit


def test_who_logs_in_again_keeps_the_tokens(testapp, log_in_again, client, person, tokens):
    """D1: and the hint of then is one of this browser's session still"""
    log_in_again(person)
    successor = refresh(testapp, client, tokens["refresh_token"], status=200).json
    assert BYE == leave(testapp, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE).location
    refresh(testapp, client, successor["refresh_token"], status=400)


def test_when_another_person_logs_in_they_end(testapp, log_in_again, client, tokens, user_factory):
    """S25: somebody else uses this browser now"""
    log_in_again(user_factory(password=PASSWORD))
    refresh(testapp, client, tokens["refresh_token"], status=400)
    testapp.get(ME, headers=bearer(tokens["access_token"]), status=401)


@pytest.mark.parametrize("is_purged", [False, True])
def test_who_logs_in_after_the_session_idled_out_keeps_the_tokens(testapp, client, person, tokens, idle, is_purged):
    """D1: it is the same person, whether or not the session that is over was deleted meanwhile"""
    idle(is_purged=is_purged)
    log_in(testapp, person)
    successor = refresh(testapp, client, tokens["refresh_token"], status=200).json
    leave(testapp, 200, id_token_hint=tokens["id_token"])
    refresh(testapp, client, successor["refresh_token"], status=400)


@pytest.mark.parametrize("is_purged", [False, True])
def test_when_another_person_logs_in_then_they_end(testapp, client, tokens, idle, user_factory, is_purged):
    """S25"""
    idle(is_purged=is_purged)
    log_in(testapp, user_factory(password=PASSWORD))
    refresh(testapp, client, tokens["refresh_token"], status=400)
