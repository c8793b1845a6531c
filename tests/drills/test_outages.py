"""A database, a bank or a web server that goes away in the middle."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import requests

from donkies.testing.links import login
from donkies.testing.processes import wait_until

pytestmark = pytest.mark.drill

FAULTS = {
    "hanging": {"kind": "slow", "delay_s": 30, "times": 2},
    "429": {"kind": "status", "status": 429, "retry_after": 1, "times": 3},
    "500": {"kind": "status", "status": 500, "times": 3},
    "cut": {"kind": "cut", "times": 3},
    "garbage": {"kind": "garbage", "times": 2},
    "html": {"kind": "html", "times": 2},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_mx(make_drill: Any, fault: str) -> None:
    drill = make_drill(transactions=3_000)
    for path in ("/users/*/members/*/status", "/users/*/transactions", "/users/*/accounts"):
        drill.control.fault(path=path, **FAULTS[fault])
    drill.installation.worker()
    drill.installation.beat()
    link = drill.person.link()
    drill.ends_well(link, f"MX: {fault}, at status, accounts and transactions; from the click", within_s=120)


def test_mx_repeats_a_page(make_drill: Any) -> None:
    drill = make_drill(transactions=3_000)
    drill.control.fault("repeat_page", times=2)
    drill.installation.worker()
    drill.installation.beat()
    link = drill.person.link()
    drill.ends_well(link, "MX: a page given twice; from the click", within_s=90)


def test_mx_says_a_status_that_nobody_knows(make_drill: Any) -> None:
    drill = make_drill()
    drill.control.fault("unknown_status", times=3)
    drill.installation.worker()
    drill.installation.beat()
    link = drill.person.link()
    drill.ends_well(link, "MX: an unknown status; from the click", within_s=90)


def test_all_database_connections_cut(make_drill: Any) -> None:
    drill = make_drill(transactions=10_000)
    drill.control.fault("slow", "/users/*/transactions", delay_s=0.15)
    drill.installation.worker()
    drill.installation.beat()
    link = drill.person.link()
    wait_until(drill.rows, 30, "the first page is written")
    longest = 0.0
    for _ in range(3):
        seen = drill.rows()
        assert drill.cut_databases()
        longest = max(longest, wait_until(lambda: drill.rows() > seen, 30, "the next page"))  # noqa: B023
    drill.ends_well(link, "every connection cut, 3 times in a download", within_s=90, already_s=longest)


def test_web_killed_while_credentials_are_posted(make_drill: Any) -> None:
    drill = make_drill()
    web = drill.installation.web(drill.web_port)
    drill.installation.worker()
    drill.installation.beat()
    drill.control.fault("slow", "/users/*/members", method="POST", delay_s=5, times=1, when="after")
    failed = threading.Event()

    def post() -> None:
        body = {"institution_code": "mxbank", "credentials": login("any")}
        try:
            requests.post(
                f"http://127.0.0.1:{drill.web_port}/v1/linked_accounts",
                json=body, headers=drill.person.headers, timeout=20,
            )  # fmt: skip
        except requests.ConnectionError:
            failed.set()

    poster = threading.Thread(target=post)
    poster.start()
    wait_until(drill.members_at_the_bank, 20, "the bank has made the member")
    web.kill()
    poster.join(20)
    assert failed.is_set()
    link = drill.ask("SELECT id::text FROM linked_accounts")
    drill.ends_well(link, "web killed after the bank took the credentials, before it answered", within_s=60)


def test_the_same_link_refreshed_twenty_times_at_once(make_drill: Any) -> None:
    drill = make_drill()
    drill.installation.web(drill.web_port)
    drill.installation.worker()
    drill.installation.beat()
    link = drill.person.link()
    wait_until(lambda: drill.is_at_rest(link), 60, "the link is well")
    drill.control.fault("slow", "/users/*/aggregate", delay_s=1)
    barrier, answers = threading.Barrier(20), []

    def refresh() -> None:
        barrier.wait(20)
        address = f"http://127.0.0.1:{drill.web_port}/v1/linked_accounts/{link}/refresh"
        answers.append(requests.post(address, headers=drill.person.headers, timeout=20).status_code)

    threads = [threading.Thread(target=refresh) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [202] * 20 == answers
    assert 1 == len(drill.control.requests("/users/*/aggregate"))
    drill.ends_well(link, "20 refreshes at once: one asks MX", within_s=60)
