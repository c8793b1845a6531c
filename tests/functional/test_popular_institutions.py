"""`donkies.popular_institutions`: first in /v1/institutions and on the hosted page, where nobody searched."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

from donkies.sandbox.institutions import INSTITUTIONS
from donkies.testing.links import PersonAtTheApi
from donkies.views.api.answers import to_cursor

POPULAR = ["zephyr_cove_trust_company", "mxbank_oauth", "birchmere_savings_bank"]


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.popular_institutions": " ".join([*POPULAR[:2], "nobodys_bank", POPULAR[2]]),
    }


@pytest.fixture
def person(testapp, sandbox) -> PersonAtTheApi:
    return PersonAtTheApi(testapp)


def walk(person, **query):
    codes, cursor = [], None
    while True:
        page = person.get("/institutions", expect=200, **query, **({"cursor": cursor} if cursor else {})).json
        codes += [one["code"] for one in page["data"]]
        if (cursor := page["next_cursor"]) is None:
            return codes


@pytest.mark.parametrize("limit", [10, 50, 100])
def test_they_come_first_and_every_bank_is_named_once(person, limit):
    codes = walk(person, limit=limit)
    assert POPULAR == codes[:3]
    assert "mxbank" == codes[3]
    assert (len(INSTITUTIONS), set(INSTITUTIONS)) == (len(codes), set(codes))


def test_a_search_is_as_the_bank_data_provider_orders_it(person):
    assert "mxbank" == walk(person, search="bank")[0]


def test_a_bad_cursor_is_refused(person):
    for parts in (("1", "x"), ("-1", "0"), ("1", "1", "1"), ("1", "9" * 7)):
        refused = person.get("/institutions", expect=422, cursor=to_cursor(*parts))
        assert "bad_cursor" == refused.json["code"]
    assert [] == person.get("/institutions", cursor=to_cursor("1", "999999"), limit=100).json["data"]


def test_those_of_development_ini_are_the_sandboxs():
    parser = ConfigParser(interpolation=None)
    parser.read(Path(__file__).parents[2] / "development.ini")
    named = parser["app:main"]["donkies.popular_institutions"].split()
    assert set(named) <= set(INSTITUTIONS)
    assert "mxbank" == named[0]
