"""Migrations lead up, down and up again on both databases, and end where the tables of the code stand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect

from donkies.adapters.persistence import schema
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.mappers import start_mappers
from donkies.adapters.persistence.tables import metadata
from donkies.adapters.sealing import Keyring
from donkies.testing.databases import PostgresDatabase, postgres_or_skip

REVISIONS = [script.revision for script in ScriptDirectory(str(schema.MIGRATIONS)).walk_revisions("base", "heads")][
    ::-1
]


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresDatabase]:
    """A database of this module's own, for it is taken apart."""
    with postgres_or_skip("migrations_" + os.environ.get("PYTEST_XDIST_WORKER", "main")) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database that holds nothing."""
    start_mappers()
    if request.param == "sqlite":
        engine = make_engine(f"sqlite:///{tmp_path}/walk.db", Keyring(Keyring.new_key()))
    else:
        engine = make_engine(request.getfixturevalue("own_postgres").url, Keyring(Keyring.new_key()))
        schema.downgrade(engine, "base")
    yield engine
    engine.dispose()


def names(engine: Engine) -> set[str]:
    return {name for name in inspect(engine).get_table_names() if name != "alembic_version" and not is_index(name)}


def is_index(name: str) -> bool:
    """SQLite keeps an index of words in tables."""
    return name == "transaction_rows" or name.startswith("transaction_words")


def differences(engine: Engine) -> list[Any]:
    """What alembic would still change."""
    with engine.connect() as connection:
        options = {
            "compare_type": True, "compare_server_default": False,
            "include_name": lambda name, kind, _: not (kind == "table" and is_index(name)),
        }  # fmt: skip
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


@pytest.mark.filterwarnings("ignore:autogenerate skipping")  # an index of PostgreSQL's only, on SQLite
def test_the_whole_way_up_down_and_up_ends_at_the_tables_of_the_code(engine: Engine) -> None:
    assert (set(), True, True) == (names(engine), schema.is_empty(engine), schema.pending(engine))
    schema.upgrade(engine)
    assert set(metadata.tables) == names(engine)
    assert (False, False) == (schema.is_empty(engine), schema.pending(engine))
    schema.downgrade(engine, "base")
    assert set() == names(engine)
    schema.upgrade(engine)
    assert set(metadata.tables) == names(engine)
    assert [] == differences(engine)


def test_each_step_can_be_taken_back_and_again(engine: Engine) -> None:
    before: set[str] = set()
    for at, revision in enumerate(REVISIONS):
        schema.upgrade(engine, revision)
        after = names(engine)
        schema.downgrade(engine, REVISIONS[at - 1] if at else "base")
        assert before == names(engine)
        schema.upgrade(engine, revision)
        assert after == names(engine)
        before = after


def test_there_is_one_head() -> None:
    assert 1 == len(ScriptDirectory(str(schema.MIGRATIONS)).get_heads())


def test_the_persons_id_is_in_every_primary_and_unique_key_of_what_people_have() -> None:
    for table in metadata.sorted_tables:
        if "linked_account_id" in table.columns or table.name == "linked_accounts":
            keys = [table.primary_key, *(c for c in table.constraints if type(c).__name__ == "UniqueConstraint")]
            assert all("user_id" in {column.name for column in key.columns} for key in keys), table.name
