"""Downloads of 1,000 and of 100,000 transactions, each in a fresh process: seconds, and the peak of its memory.

python -m bench.memory [--rows 1000,100000]

PostgreSQL; the sandbox in another process, over HTTP. The peak is VmHWM, of the whole process from its start.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import requests
import svcs
from sqlalchemy import insert

from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.tables import banking
from donkies.adapters.sealing import Keyring
from donkies.config import Settings, bind, parse_settings
from donkies.config.banking import make_aggregator
from donkies.config.logs import configure_logs
from donkies.domain.aggregator import Credential, LinkStatus
from donkies.domain.downloading import DownloadService
from donkies.domain.ids import new_id

from . import stage


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.memory", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", default="1000,100000", help="sizes, separated by commas")
    parser.add_argument("--of", metavar="USER,LINK", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.of:
        return _download(*map(UUID, options.of.split(",")))
    for one in measure(map(int, options.rows.split(","))):
        sys.stdout.write(
            f"{one['rows']:>9,} rows, {one['status']}: {one['seconds']:6.2f} s, {one['cpu_s']:6.2f} s of CPU, "
            f"{one['rows'] / one['seconds']:6,.0f} rows a second; "
            f"peak {one['peak_mib']:.1f} MiB, {one['before_mib']:.1f} MiB before it began\n"
        )
        sys.stdout.flush()
    return 0


def measure(sizes: Iterable[int]) -> Iterator[dict[str, Any]]:
    """Download links of so many transactions, one after the other, each in a fresh process."""
    with stage.database("donkies_memory") as database_url, stage.sandbox(job_s=0) as sandbox_url:
        settings = stage.settings(database_url, sandbox_url, Keyring.new_key())
        configure_logs(settings)
        for rows in sizes:
            user_id, link_id = _link(settings, sandbox_url, rows)
            command = [sys.executable, "-m", "bench.memory", "--of", f"{user_id},{link_id}"]
            environment = os.environ | stage.environment(settings)
            done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
            yield orjson.loads(done.stdout.splitlines()[-1])


def _link(settings: Settings, sandbox_url: str, rows: int) -> tuple[UUID, UUID]:
    """A link with so many transactions, whose download is due."""
    body = {"transactions": rows, "days": 730}
    requests.put(f"{sandbox_url}/_sandbox/history", json=body, timeout=30).raise_for_status()
    aggregator, keyring = make_aggregator(settings), Keyring(settings.sealing_keys.get_secret_value())
    user_guid = aggregator.ensure_user(f"with {rows}")
    typed = [Credential(one.guid, "test_atrium") for one in aggregator.list_institution_credentials("mxbank")]
    typed[1] = Credential(typed[1].guid, "any")
    member = aggregator.create_member(user_guid, "mxbank", typed, f"link {rows}").ref
    while aggregator.read_member_status(member).is_being_aggregated:
        time.sleep(0.1)
    # the sandbox builds its rows when they are first read: that is not the worker's time
    today = datetime.now(UTC).date()
    aggregator.read_transactions_page(member, today.replace(year=today.year - 4, day=1), today, 1)
    engine = make_engine(settings.database_url, keyring)
    (user_id,) = stage.add_people(engine, [user_guid], keyring)
    link_id = new_id()
    link = {
        "user_id": user_id, "id": link_id, "institution_code": "mxbank", "institution_name": "MX Bank",
        "member_guid": member.member_guid, "member_guid_index": keyring.index(member.member_guid),
        "link_status": LinkStatus.SUCCESS, "challenges": (), "created_at": stage.LONG_AGO,
        "updated_at": stage.LONG_AGO,
    }  # fmt: skip
    download = {
        "user_id": user_id, "linked_account_id": link_id, "due_at": stage.LONG_AGO, "is_full": True,
        "next_page": 1, "walks": 0, "bad_answers": 0, "failures": 0,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(insert(banking.linked_accounts), link)
        connection.execute(insert(banking.downloads), download)
    engine.dispose()
    return user_id, link_id


def _download(user_id: UUID, link_id: UUID) -> int:
    settings = parse_settings({})
    configure_logs(settings)
    with svcs.Container(bind(settings)) as container:
        downloads = container.get(DownloadService)
        before = peak_mib()
        started, cpu_s = time.perf_counter(), time.process_time()
        while downloads.seconds_to_next(60) is not None:
            downloads.run(user_id, link_id)
        took_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_s
        with downloads.unit_of_work:
            link = downloads.links.get(user_id, link_id)
            count, status = link.transactions_count, link.transactions_status
    told = {
        "rows": count, "status": status, "seconds": took_s, "cpu_s": cpu_s,
        "before_mib": before, "peak_mib": peak_mib(),
    }  # fmt: skip
    sys.stdout.buffer.write(orjson.dumps(told) + b"\n")
    return 0


def peak_mib() -> float:
    """VmHWM of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


if __name__ == "__main__":
    sys.exit(main())
