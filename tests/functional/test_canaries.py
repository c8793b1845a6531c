"""Bank passwords and answers go every way, failures included; then every place where they could stay is searched."""

from __future__ import annotations

import base64
import io
import json
import logging
import sys
import traceback
from hashlib import sha256
from urllib.parse import quote

import pytest
import structlog
from celery import Celery
from celery.backends.base import DisabledBackend

from donkies.config import parse_settings
from donkies.config.logs import NEVER_BELOW_WARNING, configure_logs
from donkies.domain.institutions import CredentialCalls
from donkies.sandbox import Sandbox
from donkies.sandbox.scenarios import USER_NAMES
from donkies.testing.app import DonkiesTestApp
from donkies.testing.banking import WatchedAggregator
from donkies.testing.broker import RABBITMQ, queues_of_its_own
from donkies.testing.canaries import canary, database_dump, found_in
from donkies.testing.links import LOGIN_GUID, PASSWORD_GUID, USER_NAME, PersonAtTheApi, work
from donkies.testing.routes import ask
from donkies.testing.sandbox import SandboxControl
from donkies.views import errors

FAULTS = {
    **{f"status {status}": {"kind": "status", "status": status} for status in (400, 401, 409, 429, 503)},
    **{kind: {"kind": kind} for kind in ("cut", "html", "garbage")},
    "slow": {"kind": "slow", "delay_s": 30},
}
FEW_FAULTS = ("status 503", "cut")  # where only database, broker and the shape of lines are others
HORIZON_S = 0.1  # what is due later is not waited for
JSON = {"Content-Type": "application/json"}


@pytest.fixture(params=["development", "production"])
def manner(request):
    """As people develop: SQLite, a broker in memory, logfmt; as it is in production: PostgreSQL, RabbitMQ, JSON."""
    return request.param


@pytest.fixture
def database_url(manner, request, tmp_path):
    if manner == "development":
        return request.getfixturevalue("sqlite_databases").fresh(tmp_path)
    return request.getfixturevalue("postgres_database").fresh()


@pytest.fixture
def bank(tmp_path):
    """A sandbox that keeps its state in a file, in a folder of its own."""
    with Sandbox(port=0, job_s=0, state_path=tmp_path / "bank" / "state.db") as server:
        yield server


@pytest.fixture
def sandbox(bank):
    with SandboxControl(bank.url) as control:
        control.history(5, 5)
        yield control


@pytest.fixture
def broker(manner):
    if manner == "development":
        yield {}
        return
    with queues_of_its_own() as prefix:
        yield {"donkies.broker_url": RABBITMQ, "donkies.queue_prefix": prefix}


@pytest.fixture
def settings(settings, bank, broker):
    return settings | broker | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": bank.atrium_url,
        "donkies.aggregator.timeout_s": 0.3,
        "donkies.aggregator.web_calls": 1,
        "donkies.breaker.failures": 1_000,  # or it would spare the bank most of what is to be tried
        "donkies.link.look_s": 0.02,
        "donkies.log_level": "DEBUG",
    }  # fmt: skip


