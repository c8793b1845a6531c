"""What cannot be used is refused: 4xx, a problem document with a stable code, and nothing half written."""

from __future__ import annotations

import io
import json
from uuid import uuid4

import pytest

from donkies.adapters.persistence.tables import banking
from donkies.testing.app import DonkiesTestApp, make_client
from donkies.testing.links import PersonAtTheApi, login
from donkies.testing.plugin import development_settings
from donkies.testing.routes import ask, operations
from donkies.views.api.schemas import BODY_LIMIT

LINKS = "/v1/linked_accounts"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def testapp(postgres_database):
    """One for all, for what is refused changes nothing; on PostgreSQL, the stricter one about text."""
    app = DonkiesTestApp(development_settings(postgres_database.fresh()))
    yield app
    app.close()


@pytest.fixture(scope="module")
def person(testapp):
    return PersonAtTheApi(testapp)


@pytest.fixture
def post(testapp, person):
    """Send bytes as a new link; refused, they leave no row."""

    def send(body, path=LINKS, method="POST", **headers):
        answer = ask(testapp, method, path, body=body, headers=person.headers | JSON | headers)
        with testapp.engine().connect() as connection:
            assert [] == connection.execute(banking.linked_accounts.select()).all()
            assert [] == connection.execute(banking.idempotency_keys.select()).all()
        return refused(answer)

    return send


def refused(answer):
    """Returns: status and code of what must be a problem document."""
    assert 400 <= answer.status_int < 500, answer.body
    assert "application/problem+json" == answer.content_type
    assert answer.status_int == answer.json["status"]
    assert answer.json["detail"]
    assert f"urn:donkies:error:{answer.json['code']}" == answer.json["type"]
    return answer.status_int, answer.json["code"]


MALFORMED = {
    "nothing": b"",
    "cut": b'{"institution_code": "mx',
    "two documents": b"{}{}",
    "not UTF-8": b'{"institution_code": "\xff"}',
    "UTF-16": '{"institution_code": "mxbank"}'.encode("utf-16"),
    "a lone surrogate": b'{"institution_code": "\\ud800"}',
    "a lone surrogate as a name": b'{"\\udfff": 1}',
    "NaN": b'{"institution_code": NaN}',
    "Infinity": b'{"institution_code": -Infinity}',
    "a huge exponent": b'{"institution_code": 1e999}',
    "a huge number": b'{"institution_code": 1' + b"0" * 5000 + b"}",
    "10,000 arrays deep": b"[" * 10_000 + b"]" * 10_000,
    "10,000 objects deep": b'{"credentials":' * 10_000 + b"1" + b"}" * 10_000,
    "1,000 arrays deep": b"[" * 1_000 + b'{"a":1,"a":2}' + b"]" * 1_000,
    "a name twice": b'{"institution_code": "mxbank", "institution_code": "mxbank"}',
    "a name twice within": b'{"institution_code": "mxbank", "credentials": [{"guid": "a", "guid": "b"}]}',
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_body_that_is_no_json_is_refused(post, what):
    assert (400, "malformed_json") == post(MALFORMED[what])


def test_depth_alone_is_no_error_of_ours(post):
    assert 400 <= post(b"[" * 900 + b"]" * 900)[0] <= 422


FIELDS = {
    b"[]": {"body"},
    b"null": {"body"},
    b'"text"': {"body"},
    b"{}": {"institution_code"},
    b'{"colour": 1, "credentials": {}}': {"colour", "credentials", "institution_code"},
    b'{"institution_code": 7, "credentials": [{"guid": null}, 3, {"guid": "g", "value": "v", "x": 1}]}': {
        "institution_code",
        "credentials.0.guid",
        "credentials.0.value",
        "credentials.1",
        "credentials.2.x",
    },
    b'{"institution_code": ""}': {"institution_code"},
    b'{"institution_code": "mx\\u0000bank", "credentials": [{"guid": "g", "value": "a\\u0000b"}]}': {
        "institution_code",
        "credentials.0.value",
    },
    json.dumps({"institution_code": "x" * 201, "credentials": [{"guid": "g", "value": "v" * 1001}]}).encode(): {
        "institution_code",
        "credentials.0.value",
    },
    json.dumps({"institution_code": "x", "credentials": [{"guid": "g", "value": "v"}] * 21}).encode(): {"credentials"},
}


@pytest.mark.parametrize(("body", "fields"), FIELDS.items())
def test_every_bad_field_is_named_at_once(testapp, person, body, fields):
    answer = ask(testapp, "POST", LINKS, body=body, headers=person.headers | JSON)
    assert (422, "invalid") == refused(answer)
    assert fields == {one["field"] for one in answer.json["errors"]}


def test_an_unknown_institution_and_fields_that_its_form_lacks_are_told_apart(testapp, person, post):
    assert (404, "unknown_institution") == post(b'{"institution_code": "no_such_bank"}')
    wrong = {"institution_code": "mxbank", "credentials": [{"guid": "CRD-no-such", "value": "canary"}]}
    assert (422, "bad_credentials_form") == post(json.dumps(wrong).encode())
    answer = person.post("/linked_accounts", wrong, status=422)
    assert "CRD-no-such" in [one["field"] for one in answer.json["errors"]]
    assert "canary" not in answer.text


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "a/b; c=\xff"])
def test_a_body_of_another_type_is_refused(post, content_type):
    assert (415, "unsupported_media_type") == post(b"{}", **{"Content-Type": content_type})


