"""What this service's answers cost in process, beside the least that could give them: `python -m bench.floors FILE`.

CPU time of one thread, WSGI calls without a server; the work of PostgreSQL is not in it.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import psycopg

ROUNDS = 7
SECONDS = 0.5


def measure(call: Callable[[], Any]) -> float:
    """CPU microseconds a call takes: the median of some rounds."""
    found = []
    for _ in range(ROUNDS):
        calls, began, cpu = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < SECONDS:
            call()
            calls += 1
        found.append((time.process_time() - cpu) / calls * 1e6)
    return statistics.median(found)


def asker(application: Any, requests: list[list[str]]) -> Callable[[], bytes]:
    """Asks for the requests in turn."""
    environs = cycle([environ(path, token) for path, token in requests])

    def ask() -> bytes:
        statuses: list[str] = []
        body = b"".join(application({**next(environs)}, lambda status, headers, *_: statuses.append(status)))
        if statuses != ["200 OK"]:
            raise SystemExit(f"bench: answered {statuses}: {body[:200]!r}")
        return body

    return ask


def environ(path: str, token: str) -> dict[str, Any]:
    address = urlsplit(path)
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": address.path,
        "QUERY_STRING": address.query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_ACCEPT": "application/json",
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": None,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def bare_poll(connection: psycopg.Connection[Any], links: list[str]) -> Callable[[], bytes]:
    """One statement and one dumps for a link: no token, no HTTP."""
    cursor, ids = connection.cursor(), cycle(links)
    query = "SELECT id::text, link_status, transactions_status, last_synced FROM linked_accounts WHERE id = %s"
    return lambda: orjson.dumps(cursor.execute(query, (next(ids),)).fetchone())


def main(path: Path) -> None:
    service = json.loads(path.read_text())
    os.environ.update(service["env"])
    from .app import application  # its settings are there only now

    items = service["items"]
    polled = items["poll"]["requests"]
    with psycopg.connect(service["env"]["DONKIES_DATABASE_URL"], autocommit=True, prepare_threshold=None) as connection:
        links = [path.rpartition("/")[2] for path, _ in polled]
        lines = [
            ("poll", asker(application, polled), bare_poll(connection, links)),
            ("list", asker(application, items["list"]["requests"]), None),
        ]
        print("In process, CPU µs a request (the least: one bare statement and one dumps)", file=sys.stderr)
        for name, ours, least in lines:
            mine = measure(ours)
            floor = f"   the least {measure(least):6.0f}" if least else ""
            print(f"  {name:5} {mine:6.0f}{floor}", file=sys.stderr)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
