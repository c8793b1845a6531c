"""One drill: an installation on PostgreSQL, RabbitMQ and the sandbox bank, and what must be true afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import kombu
import pytest
from celery import Celery
from sqlalchemy import create_engine, make_url, text

from donkies.sandbox import Sandbox
from donkies.testing.app import DonkiesTestApp
from donkies.testing.broker import RABBITMQ, rabbitmq_or_skip
from donkies.testing.databases import SEALING_KEY, PostgresDatabase
from donkies.testing.drill_table import Drilled, write_table
from donkies.testing.links import PersonAtTheApi
from donkies.testing.processes import Installation, TcpProxy, free_port, wait_until
from donkies.testing.sandbox import AtriumCaller, SandboxControl

QUEUES = ("links", "downloads")
LEASE_S, SWEEP_S = 3, 1
STUCK = """
    SELECT (SELECT count(*) FROM linked_accounts
             WHERE link_status = 'processing' OR is_refreshing OR transactions_status = 'downloading'
                OR lease_until IS NOT NULL OR next_look_at < now())
         + (SELECT count(*) FROM downloads WHERE lease_until IS NOT NULL OR due_at < now())
         + (SELECT count(*) FROM download_pages)
         + (SELECT count(*) FROM member_removals WHERE due_at < now() - interval '1 minute')
