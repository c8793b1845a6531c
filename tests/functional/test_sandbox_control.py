"""The sandbox's control API: faults, clock, log, states, webhooks, reset. Source: DESIGN.md 11."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

# -- faults


def test_a_status_fault_strikes_as_often_as_asked(atrium_caller, sandbox):
    sandbox.fault("status", "/users", "GET", status=503, times=2, after=1)
    seen = [atrium_caller.call("GET", "/users").status_code for _ in range(5)]
    assert [200, 503, 503, 200, 200] == seen


def test_a_fault_without_times_stays_until_it_is_cleared(atrium_caller, sandbox):
    sandbox.fault("status", status=500)
    assert [500] * 3 == [atrium_caller.call("GET", "/users").status_code for _ in range(3)]
    sandbox.clear_faults()
    assert 200 == atrium_caller.call("GET", "/users").status_code


def test_a_429_may_say_when_to_come_back(atrium_caller, sandbox):
    sandbox.fault("status", status=429, retry_after=7, times=1)
    answer = atrium_caller.call("GET", "/users")
    assert (429, "7") == (answer.status_code, answer.headers["Retry-After"])
    assert "Too many requests" == answer.json()["error"]["message"]


def test_a_star_in_a_faults_path_crosses_slashes(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    sandbox.fault("status", "/users/*/status", status=504)
    assert 504 == atrium_caller.call("GET", f"/users/{user}/members/{member}/status").status_code
    assert 200 == atrium_caller.call("GET", f"/users/{user}/members/{member}").status_code


def test_a_slow_answer_comes_late_and_holds_up_nobody_else(atrium_caller, sandbox):
    sandbox.fault("slow", "/institutions/mxbank", delay_s=0.6, times=1)
    headers = {"MX-API-Key": "k", "MX-Client-ID": "c"}
    took = []

    def read_slowly():
        started = time.monotonic()
        requests.get(f"{sandbox.atrium_url}/institutions/mxbank", headers=headers, timeout=10)
        took.append(time.monotonic() - started)

    slow = threading.Thread(target=read_slowly)
    slow.start()
    atrium_caller.get("/users")
    assert not took
    slow.join()
    assert took[0] >= 0.6


@pytest.mark.parametrize(("when", "members"), [("before", 0), ("after", 1)])
def test_a_time_out_may_come_before_or_after_the_member_was_made(atrium_caller, sandbox, when, members):
    user = atrium_caller.new_user()
    sandbox.fault("slow", "/users/*/members", "POST", delay_s=1, when=when, times=1)
    body = {"institution_code": "mxbank", "credentials": atrium_caller.credentials("mxbank", "test_atrium", "x")}
    headers = {"MX-API-Key": "k", "MX-Client-ID": "c"}
    url = f"{sandbox.atrium_url}/users/{user}/members"
    with pytest.raises(requests.ReadTimeout):
        requests.post(url, json={"member": body}, headers=headers, timeout=0.3)
    assert members == len(atrium_caller.get(f"/users/{user}/members")["members"])


def test_a_cut_answer_breaks_off_after_the_work_was_done(atrium_caller, sandbox):
    sandbox.fault("cut", "/users", "POST", times=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        atrium_caller.call("POST", "/users", {"user": {"identifier": "cut"}})
    assert ["cut"] == [user["identifier"] for user in atrium_caller.get("/users")["users"]]


def test_a_cut_before_the_work_leaves_nothing_behind(atrium_caller, sandbox):
    sandbox.fault("cut", "/users", "POST", times=1, when="before")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        atrium_caller.call("POST", "/users", {"user": {"identifier": "cut"}})
    assert [] == atrium_caller.get("/users")["users"]


def test_a_gateways_html_page_comes_in_the_place_of_json(atrium_caller, sandbox):
    sandbox.fault("html", times=1)
    answer = atrium_caller.call("GET", "/users")
    assert (502, "text/html; charset=utf-8") == (answer.status_code, answer.headers["Content-Type"])
    assert "Bad Gateway" in answer.text


def test_garbage_claims_to_be_json_and_is_not(atrium_caller, sandbox):
    sandbox.fault("garbage", times=1)
    answer = atrium_caller.call("GET", "/institutions")
    assert 200 == answer.status_code
    assert "json" in answer.headers["Content-Type"]
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_a_repeated_page_holds_the_rows_of_the_one_before(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    path = f"/users/{user}/members/{member}/transactions"
    sandbox.fault("repeat_page", times=1, after=1)
    first, second, again = (atrium_caller.get(path, page=page) for page in (1, 2, 2))
    assert first["transactions"] == second["transactions"]
    assert 2 == second["pagination"]["current_page"]
    assert first["transactions"] != again["transactions"]


def test_an_unknown_status_shows_in_status_answers_only(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    sandbox.fault("unknown_status", times=1)
    assert "CONNECTED" == atrium_caller.get(f"/users/{user}/members/{member}")["member"]["connection_status"]
    assert "SOMETHING_NEW" == atrium_caller.status(user, member)["connection_status"]
    assert "CONNECTED" == atrium_caller.status(user, member)["connection_status"]


def test_answers_may_hold_keys_that_nobody_knows(atrium_caller, sandbox):
    user, _ = atrium_caller.linked()
    sandbox.fault("extra_fields")
    assert "invented_later" in atrium_caller.get(f"/users/{user}/transactions")["transactions"][0]
    assert "invented_later" in atrium_caller.get(f"/users/{user}")["user"]


def test_answers_may_hold_null_where_mx_may_send_it(atrium_caller, sandbox):
    user, _ = atrium_caller.linked()
    sandbox.fault("null_fields")
    row = atrium_caller.get(f"/users/{user}/transactions")["transactions"][0]
    assert (None, None) == (row["description"], row["category"])
    assert None not in (row["guid"], row["amount"], row["date"], row["type"])


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({}, "kind"),
        ({"kind": "plague"}, "kind"),
        ({"kind": "status"}, "status"),
        ({"kind": "status", "status": 99}, "status"),
        ({"kind": "status", "status": "500"}, "status"),
        ({"kind": "slow"}, "delay_s"),
        ({"kind": "cut", "times": 0}, "times"),
        ({"kind": "cut", "after": -1}, "after"),
        ({"kind": "cut", "when": "never"}, "when"),
        ({"kind": "cut", "paths": "/users"}, "paths"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_naming_the_field(sandbox, fault, field):
    assert_refused(sandbox, "POST", "/faults", fault, field)


# -- history, mode, clock


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/history", {"transactions": 1_000_001, "days": 1}, "transactions"),
        ("/history", {"transactions": 1.5, "days": 1}, "transactions"),
        ("/history", {"transactions": True}, "transactions"),
        ("/history", {"days": 0}, "days"),
        ("/history", {"rows": 5}, "rows"),
        ("/mode", {"vocabulary": "2017"}, "vocabulary"),
        ("/mode", {"job_s": -1}, "job_s"),
        ("/mode", {"empty_202": 1}, "empty_202"),
    ],
)
def test_settings_that_make_no_sense_are_refused_naming_the_field(sandbox, path, body, field):
    assert_refused(sandbox, "PUT", path, body, field)


@pytest.mark.parametrize("body", [{}, {"advance_s": -5}, {"advance_s": "1"}])
def test_the_clock_goes_forward_only(sandbox, body):
    assert_refused(sandbox, "POST", "/clock", body, "advance_s")


def test_a_control_body_that_is_no_json_is_refused(sandbox):
    answer = requests.put(f"{sandbox.url}/_sandbox/history", data="{", timeout=10)
    assert 400 == answer.status_code
    assert "message" in answer.json()["error"]


def test_modes_that_are_not_named_stay(sandbox):
    sandbox.mode(job_s=3)
    assert {"vocabulary": "2016", "job_s": 3, "empty_202": False, "ghosts_s": 0} == sandbox.mode(vocabulary="2016")


def test_the_clock_moves_what_the_wire_tells(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    before = atrium_caller.status(user, member)["aggregated_at"]
    sandbox.advance_clock(86_400)
    atrium_caller.call("POST", f"/users/{user}/members/{member}/aggregate")
    assert before[:10] < atrium_caller.status(user, member)["aggregated_at"][:10]


def test_reset_wipes_everything_but_the_institutions(atrium_caller, sandbox):
    fresh = sandbox.overview()
    atrium_caller.linked()
    sandbox.history(3, 3)
    sandbox.mode(job_s=9, vocabulary="2016")
    sandbox.advance_clock(1000)
    sandbox.fault("status", status=500)
    sandbox.reset()
    wiped = sandbox.overview()
    for overview in (fresh, wiped):
        assert 0 == overview["clock"].pop("offset_s")
        overview.pop("clock")
    assert fresh == wiped
    assert [] == sandbox.requests()
    assert 105 == atrium_caller.get("/institutions")["pagination"]["total_entries"]


# -- the log


def test_the_log_tells_what_was_asked_without_bodies(atrium_caller, sandbox):
    user = atrium_caller.new_user()
    atrium_caller.link(user, "canary-password")
    atrium_caller.get("/institutions", name="mx")
    sandbox.fault("status", "/users", status=503, times=1)
    atrium_caller.call("GET", "/users")
    log = sandbox.requests()
    assert [("POST", "/atrium/users", "", 200), ("GET", "/atrium/users", "", 503)] == [
        (entry["method"], entry["path"], entry["query"], entry["status"])
        for entry in log
        if entry["path"] == "/atrium/users"
    ]
    assert {"method", "path", "query", "status", "at"} == set(log[0])
    assert "name=mx" in [entry["query"] for entry in log]
    assert "canary-password" not in json.dumps(log)
    assert "test_atrium" not in json.dumps(log)


def test_the_log_is_searched_by_path_and_time(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    everything = sandbox.requests()
    expected = [e for e in everything if e["path"].endswith("/status")]
    assert expected == sandbox.requests(path="/users/*/status") == sandbox.requests(path="/atrium/users/*/status")
    atrium_caller.status(user, member)
    (latest,) = sandbox.requests(since=everything[-1]["at"])
    assert f"/atrium/users/{user}/members/{member}/status" == latest["path"]
    assert [latest] == sandbox.requests(since=everything[-1]["at"].replace("Z", "+00:00"))


def test_a_malformed_time_is_refused(sandbox):
    answer = requests.get(f"{sandbox.url}/_sandbox/requests", params={"since": "yesterday"}, timeout=10)
    assert (422, "since") == (answer.status_code, answer.json()["error"]["field"])


# -- members and rows


@pytest.mark.parametrize(
    "status",
    ["DEGRADED", "DISCONNECTED", "IMPEDED", "DELAYED", "RECONNECTED", "IMPORTED", "CLOSED", "NEVER_HEARD_OF", None],
)
def test_a_member_is_put_into_any_state(atrium_caller, sandbox, status):
    user, member = atrium_caller.linked()
    sandbox.set_status(member, status, is_being_aggregated=True)
    seen = atrium_caller.status(user, member)
    assert (status, True) == (seen["connection_status"], seen["is_being_aggregated"])
    assert 910 == atrium_caller.get(f"/users/{user}/transactions")["pagination"]["total_entries"]


def test_a_member_put_into_challenged_can_be_answered(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    sandbox.set_status(member, "CHALLENGED", is_being_aggregated=True)
    assert "CONNECTED" == atrium_caller.answer(user, member, "correct")["connection_status"]


def test_a_member_put_into_connected_has_its_data(atrium_caller, sandbox):
    user, member = atrium_caller.linked("UNAVAILABLE")
    seen = sandbox.set_status(member, "CONNECTED")
    assert ("COMPLETED", True, False) == (
        seen["status"],
        seen["has_processed_transactions"],
        seen["is_being_aggregated"],
    )
    assert 910 == atrium_caller.get(f"/users/{user}/transactions")["pagination"]["total_entries"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": -1}, "amount"),
        ({"amount": "1"}, "amount"),
        ({"date": "31.1.2026"}, "date"),
        ({"status": "DONE"}, "status"),
        ({"type": "debit"}, "type"),
        ({"colour": "red"}, "colour"),
        ({"account_guid": "ACT-0"}, "account_guid"),
        ({"guid": "X"}, "guid"),
        ({"created_at": "2026-01-01T00:00:00Z"}, "created_at"),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_naming_the_field(atrium_caller, sandbox, fields, field):
    _, member = atrium_caller.linked()
    assert_refused(sandbox, "POST", f"/members/{member}/transactions", fields, field)
    row = sandbox.add_transaction(member)
    assert_refused(sandbox, "PATCH", f"/transactions/{row['guid']}", fields, field)


def test_a_guid_in_use_is_refused(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    taken = atrium_caller.get(f"/users/{user}/transactions")["transactions"][0]["guid"]
    assert_refused(sandbox, "POST", f"/members/{member}/transactions", {"guid": taken}, "guid")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/members/MBR-0/transactions"),
        ("POST", "/members/MBR-0/status"),
        ("PATCH", "/transactions/TRN-0"),
        ("DELETE", "/transactions/TRN-0"),
        ("GET", "/nowhere"),
    ],
)
def test_control_of_what_is_not_there_is_404(sandbox, method, path):
    assert 404 == requests.request(method, f"{sandbox.url}/_sandbox{path}", json={}, timeout=10).status_code


# -- webhooks


@pytest.fixture
def receiver():
    received = []

    class Receive(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.headers.get("Authorization"), json.loads(body)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receive)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    server.received = received
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_webhooks_are_sent_with_basic_auth_repeated_and_reordered(atrium_caller, sandbox, receiver):
    user, member = atrium_caller.linked()
    url = f"http://mx:pass@127.0.0.1:{receiver.server_port}/hook"
    sent = sandbox.send_webhooks(member, copies=2, shuffled=True, url=url)
    assert [{"status": 204, "error": None}] * 3 == sent
    (auth, first), (_, copy), (_, older) = receiver.received
    assert "Basic bXg6cGFzcw==" == auth
    assert ("AGGREGATION", "member_data_updated", user, member) == (
        first["type"],
        first["action"],
        first["user_guid"],
        first["member_guid"],
    )
    assert first == copy
    assert first["job_guid"] != older["job_guid"]
    assert first["completed_at"] > older["completed_at"]


def test_a_webhook_tells_the_connections_status(atrium_caller, sandbox, receiver):
    _, member = atrium_caller.linked("challenge")
    sandbox.send_webhooks(member, "CONNECTION_STATUS", url=f"http://127.0.0.1:{receiver.server_port}/")
    ((auth, body),) = receiver.received
    assert auth is None
    assert ("CONNECTION_STATUS", "CHALLENGED", 3) == (
        body["type"],
        body["connection_status"],
        body["connection_status_id"],
    )


def test_without_an_address_no_webhook_is_sent(atrium_caller, sandbox):
    _, member = atrium_caller.linked()
    path = f"/members/{member}/webhooks"
    assert_refused(sandbox, "POST", path, {"kind": "AGGREGATION"}, "url")
    assert_refused(sandbox, "POST", path, {"kind": "SMOKE"}, "kind")
    assert_refused(sandbox, "POST", path, {"copies": 0, "url": "http://127.0.0.1:1/"}, "copies")


def test_a_receiver_that_is_not_there_is_told_without_its_address(atrium_caller, sandbox):
    _, member = atrium_caller.linked()
    (outcome,) = sandbox.send_webhooks(member, url="http://mx:pass@127.0.0.1:1/")
    assert {"status": None, "error": "ConnectionError"} == outcome


def assert_refused(sandbox, method, path, body, field):
    answer = requests.request(method, f"{sandbox.url}/_sandbox{path}", json=body, timeout=10)
    assert (422, field) == (answer.status_code, answer.json()["error"]["field"])
    assert field in answer.json()["error"]["message"]
