"""Messages wake workers: over a broker in memory, over RabbitMQ, and over one that is dead."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from donkies.adapters.memory.banking import MemoryBanking, MemoryUnitOfWork
from donkies.adapters.messaging import CeleryJobs, make_celery
from donkies.domain.ids import new_id

RABBITMQ = os.environ.get("DONKIES_TEST_BROKER_URL", "amqp://guest:guest@127.0.0.1:5672//")


def rabbitmq_or_skip() -> None:
    """Skip with one line where no RabbitMQ is reachable, or fail where there must be one."""
    app = Celery(broker=RABBITMQ, set_as_current=False)
    try:
        with app.connection_for_write(connect_timeout=2) as connection:
            connection.connect()
    except (OperationalError, OSError):
        reason = "RabbitMQ is not reachable: set DONKIES_TEST_BROKER_URL"
        if "rabbitmq" in os.environ.get("DONKIES_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    finally:
        app.close()


@pytest.fixture(params=["memory", "rabbitmq"])
def app(request: pytest.FixtureRequest) -> Iterator[Celery]:
    """The Celery application, with queues of the test's own."""
    if request.param == "memory":
        app = make_celery("memory://", 30)
    else:
        rabbitmq_or_skip()
        app = make_celery(RABBITMQ, 30)
        own = f"-test-{uuid4()}"
        app.conf.update(
            task_default_queue="links" + own,
            task_queues=[
                Queue(name + own, Exchange(name + own), name + own, expires=60) for name in ("links", "downloads")
            ],
            task_routes={"donkies.download": {"queue": "downloads" + own}},
        )
    yield app
    if request.param == "rabbitmq":
        with app.connection_for_write() as connection, connection.channel() as channel:
            for queue in app.conf.task_queues:
                bound = queue(channel)
                bound.delete()
                bound.exchange.delete()
    app.close()


@pytest.fixture
def unit_of_work() -> MemoryUnitOfWork:
    return MemoryUnitOfWork(MemoryBanking())


@pytest.fixture
def jobs(app: Celery, unit_of_work: Any) -> CeleryJobs:
    return CeleryJobs(app, unit_of_work)


def received(app: Celery, queue: str, *, wait_s: float = 0.2) -> list[tuple[str, list[Any]]]:
    """(task, arguments) of each message in a queue."""
    messages: list[tuple[str, list[Any]]] = []
    (wanted,) = [one for one in app.conf.task_queues if one.name.startswith(queue)]
    with app.connection_for_read() as connection:
        simple = connection.SimpleQueue(wanted)
        with suppress(simple.Empty):
            while True:
                message = simple.get(timeout=wait_s)
                message.ack()
                messages.append((message.headers["task"], message.payload[0]))
        simple.close()
    return messages


def test_jobs_go_out_after_the_commit_each_to_its_queue(app: Celery, jobs: CeleryJobs, unit_of_work: Any) -> None:
    user_id, link_id = new_id(), new_id()
    with unit_of_work:
        jobs.look()
        jobs.download(user_id, link_id)
        jobs.remove_members()
        assert [] == received(app, "links")
    assert [("donkies.look", []), ("donkies.remove_members", [])] == received(app, "links")
    assert [("donkies.download", [str(user_id), str(link_id)])] == received(app, "downloads")


def test_none_goes_out_after_a_rollback(app: Celery, jobs: CeleryJobs, unit_of_work: Any) -> None:
    with suppress(ZeroDivisionError), unit_of_work:
        jobs.look()
        raise ZeroDivisionError
    with unit_of_work:
        pass
    assert [] == received(app, "links")


def test_without_a_unit_of_work_it_goes_out_at_once(app: Celery, jobs: CeleryJobs) -> None:
    jobs.look()
    assert [("donkies.look", [])] == received(app, "links")


def test_every_job_names_a_task_that_there_is(app: Celery, jobs: CeleryJobs) -> None:
    from donkies.tasks import linked_accounts, sweeps, transactions

    jobs.look()
    jobs.download(new_id(), new_id())
    jobs.remove_members()
    sent = {name for queue in ("links", "downloads") for name, _ in received(app, queue)}
    there = {task.name for task in (linked_accounts.look, linked_accounts.remove_members, transactions.download)}
    assert there == sent
    assert {sweeps.sweep.name} == {entry["task"] for entry in app.conf.beat_schedule.values()}


def test_brokers_in_memory_do_not_meet() -> None:
    one, other = make_celery("memory://", 30), make_celery("memory://", 30)
    CeleryJobs(one, MemoryUnitOfWork(MemoryBanking())).look()  # type: ignore[arg-type]
    assert [] == received(other, "links")
    assert 1 == len(received(one, "links"))
    one.close()
    other.close()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody who takes the connection and then says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        yield int(server.getsockname()[1])


@pytest.mark.parametrize("broker", ["closed_port", "silent_port"])
def test_a_dead_broker_neither_raises_nor_holds_up_what_was_committed(
    broker: str, request: pytest.FixtureRequest, unit_of_work: Any
) -> None:
    port = request.getfixturevalue(broker)
    app = make_celery(f"amqp://guest:guest@127.0.0.1:{port}//", 30)
    jobs = CeleryJobs(app, unit_of_work)
    began = time.monotonic()
    for _ in range(10):  # however many there are, in however many units of work
        with unit_of_work:
            jobs.look()
            jobs.download(new_id(), new_id())
    assert time.monotonic() - began < 2.5
    app.close()


def test_when_the_broker_is_back_messages_go_out_again(app: Celery, jobs: CeleryJobs) -> None:
    app.quiet_until = time.monotonic() + 60
    jobs.look()
    app.quiet_until = time.monotonic()
    jobs.remove_members()
    assert [("donkies.remove_members", [])] == received(app, "links")
