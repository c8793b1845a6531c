"""The delta feed: a mirror that follows it equals the list at every end of it, and hears of nothing else."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from sqlalchemy import text

from donkies.adapters.persistence.feed import parameters_of
from donkies.adapters.persistence.reader import FEED
from donkies.domain.digests import SeenDigests, page_digest
from donkies.domain.feed import PLACE_LIFE, CursorExpired, FeedPage, FeedPlace
from donkies.domain.linked_accounts import LinkedAccount
from donkies.domain.mirroring import FeedService
from donkies.domain.transactions import TransactionQuery
from donkies.testing.banking import InMemory, InSql, SqlWorld, SteppedClock, Stores, World, as_json
from donkies.testing.factories import NOON, make_account, make_link, make_row

WINDOW = date(2026, 1, 1), date(2026, 12, 31)


@dataclass
class Mirror:
    """A client that follows the feed. It is strict: what is added must be new to it, what is modified known."""

    feed: FeedService
    user_id: UUID
    place: FeedPlace | None = None
    rows: dict[str, Any] = field(default_factory=dict)
    is_strict: bool = True

    def page(self, limit: int = 50) -> FeedPage:
        page = self.feed.read(self.user_id, self.place, limit)
        named = [str(row["id"]) for row in [*page.added, *page.modified]] + list(map(str, page.removed))
        assert len(set(named)) == len(named) <= limit
        if self.is_strict:
            assert not {str(row["id"]) for row in page.added} & self.rows.keys()
            assert {str(row["id"]) for row in page.modified} <= self.rows.keys()
            assert set(map(str, page.removed)) <= self.rows.keys()
        self.rows |= {str(row["id"]): as_json(row) for row in [*page.added, *page.modified]}
        for row_id in page.removed:
            self.rows.pop(str(row_id), None)
        self.place = page.next
        return page

    def follow(self, limit: int = 50) -> list[tuple[int, int, int]]:
        """To the end of the feed. Returns: how many were added, modified and removed, page by page."""
        counts, has_more = [], True
        while has_more:
            page = self.page(limit)
            counts.append((len(page.added), len(page.modified), len(page.removed)))
            has_more = page.has_more
        return counts


class Bank:
    """One link, and what its bank says now."""

    def __init__(self, world: World, user_id: UUID | None = None) -> None:
        self.stores: Stores = world.stores()
        self.world = world
        self.link: LinkedAccount = make_link(user_id or world.person())
        self.user_id = self.link.user_id
        with self.stores.unit_of_work:
            self.stores.links.add(self.link)
        with self.stores.unit_of_work:
            account = make_account(f"ACT-{self.link.id}")
            self.stores.ledger.write_accounts(self.user_id, self.link.id, [account], NOON)
            self.ids = self.stores.ledger.account_ids(self.user_id, self.link.id)

    def row(self, number: int, **more: Any) -> Any:
        return make_row(number, date(2026, 1, 1), account_guid=f"ACT-{self.link.id}", **more)

    def write(self, *rows: Any) -> None:
        with self.stores.unit_of_work:
            self.stores.ledger.write_page(self.user_id, self.link.id, self.ids, rows, NOON)

    def change(self, *numbers: int, memo: str = "changed") -> None:
        self.write(*(self.row(number, memo=memo, raw=orjson.dumps({"memo": memo})) for number in numbers))

    def see(self, *numbers: int, proved_change: int = 10**9) -> None:
        """A proved walk that saw these only."""
        seen = SeenDigests([page_digest(f"TRN-{number}" for number in numbers)])
        with self.stores.unit_of_work:
            self.stores.ledger.settle_missing(self.user_id, self.link.id, WINDOW, seen, proved_change, NOON)

    def mirror(self) -> Mirror:
        return Mirror(FeedService(self.world.reader, self.world.clock), self.user_id)

    def listed(self) -> dict[str, Any]:
        rows = self.world.reader.list_transactions(self.user_id, TransactionQuery(limit=500))
        return {str(row["id"]): as_json(row) for row in rows}


class FeedContract:
    @pytest.fixture
    def bank(self, world: World) -> Bank:
        world.clock = SteppedClock()
        return Bank(world)

    def test_the_first_run_names_all_rows_as_added_page_by_page(self, bank: Bank) -> None:
        stranger = Bank(bank.world)
        stranger.write(*map(stranger.row, range(3)))
        bank.write(*map(bank.row, range(7)))
        mirror = bank.mirror()
        assert [(3, 0, 0), (3, 0, 0), (1, 0, 0)] == mirror.follow(3)
        assert bank.listed() == mirror.rows
        assert 7 == len(mirror.rows)

    def test_what_never_changed_is_never_named_again(self, bank: Bank) -> None:
        bank.write(*map(bank.row, range(5)))
        mirror = bank.mirror()
        mirror.follow()
        assert [(0, 0, 0)] == mirror.follow()
        bank.write(*map(bank.row, range(5)))
        assert [(0, 0, 0)] == mirror.follow(), "the same rows, read once more"
        bank.change(3)
        bank.write(bank.row(7))
        assert [(1, 1, 0)] == mirror.follow()
        assert bank.listed() == mirror.rows

    def test_somebody_without_transactions_has_an_empty_feed(self, bank: Bank) -> None:
        mirror = bank.mirror()
        assert [(0, 0, 0)] == mirror.follow()
        bank.write(bank.row(1))
        assert [(1, 0, 0)] == mirror.follow()

    def test_a_page_that_ends_with_the_feed_says_so(self, bank: Bank) -> None:
        bank.write(*map(bank.row, range(4)))
        assert [(2, 0, 0), (2, 0, 0)] == bank.mirror().follow(2)
        assert [(4, 0, 0)] == bank.mirror().follow(4)

    def test_rows_that_change_between_pages_are_named_anew(self, bank: Bank) -> None:
        bank.write(*map(bank.row, range(4)))
        mirror = replace(bank.mirror(), is_strict=False)  # a row may be added twice in one run
        mirror.page(2)
        bank.change(0, 3)
        assert [(2, 0, 0), (1, 0, 0)] == mirror.follow(2)
        assert bank.listed() == mirror.rows
        assert [(0, 0, 0)] == mirror.follow()

    def test_pending_rows_that_vanish_are_removed(self, bank: Bank) -> None:
        bank.write(bank.row(1), bank.row(2, status="pending"))
        mirror = bank.mirror()
        mirror.follow()
        bank.see(1)
        assert [(0, 0, 1)] == mirror.follow()
        assert bank.listed() == mirror.rows

    def test_posted_rows_are_removed_when_two_walks_missed_them(self, bank: Bank) -> None:
        bank.write(bank.row(1), bank.row(2))
        mirror = bank.mirror()
        mirror.follow()
        bank.see(1)
        assert [(0, 0, 0)] == mirror.follow()
        bank.see(1)
        assert [(0, 0, 1)] == mirror.follow()
        assert bank.listed() == mirror.rows

    def test_a_row_under_a_new_guid_is_modified_and_its_short_double_never_named(self, bank: Bank) -> None:
        bank.write(bank.row(1, status="pending", description="Shop"))
        mirror = bank.mirror()
        mirror.follow()
        proved = 1
        bank.write(bank.row(2, description="Shop", amount=bank.row(1).amount))
        seen_between = replace(mirror, rows=dict(mirror.rows))
        assert [(1, 0, 0)] == seen_between.follow()
        bank.see(2, proved_change=proved)
        assert [(0, 1, 0)] == mirror.follow()
        assert [(0, 1, 1)] == seen_between.follow()
        assert bank.listed() == mirror.rows == seen_between.rows
        assert 1 == len(mirror.rows)

    def test_a_deleted_link_takes_its_rows_out_of_mirrors(self, bank: Bank) -> None:
        other = Bank(bank.world, bank.user_id)
        bank.write(*map(bank.row, range(5)))
        other.write(other.row(10))
        mirror = bank.mirror()
        mirror.follow()
        with bank.stores.unit_of_work:
            bank.stores.links.erase(bank.stores.links.lock(bank.user_id, bank.link.id), NOON)
        assert [(0, 0, 2), (0, 0, 2), (0, 0, 1)] == mirror.follow(2)
        assert bank.listed() == mirror.rows
        assert 1 == len(mirror.rows)

    def test_what_came_and_went_unseen_is_not_named(self, bank: Bank) -> None:
        bank.write(bank.row(1), bank.row(2, status="pending"))
        bank.see(1)
        assert [(1, 0, 0)] == bank.mirror().follow()
        mirror = bank.mirror()
        mirror.follow()
        bank.write(bank.row(3, status="pending"))
        bank.see(1)
        assert [(0, 0, 0)] == mirror.follow()

    def test_a_row_that_goes_between_two_pages_is_named_as_removed_if_it_was_named(self, bank: Bank) -> None:
        rows = [bank.row(number, status="pending" if number in (0, 4) else "posted") for number in range(5)]
        bank.write(*rows)
        mirror = bank.mirror()
        mirror.page(2)
        bank.see(1, 2, 3)
        assert [(2, 0, 0), (0, 0, 1)] == mirror.follow(2)
        assert bank.listed() == mirror.rows

    def test_a_place_is_good_for_400_days_however_often_pages_are_asked_for_in_between(self, bank: Bank) -> None:
        bank.write(*map(bank.row, range(4)))
        mirror, clock = bank.mirror(), bank.world.clock
        mirror.page(2)
        clock.at += PLACE_LIFE - timedelta(seconds=1)
        mirror.page(1)
        clock.at += timedelta(seconds=1)
        with pytest.raises(CursorExpired) as refused:
            mirror.page(1)
        assert "cursor_expired" == refused.value.code
        assert "start again without a cursor" in refused.value.detail
        fresh = bank.mirror()
        fresh.follow()
        clock.at += PLACE_LIFE - timedelta(seconds=1)
        assert [(0, 0, 0)] == fresh.follow()
        clock.at += timedelta(days=1)
        assert [(0, 0, 0)] == fresh.follow(), "the end of the feed is a fresh beginning"

    def test_a_place_ahead_of_the_feed_is_of_another_database(self, bank: Bank) -> None:
        bank.write(bank.row(1))
        mirror = bank.mirror()
        mirror.place = FeedPlace(2, 2, 2, NOON)
        with pytest.raises(CursorExpired, match="not here any more"):
            mirror.page()

    def test_a_row_has_the_names_and_values_of_the_list(self, bank: Bank) -> None:
        bank.write(bank.row(1, memo="m\u00e9mo", category="Caf\u00e9s"))
        (row,) = bank.mirror().page().added
        assert as_json(bank.world.reader.list_transactions(bank.user_id, TransactionQuery())[0]) == as_json(row)


class TestMemoryFeed(InMemory, FeedContract):
    pass


class TestSqlFeed(InSql, FeedContract):
    pass


# PostgreSQL


@pytest.fixture
def world(database_url: str) -> Any:
    world = SqlWorld(database_url)
    world.clock = SteppedClock()
    yield world
    world.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_feed_is_read_by_its_indexes(world: SqlWorld) -> None:
    bank = Bank(world)
    bank.write(*map(bank.row, range(2_000)))
    bank.see(*range(500, 2_000))
    bank.see(*range(500, 2_000))
    with world.engine.begin() as connection:
        connection.execute(text("ANALYZE transactions, transaction_tombstones"))
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_sort = off"))
        for place in (FeedPlace.first(NOON), FeedPlace(1_900, 1_900, 1_900, NOON)):
            given = parameters_of(bank.user_id, place, 51)
            compiled = FEED.compile(world.engine, compile_kwargs={"render_postcompile": True})
            plan = "\n".join(
                row[0]
                for row in connection.exec_driver_sql("EXPLAIN " + str(compiled), compiled.construct_params(given))
            )
            for index in ("ix_transactions_changes", "pk_transaction_tombstones", "pk_transaction_feeds"):
                assert index in plan, plan
            assert "Seq Scan" not in plan, plan
            assert "Sort" not in plan, plan


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_writer_that_commits_late_is_never_passed_by(world: SqlWorld) -> None:
    """It takes its numbers first and commits last; nobody's mirror steps over it meanwhile."""
    slow = Bank(world)
    quick = Bank(world, slow.user_id)
    slow.write(slow.row(1))
    mirror = slow.mirror()
    mirror.follow()
    has_numbers, may_commit = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with slow.stores.unit_of_work:
            slow.stores.ledger.write_page(slow.user_id, slow.link.id, slow.ids, [slow.row(2)], NOON)
            has_numbers.set()
            assert may_commit.wait(20)

    threads = [threading.Thread(target=write_slowly)]
    threads[0].start()
    assert has_numbers.wait(20)
    threads.append(threading.Thread(target=lambda: quick.write(quick.row(100))))
    threads[1].start()
    for _ in range(20):
        assert [(0, 0, 0)] == mirror.follow()
        threads[1].join(0.02)
    assert threads[1].is_alive(), "the second writer waits for the person's counter"
    may_commit.set()
    for thread in threads:
        thread.join(20)
    assert [(2, 0, 0)] == mirror.follow()
    assert slow.listed() == mirror.rows
    assert 3 == len(mirror.rows)


