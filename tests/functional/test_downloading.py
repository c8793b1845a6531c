"""Downloading over real HTTP from the sandbox: every row, once, whatever goes wrong on the way."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from uuid import UUID

import pytest
import svcs
from sqlalchemy import text

from donkies.domain.downloading import DownloadService
from donkies.domain.following import LookService
from donkies.domain.link_store import LinkedAccountStore
from donkies.domain.unit_of_work import UnitOfWork
from donkies.testing.links import PersonAtTheApi, work


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
        "donkies.sync.retry_s": 0.02,
        "donkies.lease_s": 1,
    }


@pytest.fixture
def person(testapp, sandbox) -> PersonAtTheApi:
    return PersonAtTheApi(testapp)


def member_of(person: PersonAtTheApi, link: str) -> str:
    """The guid of the link's member, as only the database knows it."""
    with svcs.Container(person.app.svcs) as container, container.get(UnitOfWork):
        with person.app.engine().connect() as connection:
            user_id = connection.execute(text("SELECT user_id FROM linked_accounts")).scalars().first()
        found = container.get(LinkedAccountStore).get(UUID(str(user_id)), UUID(link))
        return found.member_guid


def rows_at_mx(sandbox, atrium_caller, member: str) -> dict[str, tuple]:
    """All rows that MX has of a member, by guid."""
    (user,) = {one["path"].split("/")[3] for one in sandbox.requests(f"/users/*/members/{member}/status")}
    rows, page = {}, 1
    while True:
        query = {"from_date": "1970-01-01", "to_date": "2100-01-01", "page": page, "records_per_page": 1000}
        answer = atrium_caller.get(f"/users/{user}/members/{member}/transactions", **query)
        rows |= {
            row["guid"]: (Decimal(str(row["amount"])), row["date"], row["type"].lower(), row["description"])
            for row in answer["transactions"]
        }
        if page >= answer["pagination"]["total_pages"]:
            return rows
        page += 1


def rows_here(person: PersonAtTheApi) -> dict[str, tuple]:
    """All rows that the API shows, by MX's guid."""
    return {
        row["raw"]["guid"]: (Decimal(row["amount"]), row["date"], row["type"], row["description"])
        for row in person.transactions(include="raw")
    }


@pytest.mark.parametrize("count", [0, 1, 100, 2_500])
def test_every_row_of_the_history_arrives_exactly(person, sandbox, atrium_caller, count):
    sandbox.history(count, 700)
    link = person.link()
    settled = person.settled(link)
    assert ("complete", count) == (settled["transactions_status"], settled["transactions_count"])
    here = rows_here(person)
    assert count == len(here)
    assert rows_at_mx(sandbox, atrium_caller, member_of(person, link)) == here


@pytest.mark.drill
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_hundred_thousand_rows_arrive_exactly(person, sandbox):
    arrive_exactly(person, sandbox, 100_000)


def test_ten_thousand_rows_arrive_exactly(person, sandbox):
    arrive_exactly(person, sandbox, 10_000)


def arrive_exactly(person: PersonAtTheApi, sandbox, count: int) -> None:
    sandbox.history(count, 2_000)
    link = person.link()
    work(person.app, until_s=240)
    assert ("complete", count) == outcome(person.state(link))
    with person.app.engine().connect() as connection:
        counted = connection.execute(text("SELECT count(*), count(DISTINCT guid) FROM transactions")).one()
    assert (count, count) == tuple(counted)


def test_rows_older_than_the_aggregators_default_window_arrive_too(person, sandbox):
    sandbox.history(400, 3_000)
    link = person.link()
    person.settled(link)
    first, last = (person.transactions()[at]["date"] for at in (-1, 0))
    assert int(last[:4]) - int(first[:4]) >= 7


def test_two_equal_purchases_on_one_day_are_both_kept(person, sandbox):
    sandbox.history(10, 30)
    link = person.link()
    person.settled(link)
    twin = {"amount": 3.5, "description": "Zwieback", "date": "2026-01-15", "type": "DEBIT"}
    for _ in range(2):
        sandbox.add_transaction(member_of(person, link), **twin)
    person.post(f"/linked_accounts/{link}/refresh")
    make_full(person)
    person.settled(link)
    assert ["3.50", "3.50"] == [row["amount"] for row in person.transactions(q="zwieback")]