def test_a_multipart_body_is_refused_whatever_is_in_it(testapp, person):
    for one in operations(testapp):
        if one.method == "POST" and not one.pattern.startswith("/oauth/"):
            headers = person.headers | {"Content-Type": "Multipart/Form-Data"}
            path = one.pattern.replace("{id}", str(uuid4()))
            assert 415 == refused(ask(testapp, "POST", path, body=b"--x", headers=headers))[0], one


@pytest.mark.parametrize("size", [BODY_LIMIT + 1, 10_000_000])
def test_a_long_body_is_refused_before_it_is_read(testapp, person, size):
    class Unread(io.BytesIO):
        def read(self, *_):
            raise AssertionError("the body was read")

    for path in (LINKS, "/oauth/token", "/login", "/v1/transactions", "/nowhere"):
        answer = ask(
            testapp, "POST", path, headers=person.headers | JSON, CONTENT_LENGTH=str(size), **{"wsgi.input": Unread()}
        )
        assert (413, "request_entity_too_large") == refused(answer)


def test_of_a_body_without_length_no_more_is_read_than_is_allowed(testapp, person):
    class Endless(io.BytesIO):
        asked = 0

        def read(self, size=-1):
            assert size >= 0
            self.asked += size
            return b" " * size

    endless = Endless()
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    answer = ask(testapp, "POST", LINKS, headers=person.headers | JSON, **chunked, **{"wsgi.input": endless})
    assert (413, "request_entity_too_large") == refused(answer)
    assert endless.asked <= BODY_LIMIT + 1


def test_a_chunked_body_is_read_like_any_other(testapp, person):
    body = json.dumps({"institution_code": "mxbank"}).encode()
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": io.BytesIO(body)}
    answer = ask(testapp, "POST", LINKS, headers=person.headers | JSON, **chunked)
    assert (422, "bad_credentials_form") == refused(answer)


@pytest.mark.parametrize("length", ["-1", "abc", "1e3", "\xb2", "9" * 400])
def test_a_length_that_is_none_is_refused(testapp, person, length):
    answer = ask(testapp, "POST", LINKS, headers=person.headers | JSON, CONTENT_LENGTH=length)
    assert refused(answer) in [(400, "malformed_length"), (413, "request_entity_too_large")]


def test_a_body_shorter_than_its_length_is_refused(testapp, person):
    cut = {"wsgi.input": io.BytesIO(b'{"institution_code"'), "CONTENT_LENGTH": "100"}
    assert (400, "incomplete_body") == refused(ask(testapp, "POST", LINKS, headers=person.headers | JSON, **cut))


BAD_TEXT = {"NUL": "\0", "no UTF-8": "\xff", "a lone surrogate": "\xed\xa0\x80"}


@pytest.mark.parametrize("what", BAD_TEXT)
def test_text_that_is_none_is_refused_in_paths_and_queries(testapp, person, what):
    text = BAD_TEXT[what]
    encoded = "".join(f"%{ord(character):02x}" for character in text)
    for one in operations(testapp):
        path = one.pattern.replace("{id}", "1" + text).replace("{code}", text).replace("*subpath", text)
        if path != one.pattern:
            assert (400, "malformed_path") == refused(ask(testapp, one.method, path, headers=person.headers)), one
        path = one.pattern.replace("{id}", str(uuid4()))
        for query in (f"q={encoded}", f"{encoded}=1", f"cursor={encoded}"):
            answer = ask(testapp, one.method, path, query=query, headers=person.headers)
            assert (400, "malformed_query") == refused(answer), one
    assert (400, "malformed_path") == refused(ask(testapp, "GET", "/nowhere" + text))


