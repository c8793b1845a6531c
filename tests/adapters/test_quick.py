"""The quick way to rows: the same values as SQLAlchemy's, and no harm from connections that were cut."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import Engine, column, insert, select, table, text
from sqlalchemy.exc import DBAPIError

from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.mappers import start_mappers
from donkies.adapters.persistence.quick import QuickStatements
from donkies.adapters.persistence.reader import SqlLedgerReader
from donkies.adapters.persistence.tables import banking, identity
from donkies.adapters.sealing import Keyring
from donkies.domain.ids import new_id
from donkies.domain.transactions import TransactionQuery
from donkies.testing.databases import SEALING_KEY

NOW = datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
AMOUNTS = [Decimal(text) for text in ("0", "12", "12.5", "12.34", "12.345", "0.0001", "999999999999.9999")]
FLAGS = [{}, {"is_fee": True}, {"is_expense": False, "is_income": True, "is_unheard_of": True}]

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    start_mappers()
    made = make_engine(database_url, Keyring(SEALING_KEY))
    yield made
    made.dispose()


@pytest.fixture
def ids(engine: Engine) -> tuple[UUID, UUID]:
    """A person with a link and transactions of every shape; the person's id and the link's."""
    user_id, link_id, account_id = new_id(), new_id(), new_id()
    user = {"id": user_id, "email": "a@people.example", "email_key": "a@people.example", "email_verified": True}
    user |= {"first_name": "Ada", "last_name": "L", "is_disabled": False, "created_at": NOW, "updated_at": NOW}
    link = {"user_id": user_id, "id": link_id, "institution_code": "mxbank", "institution_name": "MX Bank"}
    link |= {"link_status": "success", "challenges": (), "created_at": NOW, "updated_at": NOW}
    with engine.begin() as connection:
        connection.execute(insert(identity.users), user)
        connection.execute(insert(banking.linked_accounts), link)
        rows = [_transaction(user_id, link_id, account_id, number) for number in range(2 * len(AMOUNTS))]
        connection.execute(insert(banking.transactions), rows)
    return user_id, link_id


def _transaction(user_id: UUID, link_id: UUID, account_id: UUID, number: int) -> dict[str, Any]:
    moment = NOW + timedelta(microseconds=[0, 500_000, 1, 120_000][number % 4])
    return {
        "user_id": user_id,
        "id": new_id(),
        "linked_account_id": link_id,
        "account_id": account_id,
        "guid": f"TRN-{number}",
        "status": "posted",
        "type": "debit",
        "amount": AMOUNTS[number % len(AMOUNTS)],
        "currency_code": "USD",
        "date": date(2026, 10, 1 + number % 3),
        "transacted_at": moment if number % 2 else None,
        "posted_at": None if number % 2 else moment,
        "description": 'Café "Ümlaut" \\ \t and so on',
        "memo": None if number % 2 else "",
        "flags": FLAGS[number % len(FLAGS)],
        "raw": b"{}",
        "raw_digest": bytes(16),
        "change_no": number,
        "created_at": NOW,
        "updated_at": moment,
    }


def _as_json(shown: object) -> bytes:
    return orjson.dumps(shown, option=orjson.OPT_UTC_Z)


def test_shown_transactions_are_the_listed_ones_byte_by_byte(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    reader, user_id = SqlLedgerReader(engine), ids[0]
    query = TransactionQuery(limit=100)
    listed = reader.list_transactions(user_id, query)
    assert len(listed) == 2 * len(AMOUNTS)
    assert _as_json(listed) == _as_json(reader.show_transactions(user_id, query))


def test_shown_transactions_go_on_after_a_row_as_the_list_does(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    reader, user_id = SqlLedgerReader(engine), ids[0]
    listed = reader.list_transactions(user_id, TransactionQuery())
    query = TransactionQuery(limit=4, after=(listed[2]["date"], listed[2]["id"]))
    assert _as_json(listed[3:7]) == _as_json(reader.show_transactions(user_id, query))


def test_shown_transactions_are_filtered(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    reader, user_id = SqlLedgerReader(engine), ids[0]
    query = TransactionQuery(min_amount=Decimal(13))
    assert 2 == len(reader.show_transactions(user_id, query))
    assert [] == list(reader.show_transactions(new_id(), TransactionQuery()))


@on_postgresql  # SQLite keeps no zones
def test_times_are_utc_whatever_the_session_says(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    reader, user_id = SqlLedgerReader(engine), ids[0]
    listed = _as_json(reader.list_transactions(user_id, TransactionQuery()))
    reader.show_transactions(user_id, TransactionQuery())
    reader._reads._idle[0].connection.execute("SET TimeZone = 'Asia/Kathmandu'")
    assert listed == _as_json(reader.show_transactions(user_id, TransactionQuery()))


def test_a_polled_link_has_the_values_of_the_listed_one(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    reader, (user_id, link_id) = SqlLedgerReader(engine), ids
    polled = reader.poll_link(user_id, link_id)
    assert [polled] == list(reader.list_links(user_id))
    assert reader.poll_link(new_id(), link_id) is None


def test_a_read_leaves_no_transaction_open(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    reader, (user_id, link_id) = SqlLedgerReader(engine), ids
    reader.poll_link(user_id, link_id)
    (opened,) = reader._reads._idle
    if engine.dialect.name == "postgresql":
        assert 0 == opened.connection.info.transaction_status
    else:
        assert not opened.connection.in_transaction
    with engine.begin() as connection:  # nor a lock that a writer would meet
        connection.execute(banking.linked_accounts.update().values(institution_name="Renamed"))
    assert "Renamed" == (reader.poll_link(user_id, link_id) or {})["institution_name"]


@on_postgresql  # SQLite's are not cut
def test_a_connection_that_was_cut_while_idle_is_replaced(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    reader, (user_id, link_id) = SqlLedgerReader(engine), ids
    reader.poll_link(user_id, link_id)
    backend = reader._reads._idle[0].connection.info.backend_pid
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": backend})
    assert reader.poll_link(user_id, link_id) is not None


def test_errors_are_sqlalchemys_and_the_connection_goes(engine: Engine) -> None:
    reads = QuickStatements(engine)
    read = select(column("nothing")).select_from(table("nowhere"))
    with pytest.raises(DBAPIError):
        reads.first(read)
    assert not reads._idle


def test_connections_are_closed_with_the_engine(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    reader, (user_id, link_id) = SqlLedgerReader(engine), ids
    reader.poll_link(user_id, link_id)
    (opened,) = reader._reads._idle
    engine.dispose()
    assert not reader._reads._idle
    if engine.dialect.name == "postgresql":
        assert opened.connection.closed
