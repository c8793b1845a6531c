"""Many people at once: all get right what they asked for, and one bank's trouble is nobody else's."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import svcs

from donkies.domain.following import LookService
from donkies.testing.app import make_client, sign_in
from donkies.testing.links import PersonAtTheApi, login, work
from donkies.testing.server import Served

PEOPLE = 200
ROWS = 3
END_S = 60


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.aggregator.timeout_s": 2,
        "donkies.aggregator.web_calls": 4,
        "donkies.web.threads": 16,
        "donkies.link.look_s": 0.1,
        "donkies.breaker.failures": 3,
        "donkies.breaker.open_s": 1,
        "donkies.limits.enabled": "false",
    }


def link_as_a_front_end_does(url, headers):
    """Returns: the link's id, and how often the service was busy."""
    body = {"institution_code": "mxbank", "credentials": login("any")}
    for busy in range(1_000):
        answer = requests.post(f"{url}/v1/linked_accounts", json=body, headers=headers, timeout=20)
        if answer.status_code != 503:
            assert 201 == answer.status_code, answer.text
            return answer.json()["id"], busy
        assert int(answer.headers["Retry-After"]) > 0
        time.sleep(0.5)  # sooner than it was told to: harder on the service, and kinder to whoever runs this
    raise AssertionError("the service was busy for ever")


@pytest.mark.drill
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_hundred_people_link_in_the_same_second_and_all_are_right(testapp, sandbox):
    sandbox.history(ROWS, 10)
    client = make_client(testapp)
    everybody = [PersonAtTheApi(testapp, sign_in(testapp, client=client)) for _ in range(PEOPLE)]
    with Served(testapp.app, threads=16) as server, ThreadPoolExecutor(50) as pool:
        made = list(pool.map(lambda person: link_as_a_front_end_does(server.url, person.headers), everybody))
        work(testapp, until_s=END_S)
    shown = {link: person.state(link) for (link, _), person in zip(made, everybody, strict=True)}
    assert {("success", None, ROWS)} == {
        (one["link_status"], one["reason"], one["transactions_count"]) for one in shown.values()
    }
    assert PEOPLE == len(shown)
    guids = [row["id"] for person in everybody for row in person.transactions()]
    assert (PEOPLE * ROWS, PEOPLE * ROWS) == (len(guids), len(set(guids)))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_bank_that_hangs_delays_nobody_at_another(testapp, sandbox):
    stuck, free = PersonAtTheApi(testapp), PersonAtTheApi(testapp)
    hanging = [stuck.link(user_name=f"somebody {number}") for number in range(6)]
    sandbox.fault("slow", f"/users/{user_guid(sandbox)}/members/*/status", "GET", delay_s=60, times=None)
    links = [free.link()]
    rename_institution(testapp, hanging, "hanging_bank")
    began = time.monotonic()
    with svcs.Container(testapp.svcs) as container:
        looker = container.get(LookService)
        while {"success"} != {free.state(link)["link_status"] for link in links}:
            looker.claim()
            looker.collect(wait_s=0.1)
            assert time.monotonic() - began < 15
        assert looker.outstanding > 0, "the other bank was still silent"
        assert ["processing"] * 6 == [stuck.state(link)["link_status"] for link in hanging]
        while looker.outstanding:
            looker.collect(wait_s=1)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_bank_that_is_down_is_left_alone_says_so_and_heals(testapp, sandbox):
    person = PersonAtTheApi(testapp)
    link = person.link()
    sandbox.fault("status", "/users/*/members/*/status", "GET", status=503, times=None)
    with svcs.Container(testapp.svcs) as container:
        looker = container.get(LookService)
        ends_at = time.monotonic() + 20
        while person.state(link)["reason"] is None and time.monotonic() < ends_at:
            looker.look()
            time.sleep(0.05)
    shown = person.state(link)
    assert ("processing", "institution_down") == (shown["link_status"], shown["reason"])
    asked = len(sandbox.requests("*/members"))
    other = PersonAtTheApi(testapp)
    failed = other.state(other.link())
    assert ("other_error", "institution_down", "credentials") == (
        failed["link_status"], failed["reason"], failed["retry_with"],
    )  # fmt: skip
    assert asked == len(sandbox.requests("*/members")), "no credentials were sent to a bank that is down"
    sandbox.clear_faults()
    time.sleep(1)
    work(testapp)
    healed = person.state(link)
    assert ("success", None) == (healed["link_status"], healed["reason"])


def user_guid(sandbox):
    """Of the one person at the aggregator."""
    (path,) = {row["path"] for row in sandbox.requests("*/members") if row["method"] == "POST"}
    return path.split("/")[-2]


def rename_institution(app, links, code):
    """Their links are at another bank: to the sandbox all members are alike."""
    with app.engine().begin() as connection:
        for link in links:
            connection.exec_driver_sql("UPDATE linked_accounts SET institution_code = %s WHERE id = %s", (code, link))
