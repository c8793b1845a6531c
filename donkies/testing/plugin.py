"""pytest fixtures: databases, settings, the application. Name this module in `pytest_plugins`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ..serving import Serving
from .app import DonkiesTestApp, MovableClock, make_client, make_person
from .databases import SEALING_KEY, PostgresDatabase, SqliteDatabases, postgres_or_skip
from .ports import free_ports

MakeTestApp = Callable[..., DonkiesTestApp]


def development_settings(database_url: str) -> dict[str, Any]:
    """An ini file's settings for tests, for an application that is made once for many of them."""
    return {
        "donkies.env": "development",
        "donkies.public_url": "http://localhost",
        "donkies.database_url": database_url,
        "donkies.sealing_keys": SEALING_KEY,
        "donkies.aggregator": "memory",
        "donkies.atrium.url": "http://127.0.0.1:1/atrium",
        "donkies.atrium.api_key": "test-key",
        "donkies.atrium.client_id": "test-client",
        # as cheap as argon2 can be: its cost has a test of its own
        "donkies.password.memory_kib": 8,
        "donkies.password.passes": 1,
        "donkies.web.threads": 4,
    }


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_database() -> Iterator[PostgresDatabase]:
    with postgres_or_skip(os.environ.get("PYTEST_XDIST_WORKER", "main")) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty, migrated database; each test runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite_databases").fresh(tmp_path)
    return request.getfixturevalue("postgres_database").fresh()


@pytest.fixture
def settings(database_url: str) -> dict[str, Any]:
    """An ini file's settings; change them before `make_testapp`."""
    return development_settings(database_url)


@pytest.fixture
def make_testapp(settings: dict[str, Any]) -> Iterator[MakeTestApp]:
    """Make the application, with adapters swapped by role: `make_testapp(clock=MovableClock())`."""
    made: list[DonkiesTestApp] = []

    def make(**adapters: Any) -> DonkiesTestApp:
        made.append(DonkiesTestApp(settings, **adapters))
        return made[-1]

    yield make
    for app in made:
        app.close()


@pytest.fixture
def clock() -> MovableClock:
    """The clock of `testapp`."""
    return MovableClock()


@pytest.fixture
def testapp(make_testapp: MakeTestApp, clock: MovableClock) -> DonkiesTestApp:
    """The application as it is, but for a clock that can be moved."""
    return make_testapp(clock=clock)


@pytest.fixture
def served_testapp(settings: dict[str, Any], make_testapp: MakeTestApp) -> Iterator[DonkiesTestApp]:
    """The application over real HTTP too, at its own `settings.public_url`, on loopback."""
    (port,) = free_ports(1)
    settings["donkies.public_url"] = f"http://127.0.0.1:{port}"
    app = make_testapp()
    serving = Serving(app.app, "served", listen=f"127.0.0.1:{port}", threads=8)
    yield app
    serving.stop()


@pytest.fixture
def user_factory(testapp: DonkiesTestApp) -> Callable[..., Any]:
    """Makes people: `user_factory(password="…")`."""
    return lambda **fields: make_person(testapp, **fields)


@pytest.fixture
def client_factory(testapp: DonkiesTestApp) -> Callable[..., Any]:
    """Makes clients: `client_factory(type="confidential", scopes="profile")`."""
    return lambda **fields: make_client(testapp, **fields)


@pytest.fixture
def command_line(settings: dict[str, Any], tmp_path: Path) -> Callable[..., Result]:
    """`donkies …`, in this process, over an ini file with these settings."""
    from ..cli import main  # here, for it silences a warning that tests turn into an error

    ini = tmp_path / "test.ini"
    lines = [f"{name} = {str(value).replace('%', '%%')}" for name, value in settings.items()]
    ini.write_text("\n".join(["[app:main]", "use = egg:donkies#main", *lines]))
    return lambda *arguments, **kw: CliRunner().invoke(main, ["-c", str(ini), *arguments], **kw)
