"""Banking in tests: the stores of one database as a bundle, in memory or in SQL, and the services over them."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import Engine, insert, select, update

from ..adapters.memory.adoptions import MemoryAdoptionStore
from ..adapters.memory.aggregator import MemoryAggregator
from ..adapters.memory.banking import MemoryBanking
from ..adapters.memory.downloads import MemoryDownloadStore
from ..adapters.memory.erasures import MemoryErasureStore
from ..adapters.memory.identity import MemoryLimits
from ..adapters.memory.jobs import RecordingJobs
from ..adapters.memory.ledger import MemoryLedger
from ..adapters.memory.linked_accounts import MemoryLinkedAccountStore
from ..adapters.memory.logos import MemoryLogoStore
from ..adapters.memory.reader import MemoryLedgerReader
from ..adapters.memory.removals import MemoryRemovalStore
from ..adapters.memory.unit_of_work import MemoryUnitOfWork
from ..adapters.memory.widget_visits import MemoryWidgetVisitStore
from ..adapters.persistence.adoptions import SqlAdoptionStore
from ..adapters.persistence.downloads import SqlDownloadStore
from ..adapters.persistence.erasures import SqlErasureStore
from ..adapters.persistence.ledger import SqlLedger
from ..adapters.persistence.linked_accounts import SqlLinkedAccountStore
from ..adapters.persistence.logos import SqlLogoStore
from ..adapters.persistence.mappers import start_mappers
from ..adapters.persistence.reader import SqlLedgerReader
from ..adapters.persistence.removals import SqlRemovalStore
from ..adapters.persistence.tables import banking, identity
from ..adapters.persistence.unit_of_work import ZopeUnitOfWork
from ..adapters.persistence.widget_visits import SqlWidgetVisitStore
from ..adapters.sealing import Keyring
from ..domain.adopting import AdoptingService
from ..domain.aggregator import Aggregator
from ..domain.budget import SyncBudget
from ..domain.downloading import DownloadService
from ..domain.downloads import DownloadTiming
from ..domain.duplicates import DuplicateService
from ..domain.following import LookService
from ..domain.ids import new_id
from ..domain.institutions import CredentialCalls, FormCache, InstitutionService, ReadCalls
from ..domain.linked_accounts import LinkTiming
from ..domain.linking import LinkService
from ..domain.relinking import Relinking
from ..domain.removals import RemovalService
from ..domain.stopping import StopFlag
from ..domain.unit_of_work import Clock
from .databases import SEALING_KEY
from .engines import make_test_engine
from .factories import NOON


class SteppedClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Stores:
    """The stores of one thread: its unit of work and all that works in it."""

    unit_of_work: Any
    links: Any
    removals: Any
    visits: Any
    erasures: Any
    downloads: Any
    ledger: Any
    adoptions: Any
    jobs: RecordingJobs
    logos: Any


class MemoryWorld:
    """Banking in memory."""

    def __init__(self, clock: SteppedClock | None = None) -> None:
        self.clock = clock or SteppedClock()
        self.rows = MemoryBanking()
        self.reader = MemoryLedgerReader(self.rows, self.clock)

    def stores(self) -> Stores:
        """Stores of another thread over the same rows."""
        unit_of_work = MemoryUnitOfWork(self.rows, clock=self.clock)
        return Stores(
            unit_of_work,
            MemoryLinkedAccountStore(unit_of_work),
            MemoryRemovalStore(unit_of_work),
            MemoryWidgetVisitStore(unit_of_work),
            MemoryErasureStore(unit_of_work),
            MemoryDownloadStore(unit_of_work),
            MemoryLedger(unit_of_work),
            MemoryAdoptionStore(unit_of_work),
            RecordingJobs(unit_of_work),
            MemoryLogoStore(unit_of_work),
        )

    def person(self) -> UUID:
        """Somebody who can have links."""
        return new_id()

    def pass_time(self, seconds: float) -> None:
        """Let what is due then be due."""
        self.clock.advance(seconds)

    def change_numbers(self, user_id: UUID) -> dict[str, int]:
        """The change number of each transaction, by its guid."""
        rows = self.rows.committed.transactions
        return {guid: row["change_no"] for (owner, guid), row in rows.items() if owner == user_id}

    def tombstones(self, user_id: UUID) -> dict[int, UUID]:
        """The transactions that are gone, by change number."""
        stones = self.rows.committed.tombstones.values()
        return {one.change_no: one.transaction_id for one in stones if one.user_id == user_id}

    def close(self) -> None:
        """There is nothing to close."""


class SqlWorld:
    """Banking in a database that is migrated."""

    def __init__(self, database_url: str) -> None:
        start_mappers()
        self.keyring = Keyring(SEALING_KEY)
        self.engine: Engine = make_test_engine(database_url, self.keyring, pool_size=8)
        self.reader = SqlLedgerReader(self.engine)
        self._opened: list[ZopeUnitOfWork] = []

    def stores(self) -> Stores:
        """Stores of another thread over the same database."""
        unit_of_work = ZopeUnitOfWork(self.engine)
        self._opened.append(unit_of_work)
        ledger = SqlLedger(unit_of_work)
        return Stores(
            unit_of_work,
            SqlLinkedAccountStore(unit_of_work, self.keyring, ledger),
            SqlRemovalStore(unit_of_work, self.keyring),
            SqlWidgetVisitStore(unit_of_work),
            SqlErasureStore(unit_of_work),
            SqlDownloadStore(unit_of_work),
            ledger,
            SqlAdoptionStore(unit_of_work, ledger),
            RecordingJobs(unit_of_work),
            SqlLogoStore(unit_of_work),
        )

    def person(self) -> UUID:
        """Somebody who can have links."""
        user_id = new_id()
        row = {
            "id": user_id, "email": f"{user_id}@people.example", "email_key": f"{user_id}@people.example",
            "email_verified": True, "first_name": "Ada", "last_name": "Test", "is_disabled": False,
            "created_at": NOON, "updated_at": NOON,
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(identity.users).values(row))
        return user_id

    def pass_time(self, seconds: float) -> None:
        """Let what is due then be due: the database's clock cannot be moved, so all times are."""
        moved = {
            banking.linked_accounts: ("lease_until", "next_look_at", "next_attempt_at", "wake_at", "fresh_until"),
            banking.downloads: ("lease_until", "due_at"),
            banking.member_removals: ("lease_until", "due_at"),
            banking.widget_visits: ("lease_until", "due_at", "until"),
            identity.erasures: ("lease_until", "due_at"),
        }
        with self.engine.begin() as connection:
            for table, names in moved.items():
                for row in connection.execute(select(table)).all():
                    times = {name: getattr(row, name) for name in names}
                    earlier = {name: at and at - timedelta(seconds=seconds) for name, at in times.items()}
                    key = [column == getattr(row, column.name) for column in table.primary_key]
                    connection.execute(update(table).where(*key).values(earlier))

    def change_numbers(self, user_id: UUID) -> dict[str, int]:
        """The change number of each transaction, by its guid."""
        t = banking.transactions.c
        with self.engine.connect() as connection:
            rows = connection.execute(select(t.guid, t.change_no).where(t.user_id == user_id))
            return dict(map(tuple, rows))

    def tombstones(self, user_id: UUID) -> dict[int, UUID]:
        """The transactions that are gone, by change number."""
        s = banking.transaction_tombstones.c
        query = select(s.change_no, s.transaction_id).where(s.user_id == user_id)
        with self.engine.connect() as connection:
            return dict(map(tuple, connection.execute(query)))

    def close(self) -> None:
        for unit_of_work in self._opened:
            unit_of_work.close()
        self.engine.dispose()


