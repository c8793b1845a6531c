"""Over the API: a bank is disconnected, linked again, and goes on with its history; undone, each link has its own."""

from __future__ import annotations

import pytest

from donkies.testing.links import PersonAtTheApi


@pytest.fixture
def settings(settings):
    return settings | {"donkies.aggregator": "memory", "donkies.link.look_s": 0.02, "donkies.lease_s": 1}


@pytest.fixture
def person(testapp) -> PersonAtTheApi:
    return PersonAtTheApi(testapp)


def relinked(person: PersonAtTheApi) -> tuple[str, str]:
    """A link that was disconnected, and the one that followed it."""
    old = person.link()
    person.settled(old)
    row = person.transactions()[3]["id"]
    change = {"note": "from my aunt", "category": "Gifts", "hidden": True}
    person.app.patch_json(f"/v1/transactions/{row}", change, headers=person.headers, status=200)
    person.post(f"/linked_accounts/{old}/disconnect", status=200)
    person.settled(old)
    return old, person.link()


def told(rows: list[dict]) -> dict:
    """All of a row but what a download or a change of links sets."""
    return {
        row["id"]: {name: row[name] for name in row if name not in ("linked_account_id", "updated_at")} for row in rows
    }


def test_a_bank_that_is_linked_again_goes_on_with_its_history_until_that_is_undone(person):
    old, new = relinked(person)
    before, accounts = told(person.transactions()), person.get("/accounts").json["data"]
    settled = person.settled(new)
    assert ("success", "complete", 30) == tuple(
        settled[name] for name in ("link_status", "transactions_status", "transactions_count")
    )
    assert before == told(person.transactions(linked_account_id=new)) == told(person.transactions())
    assert {one["id"] for one in accounts} == {one["id"] for one in person.get("/accounts").json["data"]}
    report = person.get(f"/linked_accounts/{new}/adoption").json["accounts"]
    assert [("adopted", 15, 15, old)] * 2 == [
        tuple(one[name] for name in ("state", "transactions_count", "recognised_count", "former_linked_account_id"))
        for one in report
    ]
    assert 0 == person.state(old)["transactions_count"]

    undone = person.post(f"/linked_accounts/{new}/adoption/undo", status=202).json["accounts"]
    assert {"returning"} == {one["state"] for one in undone}
    settled = person.settled(new)
    assert ("complete", 30, 30) == (
        settled["transactions_status"], settled["transactions_count"], person.state(old)["transactions_count"],
    )  # fmt: skip
    assert before == told(person.transactions(linked_account_id=old))
    assert not before.keys() & {row["id"] for row in person.transactions(linked_account_id=new)}
    assert {"returned"} == {one["state"] for one in person.get(f"/linked_accounts/{new}/adoption").json["accounts"]}
    again = person.post(f"/linked_accounts/{new}/adoption/undo", status=409)
    assert "nothing_adopted" == again.json["code"]


def test_a_link_without_history_has_adopted_nothing(person):
    link = person.link()
    person.settled(link)
    assert {"accounts": []} == person.get(f"/linked_accounts/{link}/adoption", expect=200).json


def test_what_was_adopted_goes_when_its_person_goes(person):
    _, new = relinked(person)
    person.settled(new)
    person.delete(f"/linked_accounts/{new}", status=204)
    assert [] == person.transactions()
    assert [] == person.get("/accounts").json["data"]
    with person.app.engine().connect() as connection:
        assert [] == connection.exec_driver_sql("SELECT * FROM adopted_accounts").all()
