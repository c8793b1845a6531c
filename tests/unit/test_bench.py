"""What `make bench` writes for the peers' `run.py`: its shape, and that the service answers as it says."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from psycopg import sql
from webtest import TestApp

from bench import ingest, server, small
from bench.prepare import REFRESHERS, ROOT, Place, prepare, write_service
from bench.rows import DEEP, Peers, transaction_id
from donkies.config import bind, make_app, parse_settings
from donkies.testing.databases import SERVER_URL, postgres_or_skip

SERVER = ["serve", "--port", "{port}"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with postgres_or_skip("bench"):
        pass
    made = Place(SERVER_URL, f"donkies_bench_test_{os.getpid()}", tmp_path_factory.mktemp("bench"))
    yield made
    with psycopg.connect(SERVER_URL, autocommit=True) as admin:
        for name in (made.name, made.template, made.ingest):
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    small.write(folder, users=5, heavy=230, others=3, ingest=25, page=10)
    return folder


@pytest.fixture(scope="module")
def service(place: Place, data: Path) -> dict[str, Any]:
    return prepare(place, data, data_version="test", server=SERVER, python="python")


@pytest.fixture(scope="module")
def app(service: dict[str, Any]) -> Iterator[TestApp]:
    settings = parse_settings({}, service["env"])
    with bind(settings) as registry:
        yield TestApp(make_app(settings, registry))


def _get(app: TestApp, request: list[str], **kw: Any) -> Any:
    path, token = request
    return app.get(path, headers={"Authorization": f"Bearer {token}"}, **kw)


def test_the_file_has_the_shape_that_run_py_reads(place: Place, service: dict[str, Any]) -> None:
    path = write_service(place, service)
    told = json.loads(path.read_text())
    assert {"name", "command", "cwd", "env", "items", "ingest"} == set(told)
    assert any("{port}" in word for word in told["command"])
    assert {"poll", "list", "keyset", "token"} == set(told["items"])
    assert {"command", "reset", "cwd", "env"} == set(told["ingest"])
    assert all(isinstance(value, str) for value in {**told["env"], **told["ingest"]["env"]}.values())
    assert 0 == stat.S_IMODE(path.stat().st_mode) & 0o077


def test_polled_links_are_their_owners_and_the_foreign_one_is_not(app: TestApp, service: dict[str, Any]) -> None:
    poll = service["items"]["poll"]
    assert 5 == len(poll["requests"])
    answers = [_get(app, request, status=200).json for request in poll["requests"]]
    assert poll["answer"].items() <= answers[0].items()
    _get(app, [poll["foreign"], poll["requests"][0][1]], status=404)


@pytest.mark.parametrize("name", ["list", "keyset"])
def test_lists_are_in_the_peers_order(app: TestApp, service: dict[str, Any], name: str) -> None:
    item = service["items"][name]
    shown = _get(app, item["requests"][0], status=200).json["data"]
    assert item["expected"] == [row[item["guid_field"]] for row in shown]
    assert 100 == len(shown)


def test_the_keyset_page_is_deep(data: Path, service: dict[str, Any]) -> None:
    newest = Peers(data).newest()
    assert len(newest) - 100 < DEEP  # so that of these few rows it is the last page
    assert [str(found) for _, found in newest[-100:]] == service["items"]["keyset"]["expected"]


def test_refresh_tokens_are_unused_and_as_many_as_connections(app: TestApp, service: dict[str, Any]) -> None:
    item = service["items"]["token"]
    assert REFRESHERS == len(set(item["refresh_tokens"]))
    form = {"grant_type": "refresh_token", "client_id": item["client_id"], "refresh_token": item["refresh_tokens"][0]}
    assert 200 == app.post(item["path"], form).status_int


def test_ids_sort_as_the_peers_numbers() -> None:
    assert all(one < other for one, other in pairwise(transaction_id(number) for number in (1, 2, 255, 256, 10**6)))


def test_ingest_downloads_every_page_and_again_changes_nothing(
    place: Place, data: Path, service: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in service["ingest"]["env"].items():
        monkeypatch.setenv(name, value)
    ingest.main(["reset"])
    pages = sorted((data / "pages").glob("*.json"))

    def measure(load: Any) -> None:
        load(orjson.loads(page.read_bytes())["transactions"] for page in pages)

    counts, changes = [], []
    for _ in range(2):
        counts.append(ingest.download(pages, measure))
        with psycopg.connect(place.url(place.ingest)) as connection:
            changes.append(
                connection.execute("SELECT max(last_change), sum(last_change) FROM transaction_feeds").fetchall()
            )
    assert [25, 25] == counts
    assert sorted(changes[0]) == sorted(changes[1])


def test_preparing_again_keeps_the_rows_and_gives_fresh_tokens(
    place: Place, data: Path, service: dict[str, Any]
) -> None:
    place.copy(place.name)  # nobody may be connected: what `app` holds is cut, and that is no harm
    again = prepare(place, data, data_version="test", server=SERVER, python="python")
    assert again["items"]["list"]["expected"] == service["items"]["list"]["expected"]
    assert not set(again["items"]["token"]["refresh_tokens"]) & set(service["items"]["token"]["refresh_tokens"])


@pytest.mark.parametrize("name", ["granian", "gunicorn", "waitress"])
def test_every_server_serves_the_application_on_the_port_it_is_told(name: str) -> None:
    command = server.server_command(name, ROOT / "bin/python")
    assert {"bench.app:application", "bench.rsgi:application"}.intersection(command)
    assert any("{port}" in word for word in command)


def test_an_unknown_server_is_refused_in_one_line() -> None:
    with pytest.raises(SystemExit, match="SERVER is one of granian, gunicorn, waitress"):
        server.server_command("apache", Path("python"))
