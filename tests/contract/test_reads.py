"""Filters, search, sums and paging both ways beside a plain model in Python; PostgreSQL reads them by index."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import event, text

from donkies.adapters.persistence import reader as reader_module
from donkies.adapters.persistence import schema
from donkies.adapters.persistence.annotations import SqlAnnotationStore
from donkies.adapters.persistence.ledger import SqlLedger
from donkies.domain.aggregator import AggregatedTransaction
from donkies.domain.ids import new_id
from donkies.domain.linked_accounts import LinkedAccount
from donkies.domain.transactions import BEGINNING, Grouping, TransactionQuery
from donkies.testing.banking import InMemory, InSql, SqlWorld, World
from donkies.testing.factories import NOON, make_account, make_link, make_row

WORDS = [
    "Café", "CAFÉ", "cafe", "ΟΔΟΣ", "οδός", "οδοσ", "İstanbul", "istanbul", "STRASSE", "straße", "O'Brien", "o\\b",
    "''", "100%", "_x", "a&b", "x:*", "(y)", "!z", "|", "日本", "日本語", "🏦bank", "Ǆ", "ǆ", "AMZN*Shop", "shop",
    "q" * 600,
]  # fmt: skip
GAPS = [" ", "  ", "\t", "\n", "\u00a0", "\u3000", "\u2003", "\x1c", "\x85", "-"]


def made(dice: random.Random, number: int) -> AggregatedTransaction:
    def sentence() -> str:
        return "".join(dice.choice(WORDS) + dice.choice(GAPS) for _ in range(dice.randint(0, 4)))

    row = make_row(
        number, date(2026, 1, 1) + timedelta(days=dice.randint(0, 40)), amount=Decimal(dice.randint(0, 500)) / 8,
        type=dice.choice(["debit", "credit"]), status=dice.choice(["posted", "pending"]),
        category=dice.choice([None, "Food", "Rent"]), account_guid=dice.choice(["ACT-1-1", "ACT-2"]),
        description=sentence(), memo=dice.choice([None, sentence()]),
    )  # fmt: skip
    return row._replace(
        original_description=dice.choice([None, sentence()]), currency_code=dice.choice(["USD", "EUR"]),
        merchant_guid=dice.choice([None, "MCH-1", "MCH-2"]),
    )  # fmt: skip


def fill(world: World, rows: Sequence[AggregatedTransaction]) -> LinkedAccount:
    stores, link = world.stores(), make_link(world.person())
    with stores.unit_of_work:
        stores.links.add(link)
    with stores.unit_of_work:
        stores.ledger.write_accounts(link.user_id, link.id, [make_account(), make_account("ACT-2")], NOON)
        ids = stores.ledger.account_ids(link.user_id, link.id)
        stores.ledger.write_page(link.user_id, link.id, ids, rows, NOON)
    return link


def folded(word: str) -> str:
    return word.lower().replace("\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}")


def passes(row: dict[str, Any], query: TransactionQuery) -> bool:
    """The filters, said another way than the twin in memory does."""
    texts = (row["description"], row["original_description"], row["memo"], row["merchant_guid"])
    found = [word for one in texts for word in folded((one or "")[:500]).split()]
    return (
        query.account_id in (None, row["account_id"])
        and (query.from_date or row["date"]) <= row["date"] <= (query.to_date or row["date"])
        and query.type in (None, row["type"])
        and query.status in (None, row["status"])
        and query.category in (None, row["category"])
        and (query.min_amount or 0) <= Decimal(row["amount"]) <= (query.max_amount or 10**9)
        and all(any(word.startswith(folded(one)) for word in found) for one in query.words)
    )


def asked(dice: random.Random, rows: list[dict[str, Any]]) -> TransactionQuery:
    def perhaps(value: Any) -> Any:
        return value if dice.random() < 0.25 else None

    words = (word[: dice.choice([1, 2, 99])] for word in dice.sample(WORDS[:-1], dice.choice([0, 1, 1, 2])))
    return TransactionQuery(
        account_id=perhaps(rows[0]["account_id"]), from_date=perhaps(date(2026, 1, 10)),
        to_date=perhaps(date(2026, 2, 1)), type=perhaps("debit"), status=perhaps("posted"), category=perhaps("Food"),
        min_amount=perhaps(Decimal("6.125")), max_amount=perhaps(Decimal("50")), words=tuple(words),
        limit=dice.choice([1, 3, 50]),
    )  # fmt: skip


class ReadsContract:
    @pytest.mark.parametrize("near", [5, 2_000])
    def test_lists_and_sums_are_the_models(self, near: int, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reader_module, "NEAR", near)
        dice = random.Random(7)
        link = fill(world, [made(dice, number) for number in range(120)])
        fill(world, [made(dice, number) for number in range(20)])  # somebody else's
        reader, user_id = world.reader, link.user_id
        rows = [dict(row) for row in reader.list_transactions(user_id, TransactionQuery(limit=500))]
        assert 120 == len(rows)
        hits = 0
        for _ in range(60):
            query = asked(dice, rows)
            expected = [row for row in rows if passes(row, query)]
            hits += bool(expected and query.words)
            assert expected == self.forwards(world, user_id, query), query
            assert expected == self.backwards(world, user_id, query), query
            lines = reader.summarize(user_id, query, Grouping.CATEGORY)
            assert {(row["category"], row["currency_code"]) for row in expected} == {
                (one["key"], one["currency_code"]) for one in lines
            }
            for kind in ("debit", "credit"):
                total = sum(Decimal(row["amount"]) for row in expected if row["type"] == kind)
                assert total == sum(Decimal(one[kind]) for one in lines), query
        assert hits > 15, "searches that find nothing would show nothing"

    def forwards(self, world: World, user_id: Any, query: TransactionQuery) -> list[Any]:
        found: list[Any] = []
        while page := world.reader.list_transactions(user_id, query):
            found += page
            query = replace(query, after=(page[-1]["date"], page[-1]["id"]))
        return found

    def backwards(self, world: World, user_id: Any, query: TransactionQuery) -> list[Any]:
        found: list[Any] = []
        query = replace(query, before=BEGINNING)
        while page := list(world.reader.list_transactions(user_id, query)):
            found = page + found
            query = replace(query, before=(page[0]["date"], page[0]["id"]))
        return found

    def test_every_word_is_found_by_its_beginning_in_any_case(self, world: World) -> None:
        words = WORDS[:-1]
        rows = [make_row(at, date(2026, 1, 1), description=f"x {word}")._replace(original_description=None)
                for at, word in enumerate(words)]  # fmt: skip
        link = fill(world, rows)
        for word in words:
            for tried in (word, word.upper(), word.lower(), word[:2]):
                shown = world.reader.list_transactions(link.user_id, TransactionQuery(words=(tried,), limit=100))
                expected = {f"x {one}" for one in words if folded(one).startswith(folded(tried))}
                expected |= {f"x {one}" for one in words if "x".startswith(folded(tried))}
                assert expected == {row["description"] for row in shown}, tried


class TestMemoryReads(InMemory, ReadsContract):
    pass


class TestSqlReads(InSql, ReadsContract):
    pass


# by index


@pytest.fixture
def world(database_url: str) -> Any:
    world = SqlWorld(database_url)
    yield world
    world.close()


def plans(world: SqlWorld, read: Any, *without: str) -> str:
    """How PostgreSQL goes about the statements of a read without what a small table is a reason for."""
    done: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        done.append((statement, parameters))

    event.listen(world.engine, "before_cursor_execute", note)
    try:
        read()
    finally:
        event.remove(world.engine, "before_cursor_execute", note)
    lines: list[str] = []
    with world.engine.connect() as connection:
        for name in ("seqscan", *without):
            connection.execute(text(f"SET LOCAL enable_{name} = off"))
        for statement, parameters in done:
            lines += [row[0] for row in connection.exec_driver_sql("EXPLAIN " + statement, parameters)]
        connection.rollback()
    return "\n".join(lines)


def tidy(world: SqlWorld) -> None:
    """A table without what others' rows left behind, whose statistics are of now: so plans are always the same."""
    with world.engine.begin() as connection:
        connection.execute(text("REINDEX TABLE transactions"))
        connection.execute(text("ANALYZE transactions"))


FILTERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "dates": {"from_date": date(2026, 1, 2), "to_date": date(2026, 2, 1)},
    "type": {"type": "debit"},
    "status": {"status": "posted"},
    "category": {"category": "Food"},
    "amounts": {"min_amount": Decimal(1), "max_amount": Decimal(9)},
    "hidden": {"hidden": False},
}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_every_list_and_sum_is_read_by_an_index(world: SqlWorld) -> None:
    dice = random.Random(3)
    link = fill(world, [made(dice, number) for number in range(2_000)])  # so many that an index is worth it
    fill(world, [made(dice, number) for number in range(300)])
    tidy(world)
    reader, user_id = world.reader, link.user_id
    row = reader.list_transactions(user_id, TransactionQuery(limit=500))[450]
    place = row["date"], row["id"]
    filters = FILTERS | {"account": {"account_id": row["account_id"]}, "link": {"linked_account_id": link.id}}
    index = {"account": "ix_transactions_of_account", "link": "ix_transactions_of_link"}
    for name, given in filters.items():
        for way in ({}, {"after": place}, {"before": place}):
            query = TransactionQuery(**given, **way, limit=5)
            plan = plans(world, lambda query=query: reader.list_transactions(user_id, query), "bitmapscan", "sort")
            assert index.get(name, "ix_transactions_newest") in plan, f"{name} {way}\n{plan}"
            assert "Sort" not in plan, f"{name} {way}\n{plan}"
            assert "Seq Scan" not in plan
        for by in Grouping:
            query = TransactionQuery(**given)
            plan = plans(world, lambda query=query, by=by: reader.summarize(user_id, query, by))
            assert "Seq Scan" not in plan, plan
            assert "user_id = " in plan, plan
    plan = plans(world, lambda: reader.list_transactions(user_id, TransactionQuery(words=("shop", "caf", "100%"))))
    assert "ix_transactions_words" in plan, plan
    plan = plans(world, lambda: reader.list_balances(user_id, row["account_id"]))
    assert "pk_account_balances" in plan, plan


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_search_for_what_is_rare_looks_into_the_index_of_words_however_long_the_history(
    world: SqlWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "NEAR", 100)
    link = fill(world, [make_row(number, date(2026, 1, 1), description="Corner Shop") for number in range(3_000)])
    tidy(world)
    common, rare = (
        TransactionQuery(words=(word,), limit=50, before=before)
        for word, before in (("corner", None), ("nobodys", BEGINNING))
    )
    assert 50 == len(world.reader.list_transactions(link.user_id, common))
    plan = plans(world, lambda: world.reader.list_transactions(link.user_id, common))
    assert ("ix_transactions_newest" in plan, "ix_transactions_words" in plan) == (True, False), plan
    assert "Bitmap Index Scan on ix_transactions_words" in plans(
        world, lambda: world.reader.list_transactions(link.user_id, rare)
    )


