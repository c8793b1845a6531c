"""Units of work over real databases: what commits, what does not, and what happens afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, insert, select, update

from donkies.adapters.memory.banking import MemoryBanking
from donkies.adapters.memory.identity import MemoryIdentity
from donkies.adapters.memory.linked_accounts import MemoryLinkedAccountStore
from donkies.adapters.memory.unit_of_work import MemoryUnitOfWork
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.mappers import start_mappers
from donkies.adapters.persistence.tables import banking
from donkies.adapters.persistence.unit_of_work import ZopeUnitOfWork
from donkies.adapters.sealing import Keyring
from donkies.domain.errors import LeaseLost, NotFound
from donkies.domain.ids import new_id
from donkies.domain.linked_accounts import LinkedAccount
from donkies.testing.banking import SqlWorld
from donkies.testing.factories import NOON, make_link

STONES = banking.transaction_tombstones


@pytest.fixture
def world(database_url: str) -> Iterator[SqlWorld]:
    world = SqlWorld(database_url)
    yield world
    world.close()


@pytest.fixture
def unit_of_work(world: SqlWorld) -> ZopeUnitOfWork:
    return world.stores().unit_of_work


@pytest.fixture
def user_id(world: SqlWorld) -> UUID:
    return world.person()


def stone(user_id: UUID, change_no: int = 1) -> dict[str, object]:
    return {"user_id": user_id, "change_no": change_no, "transaction_id": new_id(), "removed_at": NOON}


def stones(engine: Engine) -> int:
    """As a second connection sees it."""
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(STONES)).scalar_one()


def links(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(banking.linked_accounts)).scalar_one()


def test_a_core_statement_alone_is_committed(world: SqlWorld, unit_of_work: ZopeUnitOfWork, user_id: UUID) -> None:
    with unit_of_work:
        unit_of_work.session.execute(insert(STONES).values(stone(user_id)))
    assert 1 == stones(world.engine)


def test_an_entity_is_committed(world: SqlWorld, unit_of_work: ZopeUnitOfWork, user_id: UUID) -> None:
    with unit_of_work:
        unit_of_work.session.add(make_link(user_id))
    assert 1 == links(world.engine)


def test_raising_rolls_everything_back(world: SqlWorld, unit_of_work: ZopeUnitOfWork, user_id: UUID) -> None:
    with suppress(ZeroDivisionError), unit_of_work:
        unit_of_work.session.add(make_link(user_id))
        unit_of_work.session.execute(insert(STONES).values(stone(user_id)))
        raise ZeroDivisionError
    assert (0, 0) == (links(world.engine), stones(world.engine))


def test_what_the_database_refuses_at_the_commit_rolls_everything_back_and_sends_nothing(
    world: SqlWorld, unit_of_work: ZopeUnitOfWork, user_id: UUID
) -> None:
    called: list[int] = []
    with suppress(Exception), unit_of_work:
        unit_of_work.after_commit(lambda: called.append(1))
        unit_of_work.session.execute(insert(STONES).values(stone(user_id)))
        unit_of_work.session.add(make_link(new_id()))  # nobody's: the foreign key refuses it
    assert (0, 0, []) == (links(world.engine), stones(world.engine), called)


def test_what_belongs_to_somebody_who_is_gone_is_not_found(unit_of_work: ZopeUnitOfWork) -> None:
    with pytest.raises(NotFound), unit_of_work:  # an entity, which is written at the commit
        unit_of_work.session.add(make_link(new_id()))
    with pytest.raises(NotFound), unit_of_work:
        unit_of_work.session.execute(insert(STONES).values(stone(new_id())))


def test_it_can_be_used_again_after_a_commit_and_after_a_failure(
    world: SqlWorld, unit_of_work: ZopeUnitOfWork, user_id: UUID
) -> None:
    for number in range(3):
        with suppress(ZeroDivisionError), unit_of_work:
            unit_of_work.session.execute(insert(STONES).values(stone(user_id, number)))
            if number == 1:
                raise ZeroDivisionError
    assert 2 == stones(world.engine)


def test_another_connection_sees_nothing_before_the_commit(
    world: SqlWorld, unit_of_work: ZopeUnitOfWork, user_id: UUID
) -> None:
    if world.engine.dialect.name == "sqlite":
        reader = world.engine.execution_options(isolation_level="AUTOCOMMIT")
    else:
        reader = world.engine
    with unit_of_work:
        unit_of_work.session.execute(insert(STONES).values(stone(user_id)))
        assert 0 == stones(reader)
    assert 1 == stones(reader)


def test_units_of_work_do_not_nest(unit_of_work: ZopeUnitOfWork) -> None:
    with unit_of_work, pytest.raises(RuntimeError, match="do not nest"), unit_of_work:
        raise AssertionError
    with unit_of_work:
        pass


def test_outside_there_is_no_session(unit_of_work: ZopeUnitOfWork) -> None:
    with pytest.raises(RuntimeError, match="no unit of work is open"):
        unit_of_work.session  # noqa: B018
    with pytest.raises(RuntimeError, match="no unit of work is open"):
        unit_of_work.now()


def test_its_clock_is_the_databases_and_aware(unit_of_work: ZopeUnitOfWork) -> None:
    with unit_of_work:
        first, second = unit_of_work.now(), unit_of_work.now()
    assert first.tzinfo is UTC
    assert first <= second
    assert abs((datetime.now(UTC) - first).total_seconds()) < 5


def test_calls_after_the_commit_are_made_in_order_once_the_data_is_there(
    world: SqlWorld, unit_of_work: ZopeUnitOfWork, user_id: UUID
) -> None:
    seen: list[tuple[str, int]] = []
    with unit_of_work:
        unit_of_work.after_commit(lambda: seen.append(("first", stones(world.engine))))
        unit_of_work.after_commit(lambda: seen.append(("second", stones(world.engine))))
        unit_of_work.session.execute(insert(STONES).values(stone(user_id)))
        assert [] == seen
    assert [("first", 1), ("second", 1)] == seen
    with unit_of_work:
        pass
    assert 2 == len(seen)


def test_calls_after_the_commit_are_not_made_after_a_rollback(unit_of_work: ZopeUnitOfWork) -> None:
    called: list[int] = []
    with suppress(ZeroDivisionError), unit_of_work:
        unit_of_work.after_commit(lambda: called.append(1))
        raise ZeroDivisionError
    with unit_of_work:
        pass
    assert [] == called
    unit_of_work.after_commit(lambda: called.append(2))
    assert [2] == called, "where none is open, at once"


@pytest.mark.parametrize("is_flushed_early", [True, False])
def test_a_fence_that_changed_under_an_entity_is_a_lost_lease_and_rolls_everything_back(
    world: SqlWorld, unit_of_work: ZopeUnitOfWork, user_id: UUID, is_flushed_early: bool
) -> None:
    link = make_link(user_id)
    with unit_of_work:
        unit_of_work.session.add(link)
    table = banking.linked_accounts
    with pytest.raises(LeaseLost), unit_of_work:  # noqa: PT012 - the block is what is tested
        session = unit_of_work.session
        mine = session.scalars(select(LinkedAccount)).one()
        session.connection().execute(update(table).values(lease_no=table.c.lease_no + 1))  # as another would
        session.execute(insert(STONES).values(stone(user_id)))
        mine.reason = "too late"
        if is_flushed_early:
            session.flush()
    assert 0 == stones(world.engine)
    with world.engine.connect() as connection:
        assert (None, 0) == connection.execute(select(table.c.reason, table.c.lease_no)).one()


def test_connections_go_back_to_the_pool(database_url: str) -> None:
    start_mappers()
    engine = make_engine(database_url, Keyring(Keyring.new_key()), pool_size=1)
    for number in range(5):
        unit_of_work = ZopeUnitOfWork(engine)
        with suppress(ZeroDivisionError), unit_of_work:
            unit_of_work.now()
            if number % 2:
                raise ZeroDivisionError
        assert 0 == engine.pool.checkedout()  # type: ignore[attr-defined]
    engine.dispose()


class TestInMemory:
    def test_what_is_opened_along_with_it_is_rolled_back_with_it(self) -> None:
        identity, rows = MemoryIdentity(), MemoryBanking()
        unit_of_work = MemoryUnitOfWork(rows, identity)
        with suppress(ZeroDivisionError), unit_of_work:
            identity.consents[new_id(), "client"] = ("openid",)
            raise ZeroDivisionError
        assert {} == identity.consents
        with unit_of_work:
            identity.consents[new_id(), "client"] = ("openid",)
        assert 1 == len(identity.consents)

    def test_one_object_serves_many_threads_one_after_the_other(self) -> None:
        unit_of_work = MemoryUnitOfWork(MemoryBanking())
        store = MemoryLinkedAccountStore(unit_of_work)
        link = make_link(transactions_count=0)
        with unit_of_work:
            store.add(link)

        def count() -> None:
            for _ in range(20):
                with unit_of_work:
                    store.lock(link.user_id, link.id).transactions_count += 1

        threads = [threading.Thread(target=count) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with unit_of_work:
            assert 100 == store.get(link.user_id, link.id).transactions_count

    def test_it_neither_nests_nor_serves_outside(self) -> None:
        unit_of_work = MemoryUnitOfWork(MemoryBanking())
        with unit_of_work, pytest.raises(RuntimeError), unit_of_work:
            raise AssertionError
        with pytest.raises(RuntimeError):
            unit_of_work.now()