def test_a_mirror_beside_writers_that_never_rest_ends_equal(world: SqlWorld) -> None:
    """Two links change at once while pages are read one by one; each end of the feed is the list of one moment."""
    banks = [Bank(world)]
    banks.append(Bank(world, banks[0].user_id))

    def write(at: int) -> None:
        bank = banks[at]
        for turn in range(25):
            base = 1_000 * at
            bank.write(*(bank.row(base + number, memo=str(turn), raw=b"%d" % (turn // (number + 1)))
                         for number in range(8)))  # fmt: skip
            bank.write(bank.row(base + 100 + turn, status="pending"))
            bank.see(*(base + number for number in range(8)))

    threads = [threading.Thread(target=write, args=(at,)) for at in range(2)]
    mirror = replace(banks[0].mirror(), is_strict=False)
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        mirror.follow(3)
    mirror.follow(3)
    assert banks[0].listed() == mirror.rows
    assert 16 == len(mirror.rows)


def test_removing_counts_what_it_removes_under_the_lock(world: SqlWorld) -> None:
    """A row that was added while the removal waited for the counter has a number of its own too."""
    bank = Bank(world)
    bank.write(bank.row(1))
    has_numbers, may_commit = threading.Event(), threading.Event()
    other = world.stores()

    def add_slowly() -> None:
        with other.unit_of_work:
            other.ledger.write_page(bank.user_id, bank.link.id, bank.ids, [bank.row(2), bank.row(3)], NOON)
            has_numbers.set()
            assert may_commit.wait(20)

    def erase() -> None:
        with bank.stores.unit_of_work:
            bank.stores.ledger.erase(bank.user_id, bank.link.id, NOON)

    adder, eraser = threading.Thread(target=add_slowly), threading.Thread(target=erase)
    adder.start()
    assert has_numbers.wait(20)
    eraser.start()
    eraser.join(0.2)
    may_commit.set()
    adder.join(20)
    eraser.join(20)
    with bank.stores.unit_of_work:
        last = bank.stores.ledger.last_change(bank.user_id)
    assert last == max(world.tombstones(bank.user_id))
    assert {} == bank.listed()
