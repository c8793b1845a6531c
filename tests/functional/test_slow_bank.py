"""A bank that does not answer holds a few requests, never the service (DESIGN 6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from donkies.testing.links import PersonAtTheApi, login
from donkies.testing.server import Served

PEOPLE = 8


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.aggregator.timeout_s": 3,
        "donkies.aggregator.web_calls": 4,
        "donkies.web.threads": 16,
        "donkies.link.look_s": 0.02,
    }


@pytest.fixture
def url(testapp):
    """The application on a real server with as many threads as in the embedded default."""
    with Served(testapp.app, threads=16) as served:
        yield served.url


def test_eight_people_at_a_bank_that_hangs_slow_nobodys_poll(testapp, sandbox, url):
    quick = PersonAtTheApi(testapp)
    link = quick.link()
    people = [PersonAtTheApi(testapp) for _ in range(PEOPLE)]
    sandbox.fault("slow", "/users/*/members", "POST", delay_s=60, times=None)
    with ThreadPoolExecutor(PEOPLE) as pool:
        posts = [pool.submit(post_link, url, person) for person in people]
        polls = 0
        while not all(post.done() for post in posts):
            answer = requests.get(f"{url}/v1/linked_accounts/{link}", headers=quick.headers, timeout=2)
            assert 200 == answer.status_code
            polls += 1
        answers = [post.result() for post in posts]
    assert polls > PEOPLE, "polls went on while the bank was silent"
    made = [answer for answer in answers if answer.status_code == 201]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert 4 == len(made), "a quarter of the threads waited for the bank"
    assert PEOPLE - 4 == len(refused)
    for answer in refused:
        assert "aggregator_busy" == answer.json()["code"]
        assert int(answer.headers["Retry-After"]) > 0


def test_what_hung_is_taken_up_and_ends_true(testapp, sandbox, url):
    person = PersonAtTheApi(testapp)
    sandbox.fault("slow", "/users/*/members", "POST", delay_s=60, times=1)
    link = post_link(url, person).json()["id"]
    settled = person.settled(link)
    assert ("other_error", "credentials") == (settled["link_status"], settled["retry_with"])
    person.mend(link, "right")
    assert "success" == person.settled(link)["link_status"]


def post_link(url: str, person: PersonAtTheApi) -> requests.Response:
    body = {"institution_code": "mxbank", "credentials": login("any")}
    return requests.post(f"{url}/v1/linked_accounts", json=body, headers=person.headers, timeout=20)
