"""The suite uses the kit that others use too, by shorter names, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from zlib import crc32

import pytest

from donkies.testing.app import DonkiesTestApp, make_client, make_person
from donkies.testing.plugin import development_settings

DATABASES = "sqlite", "postgresql"

sqlite_databases = pytest.fixture(lambda donkies_sqlite: donkies_sqlite, scope="session")
postgres_database = pytest.fixture(lambda donkies_postgres: donkies_postgres, scope="session")
sandbox_server = pytest.fixture(lambda donkies_sandbox_server: donkies_sandbox_server, scope="session")
sandbox = pytest.fixture(lambda donkies_sandbox: donkies_sandbox)
atrium_caller = pytest.fixture(lambda donkies_atrium_caller: donkies_atrium_caller)
clock = pytest.fixture(lambda donkies_clock: donkies_clock)
testapp = pytest.fixture(lambda donkies_testapp: donkies_testapp)
served_testapp = pytest.fixture(lambda donkies_served: donkies_served)
command_line = pytest.fixture(lambda donkies_command_line: donkies_command_line)
donkies_database_url = pytest.fixture(lambda database_url: database_url)
donkies_settings = pytest.fixture(lambda settings: settings)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`make test` gives each functional test one of the two databases; `make test DATABASES=both`, as CI does, both."""
    if os.environ.get("DONKIES_TEST_DATABASES") != "one":
        return
    variants = [_without_database(item) for item in items]
    twice = {name for name, count in Counter(variants).items() if count == len(DATABASES)}
    left_out = {
        item
        for item, name in zip(items, variants, strict=True)
        if name in twice and f"[{DATABASES[crc32(name.encode()) % 2]}" not in item.nodeid
    }
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def _without_database(item: pytest.Item) -> str:
    """The same for both variants of a functional test."""
    if not item.nodeid.startswith("tests/functional/"):
        return item.nodeid
    return re.sub(rf"\[({'|'.join(DATABASES)})", "[", item.nodeid)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """An empty, migrated database, in SQLite and in PostgreSQL."""
    if request.param == "sqlite":
        return request.getfixturevalue("donkies_sqlite").fresh(tmp_path)
    return request.getfixturevalue("donkies_postgres").fresh()


@pytest.fixture
def settings(database_url: str) -> dict[str, Any]:
    """An ini file's settings; change them before `make_testapp`."""
    return development_settings(database_url)


@pytest.fixture
def user_factory(testapp: DonkiesTestApp) -> Callable[..., Any]:
    """Makes people: `user_factory(password="…")`."""
    return lambda **fields: make_person(testapp, **fields)


@pytest.fixture
def client_factory(testapp: DonkiesTestApp) -> Callable[..., Any]:
    """Makes clients: `client_factory(type="confidential", scopes="profile")`."""
    return lambda **fields: make_client(testapp, **fields)