# by SQLite's index of words


@pytest.fixture
def sqlite_world(donkies_sqlite: Any, tmp_path: Any) -> Any:
    world = SqlWorld(donkies_sqlite.fresh(tmp_path))
    yield world
    world.close()


def found(world: SqlWorld, user_id: Any, *words: str) -> set[str]:
    shown = world.reader.list_transactions(user_id, TransactionQuery(words=words, limit=100))
    return {row["description"] for row in shown}


def indexed(world: SqlWorld) -> int:
    """Rows in the index, which is sound."""
    with world.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO transaction_words(transaction_words) VALUES ('integrity-check')")
        rows = connection.exec_driver_sql("SELECT count(*) FROM transaction_rows").scalar_one()
        docs = connection.exec_driver_sql("SELECT count(*) FROM transaction_words_docsize").scalar_one()
        assert rows == docs
    return int(rows)


def test_sqlite_looks_into_its_index_of_words(sqlite_world: SqlWorld) -> None:
    link = fill(sqlite_world, [make_row(1, date(2026, 1, 1), description="Corner Shop")])
    statements: list[tuple[str, Any]] = []
    event.listen(sqlite_world.engine, "before_cursor_execute", lambda *call: statements.append((call[2], call[3])))
    assert {"Corner Shop"} == found(sqlite_world, link.user_id, "corn", "SHOP")
    (statement, given), *_ = statements
    with sqlite_world.engine.connect() as connection:
        plan = str(connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, given).all())
    assert "SCAN w VIRTUAL TABLE INDEX" in plan, plan


