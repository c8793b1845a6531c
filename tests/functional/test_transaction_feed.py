"""The delta feed over HTTP: a mirror of what the sandbox's bank says; cursors that are bad, foreign or too old."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from donkies.adapters.persistence.tables.banking import transaction_tombstones
from donkies.domain.purging import PurgeService
from donkies.testing.app import make_client, make_person, sign_in
from donkies.testing.links import PersonAtTheApi, work
from donkies.views.api.answers import from_cursor, to_cursor


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
    }


@pytest.fixture
def owner(testapp, sandbox):
    sandbox.history(60, 20)
    owner = PersonAtTheApi(testapp)
    owner.link()
    work(testapp)
    return owner


class Mirror:
    """What a client does, and no more."""

    def __init__(self, person):
        self.person, self.cursor, self.rows, self.named = person, None, {}, 0

    def page(self, limit=500):
        given = {"limit": limit} | ({"cursor": self.cursor} if self.cursor else {})
        page = self.person.get("/transactions/sync", **given, expect=200).json
        for row in page["added"] + page["modified"]:
            self.rows[row["id"]] = row
        for gone in page["removed"]:
            self.rows.pop(gone["id"], None)
        self.named += len(page["added"]) + len(page["modified"]) + len(page["removed"])
        self.cursor = page["next_cursor"]
        return page

    def follow(self, limit=500):
        """Returns: how many rows and tombstones were named."""
        before = self.named
        while self.page(limit)["has_more"]:
            pass
        return self.named - before


def listed(owner):
    return {row["id"]: row for row in owner.transactions()}


def link_another_bank(owner):
    codes = [one["code"] for one in owner.get("/institutions").json["data"]]
    code = next(code for code in codes if not code.startswith("mxbank"))
    form = owner.get(f"/institutions/{code}/credentials").json["data"]
    credentials = [{"guid": one["guid"], "value": "test_atrium"} for one in form]
    return owner.post("/linked_accounts", {"institution_code": code, "credentials": credentials}, status=201).json["id"]


def test_a_mirror_equals_the_list_whatever_happens_to_it(testapp, owner):
    mirror = Mirror(owner)
    assert len(listed(owner)) == mirror.follow(7)
    assert listed(owner) == mirror.rows
    assert 0 == mirror.follow()
    row = owner.transactions()[3]
    testapp.patch_json(f"/v1/transactions/{row['id']}", {"hidden": True}, headers=owner.headers, status=200)
    page = mirror.page()
    assert ([], [row["id"], True], []) == (
        page["added"], [page["modified"][0]["id"], page["modified"][0]["hidden"]], page["removed"],
    )  # fmt: skip
    assert listed(owner) == mirror.rows, "the list shows what is hidden, marked, and so does the feed"
    second = link_another_bank(owner)
    work(testapp)
    assert len(listed(owner)) - len(mirror.rows) == mirror.follow(10)
    assert listed(owner) == mirror.rows
    owner.post(f"/linked_accounts/{row['linked_account_id']}/disconnect", status=200)
    assert 0 == mirror.follow(), "history stays"
    owner.delete(f"/linked_accounts/{row['linked_account_id']}", status=204)
    mirror.follow(10)
    assert listed(owner) == mirror.rows
    assert {second} == {one["linked_account_id"] for one in mirror.rows.values()}
    owner.delete(f"/linked_accounts/{second}", status=204)
    mirror.follow(10)
    assert {} == listed(owner) == mirror.rows


def test_what_the_bank_adds_and_posts_under_another_guid_comes_through(testapp, owner, sandbox):
    mirror = Mirror(owner)
    mirror.follow()
    link = owner.transactions()[0]["linked_account_id"]
    member = sandbox.requests("/users/*/members/*/status")[-1]["path"].split("/")[-2]
    new = {"description": "New shop", "amount": 12.5, "status": "PENDING", "type": "DEBIT"}
    guid = sandbox.add_transaction(member, **new)["guid"]
    refresh(testapp, owner, link)
    page = mirror.page()
    assert (["New shop"], [], [], False) == (
        [row["description"] for row in page["added"]], page["modified"], page["removed"], page["has_more"],
    )  # fmt: skip
    (row,) = page["added"]
    sandbox.patch_transaction(guid, guid="TRN-posted-anew", status="POSTED", amount=15)
    refresh(testapp, owner, link)
    page = mirror.page()
    assert [(row["id"], "posted", "15.00")] == [
        (one["id"], one["status"], one["amount"]) for one in page["modified"]
    ], "the same purchase keeps its id"
    assert [] == page["added"]
    assert listed(owner) == mirror.rows


def test_a_cursor_that_was_not_given_out_is_refused_as_such(owner):
    bad = ("", "x", "e30", to_cursor("2026-01-01", "x"), to_cursor("a", 1, 1, 1, 1), to_cursor(1, 2), "9" * 200)
    mirror = Mirror(owner)
    mirror.page(5)
    changed = []
    for at in range(1, 5):
        for part in ("", "x", str(2**63), "9" * 50, "1.5", "NaN"):
            parts = from_cursor(mirror.cursor, 5)
            parts[at] = part
            changed.append(to_cursor(*parts))
    for cursor in (*bad, *changed):
        answer = owner.get("/transactions/sync", cursor=cursor, expect=422).json
        assert ["cursor"] == [one["field"] for one in answer["errors"]], cursor


def test_a_cursor_of_somebody_elses_is_none(testapp, owner):
    mirror, eve = Mirror(owner), PersonAtTheApi(testapp)
    mirror.follow()
    assert "bad_cursor" == eve.get("/transactions/sync", cursor=mirror.cursor, expect=422).json["code"]
    assert 0 == Mirror(eve).follow()


def test_the_limit_is_the_lists(owner):
    for limit in (0, 501, "x"):
        owner.get("/transactions/sync", limit=limit, expect=422)
    owner.get("/transactions/sync", account_id="x", expect=422)
    assert 50 >= len(owner.get("/transactions/sync").json["added"])


def purge(app):
    with app.service(PurgeService) as purging:
        while purging.purge():
            pass


def tombstones(app):
    with app.engine().connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(transaction_tombstones))


def test_tombstones_stay_as_long_as_a_cursor_is_good_and_then_it_is_410(testapp, clock, sandbox):
    sandbox.history(10, 20)
    person, client = make_person(testapp), make_client(testapp)
    owner = PersonAtTheApi(testapp, sign_in(testapp, person=person, client=client))
    link = owner.link()
    work(testapp)
    mirror = Mirror(owner)
    mirror.follow()
    count = len(mirror.rows)
    owner.delete(f"/linked_accounts/{link}", status=204)
    assert count == tombstones(testapp)
    clock.advance(days=399)
    purge(testapp)
    assert count == tombstones(testapp)
    owner.headers = sign_in(testapp, person=person, client=client)
    late = Mirror(owner)
    late.cursor, late.rows = mirror.cursor, dict(mirror.rows)
    late.follow()
    assert {} == late.rows
    clock.advance(days=1, seconds=1)
    owner.headers = sign_in(testapp, person=person, client=client)
    answer = owner.get("/transactions/sync", cursor=mirror.cursor, expect=410).json
    assert "cursor_expired" == answer["code"]
    assert "start again without a cursor" in answer["detail"]
    assert 0 == late.follow(), "it was at the end of the feed a day ago"
    clock.advance(days=1)
    purge(testapp)
    assert 0 == tombstones(testapp)


def refresh(app, owner, link):
    owner.post(f"/linked_accounts/{link}/refresh", status=202)
    work(app)
