"""What a download makes of rows that changed, came and went, and of accounts; and the times that it keeps."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from donkies.domain.aggregator import (
    AggregatorDown,
)
from donkies.testing.aggregator import credentials

from .download_room import DAY, TODAY, Room


@pytest.fixture
def room() -> Room:
    return Room()


class TestWhatChanged:
    def again(self, room: Room) -> None:
        room.refresh()
        room.run()
        assert "complete" == room.link.transactions_status

    def test_rows_that_did_not_change_are_not_rewritten(self, room: Room) -> None:
        room.run()
        before, rows = room.changes(), dict(room.services.world.rows.committed.transactions)
        self.again(room)
        assert before == room.changes()
        assert rows == room.services.world.rows.committed.transactions

    def test_only_a_row_that_changed_takes_a_new_number_and_keeps_its_id(self, room: Room) -> None:
        room.run()
        before = room.changes()
        first, *rest = room.rows().values()
        key = room.services.user_id, first.guid
        old = room.services.world.rows.committed.transactions[key]
        room.set_rows([room.new_row(0, first.date, description="Corner Shop, corrected"), *rest])
        self.again(room)
        assert {first.guid: 31} == dict(room.changes().items() - before.items())
        new = room.services.world.rows.committed.transactions[key]
        assert (old["id"], "Corner Shop, corrected") == (new["id"], new["description"])
        assert 30 == room.link.transactions_count

    def test_a_pending_row_that_vanished_is_removed_at_once(self, room: Room) -> None:
        pending = room.new_row(99, status="pending", posted_at=None)
        room.set_rows([pending, *room.rows().values()])
        room.run()
        room.set_rows([row for row in room.rows().values() if row.guid != pending.guid])
        self.again(room)
        assert pending.guid not in room.kept()
        assert 1 == len(room.services.world.tombstones(room.services.user_id))
        assert 30 == room.link.transactions_count

    def test_a_posted_row_is_removed_only_when_two_proved_reads_miss_it(self, room: Room) -> None:
        room.run()
        first, *rest = room.rows().values()
        room.set_rows(rest)
        self.again(room)
        assert first.guid in room.kept()
        assert {} == room.services.world.tombstones(room.services.user_id)
        self.again(room)
        assert first.guid not in room.kept()
        assert [31] == list(room.services.world.tombstones(room.services.user_id))

    def test_a_posted_row_that_was_missed_and_came_back_starts_anew_and_is_not_named(self, room: Room) -> None:
        room.run()
        before = room.changes()
        rows = list(room.rows().values())
        for now in (rows[1:], rows, rows[1:]):
            room.set_rows(now)
            self.again(room)
        assert rows[0].guid in room.kept()
        assert before == room.changes()

    def test_rows_outside_the_window_of_the_last_days_are_left_alone(self, room: Room) -> None:
        old = room.new_row(99, TODAY - timedelta(days=200))
        room.set_rows([*room.rows().values(), old])
        room.run()
        room.set_rows([row for row in room.rows().values() if row.guid != old.guid])
        for _ in range(3):
            self.again(room)
        assert old.guid in room.kept()

    def test_two_equal_purchases_are_two(self, room: Room) -> None:
        twins = [
            room.new_row(number, amount=Decimal("4.50"), description="Coffee", original_description="COFFEE")
            for number in (98, 99)
        ]
        room.set_rows([*room.rows().values(), *twins])
        room.run()
        assert {twin.guid for twin in twins} <= room.kept()
        assert (32, None) == room.ended("complete")


class TestAVanishedAccount:
    def refresh_without_the_second(self, room: Room, *, proves: bool) -> None:
        real = room.bank.list_accounts
        room.aggregator.instead("list_accounts", *[lambda member: real(member)[:1]] * 10)
        rows = list(room.rows().values())
        first = real(room.member)[0].guid
        room.set_rows([row for row in rows if row.account_guid == first])
        if not proves:
            room.aggregator.instead("read_transactions_page", *[AggregatorDown("502")] * 5)
        room.refresh()
        room.run_for(120)
        room.set_rows(rows)
        room.aggregator._acts["list_accounts"].clear()

    def closed(self, room: Room) -> list[bool]:
        return [row["is_closed"] for row in room.services.world.rows.committed.accounts.values()]

    def test_it_is_closed_with_its_history_and_comes_back(self, room: Room) -> None:
        room.run()
        for _ in range(2):
            room.services.clock.advance(8 * DAY)
            self.refresh_without_the_second(room, proves=True)
            assert (30, None) == room.ended("complete")
            assert [False, True] == self.closed(room)
        room.refresh()
        room.run()
        assert [False, False] == self.closed(room)
        assert (30, None) == room.ended("complete")

    def test_a_reading_that_is_not_proved_closes_nothing(self, room: Room) -> None:
        room.run()
        self.refresh_without_the_second(room, proves=False)
        assert (30, "aggregator_down") == room.ended("failed")
        assert [False, False] == self.closed(room)


class TestTimes:
    def shown(self, room: Room) -> Any:
        return room.services.world.reader.poll_link(room.services.user_id, room.link_id)

    def test_they_are_true_from_the_first_day_on(self, room: Room) -> None:
        clock = room.services.clock
        before = self.shown(room)
        assert (None, None, None) == tuple(before[name] for name in ("last_synced", "stale_since", "next_attempt_at"))
        clock.advance(60)
        room.run()
        synced = self.shown(room)
        assert (clock.at, None) == (synced["last_synced"], synced["stale_since"])
        assert before["last_attempted_at"] == synced["last_attempted_at"] < clock.at < synced["next_attempt_at"]
        # the schedule asks at its time, and the bank says no
        clock.at = due = synced["next_attempt_at"]
        assert due == self.shown(room)["stale_since"]
        room.bank.update_member_credentials(room.member, credentials("INVALID"))
        room.services.look_for(30)
        refused = self.shown(room)
        assert ("wrong_credentials", due, None) == tuple(
            refused[name] for name in ("link_status", "stale_since", "next_attempt_at")
        )
        assert due <= refused["last_attempted_at"] <= due + timedelta(seconds=30)
        # and yes to new credentials
        clock.advance(3600)
        at = clock.at
        room.services.linking.put_credentials(room.services.user_id, room.link_id, credentials("any"))
        assert at == self.shown(room)["last_attempted_at"]
        room.services.look_for(30)
        room.run()
        healed = self.shown(room)
        assert (clock.at, None, 30) == tuple(
            healed[name] for name in ("last_synced", "stale_since", "transactions_count")
        )
        assert healed["last_synced"] < healed["next_attempt_at"]

    def test_a_bank_that_cannot_be_asked_was_tried_all_the_same(self, room: Room) -> None:
        room.run()
        due = self.shown(room)["next_attempt_at"]
        room.services.clock.at = due
        room.aggregator.instead("aggregate_member", AggregatorDown("502"))
        room.services.looking.look()
        shown = self.shown(room)
        assert (due, due) == (shown["last_attempted_at"], shown["stale_since"])
        assert shown["next_attempt_at"] > due
        room.services.look_for(30)
        assert self.shown(room)["last_attempted_at"] > due

    def test_a_failed_download_leaves_yesterdays_rows_and_says_when_it_is_tried_again(self, room: Room) -> None:
        room.run()
        synced = self.shown(room)
        room.services.clock.at = due = synced["next_attempt_at"]
        room.aggregator.instead("list_accounts", *[AggregatorDown("502")] * 5)
        room.services.look_for(20)
        room.run_for(120)
        failed = self.shown(room)
        assert ("success", "failed", 30) == tuple(
            failed[name] for name in ("link_status", "transactions_status", "transactions_count")
        )
        assert (synced["last_synced"], due) == (failed["last_synced"], failed["stale_since"])
        assert room.download.due_at == failed["next_attempt_at"]
        assert set(room.rows()) == room.kept()
        room.services.clock.at = failed["next_attempt_at"]
        room.run()
        assert ("complete", None) == tuple(self.shown(room)[name] for name in ("transactions_status", "stale_since"))
        assert room.services.clock.at == self.shown(room)["last_attempted_at"]