World = MemoryWorld | SqlWorld


def as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a reader's as a client has it, its times in one way of writing."""
    shown = orjson.loads(orjson.dumps(dict(row), option=orjson.OPT_UTC_Z))
    return {name: value.replace(".000000Z", "Z") if isinstance(value, str) else value for name, value in shown.items()}


class WatchedAggregator:
    """Any aggregator, with its calls written down, and what a test puts in their place.

    Args:
        inner: whom calls go to; a MemoryAggregator when not given.
    """

    def __init__(self, inner: Any = None) -> None:
        self.inner = inner or MemoryAggregator()
        self.calls: list[str] = []
        self._acts: dict[str, deque[Exception | Callable[..., Any] | None]] = defaultdict(deque)
        self._lock = threading.Lock()

    def instead(self, name: str, *acts: Exception | Callable[..., Any] | None) -> None:
        """What the next calls of a method do: raise, call something else, or (None) what they always do."""
        self._acts[name].extend(acts)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.inner, name)
        if not callable(real):
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                self.calls.append(name)
                act = self._acts[name].popleft() if self._acts[name] else None
            if isinstance(act, Exception):
                raise act
            return (act or real)(*args, **kwargs)

        return call


class InlinePool:
    """A ReadPool without threads."""

    per_key = 32

    def submit(self, key: str, call: Callable[[], None]) -> None:
        call()


