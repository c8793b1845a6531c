"""Bank passwords and answers go every way, failures included; then every place where they could stay is searched."""

from __future__ import annotations

import io
import json
import logging
import sys
import traceback

import pytest
import structlog
import svcs
from celery import Celery

from donkies.config import parse_settings
from donkies.config.logs import NEVER_BELOW_WARNING, configure_logs
from donkies.testing.banking import WatchedAggregator
from donkies.testing.canaries import canary, database_dump, found_in
from donkies.testing.links import LOGIN_GUID, PASSWORD_GUID, PersonAtTheApi, work
from donkies.testing.routes import ask
from donkies.views import errors

FAULTS = {
    **{f"status {status}": {"kind": "status", "status": status} for status in (400, 401, 409, 429, 503)},
    **{kind: {"kind": kind} for kind in ("cut", "html", "garbage")},
    "slow": {"kind": "slow", "delay_s": 30},
}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def settings(settings, sandbox_server, sandbox):
    sandbox.history(5, 5)
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.aggregator.timeout_s": 0.3,
        "donkies.link.look_s": 0.02,
        "donkies.log_level": "DEBUG",
    }


@pytest.fixture(params=["development", "production"])
def said(request, settings, monkeypatch):
    """All that any logger writes at DEBUG, written as development and as production write it."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root = logging.getLogger()
    kept, level, before = list(root.handlers), root.level, structlog.get_config()
    parsed = parse_settings(settings, {}).model_copy(update={"env": request.param})
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

    def login(self, password=None):
        typed = [(LOGIN_GUID, self.new("login")), (PASSWORD_GUID, password or self.new("password"))]
        return [{"guid": guid, "value": value} for guid, value in typed]

    def send(self, method, path, body, **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = ask(self.app, method, f"/v1{path}", body=raw, headers=self.person.headers | JSON | headers)
        self.bodies.append(repr(answer.headerlist).encode() + answer.body)
        return answer

    def link(self, password=None, institution="mxbank", **headers):
        body = {"institution_code": institution, "credentials": self.login(password)}
        return self.send("POST", "/linked_accounts", body, **headers)

    def mend(self, link, password=None):
        return self.send("PUT", f"/linked_accounts/{link}/credentials", {"credentials": self.login(password)})

    def answer(self, link, *guids):
        answers = [{"guid": guid, "value": self.new("answer")} for guid in guids]
        return self.send("POST", f"/linked_accounts/{link}/challenges", {"answers": answers})


def messages(app):
    """What stands in the queues, which no worker empties here."""
    parts = []
    with svcs.Container(app.svcs) as container:
        celery = container.get(Celery)
        with celery.connection_for_read() as connection, connection.channel() as channel:
            for queue in celery.conf.task_queues:
                while message := queue(channel).get(no_ack=True):
                    parts.append(repr((message.body, message.headers, message.properties)))
    return "\n".join(parts)


def walk(canaries, sandbox, faults):
    """Every way that credentials and answers can take through the API, those that fail above all."""
    app, person = canaries.app, canaries.person
    good = canaries.link(**{"Idempotency-Key": "k"}).json["id"]
    canaries.link(**{"Idempotency-Key": "k"})
    canaries.link(institution="no_such_bank")
    canaries.mend(good)  # 409: it is processing
    work(app)
    canaries.mend(good)
    work(app)
    asked = canaries.link("challenge").json["id"]
    work(app)
    guids = [one["guid"] for one in person.get(f"/linked_accounts/{asked}/challenges").json["data"]]
    canaries.answer(asked, *guids, "no-such-question")
    canaries.answer(asked, *guids)
    canaries.answer(asked, *guids)  # 409: it is processing
    work(app)
    for body in (
        {"institution_code": "mxbank", "credentials": [{"guid": "no-such", "value": canaries.new("unknown guid")}]},
        {"institution_code": "mxbank", "credentials": [{"guid": LOGIN_GUID, "value": [canaries.new("wrong type")]}]},
        {"institution_code": "mxbank", "credentials": canaries.new("no list")},
        {"institution_code": "mxbank", "credentials": [{"guid": "g", "value": canaries.new("long") * 60}]},
        {"institution_code": "mxbank", "credentials": [{"guid": "g", "value": canaries.new("nul") + "\0"}]},
        {"institution_code": "mxbank", "password": canaries.new("unknown field")},
        json.dumps(canaries.login()).encode()[:-5],
        b'{"a": "\xff' + canaries.new("no UTF-8").encode() + b'"}',
        b'{"a": 1, "a": "' + canaries.new("twice").encode() + b'"}',
        b'{"a": "' + canaries.new("oversized").encode() * 40_000 + b'"}',
    ):
        assert 400 <= canaries.send("POST", "/linked_accounts", body).status_int < 500
    for fault in faults:
        sandbox.fault(path="/users/*/members*", times=None, **fault)
        made = canaries.link()
        canaries.mend(good)
        canaries.answer(asked, *guids)
        sandbox.clear_faults()
        assert made.status_int < 600
        work(app)


def test_no_secret_stays_anywhere(make_testapp, sandbox, said, request):
    app = make_testapp()
    canaries = Canaries(app)
    every = "sqlite-development" in request.node.name
    walk(canaries, sandbox, [*FAULTS.values()] if every else [FAULTS["status 503"], FAULTS["cut"]])
    assert len(canaries.typed) > 30
    log = said()
    assert "atrium_call" in log
    assert "sqlalchemy.engine" in log or "INSERT INTO" in log
    places = {
        "log": log,
        "database": database_dump(app.engine()),
        "answers": b"\n".join(canaries.bodies),
        "messages": messages(app),
        "the sandbox's log": json.dumps(sandbox.requests()),
    }
    assert all(places.values()), "every place has something to search"
    assert {} == {name: found for name, place in places.items() if (found := found_in(place, canaries.typed))}


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
    assert (secret, "itself") in found_in(database_dump(testapp.engine()), [secret])
