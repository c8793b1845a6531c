"""Taking along all that is kept of oneself: what is in it, who may, and that it costs no memory."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import pytest
import sqlalchemy as sa

from donkies.adapters.persistence.tables import banking, identity
from donkies.domain.exporting import ExportService
from donkies.domain.transaction_export import PAGE
from donkies.domain.transactions import LedgerReader
from donkies.testing.app import PASSWORD, get_code, log_in, make_client, make_person, sign_in
from donkies.testing.links import PersonAtTheApi, work
from donkies.views.exports import ACCOUNT_COLUMNS, TRANSACTION_COLUMNS, export_response

EXPORT = "/v1/users/me/export"
NAMES = (
    "profile.json identities.json sessions.json consents.json linked_accounts.json accounts.json accounts.csv "
    "balances.csv transactions.ndjson transactions.csv"
).split()
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "export.md"


@pytest.fixture
def settings(settings):
    return settings | {"donkies.link.look_s": 0.02}


@pytest.fixture
def owner(testapp):
    person = make_person(testapp, password=PASSWORD)
    owner = PersonAtTheApi(testapp, sign_in(testapp, person=person))
    owner.person = person
    owner.link()
    work(testapp)
    return owner


def unzipped(body):
    with ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def exported(app, headers):
    return unzipped(app.get(EXPORT, headers=headers, status=200).body)


def table_of(text):
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def change(app, table, **values):
    with app.engine().begin() as connection:
        connection.execute(sa.update(table).values(values))


def test_it_holds_everything_as_the_api_shows_it(testapp, owner):
    client = make_client(testapp, name="Moneta")
    log_in(testapp, owner.person)
    get_code(testapp, client)
    now = datetime.now(UTC)
    told = {"provider": "google", "subject": "117", "label": "ada@mail.example", "answer": '{"picture": "p"}'}
    with testapp.engine().begin() as connection:
        times = {"user_id": owner.person.id, "created_at": now, "updated_at": now}
        connection.execute(identity.external_identities.insert(), told | times)
    answer = testapp.get(EXPORT, headers=owner.headers, status=200)
    assert "application/zip" == answer.content_type
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "no-store" in answer.headers["Cache-Control"]
    found = unzipped(answer.body)
    assert NAMES == list(found)
    read = {name: json.loads(text) for name, text in found.items() if name.endswith(".json")}
    me = testapp.get("/v1/users/me", headers=owner.headers).json
    assert me == {name: read["profile.json"][name] for name in me}
    assert ("google", {"picture": "p"}) == tuple(read["identities.json"][0][name] for name in ("provider", "answer"))
    assert "pwd" == read["sessions.json"][0]["methods"]
    assert [("Moneta", client.id)] == [(one["name"], one["client_id"]) for one in read["consents.json"]]
    assert owner.get("/linked_accounts").json["data"] == read["linked_accounts.json"]
    accounts, rows = owner.get("/accounts").json["data"], owner.transactions()
    assert accounts == read["accounts.json"]
    assert rows == [json.loads(line) for line in found["transactions.ndjson"].splitlines()]
    in_csv = table_of(found["transactions.csv"])
    assert [(row["id"], row["amount"], row["date"], row["created_at"]) for row in rows] == [
        (row["id"], row["amount"], row["date"], row["created_at"]) for row in in_csv
    ]
    assert {"true", "false", ""} >= {row["is_expense"] for row in in_csv}
    assert [(one["id"], one["balance"], one.get("credit_limit", "")) for one in accounts] == [
        (one["id"], one["balance"], one["credit_limit"]) for one in table_of(found["accounts.csv"])
    ]


def test_files_and_columns_are_those_of_the_reference(owner, testapp):
    assert set(TRANSACTION_COLUMNS) == owner.transactions()[0].keys()
    assert set(ACCOUNT_COLUMNS) <= owner.get("/accounts").json["data"][0].keys()
    text = REFERENCE.read_text()
    assert [] == [name for name in (*NAMES, *TRANSACTION_COLUMNS, *ACCOUNT_COLUMNS) if name not in text]


def test_a_spreadsheet_runs_nothing_of_it(testapp, owner):
    for start in ("=", "+", "-", "@", "\t", "\r"):
        change(testapp, banking.transactions, description=f'{start}HYPERLINK("https://evil.example")\n"2')
        change(testapp, banking.accounts, name=f"{start}1+1", balance=Decimal(-5))
        found = exported(testapp, owner.headers)
        for name, column in (("transactions.csv", "description"), ("accounts.csv", "name")):
            assert all(row[column].startswith(f"'{start}") for row in table_of(found[name]))
        assert {"-5.00"} == {row["balance"] for row in table_of(found["accounts.csv"])}, "a number is no formula"
        assert json.loads(found["accounts.json"])[0]["name"] == f"{start}1+1", "JSON is as it is"


def test_it_holds_nothing_of_others_and_may_be_nearly_empty(testapp, owner):
    stranger = make_person(testapp)
    found = exported(testapp, sign_in(testapp, person=stranger))
    assert NAMES == list(found)
    assert stranger.email in found["profile.json"]
    assert ["[]\n"] * 5 == [found[name] for name in NAMES if name.endswith(".json") and name != "profile.json"]
    assert ("", []) == (found["transactions.ndjson"], table_of(found["transactions.csv"]))


def test_an_app_needs_every_scope_of_it(testapp, owner):
    scopes = ["profile", "accounts:read", "transactions:read"]
    exported(testapp, sign_in(testapp, scopes, person=owner.person))
    for missing in scopes:
        headers = sign_in(testapp, [one for one in scopes if one != missing], person=owner.person)
        refused = testapp.get(EXPORT, headers=headers, status=403)
        assert ("insufficient_scope", missing) == (refused.json["code"], refused.json["scope"])
        assert f'scope="{missing}"' in refused.headers["WWW-Authenticate"]


def test_a_token_revoked_elsewhere_is_refused_at_once(make_testapp, testapp, owner):
    """DESIGN 5"""
    other = make_testapp()
    other.get(EXPORT, headers=owner.headers, status=200)
    with testapp.engine().begin() as connection:
        connection.execute(sa.update(identity.token_families).values(revoked_at=datetime.now(UTC)))
    other.get(EXPORT, headers=owner.headers, status=401)


def test_it_is_limited_for_each_person(testapp, owner):
    """S39"""
    for _ in range(10):
        testapp.get(EXPORT, headers=owner.headers, status=200)
    refused = testapp.get(EXPORT, headers=owner.headers, status=429)
    assert int(refused.headers["Retry-After"]) > 0
    testapp.get(EXPORT, headers=sign_in(testapp), status=200)


def test_where_addresses_must_be_verified_nobody_else_gets_one(settings, make_testapp):
    settings["donkies.link.verified_email_only"] = True
    app = make_testapp()
    headers = sign_in(app)
    assert "email_unverified" == app.get(EXPORT, headers=headers, status=403).json["code"]
    change(app, identity.users, email_verified=True)
    app.get(EXPORT, headers=headers, status=200)


class EndlessReader:
    """A LedgerReader whose person has so many transactions, made as they are asked for."""

    def __init__(self, row, count):
        self.row, self.left, self.count = row, count, count

    def list_links(self, user_id):
        return []

    list_accounts = list_links

    def show_transactions(self, user_id, query):
        self.left = self.count if query.after is None else self.left
        size = min(query.limit, self.left)
        self.left -= size
        return [self.row | {"id": str(uuid4()), "memo": str(uuid4())} for _ in range(size)]


def peak_of(export):
    """Bytes that were held at most while it was sent, and bytes sent."""
    pieces: Iterator[bytes] = iter(export_response(export, datetime.now(UTC)).app_iter)
    tracemalloc.start()
    try:
        sent = sum(len(piece) for piece in pieces)
        return tracemalloc.get_traced_memory()[1], sent
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # which database it is makes no difference
def test_memory_does_not_grow_with_the_rows(testapp, owner):
    row = owner.get("/transactions", limit=1).json["data"][0]
    with testapp.service(ExportService) as service:
        export = service.begin(owner.person.id)
    peaks = {}
    for count in (2 * PAGE, 20_000):
        object.__setattr__(export, "reader", EndlessReader(row, count))
        peaks[count], sent = peak_of(export)
    assert sent > 1_000_000
    assert peaks[20_000] < 1.5 * peaks[2 * PAGE] + 500_000
    assert peaks[20_000] < 10_000_000


def test_no_transaction_is_open_while_it_is_sent(testapp, owner):
    """A client that takes a byte a minute keeps neither a lock nor a connection"""
    with testapp.service(ExportService) as service:
        export = service.begin(owner.person.id)
    pages = export.transactions()
    next(pages)
    assert 0 == testapp.engine().pool.checkedout()
    with testapp.service(LedgerReader) as reader:
        assert reader is export.reader, "one for all threads, not the request's own"