def budget_of(clock: Clock, calls_per_minute: int) -> SyncBudget:
    """A budget of so many calls a minute by this clock."""
    return SyncBudget(MemoryLimits(clock), calls_per_minute)


@dataclass
class BankingServices:
    """The services of banking in memory: no I/O, and time passes when it is told to.

    Args:
        aggregator: an Aggregator; a MemoryAggregator when not given. Its calls are in `aggregator.calls`.
    """

    aggregator: Any = None
    timing: LinkTiming = field(default_factory=LinkTiming)
    download_timing: DownloadTiming = field(default_factory=DownloadTiming)
    web_calls: int = 32
    world: MemoryWorld = field(default_factory=MemoryWorld)

    def __post_init__(self) -> None:
        self.aggregator = WatchedAggregator(self.aggregator)
        self.clock = self.world.clock
        self.stores = self.world.stores()
        self.jobs = self.stores.jobs
        self.stop = StopFlag()
        self.user_id = self.world.person()
        self.calls = CredentialCalls(self.web_calls)
        self.looking = LookService(
            self.stores.unit_of_work, self.stores.links, self.stores.downloads, self.aggregator, self.jobs,
            InlinePool(), self.timing, self.download_timing,
        )  # fmt: skip
        self.removing = RemovalService(self.stores.unit_of_work, self.stores.removals, self.aggregator, self.timing)
        self.linking = self.linking_service()
        self.relinking = Relinking(
            self.stores.unit_of_work, self.stores.links, self.stores.downloads, self.stores.ledger,
            self.stores.adoptions, self.timing, self.jobs,
        )  # fmt: skip
        self.downloading = self.download_service()
        self.adopting = self.adopting_service()

    def linking_service(self) -> LinkService:
        """A LinkService as another request has it."""
        stores = self.stores
        institutions = InstitutionService(self.aggregator, ReadCalls(self.web_calls), FormCache())
        return LinkService(
            stores.unit_of_work, stores.links, stores.removals, stores.erasures, self.aggregator, institutions,
            self.calls, self.jobs, self.timing,
        )  # fmt: skip

    def adopting_service(self) -> AdoptingService:
        """An AdoptingService as another request has it."""
        stores, commands = self.stores, self.linking_service()
        return AdoptingService(
            stores.unit_of_work, stores.links, stores.removals, stores.visits, self.aggregator, commands.institutions,
            commands, self.calls, self.jobs, self.timing,
        )  # fmt: skip

    def download_service(self, aggregator: Aggregator | None = None) -> DownloadService:
        """A DownloadService as another worker has it."""
        stores = self.stores
        return DownloadService(
            stores.unit_of_work, stores.links, stores.downloads, stores.ledger, aggregator or self.aggregator,
            self.download_timing, self.timing, self.jobs, self.stop, self.duplicate_service(), self.relinking,
        )  # fmt: skip

    def duplicate_service(self) -> DuplicateService:
        """A DuplicateService as another worker has it."""
        stores = self.stores
        return DuplicateService(stores.links, stores.ledger, stores.removals, self.jobs, self.timing)

    def link(self, link_id: UUID) -> Any:
        """The link as it is kept now."""
        return self.world.rows.committed.links[self.user_id, link_id]

    def download(self, link_id: UUID) -> Any:
        """The download as it is kept now."""
        return self.world.rows.committed.downloads[self.user_id, link_id].download

    def look_for(self, seconds: float, step_s: float = 1) -> None:
        """Let time pass, with a looker at work."""
        for _ in range(int(seconds / step_s)):
            self.clock.advance(step_s)
            self.looking.look()


class InMemory:
    """Gives a contract the fixture `world`, in memory."""

    @pytest.fixture
    def world(self) -> MemoryWorld:
        return MemoryWorld()


class InSql:
    """Gives a contract the fixture `world`, in the database of `donkies_database_url`."""

    @pytest.fixture
    def world(self, donkies_database_url: str) -> Iterator[SqlWorld]:
        world = SqlWorld(donkies_database_url)
        yield world
        world.close()
