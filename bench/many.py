"""How late one worker reads links in processing at MX: PostgreSQL, and the sandbox in another process over HTTP.

python -m bench.many --links 1000 [--seconds 40] [--threads 64] [--delay-ms 0]

All links fall due in the same moment, which is the worst that can be, and then again and again as the looker
paces them. The sandbox's request log tells when each member was read. A later reading is due one pause after
the reading before it, so that the time which writing takes counts as lateness too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import requests
from sqlalchemy import insert

from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.tables import banking
from donkies.adapters.sealing import Keyring
from donkies.config import Settings
from donkies.config.banking import link_timing, make_aggregator
from donkies.config.logs import configure_logs
from donkies.domain.aggregator import Aggregator, Credential, LinkStatus
from donkies.domain.ids import new_id
from donkies.domain.linked_accounts import LinkTiming

from . import stage

SETTLE_S = 3  # from the inserts to the moment when all are due


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.many", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--links", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=40, help="how long to look on")
    parser.add_argument("--threads", type=int, default=0, help="donkies.look.threads; 0 for its default")
    parser.add_argument("--delay-ms", type=float, default=0, help="how long MX takes to answer")
    parser.add_argument("--profile", metavar="FILE", help="write the worker's main thread's profile there")
    options = parser.parse_args()
    key = Keyring.new_key()
    more = {"DONKIES_LOOK_THREADS": options.threads} if options.threads else {}
    with stage.database("donkies_many") as database_url, stage.sandbox(job_s=100_000) as sandbox_url:
        settings = stage.settings(database_url, sandbox_url, key, **more)
        configure_logs(settings)
        due_at = _insert_links(settings, options.links)
        if options.delay_ms:
            fault = {"kind": "slow", "path": "/users/*/members/*/status", "method": "GET", "times": None}
            body = fault | {"delay_s": options.delay_ms / 1000}
            requests.post(f"{sandbox_url}/_sandbox/faults", json=body, timeout=30).raise_for_status()
        environment = stage.environment(settings) | {"BENCH_PROFILE": options.profile or ""}
        worker = subprocess.Popen([sys.executable, "-m", "bench.looker"], env=os.environ | environment)
        try:
            read_at = _watch(sandbox_url, due_at, options.seconds)
        finally:
            worker.terminate()
            usage = os.wait4(worker.pid, 0)[2]
            worker.returncode = 0
    _report(options, settings, due_at, read_at, usage)
    return 0


def _insert_links(settings: Settings, count: int) -> float:
    """Members at the sandbox, and their links. Returns: when all of them are due, seconds since 1970."""
    keyring = Keyring(settings.sealing_keys.get_secret_value())
    aggregator = make_aggregator(settings)
    with ThreadPoolExecutor(16) as pool:
        members = list(pool.map(lambda number: _member(aggregator, number), range(count)))
    engine = make_engine(settings.database_url, keyring)
    ids = stage.add_people(engine, [user_guid for user_guid, _ in members], keyring)
    due_at = datetime.now(UTC) + timedelta(seconds=SETTLE_S)
    rows = [
        {
            "user_id": user_id, "id": new_id(), "institution_code": "mxbank", "institution_name": "MX Bank",
            "member_guid": member_guid, "member_guid_index": keyring.index(member_guid),
            "link_status": LinkStatus.PROCESSING, "challenges": (), "created_at": due_at, "updated_at": due_at,
            "next_look_at": due_at, "moving_since": due_at,
        }
        for user_id, (_, member_guid) in zip(ids, members, strict=True)
    ]  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(banking.linked_accounts), rows)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    engine.dispose()
    return due_at.timestamp()


def _member(aggregator: Aggregator, number: int) -> tuple[str, str]:
    user_guid = aggregator.ensure_user(f"person {number}")
    typed = [Credential(one.guid, "test_atrium") for one in _form(aggregator)]
    return user_guid, aggregator.create_member(user_guid, "mxbank", typed, f"link {number}").ref.member_guid


_forms: list[Any] = []


def _form(aggregator: Aggregator) -> Any:
    if not _forms:
        _forms.append(aggregator.list_institution_credentials("mxbank"))
    return _forms[0]


def _watch(sandbox_url: str, since: float, seconds: float) -> dict[str, list[float]]:
    """When each member was read."""
    read_at: dict[str, list[float]] = defaultdict(list)
    seen = since - 60
    end = since + seconds
    while time.time() < end:
        time.sleep(4)
        rows = _log(sandbox_url, seen)
        for at, path in rows:
            read_at[path].append(at)
            seen = max(seen, at)
    return read_at


def _log(sandbox_url: str, since: float) -> Iterator[tuple[float, str]]:
    asked = {"path": "*/status", "since": f"{since:.6f}"}
    rows = requests.get(f"{sandbox_url}/_sandbox/requests", params=asked, timeout=30).json()["requests"]
    found = [(datetime.fromisoformat(row["at"]).timestamp(), row["path"]) for row in rows]
    return iter([row for row in found if row[0] > since])


def _report(
    options: argparse.Namespace, settings: Settings, due_at: float, read_at: dict[str, list[float]], usage: Any
) -> None:
    first = [moments[0] - due_at for moments in read_at.values()]
    timing = link_timing(settings)
    later = []
    for moments in read_at.values():
        for looks, (before, at) in enumerate(pairwise(moments), 1):
            later.append(at - before - _pause(timing, looks))
    total = sum(map(len, read_at.values()))
    last = max(moments[-1] for moments in read_at.values())
    print(f"{options.links} links, {settings.look_threads} threads, MX answers in {options.delay_ms:g} ms more")
    print(f"  read at all        {len(read_at)} of {options.links}")
    print(f"  due in one moment  {_spread(first)}")
    if later:
        print(f"  as paced, later    {_spread(later)}")
    print(f"  readings a second  {total / (last - due_at):.0f} on the whole, {len(first) / max(first):.0f} at first")
    cpu_s = usage.ru_utime + usage.ru_stime
    print(
        f"  worker CPU         {cpu_s:.1f} s, {1000 * cpu_s / total:.2f} ms a reading; peak {usage.ru_maxrss >> 10} MiB"
    )


def _pause(timing: LinkTiming, looks: int) -> float:
    return min(timing.look_slowest_s, timing.look_s * 1.5**looks)


def _spread(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p50, p99 = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return f"late by p50 {p50:.2f} s, p99 {p99:.2f} s, max {ordered[-1]:.2f} s"


if __name__ == "__main__":
    sys.exit(main())
