"""Web and worker as an operator runs them: real processes on PostgreSQL and RabbitMQ, told to stop in mid-work."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import requests
from celery import Celery
from kombu.exceptions import OperationalError
from sqlalchemy import text

from donkies.adapters.messaging import make_celery
from donkies.testing.links import PersonAtTheApi

ROOT = Path(__file__).parents[2]
RABBITMQ = os.environ.get("DONKIES_TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")
STOP_WITHIN_S = 30


@pytest.fixture
def database_url(postgres_database) -> str:
    return postgres_database.fresh()


@pytest.fixture
def broker_prefix() -> Iterator[str]:
    """A prefix for queues of the test's own, which are deleted afterwards."""
    prefix = f"test-{uuid4()}."
    app = make_celery(RABBITMQ, 30, prefix)
    try:
        with app.connection_for_read(connect_timeout=2) as connection:
            connection.connect()
    except (OperationalError, OSError):
        reason = "RabbitMQ is not reachable: set DONKIES_TEST_BROKER_URL"
        if "rabbitmq" in os.environ.get("DONKIES_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    yield prefix
    delete_queues(app)


def delete_queues(app: Celery) -> None:
    with app.connection_for_read() as connection:
        for queue in app.conf.task_queues:
            with connection.channel() as channel:
                queue(channel).delete()
                queue(channel).exchange.delete()
    app.close()


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
def start(settings) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a process of production.ini, in development: the sandbox is its bank."""
    processes: list[subprocess.Popen[bytes]] = []
    environ = {name.upper().replace(".", "_"): str(value) for name, value in settings.items()}

    def call(*arguments: str, **more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "donkies.cli", "-c", "production.ini", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environ | more)
        processes.append(process)
        return process

    yield call
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


def eventually(condition: Callable[[], Any], within_s: float = 30) -> Any:
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
    return found


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
    sandbox.history(20_000, 700)
    person = PersonAtTheApi(testapp)
    first = start("worker")
    link = person.link()
    sandbox.fault("slow", path="*/transactions", delay_s=0.3)
    eventually(lambda: rows(person) >= 1_000)
    assert stop(first) < STOP_WITHIN_S
    assert 0 == first.returncode
    had = rows(person)
    assert 1_000 <= had < 20_000
    with testapp.engine().connect() as connection:
        kept = connection.execute(text("SELECT lease_until, due_at <= now(), next_page FROM downloads")).one()
    assert (None, True) == tuple(kept[:2])
    assert kept[2] > 1, "it goes on where it was"
    sandbox.clear_faults()
    start("worker")
    settled = eventually(
        lambda: (now := person.state(link))["transactions_status"] == "complete" and now, within_s=STOP_WITHIN_S
    )
    assert ("success", 20_000) == (settled["link_status"], settled["transactions_count"])
    assert 20_000 == rows(person)


@pytest.mark.drill
def test_a_worker_whose_work_hangs_ends_all_the_same(testapp, sandbox, start):
    sandbox.history(10, 10)
    person = PersonAtTheApi(testapp)
    worker = start("worker", DONKIES_WORKER_STOP_S="1")
    person.link()
    sandbox.fault("slow", path="*/transactions", delay_s=8)
    eventually(lambda: sandbox.requests("*/transactions"))
    assert stop(worker) < 8


def test_a_worker_may_serve_one_queue_only(testapp, sandbox, start):
    sandbox.history(100, 10)
    person = PersonAtTheApi(testapp)
    start("worker", "--queue", "links")
    link = person.link()
    eventually(lambda: person.state(link)["link_status"] == "success")
    assert "downloading" == person.state(link)["transactions_status"]
    start("worker", "--queue", "downloads")
    eventually(lambda: person.state(link)["transactions_status"] == "complete")
    assert 100 == rows(person)


def test_the_web_process_serves_and_ends_when_told_to(testapp, start):
    pytest.importorskip("granian", reason="granian is not installed: pip install 'donkies[production]'")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    web = start("web", "--port", str(port))

    def alive() -> bool:
        with suppress(requests.ConnectionError):
            return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=5).ok
        return False

    eventually(alive)
    headers = PersonAtTheApi(testapp).headers
    answer = requests.get(f"http://127.0.0.1:{port}/v1/users/me", headers=headers, timeout=5)
    assert 200 == answer.status_code
    assert UUID(answer.json()["id"])
    assert stop(web) < STOP_WITHIN_S
