"""Databases for tests: migrated once per session, empty at the start of each test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from ..adapters.clock import SystemClock
from ..adapters.persistence import schema
from ..adapters.persistence.engine import make_engine
from ..adapters.persistence.mappers import start_mappers
from ..adapters.persistence.tables import metadata
from ..adapters.sealing import Keyring
from ..adapters.signing_keys import SigningKeys

SEALING_KEY = "dGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtdGVzdHMtMDE="
SERVER_URL = os.environ.get("DONKIES_TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
# kept from test to test: an RSA key takes a while to make; what tests added to it goes
KEPT = ("signing_keys",)
FIRST_KEY_ONLY = (
    "DELETE FROM signing_keys WHERE algorithm <> 'RS256' OR generation > 1 OR active_from > now(); "
    "UPDATE signing_keys SET retired_at = NULL"
)
VACUUMED_EACH = 50  # tests: what they deleted is in the way of those that follow, and no server need vacuum by itself


class SqliteDatabases:
    """One migrated file, copied for each test."""

    def __init__(self, folder: Path) -> None:
        self._template = folder / "template.db"
        _migrate(f"sqlite:///{self._template}")

    def fresh(self, folder: Path) -> str:
        """The URL of an empty, migrated database."""
        copy = folder / "donkies.db"
        shutil.copyfile(self._template, copy)
        return f"sqlite:///{copy}"


class PostgresDatabase:
    """One migrated database for the session (and test worker), emptied for each test."""

    def __init__(self, worker: str) -> None:
        name = f"donkies_test_{worker}_{os.getpid()}"
        self._server = _autocommit(SERVER_URL)
        self._run(f'CREATE DATABASE "{name}"')
        self._name = name
        self.url = make_url(SERVER_URL).set(database=name).render_as_string(hide_password=False)
        _migrate(self.url)
        self._engine = _autocommit(self.url)
        self._emptied = 0
        tables = [table.name for table in reversed(metadata.sorted_tables) if table.name not in KEPT]
        # DELETE, for TRUNCATE makes files anew, which for a handful of rows takes ten times as long
        self._empty = ";".join(f'DELETE FROM "{name}"' for name in tables)  # noqa: S608 - our own names

    def fresh(self) -> str:
        """The URL of the database, empty but migrated."""
        self._emptied += 1
        with self._engine.connect() as connection:
            connection.exec_driver_sql(f"BEGIN;{self._empty};{FIRST_KEY_ONLY};COMMIT")
            if not self._emptied % VACUUMED_EACH:
                connection.exec_driver_sql("VACUUM")
        return self.url

    def drop(self) -> None:
        self._engine.dispose()
        self._run(f'DROP DATABASE IF EXISTS "{self._name}" WITH (FORCE)')
        self._server.dispose()

    def _run(self, statement: str) -> None:
        with self._server.connect() as connection:
            connection.execute(text(statement))


@contextmanager
def postgres_or_skip(worker: str) -> Iterator[PostgresDatabase]:
    """A PostgreSQL; where none is reachable the test is skipped, or fails when it must be there."""
    try:
        database = PostgresDatabase(worker)
    except OperationalError:
        reason = "PostgreSQL is not reachable: set DONKIES_TEST_DATABASE_URL"
        if "postgres" in os.environ.get("DONKIES_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield database
    finally:
        database.drop()


def _autocommit(url: str) -> Engine:
    address = make_url(url).set(drivername="postgresql+psycopg")
    return create_engine(address, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 3})


def _migrate(url: str) -> None:
    start_mappers()  # so that all tables are known
    engine = make_engine(url, Keyring(SEALING_KEY))
    try:
        schema.upgrade(engine)
        SigningKeys(engine, SystemClock()).current()
    finally:
        engine.dispose()  # SQLite writes its journal into the file when the last connection goes
