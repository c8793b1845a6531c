"""What downloads say they did, over HTTP from the sandbox: proved, given up, under way."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa

from donkies.adapters.persistence.tables.banking import downloads
from donkies.domain.downloading import DownloadService
from donkies.domain.following import LookService
from donkies.testing.links import PersonAtTheApi, work


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
        "donkies.sync.retry_s": 0.02,
    }


@pytest.fixture
def person(testapp, sandbox):
    sandbox.history(25, 20)
    return PersonAtTheApi(testapp)


def report(person, link):
    return person.get(f"/linked_accounts/{link}/sync_report", expect=200).json


def refresh(person, link):
    person.post(f"/linked_accounts/{link}/refresh", status=202)
    work(person.app)


def test_a_proved_download_tells_what_it_did_and_the_next_one_what_changed_since(person, sandbox):
    link = person.link()
    assert {"running": None, "last": None} == report(person, link)
    work(person.app)
    shown = report(person, link)
    last = shown["last"]
    assert (None, "complete", True, None, None) == (
        shown["running"], last["outcome"], last["proved"], last["reason"], last["doubt"],
    )  # fmt: skip
    assert (25, 25, 25, 0, 0, 0) == tuple(
        last[name] for name in ("rows_seen", "total_entries", "added", "modified", "removed", "adopted")
    )
    assert last["from"] == "1970-01-01" < last["to"]
    assert last["is_full"]
    assert last["pages"] >= 1
    assert last["began_at"] <= last["ended_at"]
    state = {one["id"]: one for one in person.get("/accounts").json["data"]}
    assert {one["account_id"]: one["balance"] for one in last["accounts"]} == {
        one["id"]: one["balance"] for one in state.values()
    }
    for one in last["accounts"]:
        rows = [row for row in person.transactions(account_id=one["account_id"]) if row["status"] == "posted"]
        signed = (Decimal(row["amount"]) * (1 if row["type"] == "credit" else -1) for row in rows)
        assert sum(signed, Decimal(0)) == Decimal(one["posted"])
    assert {None} == {one["gap"] for one in last["accounts"]}, "there was no proof before"
    member = sandbox.requests("/users/*/members/*/status")[-1]["path"].split("/")[-2]
    guid = sandbox.add_transaction(member, description="New shop", amount=12.5, status="POSTED", type="DEBIT")["guid"]
    refresh(person, link)
    last = report(person, link)["last"]
    assert (1, 0, 0, 0) == tuple(last[name] for name in ("added", "modified", "removed", "adopted"))
    new = person.transactions(q="new shop")[0]["account_id"]
    gaps = {one["account_id"]: one["gap"] for one in last["accounts"]}
    is_debt = state[new]["type"] in ("CREDIT_CARD", "LOAN", "MORTGAGE", "LINE_OF_CREDIT")
    assert ("-12.50" if is_debt else "12.50") == gaps.pop(new), "the balance did not move with the row"
    assert {"0.00"} >= set(gaps.values())
    sandbox.patch_transaction(guid, guid="TRN-anew")
    refresh(person, link)
    last = report(person, link)["last"]
    assert (0, 0, 0, 1) == tuple(last[name] for name in ("added", "modified", "removed", "adopted"))
    assert {"0.00"} == {one["gap"] for one in last["accounts"]}


def test_a_download_that_is_given_up_says_why_and_keeps_the_stands(person, sandbox):
    link = person.link()
    work(person.app)
    before = report(person, link)["last"]
    sandbox.fault("status", "/users/*/members/*/transactions*", status=500)
    refresh(person, link)
    shown = report(person, link)
    assert ("failed", False) == (shown["last"]["outcome"], shown["last"]["proved"])
    assert person.state(link)["reason"] == shown["last"]["reason"]
    assert before["accounts"] == shown["last"]["accounts"]
    assert shown["running"] is None


def test_one_under_way_tells_how_far_it_is(person, sandbox, testapp):
    link = person.link()
    sandbox.fault("status", "/users/*/members/*/transactions*", status=500)
    with testapp.service(LookService) as looker, testapp.service(DownloadService) as downloading:
        for _ in range(50):
            looker.look()
            if due := downloading.due():
                break
        downloading.run(*due[0])
    running = report(person, link)["running"]
    assert (1, 0, 0, 0, None) == tuple(
        running[name] for name in ("bad_answers", "pages", "rows_seen", "failed_walks", "doubt")
    )
    assert running["next_try_at"] > running["began_at"]
    sandbox.clear_faults()
    work(testapp)
    shown = report(person, link)
    assert (None, 25) == (shown["running"], shown["last"]["added"])
    assert running["began_at"] == shown["last"]["began_at"]


def test_a_release_before_this_one_leaves_nothing_to_tell(person, testapp):
    link = person.link()
    work(testapp)
    with testapp.engine().begin() as connection:
        connection.execute(sa.update(downloads).values(report=sa.null(), began_at=None, began_change=None))
    assert {"running": None, "last": None} == report(person, link)


def test_somebody_elses_link_has_none(person, testapp):
    link = person.link()
    PersonAtTheApi(testapp).get(f"/linked_accounts/{link}/sync_report", expect=404)
