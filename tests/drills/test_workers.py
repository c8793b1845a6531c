"""Workers that die, stand still, or work on what another has taken over."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from donkies.testing.processes import wait_until

SLOW_PAGE_S = 0.15  # so that there is a middle to be killed in
QUICK = {"donkies.lease_s": 2, "donkies.aggregator.timeout_s": 1}


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.drill)])
def test_worker_killed_at_random_moments_of_a_download(make_drill: Any, kills: int) -> None:
    rows = 2_000 * kills
    drill = make_drill(rows, **QUICK)
    drill.control.fault("slow", "/users/*/transactions", delay_s=SLOW_PAGE_S)
    drill.installation.beat()
    worker, spare = drill.installation.worker(), None
    link = drill.person.link()
    longest = 0.0
    wait_until(drill.rows, 30, "the first page is written")
    for _ in range(kills):
        spare = spare or drill.installation.worker()
        seen = drill.rows()
        worker.kill()
        worker, spare = spare, drill.installation.worker()
        longest = max(longest, wait_until(lambda: drill.rows() > seen, 30, "the next page"))  # noqa: B023
    assert drill.rows() < rows  # the last one hit the download too
    broken = f"kill -9, {kills} times in {rows} rows; the longest until the next page was written"
    drill.ends_well(link, broken, within_s=60, already_s=longest)


def test_worker_paused_until_another_took_over_changes_nothing(make_drill: Any) -> None:
    drill = make_drill(4_000, **QUICK)
    drill.control.fault("slow", "/users/*/transactions", delay_s=SLOW_PAGE_S)
    drill.installation.beat()
    paused = drill.installation.worker()
    link = drill.person.link()
    wait_until(drill.rows, 30, "the first page is written")
    paused.send(signal.SIGSTOP)
    assert drill.ask("SELECT count(*) FROM downloads WHERE lease_until IS NOT NULL") == 1
    drill.installation.worker()
    drill.ends_well(link, "SIGSTOP in a download, until another took over; then SIGCONT", within_s=60)
    before = drill.all_rows()
    paused.send(signal.SIGCONT)
    assert 0 == paused.end()  # it ends what it was doing first
    assert before == drill.all_rows()


@pytest.mark.drill
def test_worker_killed_while_links_are_looked_at(make_drill: Any) -> None:
    drill = make_drill()
    drill.installation.beat()
    worker = drill.installation.worker()
    drill.control.fault("slow", "/users/*/status", delay_s=1, times=3)
    link = drill.person.link()
    reading = "SELECT count(*) FROM linked_accounts WHERE lease_no > 1 AND lease_until > now()"
    wait_until(lambda: drill.ask(reading), 30, "a looker has the link in hand")
    worker.kill()
    drill.installation.worker()
    drill.ends_well(link, "kill -9 of the looker", within_s=60)