def test_a_worker_that_dies_in_the_middle_is_followed_by_one_that_goes_on_where_it_was(person, sandbox):
    sandbox.history(5_000, 400)
    link = person.link()
    look_until_connected(person)
    sandbox.fault("cut", "/users/*/members/*/transactions", "GET", after=2, times=None)
    run_downloads(person)
    before = len(sandbox.requests("/users/*/members/*/transactions"))
    assert 2_000 == person.state(link)["transactions_count"]
    sandbox.clear_faults()
    person.settled(link)
    asked = [one["query"] for one in sandbox.requests("/users/*/members/*/transactions")[before:]]
    pages = [
        int(query.split("page=")[1].split("&")[0]) for query in asked if "&page=" in query or query.startswith("page=")
    ]
    assert [3, 4, 5] == sorted(set(pages) - {1}), "it goes on at page 3; page 1 is read for the proof alone"
    assert ("complete", 5_000) == outcome(person.state(link))


@pytest.mark.parametrize("kind", ["status", "html", "garbage", "cut"])
def test_a_page_survives_bad_answers(person, sandbox, kind):
    sandbox.history(1_500, 100)
    more = {"status": 500} if kind == "status" else {}
    sandbox.fault(kind, "/users/*/members/*/transactions", "GET", after=1, times=4, **more)
    assert ("complete", 1_500) == outcome(person.settled(person.link()))


def test_what_was_downloaded_is_read_on_after_a_download_that_failed(person, sandbox):
    sandbox.history(100, 30)
    link = person.link()
    before = person.settled(link)
    rows = person.transactions()
    assert before["stale_since"] is None
    sandbox.fault("garbage", "/users/*/members/*/transactions", "GET", times=None)
    with person.app.engine().begin() as connection:  # a day passes
        connection.execute(text("UPDATE linked_accounts SET fresh_until = created_at, next_attempt_at = created_at"))
    failed = person.settled(link)
    assert ("success", "failed", 100) == tuple(
        failed[name] for name in ("link_status", "transactions_status", "transactions_count")
    )
    assert before["last_synced"] == failed["last_synced"] > failed["stale_since"] == before["created_at"]
    assert rows == person.transactions()
    sandbox.clear_faults()
    person.post(f"/linked_accounts/{link}/refresh", status=202)
    assert person.settled(link)["stale_since"] is None


def test_a_page_that_never_comes_fails_the_download_and_says_why(person, sandbox):
    sandbox.history(1_500, 100)
    sandbox.fault("garbage", "/users/*/members/*/transactions", "GET", after=1, times=None)
    link = person.link()
    settled = person.settled(link)
    assert ("success", "failed", "aggregator_misbehaved") == tuple(
        settled[name] for name in ("link_status", "transactions_status", "reason")
    )
    assert settled["next_attempt_at"] is not None
    assert settled["last_synced"] is None
    sandbox.clear_faults()
    person.post(f"/linked_accounts/{link}/refresh", status=202)
    settled = person.settled(link)
    assert ("complete", 1_500, None) == tuple(
        settled[name] for name in ("transactions_status", "transactions_count", "reason")
    )


def test_a_page_that_mx_repeats_never_counts_as_the_next(person, sandbox):
    sandbox.history(3_000, 100)
    sandbox.fault("repeat_page", "/users/*/members/*/transactions", "GET", times=None)
    link = person.link()
    settled = person.settled(link)
    assert ("failed", "aggregator_misbehaved") == (settled["transactions_status"], settled["reason"])


def test_a_pending_row_that_vanished_is_removed_and_a_posted_one_only_after_two_reads(person, sandbox):
    sandbox.history(20, 20)
    link = person.link()
    person.settled(link)
    member = member_of(person, link)
    pending = sandbox.add_transaction(member, status="PENDING", amount=9.99, description="Pending zither")
    posted = sandbox.add_transaction(member, status="POSTED", amount=8.88, description="Posted zither")
    refreshed(person, link)
    assert 22 == len(person.transactions())
    sandbox.delete_transaction(pending["guid"])
    sandbox.delete_transaction(posted["guid"])
    refreshed(person, link)
    assert ["Posted zither"] == [row["description"] for row in person.transactions(q="zither")]
    refreshed(person, link)
    assert [] == person.transactions(q="zither")


def test_a_pending_row_that_is_posted_stays_one_row_and_keeps_its_id(person, sandbox):
    sandbox.history(5, 5)
    link = person.link()
    person.settled(link)
    pending = sandbox.add_transaction(member_of(person, link), status="PENDING", amount=20, description="Zabaione")
    refreshed(person, link)
    (before,) = person.transactions(q="zabaione")
    sandbox.patch_transaction(pending["guid"], status="POSTED", amount=23.5)
    refreshed(person, link)
    (after,) = person.transactions(q="zabaione")
    assert (before["id"], "pending", "posted", "23.50") == (
        after["id"],
        before["status"],
        after["status"],
        after["amount"],
    )


