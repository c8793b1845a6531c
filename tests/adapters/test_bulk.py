"""COPY writes what executemany would, and two writers of one page do not meet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert, select, text

from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.ledger import SqlLedger, digest_of
from donkies.adapters.persistence.mappers import start_mappers
from donkies.adapters.persistence.tables import banking, identity
from donkies.adapters.persistence.unit_of_work import ZopeUnitOfWork
from donkies.adapters.sealing import Keyring
from donkies.domain.aggregator import AggregatedTransaction
from donkies.domain.ids import new_id
from donkies.domain.transactions import PageCounts
from donkies.testing.databases import SEALING_KEY

NOW = datetime(2026, 11, 1, 8, 30, 0, 120_000, tzinfo=UTC)
AWKWARD = 'a\tb\nc\rd\\e\\N "quoted" \\. ümläut 🏦 \x07'
t = banking.transactions.c


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    start_mappers()
    made = make_engine(database_url, Keyring(SEALING_KEY))
    yield made
    made.dispose()


@pytest.fixture
def ids(engine: Engine) -> tuple[UUID, UUID]:
    """A person and their link."""
    user_id, link_id = new_id(), new_id()
    user = {"id": user_id, "email": "a@people.example", "email_key": "a@people.example", "email_verified": True}
    user |= {"first_name": "Ada", "last_name": "L", "is_disabled": False, "created_at": NOW, "updated_at": NOW}
    link = {"user_id": user_id, "id": link_id, "institution_code": "mxbank", "institution_name": "MX Bank"}
    link |= {"link_status": "success", "challenges": (), "created_at": NOW, "updated_at": NOW}
    with engine.begin() as connection:
        connection.execute(insert(identity.users), user)
        connection.execute(insert(banking.linked_accounts), link)
    return user_id, link_id


def _row(guid: str, text: str | None = None, amount: Decimal = Decimal("1.5")) -> AggregatedTransaction:
    raw = orjson.dumps({"guid": guid, "text": text, "amount": str(amount)})
    return AggregatedTransaction(
        guid, "ACT-1", "posted", "debit", amount, "USD", date(2026, 11, 1), NOW, None, text or "", text, text,
        text and text[:200], text and text[:200], text and text[:80], None, {"is_fee": True}, raw,
    )  # fmt: skip


def _write(engine: Engine, ids: tuple[UUID, UUID], account_id: UUID, rows: list[AggregatedTransaction]) -> PageCounts:
    unit_of_work = ZopeUnitOfWork(engine)
    try:
        with unit_of_work:
            return SqlLedger(unit_of_work).write_page(*ids, {"ACT-1": account_id}, rows, NOW)
    finally:
        unit_of_work.close()


def test_every_value_comes_back_as_it_was(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    account_id = new_id()
    amounts = [Decimal(text) for text in ("0", "0.0001", "1E+3", "123456789012345.1234")]
    rows = [_row("TRN-1", AWKWARD), _row("TRN-2", None), *(_row(f"TRN-A{n}", "", a) for n, a in enumerate(amounts))]
    assert PageCounts(len(rows), 0) == _write(engine, ids, account_id, rows)
    with engine.connect() as connection:
        kept = {row.guid: row for row in connection.execute(select(banking.transactions))}
    for row in rows:
        found = kept[row.guid]
        for name in ("status", "type", "amount", "currency_code", "date", "transacted_at", "posted_at", "description",
                     "original_description", "memo", "category", "top_level_category", "merchant_guid", "check_number",
                     "flags"):  # fmt: skip
            assert getattr(found, name) == getattr(row, name), name
        assert (found.user_id, found.linked_account_id, found.account_id) == (*ids, account_id)
        assert (found.created_at, found.updated_at, found.missed_reads) == (NOW, NOW, 0)
        assert bytes(found.raw_digest) == digest_of(row.raw)
        raw = found.raw if isinstance(found.raw, dict) else orjson.loads(found.raw)
        assert raw == orjson.loads(row.raw)
    assert sorted(row.change_no for row in kept.values()) == list(range(1, len(rows) + 1))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1))
def test_any_text_comes_back_as_it_was(engine: Engine, ids: tuple[UUID, UUID], texts: list[str | None]) -> None:
    with engine.begin() as connection:
        connection.execute(delete(banking.transactions))
    rows = [_row(f"TRN-{number}", text) for number, text in enumerate(texts)]
    _write(engine, ids, new_id(), rows)
    with engine.connect() as connection:
        kept = connection.execute(select(t.guid, t.memo, t.description)).all()
    assert {(row.guid, row.memo, row.description) for row in rows} == set(map(tuple, kept))


def test_a_guid_twice_on_a_page_is_one_row_the_last(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    _write(engine, ids, new_id(), [_row("TRN-1", "first"), _row("TRN-1", "last")])
    with engine.connect() as connection:
        assert ["last"] == list(connection.scalars(select(t.description)))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # it tells who wrote or locked a row last
def test_rows_that_are_as_they_were_are_neither_written_nor_locked(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    rows, account_id = [_row(f"TRN-{number}", "text") for number in range(20)], new_id()
    places = text("SELECT guid, ctid::text, xmin::text, xmax::text FROM transactions ORDER BY guid")
    _write(engine, ids, account_id, rows)
    with engine.connect() as connection:
        before = connection.execute(places).all()
    assert PageCounts(1, 1) == _write(engine, ids, account_id, [*rows[:-1], _row("TRN-19", "new"), _row("TRN-20")])
    with engine.connect() as connection:
        after = connection.execute(places).all()
    kept = [row for row in before if row.guid != "TRN-19"]
    assert kept == [row for row in after if row.guid not in ("TRN-19", "TRN-20")]


def test_writers_of_the_same_page_at_once_write_it_once(engine: Engine, ids: tuple[UUID, UUID]) -> None:
    rows, account_id = [_row(f"TRN-{number}", "text") for number in range(50)], new_id()
    ready, problems, counts = threading.Barrier(4), [], []

    def write() -> None:
        ready.wait()
        try:
            counts.append(_write(engine, ids, account_id, rows))
        except Exception as error:
            problems.append(error)

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [] == problems
    assert 50 == sum(count.added for count in counts)
    with engine.connect() as connection:
        assert 50 == len(set(connection.scalars(select(t.change_no))))
