"""What happened to a link is told, from the click to the last page, in lines that one word finds (S37)."""

from __future__ import annotations

import io
import json
import time

import pytest
import structlog

from donkies.config.logs import processors
from donkies.testing.links import PersonAtTheApi
from donkies.worker import EmbeddedWorker

CANARY = "canary-password-71c4"


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.05,
        "donkies.sync.retry_s": 0.05,
        "donkies.log_level": "DEBUG",
    }


@pytest.fixture
def logged():
    """The lines written so far, as production writes them, at DEBUG."""
    stream = io.StringIO()
    added, written = processors(as_json=True)
    before = structlog.get_config()
    structlog.configure(processors=[*added, *written], logger_factory=structlog.PrintLoggerFactory(stream))
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.configure(**before)


@pytest.fixture
def worker(testapp):
    worker = EmbeddedWorker(testapp.svcs)
    worker.start()
    yield worker
    worker.stop()


def test_one_id_leads_from_the_click_to_the_last_page(testapp, sandbox, logged, worker):
    sandbox.history(300, 90)
    person = PersonAtTheApi(testapp)
    person.headers["X-Request-Id"] = "click-00000001"
    link = person.link()
    del person.headers["X-Request-Id"]
    deadline = time.monotonic() + 20
    while "download_complete" not in [line["event"] for line in logged()] and time.monotonic() < deadline:
        time.sleep(0.05)
    of_link = [line for line in logged() if line.get("link_id") == link]
    told = [
        line["event"]
        for line in of_link
        if line["event"] not in ("atrium_call", "task_begins", "task_ended", "request")
    ]
    assert ["link_made", "credentials_sent", "link_status_changed"] == told[:3]
    assert {"download_page", "download_complete"} == set(told[3:])
    assert {"click-00000001"} == {line["request_id"] for line in of_link}, "worker's lines too"
    assert 1 == len({line["user_id"] for line in of_link if "user_id" in line})
    (complete,) = [line for line in of_link if line["event"] == "download_complete"]
    assert 300 == complete["rows"]
    assert complete["task_id"]
    assert complete["timestamp"].endswith("Z")


def test_commands_are_told_and_nothing_that_was_typed_is(testapp, sandbox, logged):
    person = PersonAtTheApi(testapp)
    link = person.link(CANARY, user_name=CANARY)
    assert "wrong_credentials" == person.settled(link)["link_status"]
    person.mend(link, "challenge")
    assert "challenged" == person.settled(link)["link_status"]
    person.answer(link, "correct")
    assert "success" == person.settled(link)["link_status"]
    person.post(f"/linked_accounts/{link}/disconnect")
    person.delete(f"/linked_accounts/{link}", 204)
    lines = [line for line in logged() if line.get("link_id") == link]
    told = [line["event"] for line in lines]
    for event in ("link_made", "credentials_sent", "challenge_answered", "link_disconnected", "link_erased"):
        assert event in told
    changes = [(line["was"], line["now"]) for line in lines if line["event"] == "link_status_changed"]
    assert ("processing", "wrong_credentials") == changes[0]
    assert ("processing", "challenged") in changes
    assert ("processing", "success") in changes
    assert CANARY not in str(logged())


def test_a_failed_download_says_why(testapp, sandbox, logged):
    person = PersonAtTheApi(testapp)
    link = person.link()
    sandbox.fault("garbage", "/users/*/transactions", "GET", times=None)
    person.settled(link)
    failed = [line for line in logged() if line["event"] == "download_failed"]
    assert [link] == [line["link_id"] for line in failed]
    assert failed[0]["reason"]


def test_who_is_refused_is_told(testapp, logged):
    testapp.get("/v1/linked_accounts", headers={"Authorization": "Bearer nonsense"}, status=401)
    (line,) = [line for line in logged() if line["event"] == "authorization_failed"]
    assert (401, "/v1/linked_accounts", "192.0.2.1") == (line["status"], line["route"], line["address"])
