"""Generated requests at every route, with a good token: never a 5xx, and a refusal changes nothing."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from donkies.testing.canaries import database_dump
from donkies.testing.links import LOGIN_GUID, PASSWORD_GUID, PersonAtTheApi, work
from donkies.testing.routes import ask, operations, query_of

NAMES = st.sampled_from(
    "institution_code credentials answers guid value first_name birthday locale limit cursor from type min_amount q "
    "account_id include search include".split()
) | st.text(max_size=8)
WORDS = st.sampled_from(
    ["mxbank", LOGIN_GUID, PASSWORD_GUID, "2026-01-01", "1e9", "NaN", "W10", "raw", "\0", "501", ""]
)
TEXTS = WORDS | st.text(max_size=30)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
CONTENT = st.recursive(
    LEAVES, lambda it: st.lists(it, max_size=4) | st.dictionaries(NAMES, it, max_size=5), max_leaves=12
)
BODIES = CONTENT.map(lambda it: json.dumps(it, ensure_ascii=True).encode()) | st.binary(max_size=60)
QUERIES = (
    st.just("")
    | st.dictionaries(NAMES, TEXTS, max_size=3).map(
        lambda it: query_of(**{name.encode("utf-8", "replace").decode(): value for name, value in it.items()})
    )
    | st.text(st.characters(max_codepoint=255), max_size=20)
)
TYPES = st.sampled_from(["application/json"] * 6 + ["application/x-www-form-urlencoded", "text/plain", ""])


@pytest.mark.parametrize("calls", [100, pytest.param(500, marks=pytest.mark.drill)])
def test_no_generated_request_breaks_anything(make_testapp, settings, calls):
    settings |= {"donkies.link.look_s": 0.02, "donkies.limits.enabled": False}
    app = make_testapp()
    person = PersonAtTheApi(app)
    link = person.link()
    work(app)
    # who deletes themselves has no token to ask anything else with
    without = ("users:write", "account:delete")
    routes = [one for one in operations(app) if one.scope and one.scope not in without]
    state = {"dump": database_dump(app.engine())}

    @hypothesis_settings(max_examples=calls, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(routes), st.sampled_from([link, str(uuid4())]) | TEXTS, QUERIES, BODIES, TYPES)
    def throw(one, wanted, query, body, content_type):
        wanted = wanted.encode("utf-8", "replace").decode("latin-1")
        path = one.pattern.replace("{id}", wanted).replace("{code}", wanted)
        headers = person.headers | {"Content-Type": content_type}
        answer = ask(app, one.method, path, query=query, body=body, headers=headers)
        assert answer.status_int < 500, answer.body
        dump = database_dump(app.engine())
        if answer.status_int >= 400:
            assert "application/problem+json" == answer.content_type
            assert answer.json["code"]
            assert state["dump"] == dump
        state["dump"] = dump
        if b'"processing"' in answer.body:
            work(app)
            state["dump"] = database_dump(app.engine())

    throw()
