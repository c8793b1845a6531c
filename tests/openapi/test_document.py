"""The document itself: what it says of scopes, errors and headers, and that well-kept readers find nothing wrong."""

from __future__ import annotations

import json

import pytest

from donkies.testing.documented import Undocumented, documented
from donkies.testing.routes import ask
from donkies.views.api import shapes
from donkies.views.openapi.routes import served


@pytest.fixture
def document(testapp):
    return testapp.get("/openapi.json", status=200).json


def test_every_route_for_programs_is_in_it_with_its_scopes(testapp, document):
    wanted = {(one.path, one.method.lower()): one for one in served(testapp.app.registry) if one.is_for_programs}
    found = {(path, method): it for path, methods in document["paths"].items() for method, it in methods.items()}
    assert wanted.keys() == found.keys()
    for key, one in wanted.items():
        security = found[key]["security"]
        if one.scope:
            assert one.scope in security[0]["oauth2"]
            assert security[0]["oauth2"] == security[1]["bearer"]
        else:
            assert all(name == "client" for each in security for name in each)


def test_it_names_errors_headers_and_examples(document):
    link = document["paths"]["/v1/linked_accounts"]["post"]
    conflict = link["responses"]["409"]["$ref"].rpartition("/")[2]
    codes = document["components"]["responses"][conflict]["content"]["application/problem+json"]["examples"]
    assert {"already_linked", "idempotency_key_reused"} == set(codes)
    assert {"Location", "X-Request-Id"} == set(link["responses"]["201"]["headers"])
    polled = document["paths"]["/v1/linked_accounts/{id}"]["get"]["responses"]
    assert "ETag" in polled["200"]["headers"]
    assert "304" in polled
    shapes.LinkedAccount.model_validate(polled["200"]["content"]["application/json"]["example"])
    assert "createLink" == link["operationId"]


def test_it_is_kept_by_its_etag_and_may_be_read_from_any_registered_site(testapp):
    answer = testapp.get("/openapi.json")
    again = testapp.get("/openapi.json", headers={"If-None-Match": answer.headers["ETag"]}, status=304)
    assert b"" == again.body


def test_redocly_finds_nothing(settings, make_testapp, npx, tmp_path):
    settings["donkies.public_url"] = "https://money.test"  # its rules want no loopback address
    (tmp_path / "openapi.json").write_bytes(make_testapp().get("/openapi.json").body)
    said = npx("redocly", "lint", "openapi.json", "--extends", "recommended", "--format", "json")
    totals = json.loads(said[said.index("{") : said.rindex("}") + 1])["totals"]
    assert {"errors": 0, "warnings": 0, "ignored": 0} == totals, said


class TestWhatHoldsAnswersAgainstIt:
    """A test's answer that the document does not tell of fails the test, and says what to add."""

    def test_a_field_that_no_shape_has(self, testapp):
        answer = testapp.get("/healthz")
        answer.body = b'{"status": "asleep"}'
        with pytest.raises(Undocumented, match=r"GET /healthz answered 200 .*shapes"):
            documented(testapp.app.registry).check("GET", "/healthz", answer, [])

    def test_a_status_that_is_not_declared(self, testapp):
        answer = testapp.get("/v1/users/me", status=401)
        answer.status = 418
        with pytest.raises(Undocumented, match=r'add "418 token_required".* donkies.views.api.users.read_me'):
            documented(testapp.app.registry).check("GET", "/v1/users/me", answer, [])

    def test_a_schema_that_is_not_declared(self, testapp):
        answer = ask(testapp, "GET", "/v1/users/me")
        with pytest.raises(Undocumented, match=r"read_me reads with Problem"):
            documented(testapp.app.registry).check("GET", "/v1/users/me", answer, [shapes.Problem])
