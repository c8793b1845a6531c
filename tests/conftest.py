"""The suite uses the kit that others use too, by shorter names; each test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from donkies.testing.app import DonkiesTestApp, make_client, make_person
from donkies.testing.plugin import development_settings

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


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Any) -> str:
    """An empty, migrated database; each test runs on SQLite and on PostgreSQL."""
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
