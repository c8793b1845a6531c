"""pytest fixtures for suites that test something against donkies, found by entry point (`pytest11`).

Nothing is imported until a fixture is used, and every name but `make_testapp` begins with `donkies_`, so that suites
which use none of it do not notice it. `docs/reference/testing.md` lists the fixtures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.register_assert_rewrite("donkies.testing.contracts", "donkies.testing.app", "donkies.testing.links")

if TYPE_CHECKING:
    from click.testing import Result

    from ..sandbox import Sandbox
    from .app import DonkiesTestApp, MovableClock
    from .databases import PostgresDatabase, SqliteDatabases
    from .links import PersonAtTheApi
    from .sandbox import AtriumCaller, SandboxControl

    MakeTestApp = Callable[..., DonkiesTestApp]


def development_settings(database_url: str) -> dict[str, Any]:
    """An ini file's settings for tests, for an application that is made once for many of them."""
    from .databases import SEALING_KEY

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


# databases


@pytest.fixture(scope="session")
def donkies_sqlite(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    """Makes empty, migrated SQLite files: `donkies_sqlite.fresh(tmp_path)` is the URL of one."""
    from .databases import SqliteDatabases

    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def donkies_postgres() -> Iterator[PostgresDatabase]:
    """A migrated PostgreSQL database of the session's own: `donkies_postgres.fresh()` empties it. Skips without one."""
    from .databases import postgres_or_skip

    with postgres_or_skip(os.environ.get("PYTEST_XDIST_WORKER", "main")) as database:
        yield database


@pytest.fixture
def donkies_database_url(donkies_sqlite: SqliteDatabases, tmp_path: Path) -> str:
    """An empty, migrated database, in SQLite; override it with `donkies_postgres.fresh()` for PostgreSQL."""
    return donkies_sqlite.fresh(tmp_path)


# the application


@pytest.fixture
def donkies_settings(donkies_database_url: str) -> dict[str, Any]:
    """An ini file's settings, with banks looked at quickly; override it, or change them before `make_testapp`."""
    quick = {"donkies.link.look_s": 0.02, "donkies.sync.retry_s": 0.02}
    return development_settings(donkies_database_url) | quick


@pytest.fixture
def make_testapp(donkies_settings: dict[str, Any]) -> Iterator[MakeTestApp]:
    """Make the application, with adapters swapped by role: `make_testapp(aggregator=ScriptedAggregator("DENIED"))`."""
    try:
        from .app import DonkiesTestApp
    except ModuleNotFoundError as error:
        pytest.fail(f"{error}: install donkies[testing]", pytrace=False)
    made: list[DonkiesTestApp] = []

    def make(**adapters: Any) -> DonkiesTestApp:
        made.append(DonkiesTestApp(donkies_settings, **adapters))
        return made[-1]

    yield make
    for app in made:
        app.close()


@pytest.fixture
def donkies_clock() -> MovableClock:
    """The clock of `donkies_testapp`: `donkies_clock.advance(days=3)`."""
    from .app import MovableClock

    return MovableClock()


@pytest.fixture
def donkies_testapp(make_testapp: MakeTestApp, donkies_clock: MovableClock) -> DonkiesTestApp:
    """The application as the settings say, but for a clock that can be moved."""
    return make_testapp(clock=donkies_clock)


@pytest.fixture
def donkies_person(donkies_testapp: DonkiesTestApp) -> PersonAtTheApi:
    """Somebody signed in at the API of `donkies_testapp`."""
    from .links import PersonAtTheApi

    return PersonAtTheApi(donkies_testapp)


@pytest.fixture
def donkies_served(donkies_settings: dict[str, Any], make_testapp: MakeTestApp) -> Iterator[DonkiesTestApp]:
    """The application over real HTTP too, at its own `settings.public_url`, on loopback."""
    from ..serving import Serving
    from .ports import free_ports

    (port,) = free_ports(1)
    donkies_settings["donkies.public_url"] = f"http://127.0.0.1:{port}"
    app = make_testapp()
    serving = Serving(app.app, "served", listen=f"127.0.0.1:{port}", threads=8)
    yield app
    serving.stop()


@pytest.fixture
def donkies_command_line(donkies_settings: dict[str, Any], tmp_path: Path) -> Callable[..., Result]:
    """`donkies …`, in this process, over an ini file with the settings as they are now."""
    from click.testing import CliRunner

    from ..cli import main  # here, for it silences a warning that tests turn into an error

    ini = tmp_path / "test.ini"
    lines = [f"{name} = {str(value).replace('%', '%%')}" for name, value in donkies_settings.items()]
    ini.write_text("\n".join(["[app:main]", "use = egg:donkies#main", *lines]))
    return lambda *arguments, **kw: CliRunner().invoke(main, ["-c", str(ini), *arguments], **kw)


# the sandbox


@pytest.fixture(scope="session")
def donkies_sandbox_server() -> Iterator[Sandbox]:
    """One sandbox for the whole session; its jobs finish at the first look."""
    from ..sandbox import Sandbox

    with Sandbox(port=0, smtp_port=0, job_s=0) as server:
        yield server


@pytest.fixture(scope="session")
def _donkies_sandbox_control(donkies_sandbox_server: Sandbox) -> Iterator[SandboxControl]:
    from .sandbox import SandboxControl

    with SandboxControl(donkies_sandbox_server.url) as control:
        yield control


@pytest.fixture
def donkies_sandbox(_donkies_sandbox_control: SandboxControl) -> SandboxControl:
    """The sandbox, wiped clean; its clock moves by `donkies_sandbox.advance_clock(seconds)`."""
    _donkies_sandbox_control.reset()
    return _donkies_sandbox_control


@pytest.fixture
def donkies_atrium_caller(donkies_sandbox: SandboxControl) -> Iterator[AtriumCaller]:
    """A bare client of the sandbox's MX."""
    from .sandbox import AtriumCaller

    with AtriumCaller(donkies_sandbox.atrium_url) as caller:
        yield caller
