"""Somebody else's ids, wherever one can be put, are answered exactly as ids that nobody has."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from donkies.adapters.persistence.tables import banking
from donkies.testing.app import DonkiesTestApp, make_client, make_person, sign_in
from donkies.testing.canaries import database_dump
from donkies.testing.links import PersonAtTheApi, login, work
from donkies.testing.plugin import development_settings
from donkies.testing.routes import ask, operations, query_of
from donkies.testing.statements import Statements
from donkies.views.api.answers import to_cursor

BODIES = {
    "PATCH /v1/transactions/{id}": {"note": "mine"},
    "PUT /v1/linked_accounts/{id}/credentials": {"credentials": login("any")},
    "POST /v1/linked_accounts/{id}/challenges": {"answers": [{"guid": "g", "value": "v"}]},
}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def testapp(request, sqlite_databases, postgres_database, tmp_path_factory):
    """One for all: whoever asks is a stranger, and changes nothing of the owner's."""
    if request.param == "sqlite":
        url = sqlite_databases.fresh(tmp_path_factory.mktemp("ownership"))
    else:
        url = postgres_database.fresh()
    app = DonkiesTestApp(development_settings(url) | {"donkies.link.look_s": 0.02})
    yield app
    app.close()


@pytest.fixture(scope="module")
def owner(testapp):
    owner = PersonAtTheApi(testapp)
    owner.link()
    work(testapp)
    return owner


@pytest.fixture
def eve(testapp):
    return PersonAtTheApi(testapp)


@pytest.fixture(scope="module")
def ids(owner):
    """Every id that the owner can see, by where it belongs in a path."""
    return {
        "/v1/linked_accounts/": owner.get("/linked_accounts").json["data"][0]["id"],
        "/v1/accounts/": owner.get("/accounts").json["data"][0]["id"],
        "/v1/transactions/": owner.get("/transactions").json["data"][0]["id"],
    }


def shown(answer, wanted):
    """An answer with the id that was asked for, and what differs each time, taken out."""
    body = answer.text.replace(wanted, "ID")
    if answer.content_type.endswith("json") and isinstance(answer.json, dict) and "request_id" in answer.json:
        body = body.replace(answer.json["request_id"], "REQUEST")
    names = ("Content-Type", "Cache-Control", "ETag", "Location", "Retry-After")
    return answer.status_int, body, {name: answer.headers.get(name) for name in names}


def test_a_strangers_id_in_a_path_is_as_one_that_nobody_has(testapp, owner, eve, ids):
    before = database_dump(testapp.engine())
    patterns = [one for one in operations(testapp) if "{id}" in one.pattern]
    assert len(patterns) >= 10
    for one in patterns:
        for wanted in ids.values():  # ids of another kind, too
            answers = []
            for tried in (wanted, str(uuid4()), wanted.upper()):
                path = one.pattern.replace("{id}", tried)
                send = getattr(testapp, f"{one.method.lower()}_json" if one.name in BODIES else one.method.lower())
                arguments = (path, BODIES[one.name]) if one.name in BODIES else (path,)
                answer = send(*arguments, headers=eve.headers, status="*")
                assert "not_found" == answer.json["code"], one
                answers.append(shown(answer, tried))
            assert answers[0] == answers[1] == answers[2], one
    assert before == database_dump(testapp.engine())


def test_a_strangers_id_in_a_filter_finds_nothing(owner, eve, ids):
    for name, prefix in (("account_id", "/v1/accounts/"), ("linked_account_id", "/v1/linked_accounts/")):
        assert owner.get("/transactions", **{name: ids[prefix]}).json["data"]
        theirs, nobodys = (eve.get("/transactions", **{name: one}) for one in (ids[prefix], str(uuid4())))
        assert {"data": [], "next_cursor": None} == theirs.json == nobodys.json


