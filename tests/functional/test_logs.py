"""Lines of the log: one shape, one line an event, each with its request's id."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from structlog.testing import capture_logs

from donkies.config.logs import configure_logs, processors
from donkies.config.settings import parse_settings
from donkies.domain import tracing
from donkies.testing.app import sign_in

NASTY = "x\n2026-01-01T00:00:00Z level=info event=login user_id=forged\r\x1b[2J\u2028\x85end"


def rendered(as_json, **event):
    added, written = processors(as_json=as_json)
    for one in (*added, *written):
        event = one(None, "info", event)
    return event


@pytest.mark.parametrize("as_json", [True, False])
def test_no_value_ends_its_line(as_json):
    line = rendered(as_json, event=NASTY, value=NASTY, thing=[NASTY], error=ValueError(NASTY))
    assert 1 == len(line.splitlines())
    assert line.isprintable()


def test_a_trace_is_one_line_too():
    try:
        raise ValueError(NASTY)
    except ValueError as error:
        line = rendered(True, event="unexpected_error", exc_info=error)
    assert 1 == len(line.splitlines())
    assert "Traceback" in json.loads(line)["exception"]


def test_times_are_utc():
    assert json.loads(rendered(True, event="x"))["timestamp"].endswith("Z")


def test_lines_of_other_packages_have_the_same_shape(settings, capsys):
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    try:
        configure_logs(parse_settings(settings, {}))
        logging.getLogger("some.package").warning("it said %s", NASTY)
        with tracing.tracing(request_id="r-1234567"):
            structlog.get_logger().info("ours")
        theirs, ours = capsys.readouterr().err.splitlines()
    finally:
        root.handlers[:], root.level = handlers, level
        structlog.configure(**before)
    assert "logger=some.package" in theirs
    assert "level=warning" in theirs
    assert "request_id=r-1234567" in ours


def test_each_answer_names_its_request(testapp):
    one, other = testapp.get("/healthz"), testapp.get("/healthz")
    assert one.headers["X-Request-Id"] != other.headers["X-Request-Id"]


def test_a_good_id_is_kept_and_a_problem_names_it(testapp):
    answer = testapp.get("/v1/nowhere", headers={"X-Request-Id": "front-end.42_a"}, status=404)
    assert "front-end.42_a" == answer.headers["X-Request-Id"] == answer.json["request_id"]


@pytest.mark.parametrize(
    "given", ["", "short", "a" * 65, "evil id=forged", "../../../etc", 'quote"quote', "ünïcödé-id"]
)
def test_a_strange_id_is_replaced(testapp, given):
    answer = testapp.get("/healthz", headers={"X-Request-Id": given.encode().decode("latin-1")})
    assert given != answer.headers["X-Request-Id"]


def test_requests_are_told_without_query_path_or_body_and_polls_not_at_all(testapp):
    headers = sign_in(testapp)
    with capture_logs() as lines:
        testapp.get("/v1/transactions?q=canary-query", headers=headers)
        testapp.get("/v1/linked_accounts/canary-path", headers=headers, status=404)
        testapp.get("/healthz")
        testapp.get("/readyz")
    told = [(line["method"], line["route"], line["status"]) for line in lines if line["event"] == "request"]
    assert [("GET", "/v1/transactions", 200), ("GET", "/v1/linked_accounts/{id}", 404)] == told
    assert "canary" not in str(lines)
    assert lines[0]["user_id"]
    assert lines[0]["client_id"]
