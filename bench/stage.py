"""What the measurements of workers stand on: a database of their own, and the sandbox in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import Engine, insert

from donkies.adapters.persistence import schema
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.mappers import start_mappers
from donkies.adapters.persistence.tables import banking, identity
from donkies.adapters.sealing import Keyring
from donkies.config import Settings, parse_settings
from donkies.domain.ids import new_id

ADMIN_URL = os.environ.get("PEER_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@contextmanager
def database(name: str) -> Iterator[str]:
    """A migrated, empty database that is dropped at the end. Gives: its URL."""
    named = sql.Identifier(name)
    with psycopg.connect(ADMIN_URL, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(named))
        admin.execute(sql.SQL("CREATE DATABASE {}").format(named))
        try:
            url = urlunsplit(urlsplit(ADMIN_URL)._replace(path=f"/{name}"))
            start_mappers()
            engine = make_engine(url, Keyring(Keyring.new_key()))
            schema.upgrade(engine)
            engine.dispose()
            yield url
        finally:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(named))


@contextmanager
def sandbox(job_s: float) -> Iterator[str]:
    """The sandbox in a process of its own. Gives: its address."""
    command = [sys.executable, "-u", "-m", "donkies.sandbox", "--port", "0", "--job-s", str(job_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[1]  # type: ignore[union-attr]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=10)


def settings(database_url: str, sandbox_url: str, key: str, **more: Any) -> Settings:
    """Settings of a worker; `more` in the names of environment variables, as `DONKIES_LOOK_THREADS=8`."""
    given = {
        "DONKIES_ENV": "development",
        "DONKIES_PUBLIC_URL": "http://localhost",
        "DONKIES_DATABASE_URL": database_url,
        "DONKIES_SEALING_KEYS": key,
        "DONKIES_LOG_LEVEL": "WARNING",
        "DONKIES_ATRIUM_URL": f"{sandbox_url}/atrium",
        "DONKIES_ATRIUM_API_KEY": "bench",
        "DONKIES_ATRIUM_CLIENT_ID": "bench",
    }
    return parse_settings({}, given | {name: str(value) for name, value in more.items()})


def environment(settings: Settings) -> dict[str, str]:
    """The same settings for another process."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    plain = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in values.items()
    }
    fields = Settings.model_fields
    return {str(fields[name].alias).upper().replace(".", "_"): str(value) for name, value in plain.items()}


def add_people(engine: Engine, user_guids: list[str], keyring: Keyring) -> list[UUID]:
    """People whom the aggregator knows by these guids. Returns: their ids."""
    ids = [new_id() for _ in user_guids]
    people = [
        {
            "id": one, "email": f"{one}@people.example", "email_key": f"{one}@people.example", "email_verified": True,
            "first_name": "Ada", "last_name": "Bench", "is_disabled": False, "created_at": LONG_AGO,
            "updated_at": LONG_AGO,
        }
        for one in ids
    ]  # fmt: skip
    known = [
        {"user_id": one, "user_guid": guid, "user_guid_index": keyring.index(guid)}
        for one, guid in zip(ids, user_guids, strict=True)
    ]
    with engine.begin() as connection:
        connection.execute(insert(identity.users), people)
        connection.execute(insert(banking.aggregator_users), known)
    return ids
