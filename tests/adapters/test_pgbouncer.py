"""Behind PgBouncer in transaction mode, where no two transactions need meet on one connection, everything works."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from donkies.testing.app import DonkiesTestApp, get_tokens, log_in, make_client, make_person, refresh
from donkies.testing.links import PersonAtTheApi
from donkies.testing.threads import in_threads

BINARY = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
SERVERS = 3  # connections that it has, for all who are connected to it
INI = """
[databases]
* = {database}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 200
pidfile =
logfile =
"""


@pytest.fixture
def pgbouncer(postgres_database, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database behind a PgBouncer of the test's own, of three connections."""
    if BINARY is None:
        pytest.skip("PgBouncer is not installed: apt-get install pgbouncer")
    url = make_url(postgres_database.fresh())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = probe.getsockname()[1]
    database = f"host={url.host or '127.0.0.1'} port={url.port or 5432} user={url.username}"
    if url.password:
        database += f" password={url.password}"
    ini = tmp_path / "pgbouncer.ini"
    ini.write_text(INI.format(database=database, listen=listen, servers=SERVERS))
    ini.chmod(0o644)
    command = [BINARY, "-q", str(ini)]
    if os.geteuid() == 0:  # it refuses to run as root
        user = next(name for name in ("postgres", "nobody") if _exists(name))
        for folder in [tmp_path, *tmp_path.parents][:3]:
            with suppress(PermissionError):
                folder.chmod(folder.stat().st_mode | 0o055)
        command[1:1] = ["-u", user]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    try:
        for _ in range(100):
            with suppress(OSError), socket.create_connection(("127.0.0.1", listen), 1):
                break
            assert process.poll() is None, "PgBouncer did not start"
            time.sleep(0.05)
        yield url.set(host="127.0.0.1", port=listen).render_as_string(hide_password=False)
    finally:
        process.terminate()
        process.wait(10)


def _exists(name: str) -> bool:
    with suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


@pytest.fixture
def database_url(pgbouncer: str) -> str:
    return pgbouncer


@pytest.fixture
def settings(settings, sandbox_server) -> dict[str, Any]:
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
        "donkies.web.threads": 16,
    }


def test_more_may_be_connected_than_it_has_connections(pgbouncer: str) -> None:
    """It is in transaction mode: in session mode the fourth would wait."""
    url = make_url(pgbouncer).set(drivername="postgresql+psycopg")
    engine = create_engine(url, pool_size=12, connect_args={"prepare_threshold": None})
    with ExitStack() as opened:
        connections = [opened.enter_context(engine.connect()) for _ in range(12)]
        servers = set()
        for connection in connections:
            servers.add(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
            connection.commit()
    engine.dispose()
    assert len(servers) <= SERVERS


def test_people_sign_in_link_download_and_poll_behind_it(testapp: DonkiesTestApp, sandbox) -> None:
    sandbox.history(2_500, 400)
    somebody, client = make_person(testapp, password="four quiet words here"), make_client(testapp)
    log_in(testapp, somebody)
    tokens = get_tokens(testapp, client)
    again = refresh(testapp, client, tokens["refresh_token"]).json
    person = PersonAtTheApi(testapp, {"Authorization": f"Bearer {again['access_token']}"})
    asked, refused = PersonAtTheApi(testapp), PersonAtTheApi(testapp)
    link, asking, refusing = person.link(), asked.link("challenge"), refused.link("INVALID")
    settled = person.settled(link)
    assert ("success", "complete", 2_500) == tuple(
        settled[name] for name in ("link_status", "transactions_status", "transactions_count")
    )
    assert "challenged" == asked.state(asking)["link_status"]
    assert "wrong_credentials" == refused.state(refusing)["link_status"]
    assert 2_500 == len(person.transactions())
    asked.answer(asking, "correct")
    assert "success" == asked.settled(asking)["link_status"]
    seen: list[str] = []
    in_threads(*[lambda: seen.append(person.state(link)["link_status"])] * 12)
    assert ["success"] * 12 == seen
    refused.delete(f"/linked_accounts/{refusing}", status=204)
