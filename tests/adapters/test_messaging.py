"""Messages wake workers: over a broker in memory, over RabbitMQ, and over one that is dead."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from celery import Celery

from donkies.adapters.memory.banking import MemoryBanking
from donkies.adapters.memory.unit_of_work import MemoryUnitOfWork
from donkies.adapters.messaging import CeleryJobs, make_celery
from donkies.adapters.metrics import QueueDepths
from donkies.domain import tracing
from donkies.domain.ids import new_id
from donkies.testing.broker import RABBITMQ, delete_queues, queues_of_its_own, rabbitmq_or_skip


@pytest.fixture(params=["memory", "rabbitmq"])
def app(request: pytest.FixtureRequest) -> Iterator[Celery]:
    """The Celery application, with queues of the test's own."""
    if request.param == "memory":
        app = make_celery("memory://", 30)
        yield app
        app.close()
        return
    with queues_of_its_own() as prefix:
        app = make_celery(RABBITMQ, 30, prefix)
        yield app
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
    (wanted,) = [one for one in app.conf.task_queues if one.name == app.queue_names[queue]]
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


def test_a_message_names_the_request_and_link_it_is_sent_for_and_no_more(app: Celery, jobs: CeleryJobs) -> None:
    jobs.look()
    with tracing.tracing(request_id="click-00000001", user_id="somebody", link_id="a-link", password="canary"):
        jobs.look()
    with app.connection_for_read() as connection, connection.channel() as channel:
        (links,) = [one for one in app.conf.task_queues if one.name == app.queue_names["links"]]
        headers = [links(channel).get(no_ack=True).headers for _ in range(2)]
    of_ours = [{name: one[name] for name in one if name.startswith("donkies_")} for one in headers]
    assert [{}, {"donkies_request_id": "click-00000001", "donkies_link_id": "a-link"}] == of_ours
    assert headers[0]["id"] != headers[1]["id"], "by which a worker tells one task from another"


def test_messages_that_wait_are_counted_without_being_taken(app: Celery, jobs: CeleryJobs) -> None:
    assert {"links": 0, "downloads": 0} == QueueDepths(app).get(), "no worker has made them yet"
    jobs.remove_members()
    jobs.look()
    jobs.look()
    jobs.download(new_id(), new_id())
    assert {"links": 3, "downloads": 1} == QueueDepths(app).get()
    assert 3 == len(received(app, "links"))
    assert {"links": 0, "downloads": 1} == QueueDepths(app).get()


def test_every_job_names_a_task_that_there_is(app: Celery, jobs: CeleryJobs) -> None:
    from donkies.tasks import linked_accounts, purge, sweeps, transactions

    jobs.look()
    jobs.download(new_id(), new_id())
    jobs.remove_members()
    jobs.adopt_members()
    sent = {name for queue in ("links", "downloads") for name, _ in received(app, queue)}
    of_links = linked_accounts.look, linked_accounts.remove_members, linked_accounts.adopt_members
    there = {task.name for task in (*of_links, transactions.download)}
    assert there == sent
    assert {sweeps.sweep.name, purge.purge.name} == {entry["task"] for entry in app.conf.beat_schedule.values()}


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


def test_a_broker_that_refuses_is_given_up_at_once(closed_port: int, unit_of_work: Any) -> None:
    app = make_celery(f"amqp://guest:guest@127.0.0.1:{closed_port}//", 30)
    began = time.monotonic()
    CeleryJobs(app, unit_of_work).look()
    assert time.monotonic() - began < 0.5, "kombu's second try comes after a second"
    app.close()


def test_one_finds_out_whether_a_dead_broker_is_back_and_the_others_do_not_wait(
    silent_port: int,
) -> None:
    app = make_celery(f"amqp://guest:guest@127.0.0.1:{silent_port}//", 30)
    app.quiet_until = time.monotonic()  # it was dead before
    all_ask = threading.Barrier(6)

    def ask() -> float:
        all_ask.wait()
        began = time.monotonic()
        CeleryJobs(app, MemoryUnitOfWork(MemoryBanking())).look()  # type: ignore[arg-type]
        return time.monotonic() - began

    with ThreadPoolExecutor(6) as pool:
        waited = sorted(each.result() for each in [pool.submit(ask) for _ in range(6)])
    assert waited[-2] < 0.5 < waited[-1]
    app.close()


def test_when_the_broker_is_back_messages_go_out_again(app: Celery, jobs: CeleryJobs) -> None:
    app.quiet_until = time.monotonic() + 60
    jobs.look()
    app.quiet_until = time.monotonic()
    jobs.remove_members()
    assert [("donkies.remove_members", [])] == received(app, "links")


def test_in_rabbitmq_queues_are_replicated_and_give_a_message_up_after_some_deliveries() -> None:
    app = make_celery("amqp://guest:guest@127.0.0.1:1//", 30, "own.")
    assert {"own.links", "own.downloads"} == {queue.name for queue in app.conf.task_queues}
    for queue in app.conf.task_queues:
        assert {"x-queue-type": "quorum", "x-delivery-limit": 20} == queue.queue_arguments
        assert queue.durable
    app.close()


class MutableBroker:
    """A way to the broker that can fall silent: what comes then is taken, and nothing is answered."""

    def __init__(self) -> None:
        self.is_mute = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._sockets = [self._listening]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", urlsplit(RABBITMQ).port or 5672))
                self._sockets += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while got := one.recv(65_536):
                if not self.is_mute:
                    other.sendall(got)

    def close(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


def test_a_broker_that_falls_silent_after_it_was_well_holds_nobody_up(unit_of_work: Any) -> None:
    rabbitmq_or_skip()
    way = MutableBroker()
    address = urlsplit(RABBITMQ)
    app = make_celery(
        RABBITMQ.replace(address.netloc, f"{address.username}:{address.password}@127.0.0.1:{way.port}"), 30,
        f"test-{uuid4()}.",
    )  # fmt: skip
    jobs = CeleryJobs(app, unit_of_work)
    jobs.look()
    assert [("donkies.look", [])] == received(app, "links")
    way.is_mute = True
    began = time.monotonic()
    for _ in range(5):
        jobs.look()  # its queue is known: the confirmation does not come
        jobs.download(new_id(), new_id())  # its queue is not: its declaration is not answered
    assert time.monotonic() - began < 5
    way.is_mute = False
    app.quiet_until = time.monotonic()
    jobs.remove_members()
    assert "donkies.remove_members" in [name for name, _ in received(app, "links")]
    delete_queues(app)
    app.close()
    way.close()
