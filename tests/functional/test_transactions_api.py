"""/v1/transactions, /v1/accounts and /v1/institutions: what can be asked, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from donkies.testing.links import PersonAtTheApi

ROWS = 240


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
    }


@pytest.fixture
def person(testapp, sandbox) -> PersonAtTheApi:
    sandbox.history(ROWS, 60)
    person = PersonAtTheApi(testapp)
    assert "complete" == person.settled(person.link())["transactions_status"]
    return person


def test_the_list_is_newest_first_and_pages_through_every_row_once(person):
    rows = person.transactions(limit=50)
    assert ROWS == len({row["id"] for row in rows}) == len(rows)
    assert sorted(rows, key=lambda row: (row["date"], row["id"]), reverse=True) == rows


def test_a_transaction_shows_exactly_the_documented_fields(person):
    row = person.get("/transactions", limit=1).json["data"][0]
    expected = """
        id account_id linked_account_id status type amount currency_code date transacted_at posted_at description
        original_description memo category original_category top_level_category merchant_guid check_number note hidden
        is_bill_pay is_direct_deposit
        is_expense is_fee is_income is_international is_overdraft_fee is_payroll_advance is_subscription created_at
        updated_at
    """.split()
    assert sorted(expected) == sorted(row)
    assert Decimal(row["amount"]) > 0
    assert row["type"] in ("debit", "credit")
    assert row == person.get(f"/transactions/{row['id']}").json
    assert row["description"] == person.get(f"/transactions/{row['id']}", include="raw").json["raw"]["description"]


def test_filters_combine_and_their_bounds_are_inclusive(person):
    everything = person.transactions()
    some = everything[ROWS // 2]
    for query, matches in [
        ({"from": some["date"]}, lambda row: row["date"] >= some["date"]),
        ({"to": some["date"]}, lambda row: row["date"] <= some["date"]),
        ({"type": "credit"}, lambda row: row["type"] == "credit"),
        ({"status": "posted"}, lambda row: row["status"] == "posted"),
        ({"category": some["category"]}, lambda row: row["category"] == some["category"]),
        ({"account_id": some["account_id"]}, lambda row: row["account_id"] == some["account_id"]),
        ({"linked_account_id": some["linked_account_id"]}, lambda row: True),
        ({"min_amount": some["amount"]}, lambda row: Decimal(row["amount"]) >= Decimal(some["amount"])),
        ({"max_amount": some["amount"]}, lambda row: Decimal(row["amount"]) <= Decimal(some["amount"])),
        (
            {"from": some["date"], "type": some["type"], "account_id": some["account_id"], "max_amount": "1000"},
            lambda row: (
                (row["type"], row["account_id"]) == (some["type"], some["account_id"])
                and row["date"] >= some["date"]
                and Decimal(row["amount"]) <= 1000
            ),
        ),
    ]:
        expected = [row for row in everything if matches(row)]
        assert expected == person.transactions(**query, limit=7), query


def test_search_wants_every_word_whole_or_as_a_beginning_in_any_case(person):
    everything = person.transactions()
    words = everything[0]["description"].split()
    found = person.transactions(q=" ".join(word[:4].upper() for word in words))
    assert everything[0]["id"] in [row["id"] for row in found]
    for row in found:
        text = f"{row['description']} {row['original_description']} {row['memo'] or ''}".lower()
        assert all(word[:4].lower() in text for word in words)
    assert [] == person.transactions(q="%")
    assert [] == person.transactions(q="_______")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "501"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": "WyIyMDI2LTAxLTAxIiwieCJd"}, "cursor"),
        ({"from": "yesterday"}, "from"),
        ({"account_id": "1"}, "account_id"),
        ({"type": "DEBIT"}, "type"),
        ({"min_amount": "a lot"}, "min_amount"),
        ({"colour": "red"}, "colour"),
        ([("limit", "1"), ("limit", "2")], "limit"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(testapp, query, field):
    person = PersonAtTheApi(testapp)
    answer = testapp.get("/v1/transactions", query, headers=person.headers, status=422)
    assert "application/problem+json" == answer.content_type
    assert [field] == [one["field"] for one in answer.json["errors"]]


def test_every_bad_field_is_named_at_once(testapp):
    person = PersonAtTheApi(testapp)
    answer = person.get("/transactions", limit=0, type="x", colour="red", expect=422)
    assert {"limit", "type", "colour"} == {one["field"] for one in answer.json["errors"]}


def test_a_strangers_rows_are_in_no_list_and_behind_no_id_filter_or_cursor(person, testapp):
    stranger = PersonAtTheApi(testapp)
    page = person.get("/transactions", limit=5).json
    row = page["data"][0]
    account = person.get("/accounts").json["data"][0]
    assert [] == stranger.transactions()
    assert [] == stranger.get("/accounts").json["data"]
    stranger.get(f"/transactions/{row['id']}", expect=404)
    stranger.get(f"/accounts/{account['id']}", expect=404)
    assert [] == stranger.transactions(account_id=row["account_id"])
    assert [] == stranger.transactions(linked_account_id=row["linked_account_id"])
    assert [] == stranger.get("/transactions", cursor=page["next_cursor"]).json["data"]


def test_an_id_that_is_none_is_not_found(person):
    for path in ("transactions", "accounts", "linked_accounts"):
        assert "not_found" == person.get(f"/{path}/17", expect=404).json["code"]
        assert "not_found" == person.get(f"/{path}/{UUID(int=7)}", expect=404).json["code"]


def test_institutions_are_searched_by_name_and_paged(testapp, sandbox):
    person = PersonAtTheApi(testapp)
    found = person.get("/institutions", search="mx bank").json["data"]
    assert {"code", "name", "url", "logo_url", "supports_oauth"} == found[0].keys()
    assert "mxbank" in [one["code"] for one in found]
    codes, cursor = [], None
    while True:
        page = person.get("/institutions", limit=20, **({"cursor": cursor} if cursor else {})).json
        codes += [one["code"] for one in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert 105 == len(set(codes)) == len(codes)


def test_an_institutions_form_is_told_in_its_order(testapp, sandbox):
    person = PersonAtTheApi(testapp)
    form = person.get("/institutions/mxbank_three_fields/credentials").json["data"]
    assert 3 == len(form)
    assert sorted(form, key=lambda one: one["display_order"]) == form
    assert {"guid", "field_name", "label", "type", "display_order", "options"} == form[0].keys()
    assert person.get("/institutions/mxbank_oauth").json["supports_oauth"] is True
    assert "unknown_institution" == person.get("/institutions/nowhere/credentials", expect=404).json["code"]


def test_mx_being_down_is_said_as_a_503_that_can_be_tried_again(testapp, sandbox):
    person = PersonAtTheApi(testapp)
    sandbox.fault("status", "/institutions*", status=503)
    answer = person.get("/institutions", search="mx", expect=503)
    assert "aggregator_down" == answer.json["code"]
    assert int(answer.headers["Retry-After"]) > 0


def test_an_unknown_address_is_a_page_for_people_and_a_problem_document_for_programs(testapp):
    page = testapp.get("/no/such/page", headers={"Accept": "text/html"}, status=404)
    assert "text/html" == page.content_type
    assert "There is nothing here" in page.text
    assert "application/problem+json" == testapp.get("/no/such/page", status=404).content_type
