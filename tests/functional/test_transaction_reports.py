"""Sums, files, people's own words and balances: what is made of transactions, over HTTP."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4
from xml.etree import ElementTree

import pytest
import sqlalchemy as sa

from donkies.adapters.persistence.tables import banking, identity
from donkies.testing.app import sign_in
from donkies.testing.links import PersonAtTheApi, work
from donkies.views.exports import TRANSACTION_COLUMNS

t = banking.transactions


@pytest.fixture
def settings(settings):
    return settings | {"donkies.link.look_s": 0.02}


@pytest.fixture
def owner(testapp):
    owner = PersonAtTheApi(testapp)
    owner.link()
    work(testapp)
    return owner


def patch(owner, row, body, status=200):
    return owner.app.patch_json(f"/v1/transactions/{row['id']}", body, headers=owner.headers, status=status).json


def exported(owner, wanted, **query):
    return owner.get("/transactions/export", format=wanted, expect=200, **query)


def change(app, **values):
    with app.engine().begin() as connection:
        connection.execute(sa.update(t).values(values))


def change_numbers(app):
    with app.engine().connect() as connection:
        return {str(row.id): row.change_no for row in connection.execute(sa.select(t.c.id, t.c.change_no))}


# sums


@pytest.mark.parametrize("by", ["month", "category", "account", "merchant"])
def test_sums_are_those_of_the_list_one_line_for_each_key_and_currency(testapp, owner, by):
    some = owner.transactions()[1]
    with testapp.engine().begin() as connection:
        connection.execute(sa.update(t).where(t.c.amount > Decimal(some["amount"])).values(currency_code="EUR"))
        connection.execute(sa.update(t).where(t.c.amount == Decimal(some["amount"])).values(amount=Decimal("0.0001")))
    names = {one["id"]: one["name"] for one in owner.get("/accounts").json["data"]}
    keys = {"month": lambda row: row["date"][:7], "category": lambda row: row["category"],
            "account": lambda row: row["account_id"], "merchant": lambda row: row["merchant_guid"]}  # fmt: skip
    for query in ({}, {"type": "debit"}, {"from": some["date"], "q": some["description"][:3]}):
        expected = defaultdict(lambda: {"debit": Decimal(0), "credit": Decimal(0), "count": 0})
        for row in owner.transactions(**query):
            line = expected[keys[by](row), row["currency_code"]]
            line[row["type"]] += Decimal(row["amount"])
            line["count"] += 1
        lines = owner.get("/transactions/summary", group_by=by, **query).json["data"]
        assert expected == {
            (one["key"], one["currency_code"]): {
                "debit": Decimal(one["debit"]), "credit": Decimal(one["credit"]), "count": one["count"]
            }
            for one in lines
        }  # fmt: skip
        assert all(isinstance(one["debit"], str) for one in lines)
        assert [None not in (one["key"],) for one in lines] == [one["label"] is not None for one in lines]
        assert sorted(lines, key=lambda one: (one["key"] is None, one["key"] or "", one["currency_code"])) == lines
        if by == "account":
            assert all(names[one["key"]] == one["label"] for one in lines)


def test_what_is_hidden_counts_only_when_asked_for(owner):
    rows = owner.transactions()
    patch(owner, rows[0], {"hidden": True})
    counts = [
        sum(one["count"] for one in owner.get("/transactions/summary", group_by="month", **query).json["data"])
        for query in ({}, {"hidden": "true"}, {"hidden": "false"})
    ]
    assert [len(rows) - 1, 1, len(rows) - 1] == counts
    assert len(rows) == len(owner.transactions()), "the list shows it, marked: a mirror of the feed has it too"
    assert [rows[0]["id"]] == [row["id"] for row in owner.transactions(hidden="true")]


def test_a_summary_wants_to_know_by_what(owner):
    for query in ({}, {"group_by": "day"}, {"group_by": "month", "cursor": "x"}):
        assert 422 == owner.get("/transactions/summary", expect=422, **query).status_int


# a person's own words


def test_what_a_person_says_stays_through_downloads_and_can_be_taken_back(testapp, owner):
    row = owner.transactions()[0]
    before = change_numbers(testapp)
    said = {"category": "Gifts", "note": "for Ada", "hidden": True}
    shown = patch(owner, row, said)
    assert row | said | {"original_category": row["category"], "updated_at": shown["updated_at"]} == shown
    after = change_numbers(testapp)
    assert max(before.values()) < after.pop(row["id"]), "mirrors hear of it"
    assert {one: number for one, number in before.items() if one != row["id"]} == after
    assert shown == patch(owner, row, said), "what is as it was changes nothing"
    assert [row["id"]] == [one["id"] for one in owner.transactions(category="Gifts")]
    assert row["id"] not in [one["id"] for one in owner.transactions(category=row["category"])]
    change(testapp, raw_digest=bytes(16))  # so that the next download finds every row changed
    owner.post(f"/linked_accounts/{row['linked_account_id']}/refresh", status=202)
    work(testapp)
    again = owner.get(f"/transactions/{row['id']}").json
    assert said == {name: again[name] for name in said}
    back = patch(owner, row, dict.fromkeys(said))
    assert row == back | {"updated_at": row["updated_at"]}


def test_what_cannot_be_said_is_refused_by_name(owner):
    row = owner.transactions()[0]
    for name, value in (
        ("category", ""), ("category", "x" * 201), ("note", "x" * 2001), ("note", " "), ("hidden", "yes"),
        ("hidden", 1), ("amount", "1"), ("is_hidden", True),
    ):  # fmt: skip
        answer = owner.app.patch_json(f"/v1/transactions/{row['id']}", {name: value}, headers=owner.headers, status=422)
        assert [name] == [one["field"] for one in answer.json["errors"]], (name, value)
    patch(owner, {"id": uuid4()}, {"note": "x"}, status=404)
    patch(PersonAtTheApi(owner.app), row, {"note": "x"}, status=404)
    assert row == owner.get(f"/transactions/{row['id']}").json


# files


def test_csv_and_ndjson_hold_the_filtered_list(testapp, owner):
    change(testapp, description='=HYPERLINK("x")\n1')
    for query in ({}, {"type": "credit"}):
        rows = owner.transactions(**query)
        lines = exported(owner, "ndjson", **query)
        assert rows == [json.loads(line) for line in lines.text.splitlines()]
        table = exported(owner, "csv", **query)
        read = list(csv.DictReader(io.StringIO(table.text.removeprefix("\ufeff"), newline="")))
        assert [(row["id"], row["amount"], "'" + row["description"]) for row in rows] == [
            (row["id"], row["amount"], row["description"]) for row in read
        ]
        assert list(TRANSACTION_COLUMNS) == list(read[0])
    assert f"transactions-{date.today():%Y}" in table.headers["Content-Disposition"]
    assert ".csv" in table.headers["Content-Disposition"]


def test_ofx_has_a_statement_for_each_account_with_its_posted_rows(testapp, owner):
    change(testapp, description="Müller & Söhne <GmbH> \x07 with a name that is long")
    root = ElementTree.fromstring(exported(owner, "ofx").body)  # noqa: S314 - our own
    accounts = {one["id"]: one for one in owner.get("/accounts").json["data"]}
    statements = root.findall(".//STMTTRNRS") + root.findall(".//CCSTMTTRNRS")
    assert sorted(accounts) == sorted(one.findtext("TRNUID") for one in statements)
    for one in statements:
        account = accounts[one.findtext("TRNUID")]
        rows = owner.transactions(account_id=account["id"], status="posted")
        found = [
            (row.findtext("FITID"), row.findtext("DTPOSTED")[:8], Decimal(row.findtext("TRNAMT")))
            for row in one.iter("STMTTRN")
        ]
        sign = {"debit": -1, "credit": 1}
        assert found == [
            (row["id"], row["date"].replace("-", ""), sign[row["type"]] * Decimal(row["amount"])) for row in rows
        ]
        dates = [row["date"].replace("-", "") for row in rows]
        if dates:
            assert (min(dates), max(dates)) == tuple(one.find(".//" + n).text[:8] for n in ("DTSTART", "DTEND"))
        assert {"Müller & Söhne <GmbH> with a name"[:32]} >= {row.findtext("NAME") for row in one.iter("STMTTRN")}
        is_debt = account["type"] in ("CREDIT_CARD", "LOAN", "MORTGAGE", "LINE_OF_CREDIT")
        assert (-1 if is_debt else 1) * Decimal(account["balance"]) == Decimal(one.findtext(".//LEDGERBAL/BALAMT"))
        assert 22 >= len(one.findtext(".//ACCTID"))


def test_qif_has_a_part_for_each_account(owner):
    text = exported(owner, "qif").text
    accounts = owner.get("/accounts").json["data"]
    assert [one["name"] for one in accounts] == [part.split("\n")[1][1:] for part in text.split("!Account")[1:]]
    posted = owner.transactions(status="posted")
    assert len(posted) == text.count("\nD")
    year, month, day = posted[0]["date"].split("-")
    assert f"D{month}/{day}/{year}\nT{'-' if posted[0]['type'] == 'debit' else ''}{posted[0]['amount']}\n" in text


def test_pending_rows_are_in_no_statement(testapp, owner):
    change(testapp, status="pending")
    assert b"STMTTRN>" not in exported(owner, "ofx").body
    assert "\nD" not in exported(owner, "qif").text
    assert b"STMTTRN>" not in exported(owner, "ofx", status="pending").body
    assert len(owner.transactions()) == len(exported(owner, "ndjson").text.splitlines())


def test_a_file_that_shows_accounts_needs_their_scope_and_a_revoked_token_gets_none(testapp, make_testapp, owner):
    other = make_testapp()
    headers = sign_in(testapp, ["transactions:read"])
    for wanted, status in (("csv", 200), ("ndjson", 200), ("ofx", 403), ("qif", 403)):
        testapp.get("/v1/transactions/export", {"format": wanted}, headers=headers, status=status)
    with testapp.engine().begin() as connection:
        connection.execute(sa.update(identity.token_families).values(revoked_at=datetime.now(UTC)))
    other.get("/v1/transactions/export", {"format": "csv"}, headers=owner.headers, status=401)


# balances


def test_balances_have_a_row_a_day_the_last_of_the_day(testapp, owner):
    account = owner.get("/accounts").json["data"][0]
    path = f"/accounts/{account['id']}/balances"
    (today,) = owner.get(path).json["data"]
    assert {"date", "balance", "available_balance", "currency_code", "updated_at"} == today.keys()
    assert (account["balance"], account["currency_code"]) == (today["balance"], today["currency_code"])
    with testapp.engine().begin() as connection:  # as if it had been read yesterday
        connection.execute(sa.update(banking.account_balances).values(date=date(2020, 1, 1), balance=Decimal("-1.5")))
    owner.post(f"/linked_accounts/{account['linked_account_id']}/refresh", status=202)
    work(testapp)
    assert [today["date"], "2020-01-01"] == [one["date"] for one in owner.get(path).json["data"]]
    assert ["-1.50"] == [one["balance"] for one in owner.get(path, to="2020-01-01").json["data"]]
    assert [today["date"]] == [one["date"] for one in owner.get(path, **{"from": "2020-01-02"}).json["data"]]
    PersonAtTheApi(testapp).get(path, expect=404)
    owner.delete(f"/linked_accounts/{account['linked_account_id']}", status=204)
    with testapp.engine().connect() as connection:
        assert [] == connection.execute(sa.select(banking.account_balances)).all()
