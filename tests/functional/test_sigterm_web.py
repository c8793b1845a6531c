"""SIGTERM ends the embedded default after what it is answering, and nothing of it is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
import requests

from donkies.testing.links import PersonAtTheApi, login
from donkies.testing.processes import free_port, wait_until
from donkies.testing.sandbox import SandboxControl

ROOT = Path(__file__).parents[2]
STOP_WITHIN_S = 30


@pytest.fixture
def database_url(sqlite_databases, tmp_path):
    return sqlite_databases.fresh(tmp_path)


@pytest.fixture
def bank():
    with closing(SandboxControl(f"http://127.0.0.1:{free_port()}")) as control:
        yield control


@pytest.fixture
def settings(settings, bank):
    return settings | {
        "donkies.public_url": f"http://127.0.0.1:{free_port()}",
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": bank.atrium_url,
        "donkies.sandbox.port": bank.url.rpartition(":")[2],
        "donkies.sandbox.smtp_port": free_port(),
        "donkies.demo.port": free_port(),
        "donkies.link.look_s": 0.2,
        "donkies.sweep_s": 1,
    }


@pytest.fixture
def start(settings, tmp_path):
    """Start `pserve` with development.ini and wait until it serves; what it says is in `log.txt`."""
    url = settings["donkies.public_url"]
    ini = (ROOT / "development.ini").read_text()
    (tmp_path / "test.ini").write_text(ini.replace("listen = 127.0.0.1:6543", f"listen = {url.partition('://')[2]}"))
    environ = os.environ | {name.upper().replace(".", "_"): str(value) for name, value in settings.items()}
    started = []

    def serves():
        with suppress(requests.ConnectionError):
            return requests.get(f"{url}/healthz", timeout=5).ok

    def call():
        command = [sys.executable, "-W", "ignore", "-m", "pyramid.scripts.pserve", "test.ini"]
        with (tmp_path / "log.txt").open("ab") as log:
            started.append(subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=log, stderr=log))
        wait_until(lambda: serves() or started[-1].poll() is not None, STOP_WITHIN_S, "it serves")
        return started[-1]

    yield call
    for process in started:
        process.kill()
        process.wait()
    print((tmp_path / "log.txt").read_text())  # noqa: T201 - pytest shows it when a test fails


@pytest.mark.parametrize("bank_takes_s", [0.7, pytest.param(7, marks=pytest.mark.drill)])
def test_what_is_under_way_is_answered_and_goes_on_after_the_next_start(testapp, bank, settings, start, bank_takes_s):
    process = start()
    bank.mode(job_s=0)
    bank.fault("slow", "/users/*/members", "POST", delay_s=bank_takes_s, times=1)
    person = PersonAtTheApi(testapp)
    url = settings["donkies.public_url"] + "/v1/linked_accounts"
    body = {"institution_code": "mxbank", "credentials": login("any")}
    with ThreadPoolExecutor(1) as pool:
        linking = pool.submit(requests.post, url, json=body, headers=person.headers, timeout=20)
        wait_until(lambda: not bank.overview()["faults"], 10, "the bank is asked")
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        made = linking.result()
        assert 0 == process.wait(STOP_WITHIN_S)
    assert time.monotonic() - began < bank_takes_s + 5
    assert (201, "processing") == (made.status_code, made.json()["link_status"])
    start()
    link = made.json()["id"]
    wait_until(lambda: person.state(link)["transactions_status"] == "complete", STOP_WITHIN_S, "the link goes on")