def test_a_strangers_cursor_shows_ones_own_rows_or_none(testapp, owner, eve):
    cursor = owner.get("/transactions", limit=3).json["next_cursor"]
    assert {"data": [], "next_cursor": None} == eve.get("/transactions", cursor=cursor).json
    eve.link()
    work(testapp)
    own = {row["id"] for row in eve.transactions()}
    assert {row["id"] for row in eve.get("/transactions", cursor=cursor, limit=500).json["data"]} <= own


def test_a_strangers_id_in_a_body_is_an_unknown_field(testapp, eve, ids):
    link = ids["/v1/linked_accounts/"]
    for name in ("id", "user_id", "linked_account_id"):
        body = {"institution_code": "mxbank", "credentials": login("any"), name: link}
        answer = eve.post("/linked_accounts", body, status=422)
        assert [name] == [one["field"] for one in answer.json["errors"]]
        assert 422 == testapp.patch_json("/v1/users/me", {name: link}, headers=eve.headers, status="*").status_int


def test_a_strangers_idempotency_key_gives_nothing_of_theirs(testapp):
    client = make_client(testapp)
    ada, eve = (PersonAtTheApi(testapp, sign_in(testapp, person=make_person(testapp), client=client)) for _ in "ab")
    body = {"institution_code": "mxbank", "credentials": login("any")}
    made = [
        person.post("/linked_accounts", body, 201, **{"Idempotency-Key": "same"}).json["id"] for person in (ada, eve)
    ]
    assert made[0] != made[1]
    with testapp.engine().connect() as connection:
        assert 2 == len(connection.execute(banking.idempotency_keys.select()).all())


def test_lists_hold_only_ones_own(owner, eve):
    for path in ("/linked_accounts", "/accounts", "/transactions"):
        assert owner.get(path).json["data"]
        assert [] == eve.get(path).json["data"]


# What does the same work takes the same time: the database's statements are counted, for clocks on a busy machine lie.


def ways(one, wanted):
    """Path, query and body: every way in which a route takes an id of a link, an account or a transaction."""
    path = one.pattern.replace("{id}", wanted)
    if path != one.pattern:
        yield path, "", BODIES.get(one.name)
    if one.name == "GET /v1/transactions":
        for name, value in (
            ("account_id", wanted),
            ("linked_account_id", wanted),
            ("cursor", to_cursor("2100-01-01", wanted)),
            ("cursor", to_cursor("before", "2100-01-01", wanted)),
        ):
            yield path, query_of(**{name: value}), None
    if one.name == "GET /v1/transactions/summary":
        for name in ("account_id", "linked_account_id"):
            yield path, query_of(group_by="month", **{name: wanted}), None
    if one.name == "POST /v1/linked_accounts":
        for name in ("id", "user_id"):
            yield path, "", {"institution_code": "mxbank", "credentials": login("any"), name: wanted}


@pytest.mark.parametrize("testapp", ["postgresql"], indirect=True)
def test_a_strangers_id_costs_the_same_statements_as_one_that_nobody_has(testapp, owner, eve, ids):
    statements, tried = Statements(testapp.engine()), 0

    def cost(one, way):
        path, query, body = way
        sent = {} if body is None else {"body": json.dumps(body).encode()}
        headers = eve.headers | ({"Content-Type": "application/json"} if body else {})
        with statements.taken() as taken:
            answer = ask(testapp, one.method, path, query=query, headers=headers, **sent)
        return taken, answer

    for one in operations(testapp):
        for theirs in ids.values():
            nobodys = str(uuid4())
            for of_stranger, of_nobody in zip(ways(one, theirs), ways(one, nobodys), strict=True):
                cost(one, of_nobody)  # what is done only once is done
                (did, answer), (nobody_did, nobody_answer) = cost(one, of_stranger), cost(one, of_nobody)
                assert nobody_did == did, one
                assert did or answer.status_int == 422, "nothing was counted"
                assert shown(nobody_answer, nobodys) == shown(answer, theirs), one
                assert len(nobody_answer.body) == len(answer.body)
                tried += 1
    assert tried >= 3 * 15
    with statements.taken() as taken:
        assert owner.get("/linked_accounts").json["data"]
    assert taken, "the quick reads are counted, too"
