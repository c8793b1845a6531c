"""Downloading: windows, pages, proof, and what happens when a worker dies, is overtaken or is lied to (DESIGN 7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from donkies.domain import digests
from donkies.domain.aggregator import (
    AggregatorDown,
    AggregatorThrottled,
    MemberGone,
    MemberRef,
)
from donkies.domain.digests import SeenDigests, count, digest, page_digest
from donkies.domain.downloads import DownloadTiming
from donkies.domain.ids import new_id
from donkies.testing.banking import budget_of
from donkies.testing.factories import NOON

from .download_room import DAY, TODAY, Room


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.mark.parametrize(("transactions", "pages"), [(0, 1), (1, 1), (9, 1), (10, 1), (11, 2), (20, 2), (95, 10)])
def test_every_row_is_kept_once_however_many_pages_there_are(transactions: int, pages: int) -> None:
    room = Room(transactions)
    room.run()
    assert (transactions, None) == room.ended("complete")
    assert set(room.rows()) == room.kept()
    assert pages + 1 == room.pages, "and one more, for the proof"
    assert room.services.clock.now() == room.link.last_synced
    day = (room.link.next_attempt_at - room.link.last_synced).total_seconds()
    assert 0.8 * DAY <= day <= DAY


def test_links_that_were_made_together_are_read_on_different_hours_and_days() -> None:
    timing, ids = DownloadTiming(), [new_id() for _ in range(400)]
    hours = {round((timing.next_attempt(one, NOON) - NOON).total_seconds() / 3_600) for one in ids}
    days = [(NOON - timing.full_before(one, NOON)).total_seconds() / DAY for one in ids]
    assert {20, 21, 22, 23, 24} <= hours <= {19, 20, 21, 22, 23, 24}
    assert 5.6 <= min(days) <= 5.8 < 6.8 <= max(days) <= 7
    assert timing.full_before(ids[0], NOON) == timing.full_before(ids[0], NOON), "the same for a link each time"


def test_a_second_message_for_the_same_download_does_nothing(room: Room) -> None:
    room.run()
    room.aggregator.calls.clear()
    room.run()
    assert [] == room.aggregator.calls


def test_two_workers_do_not_download_the_same_link(room: Room) -> None:
    room.on_page(2, room.run)
    room.run()
    assert (30, None) == room.ended("complete")
    assert 4 == room.pages


def test_the_first_download_reads_everything_and_later_ones_the_last_days(room: Room) -> None:
    windows = []

    def call(member: MemberRef, from_date: date, to_date: date, page: int) -> Any:
        windows.append((from_date, to_date))
        return room.bank.read_transactions_page(member, from_date, to_date, page)

    room.aggregator.instead("read_transactions_page", *[call] * 100)
    ahead = TODAY + timedelta(days=30)
    room.run()
    assert {(date(1970, 1, 1), ahead)} == set(windows)
    windows.clear()
    room.refresh()
    room.run()
    assert {(TODAY - timedelta(days=30), ahead)} == set(windows)
    windows.clear()
    room.services.clock.advance(7 * DAY)
    room.refresh()
    room.run()
    assert {(date(1970, 1, 1), ahead + timedelta(days=7))} == set(windows)


class TestAWorkerDies:
    class Killed(BaseException):
        pass

    def kill(self) -> None:
        raise self.Killed

    @pytest.mark.parametrize("page", [1, 2, 3, 4])
    def test_the_next_one_goes_on_at_the_page_where_it_died(self, room: Room, page: int) -> None:
        room.on_page(page, self.kill)
        with pytest.raises(self.Killed):
            room.run()
        assert min(10 * (page - 1), 30) == len(room.kept()) == room.link.transactions_count
        assert "downloading" == room.link.transactions_status
        room.run()
        assert "downloading" == room.link.transactions_status, "its lease still stands"
        room.aggregator.calls.clear()
        room.run_for(61)
        assert (30, None) == room.ended("complete")
        assert 4 - (page - 1) == room.pages

    def test_one_that_wakes_after_it_was_taken_over_writes_nothing(self, room: Room) -> None:
        at_takeover: list[Any] = []

        def sleep_too_long() -> None:
            room.services.clock.advance(61)
            with room.services.stores.unit_of_work:
                room.services.stores.downloads.claim(room.services.user_id, room.link_id, 60)
            at_takeover.append((room.kept(), room.changes(), vars(room.download).copy(), vars(room.link).copy()))

        room.on_page(2, sleep_too_long)
        room.run()
        assert [(room.kept(), room.changes(), vars(room.download), vars(room.link))] == at_takeover
        assert 2 == room.pages

    def test_one_whose_link_was_deleted_stops_without_a_word(self, room: Room) -> None:
        def delete() -> None:
            room.services.linking.delete(room.services.user_id, room.link_id)

        room.on_page(2, delete)
        room.run()
        room.run()
        assert (set(), {}) == (room.kept(), room.services.world.rows.committed.downloads)


class TestProof:
    def test_a_total_that_changed_is_walked_again(self, room: Room) -> None:
        room.on_page(3, lambda: room.set_rows([*room.rows().values(), room.new_row(99, date(2025, 1, 1))]))
        room.run()
        assert (31, None) == room.ended("complete")

    def test_a_job_that_ran_meanwhile_is_walked_again(self, room: Room) -> None:
        def job() -> None:
            room.bank.aggregate_member(room.member)
            for _ in range(3):
                room.bank.read_member_status(room.member)

        room.on_page(3, job)
        room.run()
        assert (30, None) == room.ended("complete")
        assert 8 == room.pages

    def test_rows_that_shift_between_pages_are_found_by_walking_again(self, room: Room) -> None:
        newest = room.new_row(99, TODAY)
        room.on_page(2, lambda: room.set_rows([newest, *room.rows().values()]))
        room.run()
        assert (31, None) == room.ended("complete")
        assert newest.guid in room.kept()

    def test_a_row_that_slips_from_a_page_not_read_to_one_that_was_is_not_lost(self, room: Room) -> None:
        rest = list(room.rows().values())[1:]
        room.on_page(2, lambda: room.set_rows(rest))
        room.run()
        assert set(room.rows()) <= room.kept()
        assert "complete" == room.link.transactions_status

    def test_it_is_walked_three_times_at_most_and_then_said_to_be_unproved(self, room: Room) -> None:
        numbers = iter(range(100, 200))

        def grow() -> None:
            room.set_rows([room.new_row(next(numbers)), *room.rows().values()])

        def call(*args: Any) -> Any:
            grow()
            return room.bank.read_transactions_page(*args)

        room.aggregator.instead("read_transactions_page", *[call] * 1_000)
        room.run()
        assert "unproved" == room.ended("failed")[1]
        assert 3 == room.aggregator.calls.count("list_accounts")
        assert 300 == (room.download.due_at - room.services.clock.now()).total_seconds()
        assert room.link.last_synced is None

    def test_a_page_that_repeats_fails_loudly(self, room: Room) -> None:
        def repeat(member: MemberRef, from_date: date, to_date: date, page: int) -> Any:
            first = room.bank.read_transactions_page(member, from_date, to_date, 1)
            return replace(first, number=page)

        room.aggregator.instead("read_transactions_page", *[repeat] * 1_000)
        room.run_for(120)
        assert (10, "aggregator_misbehaved") == room.ended("failed")

    @pytest.mark.parametrize("lie", [{"number": 1}, {"rows": ()}])
    def test_a_page_that_is_another_or_empty_fails_loudly(self, room: Room, lie: dict[str, Any]) -> None:
        def call(member: MemberRef, from_date: date, to_date: date, page: int) -> Any:
            real = room.bank.read_transactions_page(member, from_date, to_date, page)
            return replace(real, **lie) if page == 2 else real

        room.aggregator.instead("read_transactions_page", *[call] * 1_000)
        room.run_for(120)
        assert (10, "aggregator_misbehaved") == room.ended("failed")

    def test_a_row_of_an_account_that_is_not_the_members_fails_loudly(self, room: Room) -> None:
        room.set_rows([*room.rows().values(), room.new_row(99, date(2020, 1, 1), account_guid="ACT-other")])
        room.run_for(120)
        assert (30, "aggregator_misbehaved") == room.ended("failed")

    def test_while_a_job_runs_nothing_is_read(self, room: Room) -> None:
        room.services.clock.at = room.bank._now
        with room.services.stores.unit_of_work:
            room.services.stores.downloads.request(
                room.services.user_id, room.link_id, room.services.clock.now(), room.services.clock.now()
            )
        room.bank.reads = 3
        room.bank.aggregate_member(room.member)
        room.run()
        assert 0 == room.pages
        assert "downloading" == room.link.transactions_status
        room.run_for(20)
        assert (30, None) == room.ended("complete")

    def test_a_job_that_never_ends_fails_the_download_instead_of_hanging_it(self, room: Room) -> None:
        room.bank.reads = 10**9
        room.bank.aggregate_member(room.member)
        room.run_for(120)
        assert "job_running" == room.ended("failed")[1]


class TestBadAnswers:
    def test_four_in_a_row_are_survived_with_growing_waits(self, room: Room) -> None:
        room.aggregator.instead("read_transactions_page", None, *[AggregatorDown("502")] * 4)
        waits = []
        for _ in range(4):
            room.run()
            waits.append((room.download.due_at - room.services.clock.now()).total_seconds())
            assert (10, "downloading") == (room.link.transactions_count, room.link.transactions_status)
            room.services.clock.advance(waits[-1])
        assert [2, 4, 8, 16] == waits
        room.run()
        assert (30, None) == room.ended("complete")
        assert 0 == room.download.bad_answers

    def test_the_fifth_fails_the_download_with_its_reason_within_two_minutes(self, room: Room) -> None:
        room.aggregator.instead("read_transactions_page", None, *[AggregatorDown("502")] * 5)
        room.run_for(120)
        assert (10, "aggregator_down") == room.ended("failed")
        assert "success" == room.link.link_status

    def test_a_failed_one_is_tried_again_ever_later_and_heals(self, room: Room) -> None:
        waits = []
        for _ in range(12):
            room.aggregator.instead("list_accounts", *[AggregatorDown("502")] * 5)
            for _ in range(5):
                room.services.clock.at = max(room.services.clock.at, room.download.due_at)
                room.run()
            assert "failed" == room.link.transactions_status
            waits.append((room.download.due_at - room.services.clock.now()).total_seconds())
        assert [300, 600, 1_200] == waits[:3]
        assert DAY == waits[-1]
        room.services.clock.at = room.download.due_at
        room.run()
        assert (30, None) == room.ended("complete")
        assert 0 == room.download.failures

    def test_no_number_of_failures_is_too_many(self, room: Room) -> None:
        key = room.services.user_id, room.link_id
        kept = room.services.world.rows.committed.downloads
        kept[key] = replace(kept[key], download=replace(kept[key].download, failures=5_000, bad_answers=4))
        room.aggregator.instead("read_member_status", AggregatorDown("502"))
        room.run()
        assert DAY == (room.download.due_at - room.services.clock.now()).total_seconds()

    def test_a_throttled_page_waits_as_long_as_the_aggregator_asks(self, room: Room) -> None:
        room.aggregator.instead("read_transactions_page", AggregatorThrottled("429", retry_after_s=33))
        room.run()
        assert 33 == (room.download.due_at - room.services.clock.now()).total_seconds()

    def test_who_is_asked_to_stay_away_for_long_says_so_and_stays_away(self, room: Room) -> None:
        room.aggregator.instead("read_transactions_page", None, AggregatorThrottled("429", retry_after_s=7_200))
        room.run()
        assert (10, "aggregator_throttled") == room.ended("failed")
        assert 7_200 == (room.download.due_at - room.services.clock.now()).total_seconds()
        assert room.download.due_at == room.link.next_attempt_at
        room.services.clock.at = room.download.due_at
        room.run()
        assert (30, None) == room.ended("complete")

    def test_what_waits_for_the_budget_of_calls_has_not_failed(self, room: Room) -> None:
        room.services.downloading.budget = budget_of(room.services.clock, 2)
        for _ in range(20):
            room.run()
            if room.link.transactions_status == "complete":
                break
            assert (0, "downloading") == (room.download.bad_answers, room.link.transactions_status)
            room.services.clock.at = room.download.due_at
        assert (30, None) == room.ended("complete")
        assert 4 == room.pages

    def test_one_that_failed_before_has_half_of_the_budget(self, room: Room) -> None:
        room.services.downloading.budget = budget_of(room.services.clock, 4)
        room.aggregator.instead("read_member_status", AggregatorDown("502"))
        room.run()
        room.services.clock.at = room.download.due_at
        room.aggregator.calls.clear()
        room.run()
        assert ["read_member_status", "list_accounts"] == room.aggregator.calls
        assert 1 == room.download.bad_answers

    def test_a_good_page_forgives_the_bad_ones_before(self, room: Room) -> None:
        bad = [AggregatorDown("502")] * 4
        room.aggregator.instead("read_transactions_page", *bad, None, *bad, None, *bad)
        room.run_for(300)
        assert (30, None) == room.ended("complete")

    def test_the_proof_survives_bad_answers_too(self, room: Room) -> None:
        room.aggregator.instead("read_member_status", None, AggregatorDown("502"))
        room.run_for(10)
        assert (30, None) == room.ended("complete")
        assert 4 == room.pages

    def test_a_member_that_is_gone_fails_the_download(self, room: Room) -> None:
        room.aggregator.instead("read_member_status", *[MemberGone("404")] * 5)
        room.run_for(120)
        assert "member_gone" == room.ended("failed")[1]

    def test_a_disconnected_link_is_not_downloaded_again_and_again(self, room: Room) -> None:
        room.services.linking.disconnect(room.services.user_id, room.link_id)
        room.run()
        assert (0, "disconnected") == room.ended("failed")
        assert (None, None) == (room.download.due_at, room.link.next_attempt_at)


def test_one_that_is_wanted_again_while_it_runs_is_done_again(room: Room) -> None:
    room.on_page(2, room.refresh)
    room.run()
    room.run_for(10)
    assert (30, None) == room.ended("complete")
    assert None is room.download.due_at
    assert room.link.next_attempt_at is not None


def test_new_data_that_came_while_it_ran_is_there_in_the_end(room: Room) -> None:
    newest = room.new_row(99)

    def arrives() -> None:
        room.set_rows([newest, *room.rows().values()])
        room.refresh()

    room.on_page(4, arrives)
    room.run()
    room.run_for(10)
    assert newest.guid in room.kept()
    assert (31, None) == room.ended("complete")


def test_what_is_due_is_told(room: Room) -> None:
    assert [(room.services.user_id, room.link_id)] == room.services.downloading.due()
    assert 0 == room.services.downloading.seconds_to_next(15)
    room.run()
    assert [] == room.services.downloading.due()
    assert room.services.downloading.seconds_to_next(10**6) is None


def test_digests_tell_which_guids_were_seen_and_how_many_differ() -> None:
    seen = SeenDigests([page_digest(["a", "b"]), page_digest(["b", "c"]), b""])
    assert (4, 3) == (seen.rows, seen.distinct())
    assert [True, True, True, False] == [guid in seen for guid in "abcd"]
    assert page_digest(["a", "b"]) == page_digest(["b", "a"])
    assert 8 == len(digest("a"))
    assert (0, 0, False) == (SeenDigests([]).rows, SeenDigests([]).distinct(), "a" in SeenDigests([]))


def test_many_digests_are_sorted_and_counted_whatever_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "PART", 7)  # so that there are many parts
    guids = [f"TRN-{number}" for number in range(500)]
    pages = [page_digest(guids[at : at + 50]) for at in range(0, 500, 50)]
    seen = SeenDigests([*pages, page_digest(guids[:3])])
    assert (503, 500, 503) == (seen.rows, seen.distinct(), count([*pages, page_digest(guids[:3])]))
    assert all(guid in seen for guid in guids)
    assert not any(f"TRN-{number}" in seen for number in range(500, 1_000))
