"""Accounts and transactions: windows, pages, long histories, rows changed by hand. Source: ATRIUM.md 2.7, 2.8, 4.3."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

ACCOUNT_FIELDS = {
    "guid", "user_guid", "member_guid", "institution_code", "name", "type", "subtype", "account_number",
    "currency_code", "balance", "available_balance", "available_credit", "credit_limit", "apr", "apy",
    "interest_rate", "minimum_balance", "minimum_payment", "payment_due_at", "day_payment_is_due",
    "last_payment", "last_payment_at", "original_balance", "payoff_balance", "loan_amount", "matures_on",
    "started_on", "cash_balance", "holdings_value", "total_account_value", "cash_surrender_value",
    "death_benefit", "pay_out_amount", "premium_amount", "insured_name", "is_closed", "created_at",
    "updated_at",
}  # fmt: skip
TRANSACTION_FIELDS = {
    "guid", "user_guid", "member_guid", "account_guid", "amount", "type", "status", "date", "transacted_at",
    "posted_at", "description", "original_description", "memo", "category", "top_level_category",
    "merchant_guid", "merchant_location_guid", "merchant_category_code", "check_number",
    "check_number_string", "currency_code", "is_bill_pay", "is_direct_deposit", "is_expense", "is_fee",
    "is_income", "is_international", "is_overdraft_fee", "is_payroll_advance", "is_subscription",
    "latitude", "longitude", "created_at", "updated_at",
}  # fmt: skip


def all_rows(caller, path, **query):
    rows, page = [], 1
    while True:
        read = caller.get(path, page=page, **{"records_per_page": 1000, **query})
        rows += read["transactions"]
        if page >= read["pagination"]["total_pages"]:
            assert read["pagination"]["total_entries"] == len(rows)
            return rows
        page += 1


# -- accounts


def test_six_accounts_with_mxs_fields(atrium_caller):
    user, member = atrium_caller.linked()
    accounts = atrium_caller.get(f"/users/{user}/members/{member}/accounts")["accounts"]
    types = ["CHECKING", "SAVINGS", "CREDIT_CARD", "LOAN", "MORTGAGE", "INVESTMENT"]
    assert types == [account["type"] for account in accounts]
    assert all(set(account) == ACCOUNT_FIELDS for account in accounts)
    assert all(account["balance"] > 0 for account in accounts)
    assert accounts == atrium_caller.get(f"/users/{user}/accounts")["accounts"]
    guid = accounts[2]["guid"]
    assert accounts[2] == atrium_caller.get(f"/users/{user}/accounts/{guid}")["account"]
    assert accounts[2] == atrium_caller.get(f"/users/{user}/members/{member}/accounts/{guid}")["account"]


def test_a_member_that_never_connected_has_nothing(atrium_caller):
    user, member = atrium_caller.linked("INVALID")
    for what in ("accounts", "transactions"):
        read = atrium_caller.get(f"/users/{user}/members/{member}/{what}")
        assert [] == read[what]
        assert {"current_page": 1, "per_page": 25, "total_entries": 0, "total_pages": 1} == read["pagination"]


# -- transactions


def test_about_910_rows_over_90_days(atrium_caller):
    user, member = atrium_caller.linked()
    rows = all_rows(atrium_caller, f"/users/{user}/members/{member}/transactions")
    assert 910 == len(rows)
    assert 910 == len({row["guid"] for row in rows})
    assert all(set(row) == TRANSACTION_FIELDS for row in rows)
    assert {"POSTED"} == {row["status"] for row in rows}
    assert {"CREDIT", "DEBIT"} == {row["type"] for row in rows}
    assert all(row["amount"] > 0 and round(row["amount"], 2) == row["amount"] for row in rows)
    today = datetime.now(UTC).date()
    assert today - timedelta(days=90) <= date.fromisoformat(rows[-1]["date"])
    assert date.fromisoformat(rows[0]["date"]) <= today
    assert 6 == len({row["account_guid"] for row in rows})


def test_people_are_paid_and_pay_rent_every_month(atrium_caller):
    user, _ = atrium_caller.linked()
    counted = Counter(row["category"] for row in all_rows(atrium_caller, f"/users/{user}/transactions"))
    assert counted["Paycheck"] >= 5
    assert counted["Mortgage & Rent"] >= 2
    assert counted["Groceries"] > counted["Gas"] > 0


def test_some_purchases_of_a_day_are_equal_but_for_their_guid(atrium_caller):
    user, _ = atrium_caller.linked()
    rows = all_rows(atrium_caller, f"/users/{user}/transactions")
    looks = Counter(tuple(str(value) for key, value in sorted(row.items()) if key != "guid") for row in rows)
    assert 2 in looks.values()


def test_the_same_rows_come_each_time_and_after_each_aggregation(atrium_caller):
    user, member = atrium_caller.linked()
    path = f"/users/{user}/members/{member}/transactions"
    before = all_rows(atrium_caller, path)
    atrium_caller.call("POST", f"/users/{user}/members/{member}/aggregate")
    atrium_caller.status(user, member)
    assert before == all_rows(atrium_caller, path)
    assert before == all_rows(atrium_caller, path, records_per_page=97)


def test_lists_by_account_add_up_to_the_members(atrium_caller):
    user, member = atrium_caller.linked()
    everything = all_rows(atrium_caller, f"/users/{user}/members/{member}/transactions")
    for account in atrium_caller.get(f"/users/{user}/accounts")["accounts"]:
        path = f"/users/{user}/accounts/{account['guid']}/transactions"
        expected = [row for row in everything if row["account_guid"] == account["guid"]]
        assert expected == all_rows(atrium_caller, path, records_per_page=50)


def test_user_wide_lists_show_all_members(atrium_caller):
    user, first = atrium_caller.linked()
    second = atrium_caller.link(user, login="mxuser").json()["member"]["guid"]
    rows = all_rows(atrium_caller, f"/users/{user}/transactions", records_per_page=700)
    assert {first: 910, second: 910} == Counter(row["member_guid"] for row in rows)
    assert 1820 == len({row["guid"] for row in rows})


def test_a_row_is_read_by_its_guid(atrium_caller):
    user, _ = atrium_caller.linked()
    row = atrium_caller.get(f"/users/{user}/transactions", page=20)["transactions"][3]
    assert row == atrium_caller.get(f"/users/{user}/transactions/{row['guid']}")["transaction"]
    for wrong in ("TRN-0", row["guid"][:-1] + ("0" if row["guid"][-1] != "0" else "1")):
        assert 404 == atrium_caller.call("GET", f"/users/{user}/transactions/{wrong}").status_code


# -- pages and windows


@pytest.mark.parametrize(("asked", "got"), [(None, 25), (1, 1), (7, 7), (1000, 1000), (1001, 25)])
def test_a_page_above_the_maximum_falls_back_to_25(atrium_caller, asked, got):
    user, _ = atrium_caller.linked()
    query = {} if asked is None else {"records_per_page": asked}
    read = atrium_caller.get(f"/users/{user}/transactions", **query)
    assert got == read["pagination"]["per_page"]
    assert min(got, 910) == len(read["transactions"])


def test_a_page_past_the_end_is_empty(atrium_caller):
    user, _ = atrium_caller.linked()
    read = atrium_caller.get(f"/users/{user}/transactions", page=38)
    assert [] == read["transactions"]
    assert (910, 37) == (read["pagination"]["total_entries"], read["pagination"]["total_pages"])


@pytest.mark.parametrize("query", [{"page": "0"}, {"page": "x"}, {"records_per_page": "-1"}, {"from_date": "soon"}])
def test_a_malformed_query_is_refused(atrium_caller, query):
    user, _ = atrium_caller.linked()
    assert 400 == atrium_caller.call("GET", f"/users/{user}/transactions", params=query).status_code


def test_both_ends_of_a_window_are_included(atrium_caller):
    user, _ = atrium_caller.linked()
    everything = all_rows(atrium_caller, f"/users/{user}/transactions")
    low, high = everything[400]["date"], everything[200]["date"]
    expected = [row for row in everything if low <= row["date"] <= high]
    assert expected == all_rows(atrium_caller, f"/users/{user}/transactions", from_date=low, to_date=high)
    assert [] == all_rows(atrium_caller, f"/users/{user}/transactions", from_date=high, to_date=low)


def test_without_dates_90_days_back_and_5_ahead_are_shown(atrium_caller, sandbox):
    sandbox.history(3650, 365)
    user, member = atrium_caller.linked()
    today = datetime.now(UTC).date()
    for days in (5, 6):
        sandbox.add_transaction(member, date=(today + timedelta(days=days)).isoformat(), description=f"in {days}")
    shown = all_rows(atrium_caller, f"/users/{user}/transactions")
    assert 901 == len(shown)
    assert "in 5" == shown[0]["description"]
    assert (today - timedelta(days=90)).isoformat() == shown[-1]["date"]
    everything = all_rows(atrium_caller, f"/users/{user}/transactions", from_date="2000-01-01", to_date="2100-01-01")
    assert 3652 == len(everything)


# -- long histories


def test_a_million_rows_are_computed_a_page_at_a_time(atrium_caller, sandbox):
    sandbox.history(1_000_000, 730)
    user, member = atrium_caller.linked()
    window = {"from_date": "2000-01-01", "to_date": "2100-01-01", "records_per_page": 100}
    before = sandbox.overview()["built_rows"]
    first = atrium_caller.get(f"/users/{user}/members/{member}/transactions", page=1, **window)
    last = atrium_caller.get(f"/users/{user}/members/{member}/transactions", page=10_000, **window)
    assert 200 == sandbox.overview()["built_rows"] - before
    assert [1_000_000, 10_000] == [first["pagination"]["total_entries"], first["pagination"]["total_pages"]]
    assert [100, 100] == [len(first["transactions"]), len(last["transactions"])]
    assert [set(row) for row in first["transactions"]] == [set(row) for row in last["transactions"]]
    assert 200 == len({row["guid"] for row in first["transactions"] + last["transactions"]})
    assert date.fromisoformat(last["transactions"][-1]["date"]) < date.fromisoformat(first["transactions"][0]["date"])


@pytest.mark.parametrize(("transactions", "days"), [(0, 30), (1, 1), (7, 400), (12_345, 31)])
def test_a_history_is_as_long_as_was_asked(atrium_caller, sandbox, transactions, days):
    sandbox.history(transactions, days)
    user, _ = atrium_caller.linked()
    rows = all_rows(atrium_caller, f"/users/{user}/transactions", from_date="2000-01-01")
    assert transactions == len({row["guid"] for row in rows})
    sandbox.history(5, 5)
    assert rows == all_rows(atrium_caller, f"/users/{user}/transactions", from_date="2000-01-01")


# -- rows changed by hand


def test_a_pending_row_is_added_and_posted_under_its_guid(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    row = sandbox.add_transaction(member, status="PENDING", amount=12.5, description="New Shoes")
    assert set(row) == TRANSACTION_FIELDS
    assert (12.5, "PENDING", None) == (row["amount"], row["status"], row["posted_at"])
    path = f"/users/{user}/members/{member}/transactions"
    listed = all_rows(atrium_caller, path)
    assert [row] == [r for r in listed if r["guid"] == row["guid"]]
    assert 911 == len(listed)
    posted = sandbox.patch_transaction(row["guid"], status="POSTED")
    assert posted["posted_at"] is not None
    assert posted == atrium_caller.get(f"/users/{user}/transactions/{row['guid']}")["transaction"]
    assert 911 == len(all_rows(atrium_caller, path))


def test_a_row_posted_under_a_new_guid_makes_the_old_one_vanish(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    row = sandbox.add_transaction(member, status="PENDING")
    sandbox.patch_transaction(row["guid"], status="POSTED", guid="TRN-new")
    assert 404 == atrium_caller.call("GET", f"/users/{user}/transactions/{row['guid']}").status_code
    guids = [r["guid"] for r in all_rows(atrium_caller, f"/users/{user}/transactions")]
    assert ("TRN-new" in guids, row["guid"] in guids, 911) == (True, False, len(guids))


def test_generated_rows_are_changed_and_removed(atrium_caller, sandbox):
    user, _ = atrium_caller.linked()
    path = f"/users/{user}/transactions"
    before = all_rows(atrium_caller, path)
    sandbox.delete_transaction(before[500]["guid"])
    changed = sandbox.patch_transaction(before[100]["guid"], amount=1.25, memo="changed")
    assert changed["updated_at"] != before[100]["updated_at"]
    expected = {row["guid"]: row for row in before if row is not before[500]} | {changed["guid"]: changed}
    for size in (1000, 13):
        assert expected == {row["guid"]: row for row in all_rows(atrium_caller, path, records_per_page=size)}
    assert 404 == atrium_caller.call("GET", f"{path}/{before[500]['guid']}").status_code


def test_a_pending_row_is_dropped_after_14_days(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    sandbox.add_transaction(member, status="PENDING")
    sandbox.advance_clock(14 * 86_400)
    assert (
        911 == atrium_caller.get(f"/users/{user}/transactions", from_date="2000-01-01")["pagination"]["total_entries"]
    )
    sandbox.advance_clock(86_400)
    assert (
        910 == atrium_caller.get(f"/users/{user}/transactions", from_date="2000-01-01")["pagination"]["total_entries"]
    )
