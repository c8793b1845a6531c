"""Web and worker as an operator runs them: real processes on PostgreSQL and RabbitMQ, told to stop in mid-work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from sqlalchemy import text

from donkies.testing.broker import RABBITMQ, queues_of_its_own
from donkies.testing.links import PersonAtTheApi, login
from donkies.testing.processes import free_port, wait_until

ROOT = Path(__file__).parents[2]
STOP_WITHIN_S = 30


@pytest.fixture
def database_url(postgres_database) -> str:
    return postgres_database.fresh()


@pytest.fixture
def broker_prefix() -> Iterator[str]:
    with queues_of_its_own() as prefix:
        yield prefix


@pytest.fixture
def settings(settings, sandbox_server, broker_prefix) -> dict[str, Any]:
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.broker_url": RABBITMQ,
        "donkies.queue_prefix": broker_prefix,
        "donkies.link.look_s": 0.1,
        "donkies.sweep_s": 1,
        "donkies.lease_s": 5,
    }


@pytest.fixture
def start(settings, tmp_path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a process of production.ini, in development: the sandbox is its bank. What it says is in `log.txt`."""
    processes: list[subprocess.Popen[bytes]] = []
    environ = {name.upper().replace(".", "_"): str(value) for name, value in settings.items()}

    def call(*arguments: str, **more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "donkies.cli", "-c", "production.ini", *arguments]
        with (tmp_path / "log.txt").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environ | more, stderr=log)
        processes.append(process)
        return process

    yield call
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
    print((tmp_path / "log.txt").read_text())  # noqa: T201 - pytest shows it when a test fails


def eventually(condition: Callable[[], Any], within_s: float = 30) -> Any:
    found: list[Any] = []
    wait_until(lambda: (now := condition()) and not found.append(now), within_s, "it came about")
    return found[0]


def rows(person: PersonAtTheApi) -> int:
    with person.app.engine().connect() as connection:
        return connection.execute(text("SELECT count(*) FROM transactions")).scalar_one()


def stop(process: subprocess.Popen[bytes]) -> float:
    """Send SIGTERM. Returns: the seconds that it took to end."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(STOP_WITHIN_S)
    return time.monotonic() - began


def test_a_worker_told_to_stop_in_a_download_hands_it_over_and_no_row_is_lost_or_doubled(testapp, sandbox, start):
    sandbox.history(8_000, 700)
    person = PersonAtTheApi(testapp)
    first = start("worker")
    link = person.link()
    sandbox.fault("slow", path="*/transactions", delay_s=0.3)
    eventually(lambda: rows(person) >= 1_000)
    assert stop(first) < STOP_WITHIN_S
    assert 0 == first.returncode
    had = rows(person)
    assert 1_000 <= had < 8_000
    with testapp.engine().connect() as connection:
        kept = connection.execute(text("SELECT lease_until, due_at <= now(), next_page FROM downloads")).one()
    assert (None, True) == tuple(kept[:2])
    assert kept[2] > 1, "it goes on where it was"
    sandbox.clear_faults()
    start("worker")
    settled = eventually(
        lambda: (now := person.state(link))["transactions_status"] == "complete" and now, within_s=STOP_WITHIN_S
    )
    assert ("success", 8_000) == (settled["link_status"], settled["transactions_count"])
    assert 8_000 == rows(person)


@pytest.mark.drill
def test_a_worker_whose_work_hangs_ends_all_the_same(testapp, sandbox, start):
    sandbox.history(10, 10)
    person = PersonAtTheApi(testapp)
    worker = start("worker", DONKIES_WORKER_STOP_S="1")
    person.link()
    sandbox.fault("slow", path="*/transactions", delay_s=8)
    eventually(lambda: sandbox.requests("*/transactions"))
    assert stop(worker) < 8


def told(log: Path, link: str) -> list[dict[str, str]]:
    """What the processes wrote about a link: the names and values of each line."""
    lines = [dict(re.findall(r"(\w+)=(\S+)", line)) for line in log.read_text().splitlines()]
    return [line for line in lines if line.get("link_id") == link]


def figures(port: int) -> dict[str, float]:
    """What a process shows on its metrics port; nothing while it does not listen."""
    with suppress(requests.ConnectionError):
        lines = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text.splitlines()
        named = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        return {name: float(value) for name, _, value in named}
    return {}


def test_one_id_leads_through_a_worker_for_each_queue_and_all_processes_show_figures(testapp, sandbox, start, tmp_path):
    sandbox.history(100, 10)
    person = PersonAtTheApi(testapp)
    ports = links, downloads, beat = [free_port() for _ in range(3)]
    start("worker", "--queue", "links", DONKIES_METRICS_PORT=str(links))
    person.headers["X-Request-Id"] = "click-00000001"
    link = person.link()
    person.headers["X-Request-Id"] = "poll-00000001"
    eventually(lambda: person.state(link)["link_status"] == "success")
    assert "downloading" == person.state(link)["transactions_status"]
    start("worker", "--queue", "downloads", DONKIES_METRICS_PORT=str(downloads))
    start("beat", DONKIES_METRICS_PORT=str(beat))
    eventually(lambda: person.state(link)["transactions_status"] == "complete")
    assert 100 == rows(person)

    lines = told(tmp_path / "log.txt", link)
    assert ["link_status_changed", "download_page", "download_complete"] == [line["event"] for line in lines]
    assert {"click-00000001"} == {line["request_id"] for line in lines}
    assert 2 == len({line["task_id"] for line in lines}), "each worker's task has its own"

    shown = {port: eventually(lambda port=port: figures(port)) for port in ports}
    for one in shown.values():
        assert (1, 1) == (one["donkies_database_up"], one["donkies_broker_up"])
        assert 'donkies_queue_messages{queue="downloads"}' in one
        assert one["process_resident_memory_bytes"] > 0
    assert 100 == shown[downloads]["donkies_downloaded_rows_total"]
    assert 0 == shown[links]["donkies_downloaded_rows_total"] == shown[beat]["donkies_downloaded_rows_total"]
    assert 1 == shown[links]['donkies_links{link_status="success"}']


def test_the_web_process_told_to_stop_answers_what_it_began_and_its_link_goes_on(testapp, sandbox, start):
    pytest.importorskip("granian", reason="granian is not installed: pip install 'donkies[production]'")
    port = free_port()
    web = start("web", "--port", str(port), DONKIES_LINK_VERIFIED_EMAIL_ONLY="false")
    url = f"http://127.0.0.1:{port}"

    def alive() -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"{url}/healthz", timeout=5).ok
        return False

    eventually(alive)
    person = PersonAtTheApi(testapp)
    answer = requests.get(f"{url}/v1/users/me", headers=person.headers, timeout=5)
    assert 200 == answer.status_code
    assert UUID(answer.json()["id"])
    sandbox.fault("slow", "/users/*/members", "POST", delay_s=1, times=1)
    body = {"institution_code": "mxbank", "credentials": login("any")}
    with ThreadPoolExecutor(1) as pool:
        linking = pool.submit(requests.post, f"{url}/v1/linked_accounts", json=body, headers=person.headers, timeout=20)
        eventually(lambda: not sandbox.overview()["faults"])  # it has struck: the request is under way
        assert stop(web) < STOP_WITHIN_S
        made = linking.result()
    assert 201 == made.status_code
    start("worker")
    eventually(lambda: person.state(made.json()["id"])["transactions_status"] == "complete")
