"""The engine on both databases, and the column types that mean the same on each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, insert, literal, select, text
from sqlalchemy.exc import StatementError

from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.tables import banking
from donkies.adapters.persistence.types import database_now
from donkies.adapters.sealing import Keyring
from donkies.domain.ids import new_id
from donkies.testing.banking import SqlWorld
from donkies.testing.databases import SEALING_KEY
from donkies.testing.factories import NOON

REMOVALS = banking.member_removals


@pytest.fixture
def world(database_url: str) -> Iterator[SqlWorld]:
    world = SqlWorld(database_url)
    yield world
    world.close()


@pytest.fixture
def engine(world: SqlWorld) -> Engine:
    return world.engine


def removal(**fields: Any) -> dict[str, Any]:
    row = {
        "id": new_id(), "user_guid": "USR-canary", "member_guid": None,
        "identifier": "link", "attempts": 0, "due_at": NOON, "created_at": NOON,
    }  # fmt: skip
    return row | fields


def keep(engine: Engine, **fields: Any) -> Any:
    with engine.begin() as connection:
        connection.execute(insert(REMOVALS).values(removal(**fields)))
    with engine.connect() as connection:
        return connection.execute(select(REMOVALS)).one()


def test_a_guid_is_sealed_in_the_table_and_open_in_the_code(engine: Engine) -> None:
    assert "USR-canary" == keep(engine).user_guid
    with engine.connect() as connection:
        (stored,) = connection.execute(text("SELECT user_guid FROM member_removals")).one()
    assert b"canary" not in bytes(stored)


def test_after_a_rotation_old_rows_open(engine: Engine, world: SqlWorld, database_url: str) -> None:
    keep(engine)
    rotated = make_engine(database_url, Keyring(Keyring.new_key(), SEALING_KEY))
    with rotated.connect() as connection:
        assert "USR-canary" == connection.execute(select(REMOVALS.c.user_guid)).scalar_one()
    rotated.dispose()


def test_times_are_utc_whatever_zone_they_came_in(engine: Engine) -> None:
    there = datetime(2026, 2, 1, 1, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    kept = keep(engine, due_at=there)
    assert (there, timedelta(0)) == (kept.due_at, kept.due_at.utcoffset())


def test_a_time_without_a_zone_is_refused(engine: Engine) -> None:
    with pytest.raises(StatementError, match="naive"):
        keep(engine, due_at=datetime(2026, 2, 1))


def test_times_compare_with_the_databases_clock(engine: Engine) -> None:
    now = datetime.now(UTC)
    due = REMOVALS.c.due_at <= database_now()
    soon = REMOVALS.c.due_at <= database_now(60)
    for seconds, expected in ((-2, (True, True)), (30, (False, True)), (90, (False, False))):
        with engine.begin() as connection:
            connection.execute(REMOVALS.delete())
        keep(engine, due_at=now + timedelta(seconds=seconds))
        with engine.connect() as connection:
            assert expected == connection.execute(select(due, soon)).one()


def test_what_is_due_is_found_by_an_index(world: SqlWorld) -> None:
    with world.engine.connect() as connection:
        explain = "EXPLAIN QUERY PLAN "
        if world.engine.dialect.name == "postgresql":
            explain = "EXPLAIN "
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        query = select(banking.linked_accounts.c.id).where(banking.linked_accounts.c.next_look_at <= database_now())
        compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
        plan = "\n".join(map(str, connection.execute(text(explain + str(compiled).replace(":", "\\:")))))
        connection.rollback()
    assert "ix_linked_accounts_next_look_at" in plan
    assert "Index Cond" in plan or "next_look_at<" in plan


def test_writers_wait_for_each_other_instead_of_failing(world: SqlWorld) -> None:
    failures: list[Exception] = []

    def write() -> None:
        for _ in range(10):
            try:
                with world.engine.begin() as connection:
                    connection.execute(select(REMOVALS)).all()  # a read first: SQLite's trap
                    connection.execute(insert(REMOVALS).values(removal()))
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with world.engine.connect() as connection:
        assert ([], 40) == (failures, len(connection.execute(select(REMOVALS)).all()))


def test_foreign_keys_hold(engine: Engine) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"), engine.begin() as connection:
        connection.execute(insert(banking.transaction_feeds).values(user_id=new_id(), last_change=0))


@pytest.mark.parametrize("amount", ["0.0001", "-12345678901234.5678", "0", "1E+2"])
def test_money_is_exact(world: SqlWorld, amount: str) -> None:
    value = Decimal(amount)
    with world.engine.connect() as connection:
        assert value == connection.execute(select(literal(value, banking.accounts.c.balance.type))).scalar_one()
