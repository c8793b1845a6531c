"""Starting, stopping and restarting the sandbox, as a library and from the command line."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
import requests

from donkies.sandbox import Sandbox
from donkies.testing.sandbox import AtriumCaller, SandboxControl


def test_a_port_in_use_is_refused():
    with Sandbox(port=0) as sandbox, pytest.raises(OSError, match="in use"):
        Sandbox(port=sandbox.port).start()


def test_it_stops_within_a_second_while_answers_are_slow():
    sandbox = Sandbox(port=0).start()
    with SandboxControl(sandbox.url) as control:
        control.fault("slow", delay_s=60)
    asked = threading.Thread(target=ask_in_vain, args=(sandbox.atrium_url,))
    asked.start()
    time.sleep(0.2)
    started = time.monotonic()
    sandbox.stop()
    assert time.monotonic() - started < 1
    asked.join()
    sandbox.stop()  # a second time does nothing
    with Sandbox(port=sandbox.port):
        pass


def ask_in_vain(url):
    with contextlib.suppress(requests.ConnectionError):
        requests.get(f"{url}/users", headers={"MX-API-Key": "k", "MX-Client-ID": "c"}, timeout=10)


def test_keys_limits_and_pages_are_settable():
    with (
        Sandbox(
            port=0, job_s=0, api_key="test-key", client_id="test-client", member_limit=1, max_per_page=50
        ) as server,
        AtriumCaller(server.atrium_url) as caller,
    ):
        assert 401 == caller.call("GET", "/users", headers={"MX-API-Key": "other"}).status_code
        user, _ = caller.linked()
        assert 405 == caller.link(user, login="mxuser").status_code
        assert 25 == caller.get(f"/users/{user}/transactions", records_per_page=51)["pagination"]["per_page"]


def test_a_clock_of_ones_own_is_told():
    with Sandbox(port=0, job_s=0, clock=lambda: 1_700_000_000.5) as server, AtriumCaller(server.atrium_url) as caller:
        user, member = caller.linked()
        assert "2023-11-14T22:13:20.500Z" == caller.status(user, member)["aggregated_at"]
        assert "2023-11-13" == caller.get(f"/users/{user}/transactions")["transactions"][0]["date"]


def test_members_rows_and_clock_survive_a_restart_and_nothing_typed_is_kept(tmp_path):
    state = tmp_path / "state" / "sandbox.db"
    with Sandbox(port=0, job_s=0, state_path=state) as server, AtriumCaller(server.atrium_url) as caller:
        user, member = caller.linked("canary-password")
        second = caller.link(user, "challenge", "mxuser").json()["member"]["guid"]
        caller.answer(user, second, "canary-answer")
        caller.link(user, "any", "canary-login", "mxbank_throttled")
        with SandboxControl(server.url) as control:
            control.advance_clock(3600)
            added = control.add_transaction(member, description="Kept")
            listed = caller.get(f"/users/{user}/transactions", records_per_page=1000)
            control.delete_transaction(listed["transactions"][5]["guid"])
        shown = caller.get(f"/users/{user}/members")
        rows = caller.get(f"/users/{user}/members/{member}/transactions", records_per_page=1000)
    kept = b"".join(path.read_bytes() for path in state.parent.iterdir())
    for typed in (b"canary", b"mxuser", b"test_atrium"):
        assert typed not in kept

    with Sandbox(port=0, job_s=0, state_path=state) as server, AtriumCaller(server.atrium_url) as caller:
        assert shown == caller.get(f"/users/{user}/members")
        assert rows == caller.get(f"/users/{user}/members/{member}/transactions", records_per_page=1000)
        assert added == caller.get(f"/users/{user}/transactions/{added['guid']}")["transaction"]
        assert 409 == caller.link(user).status_code
        caller.call("DELETE", f"/users/{user}")

    with Sandbox(port=0, job_s=0, state_path=state) as server, AtriumCaller(server.atrium_url) as caller:
        assert [] == caller.get("/users")["users"]


def test_a_job_goes_on_after_a_restart(tmp_path):
    state = tmp_path / "sandbox.db"
    with Sandbox(port=0, job_s=1000, state_path=state) as server, AtriumCaller(server.atrium_url) as caller:
        user = caller.new_user()
        member = caller.link(user, "image").json()["member"]["guid"]
    with Sandbox(port=0, job_s=0, state_path=state) as server, AtriumCaller(server.atrium_url) as caller:
        assert "CHALLENGED" == caller.status(user, member)["connection_status"]


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_the_command_runs_until_it_is_told_to_stop(tmp_path, stop_signal):
    command = [sys.executable, "-m", "donkies.sandbox", "--port", "0", "--state", str(tmp_path / "s.db")]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    ) as process:
        first_line = process.stdout.readline()
        url = first_line.split()[1]
        assert 200 == requests.get(url, timeout=10).status_code
        assert f"Google: {url}/google   Facebook: {url}/facebook/v24.0" in process.stdout.readline()
        assert process.stdout.readline().endswith(f"read at {url}/inbox\n")
        process.send_signal(stop_signal)
        _, errors = process.communicate(timeout=10)
    assert (0, "") == (process.returncode, errors)


def test_the_command_says_in_one_line_that_a_port_is_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        command = [sys.executable, "-W", "ignore", "-m", "donkies.sandbox", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert 1 == done.returncode
    assert 1 == done.stderr.count("\n")
    assert "in use" in done.stderr


def test_the_command_says_in_one_line_that_a_state_file_is_none(tmp_path):
    (tmp_path / "notes.txt").write_text("These are notes, no state of a sandbox." * 100)
    command = [sys.executable, "-W", "ignore", "-m", "donkies.sandbox", "--port", "0", "--state"]
    done = subprocess.run(
        [*command, str(tmp_path / "notes.txt")], capture_output=True, text=True, timeout=30, check=False
    )
    assert 1 == done.returncode
    assert 1 == done.stderr.count("\n")
    assert "notes.txt" in done.stderr


def test_what_was_answered_survives_a_kill(tmp_path):
    state = tmp_path / "s.db"
    command = [sys.executable, "-W", "ignore", "-m", "donkies.sandbox", "--port", "0", "--state", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        with AtriumCaller(f"{process.stdout.readline().split()[1]}/atrium") as caller:
            user = caller.new_user()
            member = caller.link(user).json()["member"]["guid"]
            process.kill()
        process.communicate(timeout=10)
    with Sandbox(port=0, job_s=0, state_path=state) as server, AtriumCaller(server.atrium_url) as caller:
        assert "CONNECTED" == caller.status(user, member)["connection_status"]
