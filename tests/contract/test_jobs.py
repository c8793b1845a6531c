"""The port `Jobs`: sent after the commit, never after a rollback, at once where no unit of work is open."""

from __future__ import annotations

from typing import Any

import pytest

from donkies.adapters.memory.banking import MemoryBanking
from donkies.adapters.memory.jobs import RecordingJobs
from donkies.adapters.memory.unit_of_work import MemoryUnitOfWork
from donkies.adapters.messaging import CeleryJobs, make_celery
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.unit_of_work import ZopeUnitOfWork
from donkies.adapters.sealing import Keyring
from donkies.testing.contracts.jobs import JobsContract, Sent


class TestRecordingJobs(JobsContract):
    @pytest.fixture
    def unit_of_work(self) -> MemoryUnitOfWork:
        return MemoryUnitOfWork(MemoryBanking())

    @pytest.fixture
    def jobs(self, unit_of_work: MemoryUnitOfWork) -> RecordingJobs:
        return RecordingJobs(unit_of_work)

    @pytest.fixture
    def sent(self, jobs: RecordingJobs) -> Sent:
        return lambda: [(name, *map(str, arguments)) for name, *arguments in jobs.sent]


class TestCeleryJobs(JobsContract):
    @pytest.fixture
    def unit_of_work(self, database_url: str) -> Any:
        engine = make_engine(database_url, Keyring(Keyring.new_key()))
        unit_of_work = ZopeUnitOfWork(engine)
        yield unit_of_work
        unit_of_work.close()
        engine.dispose()

    @pytest.fixture
    def app(self) -> Any:
        app = make_celery("memory://", 30)
        yield app
        app.close()

    @pytest.fixture
    def jobs(self, app: Any, unit_of_work: ZopeUnitOfWork) -> CeleryJobs:
        return CeleryJobs(app, unit_of_work)

    @pytest.fixture
    def sent(self, app: Any, jobs: CeleryJobs) -> Sent:
        received: list[tuple[str, ...]] = []

        def drain() -> list[tuple[str, ...]]:
            with app.connection_for_read() as connection:
                for queue in app.conf.task_queues:
                    simple = connection.SimpleQueue(queue)
                    while simple.qsize():
                        message = simple.get_nowait()
                        message.ack()
                        name = message.headers["task"].removeprefix("donkies.")
                        received.append((name, *message.payload[0]))
                    simple.close()
            order = ["look", "download", "remove_members", "adopt_members", "erase"]  # the queues are two
            return sorted(received, key=lambda one: order.index(one[0]))

        return drain