def test_a_pending_row_that_is_posted_under_a_new_guid_with_a_tip_keeps_its_id(person, sandbox):
    sandbox.history(5, 5)
    link = person.link()
    person.settled(link)
    pending = sandbox.add_transaction(member_of(person, link), status="PENDING", amount=20, description="Zabaione")
    refreshed(person, link)
    (before,) = person.transactions(q="zabaione")
    sandbox.patch_transaction(pending["guid"], guid="TRN-posted-anew", status="POSTED", amount=23.5)
    refreshed(person, link)
    (after,) = person.transactions(q="zabaione", include="raw")
    assert (before["id"], before["created_at"]) == (after["id"], after["created_at"])
    assert ("posted", "23.50", "TRN-posted-anew") == (after["status"], after["amount"], after["raw"]["guid"])
    assert 6 == person.state(link)["transactions_count"]


def test_a_history_that_is_issued_under_new_guids_keeps_every_id(person, sandbox):
    sandbox.history(40, 40)
    link = person.link()
    person.settled(link)
    before = {row["id"]: row["raw"].pop("guid") for row in person.transactions(include="raw")}
    for number, guid in enumerate(before.values()):
        sandbox.patch_transaction(guid, guid=f"TRN-anew-{number}")
    refreshed(person, link)
    after = {row["id"]: row["raw"]["guid"] for row in person.transactions(include="raw")}
    assert before.keys() == after.keys()
    assert {f"TRN-anew-{number}" for number in range(40)} == set(after.values())


def test_an_unchanged_second_download_changes_no_row(person, sandbox):
    sandbox.history(300, 25)
    link = person.link()
    person.settled(link)
    with person.app.engine().connect() as connection:
        before = connection.execute(text("SELECT last_change FROM transaction_feeds")).scalar_one()
    refreshed(person, link)
    with person.app.engine().connect() as connection:
        after = connection.execute(text("SELECT last_change FROM transaction_feeds")).scalar_one()
    assert before == after


def test_two_workers_at_once_download_a_link_once(person, sandbox):
    sandbox.history(3_000, 100)
    link = person.link()
    look_until_connected(person)
    workers = [threading.Thread(target=run_downloads, args=(person,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    person.settled(link)
    pages = [one["query"] for one in sandbox.requests("/users/*/members/*/transactions")]
    assert 4 == len(pages), "three pages, and the first again for the proof"
    assert ("complete", 3_000) == outcome(person.state(link))


def test_accounts_come_with_balances_and_debts_positive_when_owed(person):
    link = person.link()
    person.settled(link)
    accounts = {one["type"]: one for one in person.get("/accounts").json["data"]}
    assert {"CHECKING", "SAVINGS", "CREDIT_CARD", "LOAN", "MORTGAGE", "INVESTMENT"} == accounts.keys()
    for one in accounts.values():
        assert link == one["linked_account_id"]
        assert one["currency_code"] == "USD"
        assert one["balance"] == f"{Decimal(one['balance']):.2f}"
    assert Decimal(accounts["MORTGAGE"]["balance"]) > 0
    one = person.get(f"/accounts/{accounts['CHECKING']['id']}").json
    assert accounts["CHECKING"] == one


def outcome(shown: dict) -> tuple:
    return shown["transactions_status"], shown["transactions_count"]


def run_downloads(person: PersonAtTheApi) -> None:
    """One worker's try at what is due."""
    with svcs.Container(person.app.svcs) as container:
        downloads = container.get(DownloadService)
        for user_id, link_id in downloads.due():
            downloads.run(user_id, link_id)


def look_until_connected(person: PersonAtTheApi) -> None:
    """A looker without a downloader."""
    with svcs.Container(person.app.svcs) as container:
        looker = container.get(LookService)
        while looker.look() or looker.seconds_to_next(0.5) is not None:
            pass


def refreshed(person: PersonAtTheApi, link: str) -> None:
    """A refresh whose download reads everything."""
    before = person.state(link)["last_synced"]
    person.post(f"/linked_accounts/{link}/refresh", status=202)
    make_full(person)
    deadline = time.monotonic() + 20
    while (after := person.settled(link))["last_synced"] == before:  # a reading that was lost is due a lease later
        assert time.monotonic() < deadline
    assert "complete" == after["transactions_status"]


def make_full(person: PersonAtTheApi) -> None:
    with person.app.engine().begin() as connection:
        connection.execute(text("UPDATE downloads SET last_full_at = NULL"))