@pytest.mark.parametrize("name", ["Authorization", "If-None-Match", "Origin", "Cookie", "Accept", "User-Agent", "Host"])
def test_headers_that_are_no_text_break_nothing(testapp, person, name):
    for value in ("\xff", "\0", "Bearer \xff\xfe", "a" * 9000, "donkies_session=\xff; donkies_form=\0"):
        for path in ("/v1/transactions", "/v1/users/me", "/login", "/nowhere", "/.well-known/jwks.json"):
            answer = ask(testapp, "GET", path, headers=person.headers | {name: value})
            assert answer.status_int < 500


@pytest.mark.parametrize("key", ["\xff", "", "a b", "k" * 256])
def test_an_idempotency_key_that_is_none_is_refused(post, key):
    body = json.dumps({"institution_code": "mxbank", "credentials": login("any")}).encode()
    assert (422, "invalid") == post(body, **{"Idempotency-Key": key})


CURSORS = [
    "W10",
    "bnVsbA",
    "\u00e9",
    "A" * 200,
    "A" * 201,
    "WyIwMDAxLTAxLTAxIiwieCJd",
    "WzEsMl0",
    "W1tdLFtdXQ",
    "=",
    " ",
]


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_that_was_never_given_out_is_refused(person, cursor):
    for path in ("/transactions", "/institutions"):
        answer = person.get(path, cursor=cursor, expect=422)
        assert ["cursor"] == [one["field"] for one in answer.json["errors"]]


@pytest.mark.parametrize("limit", ["501", "0", "-1", "1e2", "NaN", "\u0663", "9" * 5000])
def test_a_limit_outside_of_its_bounds_is_refused_and_never_made_smaller(person, limit):
    for path in ("/transactions", "/institutions"):
        answer = person.get(path, limit=limit, expect=422)
        assert ["limit"] == [one["field"] for one in answer.json["errors"]]


def test_unused_methods_are_405_and_say_which_are_used(testapp, person):
    methods: dict[str, set[str]] = {}
    for one in operations(testapp):
        methods.setdefault(one.pattern, set()).update({one.method} | ({"HEAD"} if one.method == "GET" else set()))
    for pattern, used in methods.items():
        path = pattern.replace("{id}", str(uuid4())).replace("{code}", "mxbank").replace("*subpath", "pages.css")
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"} - used:
            answer = ask(testapp, method, path, headers=person.headers)
            assert (405, "method_not_allowed") == refused(answer), (method, path)
            assert used == set(answer.headers["Allow"].split(", ")), (method, path)


@pytest.mark.parametrize("field", ["client_id", "code", "refresh_token", "token", "grant_type", "client_secret"])
@pytest.mark.parametrize("text", ["%00", "%ff", "%ed%a0%80", "x" * 5000, "+"])
def test_the_token_endpoints_refuse_in_oauths_shape(testapp, field, text):
    client = make_client(testapp)
    good = {"client_id": client.id, "grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    form = "&".join(f"{name}={value}" for name, value in (good | {field: text}).items()).encode()
    for path in ("/oauth/token", "/oauth/revoke"):
        answer = ask(testapp, "POST", path, body=form, headers=FORM)
        assert answer.status_int in ((400, 401) if path == "/oauth/token" else (200, 400, 401))
        assert answer.status_int == 200 or answer.json["error"]


@pytest.mark.parametrize("text", ["%00", "%ff", "%ed%a0%80", "x" * 5000])
def test_the_forms_for_people_break_on_nothing(testapp, text):
    names = ("email", "password", "first_name", "last_name", "birthday", "next")
    for path in ("/login", "/signup"):
        form = testapp.get(path).form
        token = form["form_token"].value
        cookies = "; ".join(f"{name}={value}" for name, value in testapp.cookies.items())
        body = "&".join([*(f"{name}={text}" for name in names), f"form_token={token}"]).encode()
        answer = ask(testapp, "POST", path, body=body, headers=FORM | {"Cookie": cookies, "User-Agent": "a\0b"})
        assert answer.status_int in (403, 422)
