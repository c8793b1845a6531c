"""The engine: one per process, set up alike for PostgreSQL and SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.pool import QueuePool

from ..sealing import Keyring
from .search import add_functions


def make_engine(database_url: str, keyring: Keyring, *, pool_size: int = 16) -> Engine:
    """An engine whose transactions begin when they say so.

    Args:
        database_url: `postgresql://…` (psycopg 3 is used) or `sqlite:///path`.
        keyring: seals the columns of type `Sealed`.
        pool_size: connections kept open; as many again may be opened for a moment.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        # prepare_threshold None: prepared statements do not survive PgBouncer's transaction mode
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
            hide_parameters=True,  # neither errors nor echo show what is kept
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=False,
            pool_recycle=1800,
            connect_args={"prepare_threshold": None, "connect_timeout": 5, "application_name": "donkies"},
        )
    else:
        engine = _make_sqlite_engine(url, pool_size)
    engine.dialect.donkies_keyring = keyring  # type: ignore[attr-defined]
    return engine


def _make_sqlite_engine(url: Any, pool_size: int) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        json_serializer=_dumps,
        json_deserializer=orjson.loads,
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=pool_size,
        # isolation_level None: we say BEGIN ourselves, below; the driver would begin at the first write only
        connect_args={"check_same_thread": False, "timeout": 30, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")
        add_functions(connection)

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        # IMMEDIATE: a transaction that reads first and writes later would else fail with 'database is locked'
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()