"""


class Drill:
    """An installation, a person who links at it, and the measuring."""

    def __init__(self, name: str, folder: Path, database_url: str, sandbox: Sandbox, **settings: Any) -> None:
        self.name, self.sandbox = name, sandbox
        self.control = SandboxControl(sandbox.url)
        self.prefix = f"drill.{uuid4()}."
        broker = urlsplit(RABBITMQ)
        self.broker = TcpProxy(broker.hostname or "", broker.port or 5672)
        self.broker.mend()
        self.web_port = free_port()
        through = broker._replace(netloc=f"{broker.username}:{broker.password}@127.0.0.1:{self.broker.port}")
        self.settings = {
            "donkies.env": "development",
            "donkies.public_url": f"http://127.0.0.1:{self.web_port}",
            "donkies.database_url": database_url,
            "donkies.broker_url": through.geturl(),
            "donkies.queue_prefix": self.prefix,
            "donkies.sealing_keys": SEALING_KEY,
            "donkies.aggregator": "atrium",
            "donkies.atrium.url": sandbox.atrium_url,
            "donkies.atrium.api_key": "test-key",
            "donkies.atrium.client_id": "test-client",
            "donkies.aggregator.timeout_s": 2,
            "donkies.password.memory_kib": 8,
            "donkies.password.passes": 1,
            "donkies.link.look_s": 0.2,
            "donkies.link.look_slowest_s": 1,
            "donkies.link.deadline_s": 20,
            "donkies.lease_s": LEASE_S,
            "donkies.sweep_s": SWEEP_S,
            "donkies.sync.retry_s": 0.3,
            "donkies.breaker.open_s": 1,
        } | settings
        self.installation = Installation(folder, self.settings)
        self.app = DonkiesTestApp(self.settings)
        self.engine = self.app.engine()
        address = make_url(database_url).set(drivername="postgresql+psycopg")
        self._watch = create_engine(address, isolation_level="AUTOCOMMIT")
        self.person = PersonAtTheApi(self.app)
        self.drilled: Drilled | None = None

    def close(self) -> None:
        self.installation.__exit__()
        self.broker.cut()
        self.broker.mend()
        with kombu.Connection(RABBITMQ) as connection, connection.channel() as channel:
            for queue in QUEUES:
                channel.queue_delete(self.prefix + queue)
                channel.exchange_delete(self.prefix + queue)
        self.app.close()
        self._watch.dispose()
        self.broker.cut()
        self.control.close()

    # -- looking ---------------------------------------------------------------------------------------

    def ask(self, query: str, **values: Any) -> Any:
        """One value, on a connection that no drill cuts."""
        with self._watch.connect() as connection:
            return connection.execute(text(query), values).scalar()

    def rows(self) -> int:
        """How many transactions have been written so far."""
        count: int = self.ask("SELECT count(*) FROM transactions")
        return count

    def all_rows(self) -> list[Any]:
        """Everything that work could change, as it is now."""
        found = []
        for table in ("linked_accounts", "downloads", "accounts", "transactions", "transaction_feeds"):
            query = f"SELECT to_jsonb({table})::text FROM {table} ORDER BY 1"  # noqa: S608 - our own names
            with self._watch.connect() as connection:
                found.append(connection.execute(text(query)).scalars().all())
        return found

    def is_at_rest(self, link: str) -> bool:
        shown = self.person.state(link)
        return (
            ("success", False, "complete")
            == (shown["link_status"], shown["is_refreshing"], shown["transactions_status"])
            and 0 == self.ask(STUCK)
        )  # fmt: skip

    # -- harming ---------------------------------------------------------------------------------------

    def purge(self) -> int:
        """Lose every message that waits. Returns: how many."""
        with kombu.Connection(RABBITMQ) as connection, connection.channel() as channel:
            return sum(channel.queue_purge(self.prefix + queue) or 0 for queue in QUEUES)

    def waiting(self) -> int:
        """How many messages wait or are being worked on."""
        with kombu.Connection(RABBITMQ) as connection, connection.channel() as channel:
            return sum(channel.queue_declare(self.prefix + one, passive=True).message_count for one in QUEUES)

    def declare_queues(self) -> None:
        with self._celery().connection_for_write() as connection:
            for queue in self._celery().amqp.queues.values():
                queue(connection).declare()

    def send(self, name: str, *arguments: str) -> None:
        self._celery().send_task(name, arguments)

    def _celery(self) -> Celery:
        with self.app.service(Celery) as celery:
            return celery

    def cut_databases(self) -> int:
        """Break every connection that donkies has to the database. Returns: how many."""
        cut: int = self.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'donkies'"
        )
        return cut

    # -- judging ---------------------------------------------------------------------------------------

    def ends_well(self, link: str, broken: str, *, within_s: float, already_s: float = 0) -> None:
        """Wait until all is as it should be, and note how long that took and what is lost, doubled or stuck.

        Args:
            broken: what was done, for the table.
            already_s: the longest recovery that was measured on the way here.
        """
        seconds = wait_until(lambda: self.is_at_rest(link), within_s, f"{link} ends well")
        expected = self.guids_at_the_bank()
        with self._watch.connect() as connection:
            kept = list(connection.execute(text("SELECT guid FROM transactions")).scalars())
        self.drilled = Drilled(
            self.name, broken, max(seconds, already_s), len(expected - set(kept)),
            len(kept) - len(set(kept)) + len(set(kept) - expected), self.ask(STUCK),
        )  # fmt: skip
        assert (0, 0, 0) == (self.drilled.lost, self.drilled.doubled, self.drilled.stuck)
        assert len(expected) == self.ask("SELECT sum(transactions_count) FROM linked_accounts")

    def guids_at_the_bank(self) -> set[str]:
        """Every row of everybody, asked of the bank itself."""
        found: set[str] = set()
        with AtriumCaller(self.sandbox.atrium_url) as caller:
            for user in caller.get("/users")["users"]:
                page, pages = 1, 1
                while page <= pages:
                    answer = caller.get(
                        f"/users/{user['guid']}/transactions",
                        page=page, records_per_page=1000, from_date="1970-01-01", to_date="2100-01-01",
                    )  # fmt: skip
                    found |= {one["guid"] for one in answer["transactions"]}
                    page, pages = page + 1, answer["pagination"]["total_pages"]
        return found

    def members_at_the_bank(self) -> int:
        """How many members everybody has there."""
        with AtriumCaller(self.sandbox.atrium_url) as caller:
            users = caller.get("/users")["users"]
            return sum(len(caller.get(f"/users/{user['guid']}/members")["members"]) for user in users)


DRILLED: list[Drilled] = []


@pytest.fixture(scope="session")
def bank() -> Iterator[Sandbox]:
    with Sandbox(port=0, job_s=0) as server:
        yield server


@pytest.fixture
def make_drill(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_database: PostgresDatabase, bank: Sandbox
) -> Iterator[Any]:
    """Make the drill of this test: `make_drill(transactions=20_000)`; settings may be given by their whole names."""
    rabbitmq_or_skip()
    made: list[Drill] = []

    def make(transactions: int = 300, **settings: Any) -> Drill:
        with closing(SandboxControl(bank.url)) as control:
            control.reset()
            control.history(transactions, days=900)
        name = request.node.name.removeprefix("test_").replace("_", " ")
        made.append(Drill(name, tmp_path, postgres_database.fresh(), bank, **settings))
        made[-1].declare_queues()
        return made[-1]

    yield make
    for drill in made:
        drill.close()
        if drill.drilled:
            DRILLED.append(drill.drilled)


def pytest_sessionfinish() -> None:
    if DRILLED and (path := os.environ.get("DONKIES_DRILLS_TABLE")):
        write_table(Path(path), DRILLED, time.strftime("%Y-%m-%d", time.gmtime()))
