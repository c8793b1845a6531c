"""How time and memory grow with the number of rows: `make growth`, a quarter of an hour.

python -m bench.growth [--rows 10000,…] [--downloads 1000,…]   measure, then write the document and its pictures;
                                                               of "" what was measured last
python -m bench.growth --draw                                  write them again

The rows of the table belong to ten people alike; all that is read is one person's. Requests are WSGI calls of the
real application in this process, with a token. Time is the clock's, CPU this process's, and the database's that of
its backends, where they run on this machine. PEER_DATABASE_URL names a PostgreSQL on which databases may be made.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psycopg
import svcs
from psycopg import sql

from donkies.config import bind, parse_settings
from donkies.domain.transaction_export import TransactionExport
from donkies.domain.transactions import LedgerReader, TransactionQuery
from donkies.views.exports import TRANSACTION_COLUMNS, csv_pieces

from . import memory, small, stage
from .filling import PEOPLE, fill, middle_of
from .floors import asker
from .growth_report import write_report
from .prepare import ROOT, Place, prepare
from .rows import HEAVY, person_id

VAR = ROOT / "var/bench/growth"
FOUND = VAR / "found.json"
ROUNDS, CALLS, LONGEST_MS = 9, 40, 1_000
PAGE = 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", default="10000,100000,1000000,10000000", help="sizes of the table")
    parser.add_argument("--downloads", default="1000,10000,100000,1000000", help="sizes of the links downloaded")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    parser.add_argument("--export", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.export:
        return _export()
    if not options.draw:
        sizes, links = ([int(size) for size in text.split(",") if size] for text in (options.rows, options.downloads))
        FOUND.parent.mkdir(parents=True, exist_ok=True)
        before = orjson.loads(FOUND.read_bytes()) if FOUND.exists() else {}
        for found in measure(sizes, links):  # kept after each size: the last ones take minutes
            FOUND.write_bytes(orjson.dumps(before | found, option=orjson.OPT_INDENT_2))
    write_report(orjson.loads(FOUND.read_bytes()), ROOT / "docs")


def measure(sizes: list[int], links: list[int]) -> Iterator[dict[str, Any]]:
    """All that has been found so far, after each size; the databases are dropped at the end."""
    found: dict[str, Any] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine()}
    if sizes:
        found["tables"] = []
        with served() as service:
            for one in _tables(service, sizes):
                found["tables"].append(one)
                yield found
    if links:
        found["downloads"] = []
        for one in memory.measure(links):
            _tell(f"download of {one['rows']:,} rows")
            found["downloads"].append(one)
            yield found


@contextmanager
def served() -> Iterator[dict[str, Any]]:
    """A database of the service, with people and no transactions. Gives: what `prepare` does."""
    data, place = VAR / "data", Place(stage.ADMIN_URL, "donkies_growth", VAR)
    small.write(data, users=PEOPLE, heavy=200, others=2, ingest=2, page=2)
    try:
        service = prepare(place, data, data_version="growth", server=["none"], python=sys.executable)
        with psycopg.connect(place.url(place.name), autocommit=True) as connection:
            connection.execute("TRUNCATE transactions, transaction_feeds")
        yield service
    finally:
        with psycopg.connect(place.admin_url, autocommit=True) as admin:
            for name in (place.name, place.template):
                admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _tables(service: dict[str, Any], sizes: list[int]) -> Iterator[dict[str, Any]]:
    os.environ.update(service["env"] | {"DONKIES_LOG_LEVEL": "WARNING"})  # an `info` line for each request is no help
    from .app import application  # its settings are there only now

    token = service["items"]["list"]["requests"][0][1]
    url = service["env"]["DONKIES_DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        for rows in sizes:
            began = time.perf_counter()
            fill(connection, rows)
            _tell(f"{rows:,} rows in the table, after {time.perf_counter() - began:.0f} s")
            calls = _calls(application, token, connection)
            yield {"rows": rows, "pages": _measure_calls(calls, connection), "export": _measure_export()}


def _calls(application: Any, token: str, connection: psycopg.Connection[Any]) -> dict[str, Callable[[], bytes]]:
    paths = {
        "first page": f"/v1/transactions?limit={PAGE}",
        "page in the middle": f"/v1/transactions?limit={PAGE}&cursor={middle_of(connection, person_id(HEAVY))}",
        "search": f"/v1/transactions?limit={PAGE}&q=rare",
        "feed": f"/v1/transactions/sync?limit={PAGE}",
    }
    return {name: asker(application, [[path, token]]) for name, path in paths.items()}


def _measure_calls(
    calls: dict[str, Callable[[], bytes]], connection: psycopg.Connection[Any]
) -> dict[str, dict[str, float | None]]:
    """Of each call the best round: milliseconds it takes, of this process's CPU, of the database's."""
    measured: dict[str, list[tuple[float, float, float | None]]] = {name: [] for name in calls}
    for call in calls.values():
        _measure_call(call, connection)  # warm
    for _ in range(ROUNDS):
        for name, call in calls.items():
            measured[name].append(_measure_call(call, connection))
    return {
        name: dict(zip(("ms", "cpu_ms", "db_ms"), map(_best, zip(*rounds, strict=True)), strict=True))
        for name, rounds in measured.items()
    }


def _measure_call(call: Callable[[], bytes], connection: psycopg.Connection[Any]) -> tuple[float, float, float | None]:
    times: list[float] = []
    cpu, database = time.process_time(), _database_ms(connection)
    while len(times) < CALLS and sum(times) < LONGEST_MS:
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1e3)
    cpu = (time.process_time() - cpu) * 1e3 / len(times)
    after = _database_ms(connection)
    spent = None if database is None or after is None else (after - database) / len(times)
    return statistics.median(times), cpu, spent


def _best(values: tuple[float | None, ...]) -> float | None:
    """The least: what others do on the machine only ever adds."""
    return min((value for value in values if value is not None), default=None)


def _database_ms(connection: psycopg.Connection[Any]) -> float | None:
    """CPU of the service's backends so far; None where they are on another machine."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'donkies'"
    try:
        pids = [pid for (pid,) in connection.execute(query)]
        return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e6
    except OSError:
        return None


def _measure_export() -> dict[str, Any]:
    """In a process of its own, for the peak of memory is that of a whole process."""
    command = [sys.executable, "-m", "bench.growth", "--export"]
    done = subprocess.run(command, env=os.environ, check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = orjson.loads(done.stdout.splitlines()[-1])
    return told


def _export() -> None:
    """All of the person's rows as CSV, thrown away as they come."""
    with bind(parse_settings({}, os.environ)) as registry, svcs.Container(registry) as container:
        export = TransactionExport(person_id(HEAVY), TransactionQuery(), container.get(LedgerReader))
        before, began, cpu, rows = memory.peak_mib(), time.perf_counter(), time.process_time(), -1  # less the header
        for piece in csv_pieces(TRANSACTION_COLUMNS, export.transactions(), {"amount"}):
            rows += piece.count(b"\n")
        told = {
            "rows": rows, "seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu,
            "before_mib": before, "peak_mib": memory.peak_mib(),
        }  # fmt: skip
    sys.stdout.buffer.write(orjson.dumps(told) + b"\n")


def machine() -> str:
    """What this is measured on."""
    info = Path("/proc/cpuinfo")
    models = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    with psycopg.connect(stage.ADMIN_URL) as connection:
        server = connection.info.server_version // 10_000
    model = models[0] if models else "unknown processor"
    return f"{os.cpu_count()} cores ({model}), Python {sys.version.split()[0]}, PostgreSQL {server} as it is installed"


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    main()
