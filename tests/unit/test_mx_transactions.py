"""A page of MX's transactions: exact money, the bank's own day, and what may be missing."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from donkies.adapters.mx.transactions import read_transactions
from donkies.adapters.mx.values import Unreadable, read_decimal, read_json, read_time
from donkies.domain.aggregator import AggregatedTransaction, AggregatorMisbehaved

ROW: dict[str, Any] = {
    "guid": "TRN-1",
    "user_guid": "USR-1",
    "member_guid": "MBR-1",
    "account_guid": "ACT-1",
    "amount": 18.4,
    "type": "DEBIT",
    "status": "POSTED",
    "date": "2023-12-30",
    "transacted_at": "2023-12-30T23:00:00-06:00",
    "posted_at": "2023-12-31T12:00:00Z",
    "description": "Corner Shop",
    "original_description": "CORNER SHP 0042",
    "category": "Groceries",
    "top_level_category": "Food & Dining",
    "memo": None,
    "merchant_guid": None,
    "merchant_category_code": 5411,
    "check_number": None,
    "check_number_string": None,
    "currency_code": "USD",
    "latitude": None,
    "is_expense": True,
    "is_fee": False,
    "is_international": None,
}


def read(**changes: Any) -> AggregatedTransaction:
    (row,) = read_transactions([ROW | changes], "USR-1")
    return row


def test_a_row_keeps_all_that_mx_says() -> None:
    row = read()
    assert Decimal("18.4") == row.amount
    assert ("TRN-1", "ACT-1", "posted", "debit", "USD") == (
        row.guid,
        row.account_guid,
        row.status,
        row.type,
        row.currency_code,
    )
    assert ("Corner Shop", "CORNER SHP 0042", "Groceries", "Food & Dining") == (
        row.description,
        row.original_description,
        row.category,
        row.top_level_category,
    )
    assert {"is_expense": True, "is_fee": False} == row.flags
    assert ROW == json.loads(row.raw)


def test_the_date_is_the_banks_and_times_are_utc() -> None:
    row = read()
    assert date(2023, 12, 30) == row.date
    assert datetime(2023, 12, 31, 5, tzinfo=UTC) == row.transacted_at
    assert datetime(2023, 12, 31, 12, tzinfo=UTC) == row.posted_at


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"date": None}, date(2023, 12, 30)),
        ({"date": None, "transacted_at": None}, date(2023, 12, 31)),
    ],
)
def test_a_missing_date_is_the_day_that_the_times_were_written_in(changes: dict[str, Any], expected: date) -> None:
    assert expected == read(**changes).date


@pytest.mark.parametrize(
    ("sent", "amount"),
    [
        ("18", "18"),
        ("18.40", "18.4"),
        ("0.1", "0.1"),
        ("99999999.99", "99999999.99"),
        ('"12.34"', "12.34"),
        ("1e-05", "0.00001"),
        ("null", "0"),
        ("-5.25", "5.25"),
        ("-0.0", "0"),
        ("-7", "7"),
        ('"-3.5"', "3.5"),
    ],
)
def test_an_amount_is_the_decimal_that_was_meant(sent: str, amount: str) -> None:
    body = json.dumps(ROW).replace("18.4", sent)
    (row,) = read_transactions([read_json(body.encode())], "USR-1")
    assert Decimal(amount) == row.amount


@given(st.decimals(min_value=0, max_value=10**10, places=2))
def test_every_amount_of_mx_is_exact(amount: Decimal) -> None:
    assert amount == read_decimal(read_json(str(amount).encode()), "amount")


@pytest.mark.parametrize("amount", [True, "1_000", "12,5", "NaN", "Infinity", "", [], {}, 10**15, 1e300, float("nan")])
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    with pytest.raises(Unreadable):
        read_decimal(amount, "amount")


def test_mended_amounts_are_counted_in_the_log_and_never_shown() -> None:
    with capture_logs() as logs:
        read_transactions([ROW | {"amount": None}, ROW | {"amount": -77.77}, ROW], "USR-1")
    assert [{"event": "atrium_amounts_mended", "missing": 1, "negative": 1, "log_level": "warning"}] == logs


@pytest.mark.parametrize(
    ("changes", "field"),
    [({name: None}, name) for name in ("guid", "account_guid", "type", "user_guid")]
    + [({name: 7}, name) for name in ("guid", "account_guid", "type", "status", "description", "memo", "category")]
    + [({"type": "SIDEWAYS"}, "type"), ({"status": "LOST"}, "status"), ({"user_guid": "USR-2"}, "user_guid")]
    + [({"date": "yesterday"}, "date"), ({"date": 20231230}, "date"), ({"guid": "x" * 81}, "guid")]
    + [({"date": None, "transacted_at": None, "posted_at": None}, "date"), ({"amount": "x"}, "amount")]
    + [({"posted_at": "noon"}, "posted_at"), ({"transacted_at": 1}, "transacted_at")]
    + [({"merchant_guid": "x" * 81}, "merchant_guid"), ({"currency_code": "x" * 11}, "currency_code")],
)
def test_a_bad_field_is_named_and_its_value_is_not(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(AggregatorMisbehaved) as caught:
        read_transactions([ROW, ROW | changes], "USR-1")
    assert f"MX sent transactions that cannot be read: transactions.1.{field}." == caught.value.detail
    assert caught.value.__context__ is None


@pytest.mark.parametrize("row", [None, 7, "text", [ROW]])
def test_a_row_that_is_no_object_is_refused(row: Any) -> None:
    with pytest.raises(AggregatorMisbehaved):
        read_transactions([ROW, row], "USR-1")


def test_nulls_are_borne() -> None:
    nulls = {name: None for name in ROW if name not in ("guid", "user_guid", "account_guid", "type", "date")}
    row = read(**nulls)
    assert ("pending", "USD", "", None) == (row.status, row.currency_code, row.description, row.category)
    assert (None, None, {}) == (row.transacted_at, row.posted_at, row.flags)
    assert "posted" == read(status=None).status


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"check_number": 1001}, "1001"),
        ({"check_number": 1001, "check_number_string": "01001"}, "01001"),
        ({}, None),
    ],
)
def test_a_check_number_is_text(changes: dict[str, Any], number: str | None) -> None:
    assert number == read(**changes).check_number


def test_rows_of_one_page_may_leave_out_what_others_have() -> None:
    needed = {name: ROW[name] for name in ("guid", "account_guid", "type", "date")}
    whole, bare, other = read_transactions([ROW, needed, ROW | {"is_new": True}], "USR-1")
    assert read() == whole
    assert ("pending", "USD", "", None, {}) == (
        bare.status,
        bare.currency_code,
        bare.description,
        bare.memo,
        bare.flags,
    )
    assert {"is_expense": True, "is_fee": False, "is_new": True} == other.flags


def test_a_number_is_no_flag_though_it_equals_one() -> None:
    rows = read_transactions([ROW, ROW | {"is_expense": 1, "is_fee": 0}, ROW | {"is_expense": "true"}], "USR-1")
    assert [{"is_expense": True, "is_fee": False}, {}, {"is_fee": False}] == [row.flags for row in rows]


@pytest.mark.parametrize("names", [(), ("is_fee",), ("is_fee", "is_income")])
def test_a_page_may_know_few_flags(names: tuple[str, ...]) -> None:
    row = {name: value for name, value in ROW.items() if not name.startswith("is_")} | dict.fromkeys(names, True)
    assert [dict.fromkeys(names, True)] * 2 == [one.flags for one in read_transactions([row, row], "USR-1")]


def test_of_several_bad_rows_the_first_is_named_whatever_its_field() -> None:
    with pytest.raises(AggregatorMisbehaved, match=r"transactions\.1\.posted_at\."):
        read_transactions([ROW, ROW | {"posted_at": "noon"}, ROW | {"guid": None}, 7], "USR-1")


def test_a_page_of_many_rows_is_what_its_rows_are_alone() -> None:
    changes: list[dict[str, Any]] = [
        {}, {"amount": 7}, {"amount": "1.10"}, {"date": None}, {"description": None}, {"currency_code": ""},
        {"posted_at": None, "status": None}, {"check_number": 12}, {"category": "x" * 300}, {"transacted_at": None},
    ]  # fmt: skip
    rows = [ROW | one for one in changes]
    assert [read(**one) for one in changes] == list(read_transactions(rows, "USR-1"))
    assert [] == list(read_transactions([], "USR-1"))


def test_no_text_of_a_row_is_in_what_it_shows_of_itself() -> None:
    assert "AggregatedTransaction('TRN-1')" == repr(read())


def test_raw_bytes_do_not_depend_on_the_order_of_keys() -> None:
    assert read().raw == read_transactions([dict(reversed(ROW.items()))], "USR-1")[0].raw


def test_unknown_fields_are_kept_in_raw_and_do_no_harm() -> None:
    assert {"a": [1, 2]} == json.loads(read(news={"a": [1, 2]}).raw)["news"]


def test_text_that_a_database_cannot_hold_is_cleaned() -> None:
    body = rb'{"a": "caf\u0000\u00e9 \ud83d\ude00", "b\u0000": ["\ud800!", 1.5]}'
    assert {"a": "café 😀", "b": ["\ufffd!", 1.5]} == read_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"NaN",
        b"[Infinity]",
        b'{"a": NaN, "b": "\\ud800"}',
        b"{",
        b"\xff\xfe",
        b'["\xff"]',
        b"[" * 100000,
        b'["\\ud800",' + b"[" * 100000,
    ],
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(body)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T06:00:00Z",
        "2024-01-01T06:00:00.000Z",
        "2024-01-01T00:00:00-06:00",
        "2024-01-01T06:00:00+00:00",
        "2024-01-01T06:00:00",
        "2024-01-01 06:00:00",
    ],
)
def test_a_time_may_have_any_offset(text: str) -> None:
    moment = read_time(text, "posted_at")
    assert datetime(2024, 1, 1, 6, tzinfo=UTC) == moment
    assert UTC is moment.tzinfo


@pytest.mark.parametrize("text", ["", "soon", 7, None, "0001-01-01T00:00:00+10:00"])
def test_what_is_no_time_is_refused(text: Any) -> None:
    with pytest.raises(Unreadable):
        read_time(text, "posted_at")