@pytest.fixture
def said(manner, settings, monkeypatch):
    """All that any logger writes at DEBUG, written as development or as production writes it."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    kept, level, before = list(root.handlers), root.level, structlog.get_config()
    parsed = parse_settings(settings, {}).model_copy(update={"env": manner})
    configure_logs(parsed)
    raw = logging.StreamHandler(stream)  # a handler of an operator's own, without our filter
    root.addHandler(raw)
    quiet = {name: logging.getLogger(name).level for name in (*NEVER_BELOW_WARNING, "sqlalchemy.engine")}
    for name in ("celery", "urllib3", "kombu", "sqlalchemy.engine"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield stream.getvalue
    for name, old in quiet.items():
        logging.getLogger(name).setLevel(old)
    for handler in [one for one in root.handlers if one not in kept]:
        root.removeHandler(handler)
    for handler in [one for one in kept if one not in root.handlers]:
        root.addHandler(handler)
    root.setLevel(level)
    structlog.configure(**before)


class Canaries:
    """Makes a new one for each thing typed, and keeps the answers to search them."""

    def __init__(self, app):
        self.app, self.typed, self.bodies = app, [], []
        self.person = PersonAtTheApi(app)

    def new(self, kind):
        self.typed.append(canary(kind))
        return self.typed[-1]

    def login(self, password=None, name=None):
        typed = [(LOGIN_GUID, name or self.new("login")), (PASSWORD_GUID, password or self.new("password"))]
        return [{"guid": guid, "value": value} for guid, value in typed]

    def send(self, method, path, body, **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = ask(self.app, method, f"/v1{path}", body=raw, headers=self.person.headers | JSON | headers)
        self.bodies.append(repr(answer.headerlist).encode() + answer.body)
        return answer

    def link(self, password=None, institution="mxbank", name=None, **headers):
        body = {"institution_code": institution, "credentials": self.login(password, name)}
        return self.send("POST", "/linked_accounts", body, **headers)

    def mend(self, link, password=None):
        return self.send("PUT", f"/linked_accounts/{link}/credentials", {"credentials": self.login(password)})

    def answer(self, link, *guids):
        answers = [{"guid": guid, "value": self.new("answer")} for guid in guids]
        return self.send("POST", f"/linked_accounts/{link}/challenges", {"answers": answers})


def messages(app):
    """What stands in the queues, which no worker empties here; nothing is acknowledged, so RabbitMQ keeps it."""
    with app.service(Celery) as celery, celery.connection_for_read() as connection, connection.channel() as channel:
        seen = []
        for queue in celery.conf.task_queues:
            bound = queue(channel)
            while message := bound.get(no_ack=False):
                seen.append(message)
        return seen


def walk(canaries):
    """Make, mend and answer links, well and at the wrong time."""
    app, person = canaries.app, canaries.person
    good = canaries.link(**{"Idempotency-Key": "k"}).json["id"]
    canaries.link(**{"Idempotency-Key": "k"})
    canaries.link(institution="no_such_bank")
    canaries.mend(good)  # 409: it is processing
    linked = canaries.link(name=USER_NAME).json["id"]
    work(app, horizon_s=HORIZON_S)
    assert "complete" == person.state(linked)["transactions_status"]
    canaries.mend(good)
    asked = canaries.link("challenge", name=USER_NAMES[1]).json["id"]
    work(app, horizon_s=HORIZON_S)
    guids = [one["guid"] for one in person.get(f"/linked_accounts/{asked}/challenges").json["data"]]
    canaries.answer(asked, *guids, "no-such-question")
    assert 202 == canaries.answer(asked, *guids).status_int
    canaries.answer(asked, *guids)  # 409: it is processing
    work(app, horizon_s=HORIZON_S)


def refusals(canaries):
    """What is refused before a bank is asked: bodies of every bad kind, no place to wait in, too many tries."""
    for status, body in (
        (422, {"institution_code": "mxbank", "credentials": [{"guid": "no-such", "value": canaries.new("guid")}]}),
        (422, {"institution_code": "mxbank", "credentials": [{"guid": LOGIN_GUID, "value": [canaries.new("type")]}]}),
        (422, {"institution_code": "mxbank", "credentials": canaries.new("no list")}),
        (422, {"institution_code": "mxbank", "credentials": [{"guid": "g", "value": canaries.new("long") * 60}]}),
        (422, {"institution_code": "mxbank", "credentials": [{"guid": "g", "value": canaries.new("nul") + "\0"}]}),
        (422, {"institution_code": "mxbank", "password": canaries.new("unknown field")}),
        (400, json.dumps(canaries.login()).encode()[:-5]),
        (400, b'{"a": "\xff' + canaries.new("no UTF-8").encode() + b'"}'),
        (400, b'{"a": 1, "a": "' + canaries.new("twice").encode() + b'"}'),
        (413, b'{"a": "' + canaries.new("oversized").encode() * 45_000 + b'"}'),
    ):
        assert status == canaries.send("POST", "/linked_accounts", body).status_int
    with canaries.app.service(CredentialCalls) as calls, calls.place():  # somebody else waits for a bank
        assert "aggregator_busy" == canaries.link().json["code"]
    form = canaries.app.get("/login").form
    form["email"] = "somebody@people.example"
    while True:  # a person may take our form for the bank's
        form["password"] = canaries.new("typed into our form")
        answer = form.submit(status="*")
        canaries.bodies.append(answer.body)
        if answer.status_int == 429:
            return


def ready(canaries, count):
    """So many people, each with a link to mend, and one with open questions and their guids."""
    people = [PersonAtTheApi(canaries.app) for _ in range(count)]
    made = []
    for canaries.person in people:
        made.append((canaries.link().json["id"], canaries.link("challenge", name=USER_NAME).json["id"]))
    work(canaries.app, horizon_s=HORIZON_S)
    pairs = []
    for person, (mended, asking) in zip(people, made, strict=True):
        questions = person.get(f"/linked_accounts/{asking}/challenges").json["data"]
        pairs.append((person, mended, asking, [one["guid"] for one in questions]))
    return pairs


def type_everything(canaries, person, mended, asking, guids):
    """Make a link, mend one and answer one: each call that has something typed with it."""
    canaries.person = person
    return canaries.link(), canaries.mend(mended), canaries.answer(asking, *guids)


def faults(canaries, sandbox, wanted, pairs):
    """Everything that can go wrong between us and the aggregator."""
    for name, pair in zip(wanted, pairs, strict=True):
        sandbox.fault(path="/users/*/members*", times=None, **FAULTS[name])
        answers = type_everything(canaries, *pair)
        sandbox.clear_faults()
        assert [202, 202] == [answer.status_int for answer in answers[1:]], "they went out"
    work(canaries.app, horizon_s=HORIZON_S)


def open_circuit(canaries, sandbox, pair):
    """The circuit breaker keeps calls from being sent at all."""
    sandbox.fault("status", "/users/*/members*", status=503, times=None)
    canaries.link()
    sandbox.clear_faults()
    asked_for = len(sandbox.requests("*/members*"))
    answers = type_everything(canaries, *pair)
    # whichever opened first: readings of the background fail at MX itself too
    assert {answer.json.get("reason") for answer in answers} <= {"institution_down", "aggregator_down"}
    assert asked_for == len(sandbox.requests("*/members*"))


def test_no_secret_stays_anywhere(manner, make_testapp, settings, sandbox, said, tmp_path):
    app = make_testapp()
    canaries = Canaries(app)
    walk(canaries)
    refusals(canaries)
    wanted = FAULTS if manner == "development" else FEW_FAULTS
    last, *pairs = ready(canaries, 1 + len(wanted))
    faults(canaries, sandbox, wanted, pairs)
    frail = canaries.app = DonkiesTestApp(settings | {"donkies.breaker.failures": 1})
    try:
        open_circuit(canaries, sandbox, last)
    finally:
        frail.close()
    assert len(canaries.typed) > 60
    waiting, log = messages(app), said()
    assert {"donkies.look", "donkies.download"} <= {one.headers["task"] for one in waiting}
    assert "atrium_call" in log
    assert "sqlalchemy.engine" in log or "INSERT INTO" in log
    places = {
        "log": log,
        "database": database_dump(app.engine()),
        "answers": b"\n".join(canaries.bodies),
        "messages": repr([(one.body, one.headers, one.properties, one.delivery_info) for one in waiting]),
        "metrics": app.get("/metrics", extra_environ={"REMOTE_ADDR": "127.0.0.1"}).text,
        "the sandbox's log": json.dumps(sandbox.requests()),
        "the sandbox's files": b"".join(file.read_bytes() for file in (tmp_path / "bank").iterdir()),
    }
    assert all(places.values()), "every place has something to search"
    assert {} == {name: found for name, place in places.items() if (found := found_in(place, canaries.typed))}
    with app.service(Celery) as celery:
        assert isinstance(celery.backend, DisabledBackend), "no task's result is kept anywhere"


def test_an_exception_of_ours_with_credentials_in_its_frames_shows_none(make_testapp, said, monkeypatch):
    seen = []
    handle = errors.log.error
    monkeypatch.setattr(errors.log, "error", lambda *args, **kw: (seen.append(kw.get("exc_info")), handle(*args, **kw)))
    aggregator = WatchedAggregator()
    app = make_testapp(aggregator=aggregator)
    canaries = Canaries(app)

    def breaks(user_guid, institution_code, credentials, identifier):
        (login, password) = credentials
        raise RuntimeError("it broke with", credentials, login, password)

    fields = aggregator.inner.list_institution_credentials("mxbank")
    for name in ("create_member", "create_member"):
        aggregator.instead(name, breaks)
        typed = [{"guid": one.guid, "value": canaries.new("typed")} for one in fields]
        answer = canaries.send("POST", "/linked_accounts", {"institution_code": "mxbank", "credentials": typed})
        assert (500, "internal_error") == (answer.status_int, answer.json["code"])
    assert "RuntimeError" in said()
    texts = ["".join(traceback.format_exception(error)) for error in seen if isinstance(error, BaseException)]
    places = {"log": said(), "database": database_dump(app.engine()), "answers": b"\n".join(canaries.bodies)}
    places["traces"] = "\n".join(texts)
    assert {} == {name: found for name, place in places.items() if (found := found_in(place, canaries.typed))}


def test_the_search_finds_what_is_there(testapp):
    secret = canary("found")
    with testapp.engine().begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO rate_limits (key_hash, tries, expires_at) VALUES ('{secret}', 1, '2026-01-01')"  # noqa: S608
        )
    assert [(secret, "itself")] == found_in(database_dump(testapp.engine()), [canary("other"), secret])


@pytest.mark.parametrize(
    "spelled",
    [
        lambda secret: quote(secret, safe=""),
        lambda secret: secret.replace(" ", "+").replace("/", "%2F"),
        lambda secret: secret.encode().hex().upper(),
        lambda secret: sha256(secret.encode()).hexdigest(),
        lambda secret: base64.b64encode(sha256(secret.encode()).digest()).decode(),
        *(lambda secret, n=n: base64.b64encode(b"x" * n + secret.encode() + b"yz").decode() for n in range(4)),
    ],
)
def test_the_search_finds_it_in_any_spelling(spelled):
    secret = canary("spelled")
    assert {secret} == {one for one, _ in found_in(f"before{spelled(secret)}after", [canary("other"), secret])}
