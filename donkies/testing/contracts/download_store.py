"""The port `DownloadStore`."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from donkies.domain.downloads import Download
from donkies.domain.errors import LeaseLost
from donkies.domain.linked_accounts import LinkedAccount, TransactionsStatus
from donkies.testing.banking import Stores, World
from donkies.testing.factories import NOON, make_account, make_link, make_row
from donkies.testing.threads import in_threads

WEEK = timedelta(days=7)


class DownloadStoreContract:
    """What every `DownloadStore` does. Needs the fixture `world`, as `MemoryWorld` is one."""

    @pytest.fixture
    def stores(self, world: World) -> Stores:
        return world.stores()

    @pytest.fixture
    def link(self, world: World, stores: Stores) -> LinkedAccount:
        with stores.unit_of_work:
            link = make_link(world.person())
            stores.links.add(link)
        return link

    def request(self, stores: Stores, link: LinkedAccount, full_before: datetime | None = None) -> datetime:
        with stores.unit_of_work:
            now = stores.unit_of_work.now()
            stores.downloads.request(link.user_id, link.id, now, full_before or now - WEEK)
        return now

    def claim(self, stores: Stores, link: LinkedAccount) -> Download:
        with stores.unit_of_work:
            download = stores.downloads.claim(link.user_id, link.id, 60)
        assert download is not None
        return download

    def is_free(self, stores: Stores, link: LinkedAccount) -> bool:
        with stores.unit_of_work:
            return stores.downloads.claim(link.user_id, link.id, 60) is not None

    def save(self, stores: Stores, download: Download, lease_s: float | None = 60) -> None:
        with stores.unit_of_work:
            stores.downloads.save(download, lease_s)

    def begun(self, stores: Stores, link: LinkedAccount) -> Download:
        """A download whose walk is under way."""
        self.request(stores, link)
        download = self.claim(stores, link)
        download.begin_walk(NOON, NOON.date(), 30)
        self.save(stores, download)
        return download

    def test_a_download_under_way_is_reported_with_what_it_has(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        def report() -> dict[str, Any]:
            found = world.reader.read_sync_report(link.user_id, link.id)
            assert found is not None
            return dict(found)

        assert {"running": None, "last": None} == report()
        assert world.reader.read_sync_report(world.person(), link.id) is None
        download = self.begun(stores, link)
        assert {"running": None, "last": None} == report()
        download.begins(0, NOON)
        download.doubt, download.total_entries = "rows_missing", 7
        with stores.unit_of_work:
            stores.downloads.save(download, 60)
            stores.downloads.add_page(download, 1, b"12345678" * 3)
            stores.ledger.write_accounts(link.user_id, link.id, [make_account()], NOON)
            ids = stores.ledger.account_ids(link.user_id, link.id)
            stores.ledger.write_page(link.user_id, link.id, ids, [make_row(1), make_row(2)], NOON)
        running = report()["running"]
        assert (3, 1, 2, 0, 7, "rows_missing", "1970-01-01", "2026-02-01T12:00:00Z") == tuple(
            running[name]
            for name in ("rows_seen", "pages", "added", "modified", "total_entries", "doubt", "from", "began_at")
        )
        download.report = {"outcome": "complete"}
        download.proved(2, NOON)
        self.save(stores, download, None)
        assert {"running": None, "last": {"outcome": "complete"}} == report()

    def end(self, stores: Stores, download: Download) -> None:
        download.end()
        download.last_full_at = NOON
        self.save(stores, download, None)

    def shown(self, world: World, link: LinkedAccount) -> LinkedAccount:
        other = world.stores()
        with other.unit_of_work:
            return other.links.get(link.user_id, link.id)

    def test_one_that_is_wanted_is_due_and_its_link_says_so(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        now = self.request(stores, link)
        shown = self.shown(world, link)
        assert (TransactionsStatus.DOWNLOADING, now, None, now) == (
            shown.transactions_status, shown.last_attempted_at, shown.next_attempt_at, shown.updated_at,
        )  # fmt: skip
        with stores.unit_of_work:
            assert [(link.user_id, link.id)] == list(stores.downloads.due(10))
            assert 0 == stores.downloads.seconds_to_next(15)

    def test_it_is_claimed_once_with_a_fence_and_a_lease(self, stores: Stores, link: LinkedAccount) -> None:
        self.request(stores, link)
        download = self.claim(stores, link)
        assert (1, True, 1, None, 0) == (
            download.lease_no, download.is_full, download.next_page, download.from_date, download.walks,
        )  # fmt: skip
        assert not self.is_free(stores, link)
        with stores.unit_of_work:
            assert [] == list(stores.downloads.due(10))

    def test_where_there_is_none_nothing_is_claimed(self, stores: Stores, link: LinkedAccount) -> None:
        assert not self.is_free(stores, link)

    def test_of_many_workers_one_gets_it(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        self.request(stores, link)
        got: list[bool] = []
        barrier = threading.Barrier(5)

        def work() -> None:
            mine = world.stores()
            barrier.wait()
            got.append(self.is_free(mine, link))

        in_threads(*[work] * 5)
        assert 1 == got.count(True)

    def test_how_far_it_has_come_is_kept_in_full(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        self.request(stores, link)
        download = self.claim(stores, link)
        download.begin_walk(NOON, NOON.date(), 30)
        download.next_page, download.total_entries, download.walks = 7, 2**40, 2
        download.bad_answers, download.failures, download.last_full_at = 3, 4, NOON
        download.is_full = False
        self.save(stores, download, None)
        again = self.claim(world.stores(), link)
        assert (7, 2**40, 2, 3, 4, NOON, False, NOON) == (
            again.next_page, again.total_entries, again.walks, again.bad_answers, again.failures, again.last_full_at,
            again.is_full, again.job_at,
        )  # fmt: skip
        assert (date(1970, 1, 1), NOON.date() + timedelta(days=30)) == again.window
        assert 2 == again.lease_no

    def test_a_lease_that_is_held_on_to_lasts(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        download = self.begun(stores, link)
        world.pass_time(50)
        self.save(stores, download, 60)
        world.pass_time(50)
        assert not self.is_free(stores, link)
        world.pass_time(11)
        assert self.is_free(stores, link)

    def test_whoever_was_taken_over_can_write_nothing(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        old = self.begun(stores, link)
        world.pass_time(61)
        new = self.claim(world.stores(), link)
        old.next_page = 99
        with pytest.raises(LeaseLost):
            self.save(stores, old)
        assert (2, 1) == (new.lease_no, new.next_page)
        self.save(stores, new, None)
        assert 1 == self.claim(stores, link).next_page

    def test_losing_the_fence_takes_back_all_of_its_unit_of_work(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        old = self.begun(stores, link)
        with stores.unit_of_work:
            stores.ledger.write_accounts(link.user_id, link.id, [make_account()], NOON)
        world.pass_time(61)
        self.claim(world.stores(), link)

        def write_page() -> None:
            with stores.unit_of_work:
                ids = stores.ledger.account_ids(link.user_id, link.id)
                stores.ledger.write_page(link.user_id, link.id, ids, [make_row(1)], NOON)
                stores.downloads.add_page(old, 1, b"12345678")
                stores.downloads.save(old, 60)

        with pytest.raises(LeaseLost):
            write_page()
        assert {} == world.change_numbers(link.user_id)
        with stores.unit_of_work:
            assert [] == list(stores.downloads.page_digests(old))

    def test_a_deleted_link_takes_its_download_along(self, stores: Stores, link: LinkedAccount) -> None:
        download = self.begun(stores, link)
        with stores.unit_of_work:
            stores.downloads.add_page(download, 1, b"12345678")
            stores.links.erase(stores.links.lock(link.user_id, link.id), NOON)
        with pytest.raises(LeaseLost):
            self.save(stores, download)
        assert not self.is_free(stores, link)

    def test_one_that_has_ended_is_not_due(self, stores: Stores, link: LinkedAccount) -> None:
        self.end(stores, self.begun(stores, link))
        assert not self.is_free(stores, link)
        with stores.unit_of_work:
            assert stores.downloads.seconds_to_next(10**6) is None

    def test_one_that_is_wanted_while_a_walk_is_under_way_follows_it(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        download = self.begun(stores, link)
        self.request(world.stores(), link)
        self.save(stores, download)
        self.end(stores, download)
        again = self.claim(stores, link)
        assert None is again.from_date
        self.end(stores, again)
        assert not self.is_free(stores, link)

    def test_a_walk_that_waits_after_a_bad_answer_keeps_waiting(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        download = self.begun(stores, link)
        with stores.unit_of_work:
            download.due_at = stores.unit_of_work.now() + timedelta(seconds=30)
        self.save(stores, download, None)
        self.request(stores, link)
        assert not self.is_free(stores, link)
        world.pass_time(31)
        assert self.is_free(stores, link)

    def test_one_that_failed_and_waits_is_due_at_once_when_it_is_wanted(
        self, stores: Stores, link: LinkedAccount
    ) -> None:
        download = self.begun(stores, link)
        with stores.unit_of_work:
            download.end()
            download.due_at = stores.unit_of_work.now() + timedelta(hours=1)
        self.save(stores, download, None)
        assert not self.is_free(stores, link)
        self.request(stores, link)
        assert self.is_free(stores, link)

    @pytest.mark.parametrize(("full_before", "is_full"), [(NOON, True), (NOON - timedelta(seconds=1), False)])
    def test_everything_is_read_when_that_was_long_ago(
        self, stores: Stores, link: LinkedAccount, full_before: datetime, is_full: bool
    ) -> None:
        self.end(stores, self.begun(stores, link))
        self.request(stores, link, full_before)
        assert is_full is self.claim(stores, link).is_full

    def test_digests_of_pages_are_kept_and_replaced_and_cleared(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        download = self.begun(stores, link)
        with stores.unit_of_work:
            stores.downloads.add_page(download, 1, b"aaaaaaaa")
            stores.downloads.add_page(download, 2, b"bbbbbbbb")
            stores.downloads.add_page(download, 1, b"cccccccc")
        other = world.stores()
        with other.unit_of_work:
            assert [b"bbbbbbbb", b"cccccccc"] == sorted(other.downloads.page_digests(download))
            other.downloads.clear_pages(download)
        with stores.unit_of_work:
            assert [] == list(stores.downloads.page_digests(download))

    def test_the_next_one_due_is_told_in_seconds_and_the_oldest_come_first(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        user_id: UUID = link.user_id
        ids = []
        with stores.unit_of_work:
            now = stores.unit_of_work.now()
            for _ in range(4):
                other = make_link(user_id)
                stores.links.add(other)
                ids.append(other.id)
        for age, link_id in zip((1, 9, 5, -20), ids, strict=True):
            with stores.unit_of_work:
                stores.downloads.request(user_id, link_id, now - timedelta(seconds=age), now)
        with stores.unit_of_work:
            assert [ids[1], ids[2]] == [link_id for _, link_id in stores.downloads.due(2)]
            assert 0 == stores.downloads.seconds_to_next(1)
            for link_id in ids[:3]:
                assert stores.downloads.claim(user_id, link_id, 60)
        with stores.unit_of_work:
            assert stores.downloads.seconds_to_next(5) is None
            assert 15 < stores.downloads.seconds_to_next(60) <= 20

    def test_a_worker_and_a_looker_at_the_same_link_do_not_lock_each_other_out(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        """The looker has the link's row and wants its download's; the worker goes the other way round."""
        download = self.begun(stores, link)
        with stores.unit_of_work:
            stores.ledger.write_accounts(link.user_id, link.id, [make_account()], NOON)
            stores.links.lock(link.user_id, link.id).next_look_at = NOON - timedelta(days=365 * 50)
        with stores.unit_of_work:
            (due,) = stores.links.claim_due(10, 60, 10)
        holds_link, worker_tries = threading.Event(), threading.Event()

        def look() -> None:
            mine = world.stores()
            with mine.unit_of_work:
                assert {link.id} == mine.links.save_looked_at([due.link])
                holds_link.set()
                worker_tries.wait(0.3)
                mine.downloads.request(link.user_id, link.id, mine.unit_of_work.now(), NOON)

        def work() -> None:
            mine = world.stores()
            holds_link.wait(5)
            with mine.unit_of_work:
                mine.downloads.save(download, 60)
                worker_tries.set()
                ids = mine.ledger.account_ids(link.user_id, link.id)
                mine.ledger.write_page(link.user_id, link.id, ids, [make_row(1)], NOON)

        in_threads(look, work)
        assert {"TRN-1": 1} == world.change_numbers(link.user_id)

    def test_deleting_a_link_while_a_page_is_written_locks_nobody_out(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        download = self.begun(stores, link)
        with stores.unit_of_work:
            stores.ledger.write_accounts(link.user_id, link.id, [make_account()], NOON)
            ids = stores.ledger.account_ids(link.user_id, link.id)
            stores.ledger.write_page(link.user_id, link.id, ids, [make_row(0)], NOON)
        holds_link, worker_tries = threading.Event(), threading.Event()
        lost: list[bool] = []

        def delete() -> None:
            mine = world.stores()
            with mine.unit_of_work:
                held = mine.links.lock(link.user_id, link.id)
                holds_link.set()
                worker_tries.wait(0.3)
                mine.links.erase(held, NOON)

        def work() -> None:
            mine = world.stores()
            holds_link.wait(5)
            try:
                with mine.unit_of_work:
                    mine.downloads.save(download, 60)
                    worker_tries.set()
                    mine.ledger.write_page(link.user_id, link.id, ids, [make_row(1)], NOON)
            except LeaseLost:
                lost.append(True)

        in_threads(delete, work)
        assert ([True], {}) == (lost, world.change_numbers(link.user_id))