def test_sqlites_index_of_words_follows_rows_that_change_and_go(sqlite_world: SqlWorld) -> None:
    rows = [make_row(number, date(2026, 1, number), description=f"Shop {number}") for number in range(1, 4)]
    link = fill(sqlite_world, rows)
    fill(sqlite_world, [make_row(9, date(2026, 1, 1), description="Shop 9")])  # somebody else's
    assert {"Shop 1", "Shop 2", "Shop 3"} == found(sqlite_world, link.user_id, "shop")
    with sqlite_world.engine.begin() as connection:
        mended = "UPDATE transactions SET description = 'Bakery' WHERE description = 'Shop 1'"
        connection.exec_driver_sql(mended)
        connection.exec_driver_sql("DELETE FROM transactions WHERE description = 'Shop 2'")
    assert {"Shop 3"} == found(sqlite_world, link.user_id, "shop")
    assert {"Bakery"} == found(sqlite_world, link.user_id, "bakery")
    assert 3 == indexed(sqlite_world)
    with sqlite_world.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM linked_accounts")  # takes its rows along
    assert 0 == indexed(sqlite_world)
    with sqlite_world.engine.connect() as connection:  # and no word of theirs is left
        kept = connection.exec_driver_sql("SELECT block FROM transaction_words_data").scalars().all()
    assert not any(b"bakery" in block or b"shop" in block for block in kept)


def test_rows_that_were_here_before_the_index_are_found(sqlite_world: SqlWorld) -> None:
    schema.downgrade(sqlite_world.engine, "0017")
    link = fill(sqlite_world, [make_row(1, date(2026, 1, 1), description="\u0130stanbul Caf\u00e9")])
    schema.upgrade(sqlite_world.engine)
    assert 1 == indexed(sqlite_world) == len(found(sqlite_world, link.user_id, "i", "caf"))


def test_sqlites_index_of_words_outlives_a_vacuum(sqlite_world: SqlWorld) -> None:
    rows = [make_row(number, date(2026, 1, number), description=f"Shop {number}") for number in range(1, 4)]
    link = fill(sqlite_world, rows)
    with sqlite_world.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM transactions WHERE description = 'Shop 1'")
    with sqlite_world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM")
    assert {"Shop 3"} == found(sqlite_world, link.user_id, "3")


def test_what_a_person_says_outlives_a_download_and_takes_a_change_number(world: SqlWorld) -> None:
    rows = [make_row(1, date(2026, 1, 1))]
    link = fill(world, rows)
    (shown,) = world.reader.list_transactions(link.user_id, TransactionQuery())
    stores = world.stores()
    before = world.change_numbers(link.user_id)
    with stores.unit_of_work:
        ledger = SqlLedger(stores.unit_of_work)
        store = SqlAnnotationStore(stores.unit_of_work, ledger)
        assert store.annotate(link.user_id, shown["id"], {"note": "mine", "category": "Own"}, NOON)
        assert not store.annotate(new_id(), shown["id"], {"note": "x"}, NOON)
    with stores.unit_of_work:
        ids = stores.ledger.account_ids(link.user_id, link.id)
        changed = [rows[0]._replace(raw=b'{"guid": "changed"}', category="Other")]
        stores.ledger.write_page(link.user_id, link.id, ids, changed, NOON)
    (again,) = world.reader.list_transactions(link.user_id, TransactionQuery(category="Own"))
    assert ("mine", "Own", "Other") == (again["note"], again["category"], again["original_category"])
    assert [number + 2 for number in before.values()] == list(world.change_numbers(link.user_id).values())
