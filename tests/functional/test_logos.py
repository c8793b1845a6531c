"""Banks' logos from our own address: fetched from the sandbox over HTTP, kept in the database, public."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from donkies.sandbox.pictures import logo
from donkies.testing.links import PersonAtTheApi
from donkies.testing.server import Served


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {"donkies.aggregator": "atrium", "donkies.atrium.url": sandbox_server.atrium_url}


@pytest.fixture
def person(testapp, sandbox) -> PersonAtTheApi:
    return PersonAtTheApi(testapp)


def address(person, code="mxbank"):
    return person.get(f"/institutions/{code}", expect=200).json["logo_url"]


def path(person, code="mxbank"):
    return address(person, code).removeprefix("http://localhost")


def asked(sandbox):
    return [one["path"] for one in sandbox.requests("/logos/*")]


def test_an_institution_names_our_own_address_and_the_logo_is_there_for_anybody(testapp, person, sandbox):
    assert "http://localhost/logos/mxbank" == address(person)
    found = testapp.get("/logos/mxbank", status=200)
    assert logo("mxbank", "MX Bank", 100) == found.body
    assert "image/png" == found.headers["Content-Type"]
    assert "public, max-age=604800" == found.headers["Cache-Control"]
    assert "nosniff" == found.headers["X-Content-Type-Options"]
    assert "default-src 'none'; sandbox" == found.headers["Content-Security-Policy"]
    assert "cross-origin" == found.headers["Cross-Origin-Resource-Policy"]
    assert "Set-Cookie" not in found.headers
    unchanged = testapp.get("/logos/mxbank", headers={"If-None-Match": found.headers["ETag"]}, status=304)
    assert (b"", found.headers["ETag"]) == (unchanged.body, unchanged.headers["ETag"])
    assert b"" == testapp.head("/logos/mxbank", status=200).body
    testapp.post("/logos/mxbank", status=405)
    assert ["/logos/100x100/mxbank.png"] == asked(sandbox), "fetched once, then kept"


def test_a_search_says_it_of_each_and_null_of_those_that_have_none(testapp, person):
    found = {one["code"]: one["logo_url"] for one in person.get("/institutions", search="amberwick").json["data"]}
    assert found["amberwick_trust_company"] is None
    assert "http://localhost/logos/amberwick_savings_bank" == found["amberwick_savings_bank"]
    testapp.get("/logos/amberwick_savings_bank", status=200)


def test_another_process_finds_it_in_the_database(testapp, make_testapp, person, sandbox):
    testapp.get(path(person), status=200)
    make_testapp().get("/logos/mxbank", status=200)
    assert 1 == len(asked(sandbox))


def test_a_code_that_nobody_was_shown_makes_us_ask_nobody(testapp, sandbox):
    for code in ("mxbank", "invented", "..%2F..%2Fetc", "x" * 5_000, "mxbank.png"):
        assert testapp.get(f"/logos/{code}", expect_errors=True).status_int == 404
    assert [] == sandbox.requests()


def test_a_page_that_calls_itself_a_picture_is_not_served(testapp, person, sandbox):
    for _ in range(3):
        refused = testapp.get(path(person, "zephyr_cove_community_bank"), status=404)
        assert ("no_logo", "no-store") == (refused.json["code"], refused.headers["Cache-Control"])
    assert 1 == len(asked(sandbox)), "and is not fetched again and again"


def test_while_the_host_is_down_it_is_left_alone_and_banks_can_be_linked(testapp, person, sandbox):
    sandbox.fault("status", "/logos/*", status=503)
    for code in ("mxbank", "mxbank_oauth", "mxbank_throttled"):
        testapp.get(path(person, code), status=404)
    assert 1 == len(asked(sandbox)), "one failure speaks for the host"
    person.link()


@pytest.mark.parametrize("kind", ["cut", "garbage", "html"])
def test_half_a_picture_is_none(testapp, person, sandbox, kind):
    sandbox.fault(kind, "/logos/*", times=1)
    answer = testapp.get(path(person), expect_errors=True)
    if kind == "garbage":  # its beginning is that of a picture: what is behind it browsers judge
        assert (200, "image/png") == (answer.status_int, answer.content_type)
    else:
        assert 404 == answer.status_int


def test_many_at_once_fetch_one_logo_once(testapp, person, sandbox):
    where = path(person)
    sandbox.fault("slow", "/logos/*", delay_s=0.5)
    with Served(testapp.app, threads=16) as served, ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: requests.get(served.url + where, timeout=10), range(12)))
    codes = {answer.status_code for answer in answers}
    assert codes <= {200, 503}
    assert 200 in codes
    assert all("Retry-After" in answer.headers for answer in answers if answer.status_code == 503)
    assert 1 == len(asked(sandbox))


def test_a_host_that_hangs_holds_a_quarter_of_the_threads_at_most(testapp, person, sandbox):
    where = [path(person, code) for code in ("mxbank", "mxbank_oauth", "mxbank_throttled", "amberwick_savings_bank")]
    sandbox.fault("slow", "/logos/*", delay_s=4)
    with Served(testapp.app, threads=16) as served, ThreadPoolExecutor(12) as pool:
        waiting = [pool.submit(requests.get, served.url + one, timeout=20) for one in where * 3]
        for _ in range(20):
            assert 200 == requests.get(f"{served.url}/healthz", timeout=2).status_code
        assert 503 in {one.result().status_code for one in waiting}
    assert len(asked(sandbox)) <= 4
