"""Claims, fences and looks of the port `LinkedAccountStore`: a part of its contract."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from donkies.domain.aggregator import LinkStatus, RetryWith
from donkies.domain.challenges import Challenge
from donkies.domain.linked_accounts import LinkedAccount, TransactionsStatus
from donkies.testing.banking import Stores, World
from donkies.testing.factories import NOON, make_link
from donkies.testing.threads import in_threads

SUCCESS = LinkStatus.SUCCESS


def fields_of(link: LinkedAccount) -> dict[str, Any]:
    return {name: value for name, value in vars(link).items() if not name.startswith("_")}


class LinkStoreSteps:
    """What tests of a `LinkedAccountStore` do over and over. Needs the fixture `world`, as `MemoryWorld` is one."""

    @pytest.fixture
    def stores(self, world: World) -> Stores:
        return world.stores()

    @pytest.fixture
    def user_id(self, world: World) -> UUID:
        return world.person()

    def add(self, stores: Stores, user_id: UUID, due_in_s: float | None = None, **fields: Any) -> LinkedAccount:
        with stores.unit_of_work:
            now = stores.unit_of_work.now()
            link = make_link(user_id, **{"created_at": now, "updated_at": now, "moving_since": now} | fields)
            if due_in_s is not None:
                link.next_look_at = now + timedelta(seconds=due_in_s)
            stores.links.add(link)
        return link

    def read(self, world: World, link: LinkedAccount) -> LinkedAccount:
        """As another unit of work sees it."""
        stores = world.stores()
        with stores.unit_of_work:
            return stores.links.get(link.user_id, link.id)

    def claim(
        self, stores: Stores, limit: int = 100, per_institution: int = 100, leave_out: Collection[str] = ()
    ) -> list[Any]:
        with stores.unit_of_work:
            return list(stores.links.claim_due(limit, 60, per_institution, leave_out))


class LinkClaims(LinkStoreSteps):
    """Who may work on a link, and whose writes count."""

    # claiming

    def test_what_is_due_is_claimed_once_with_a_fence_and_a_lease(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        link = self.add(stores, user_id, due_in_s=-1)
        self.add(stores, user_id, due_in_s=30)
        self.add(stores, user_id)
        (due,) = self.claim(stores)
        assert (link.id, 1, None) == (due.link.id, due.link.lease_no, due.user_guid)
        kept = self.read(world, link)
        assert kept.lease_until == kept.next_look_at
        with stores.unit_of_work:
            left = (kept.lease_until - stores.unit_of_work.now()).total_seconds()
        assert 55 < left <= 60
        assert [] == self.claim(stores)

    def test_a_lease_that_has_run_out_can_be_taken_over(self, world: World, stores: Stores, user_id: UUID) -> None:
        self.add(stores, user_id, due_in_s=-1)
        self.claim(stores)
        world.pass_time(61)
        (due,) = self.claim(world.stores())
        assert 2 == due.link.lease_no

    def test_the_oldest_due_come_first_and_no_more_than_asked_for(self, stores: Stores, user_id: UUID) -> None:
        ages = {self.add(stores, user_id, due_in_s=-age).id: age for age in (1, 5, 3)}
        assert [5] == [ages[due.link.id] for due in self.claim(stores, limit=1)]
        assert [3] == [ages[due.link.id] for due in self.claim(stores, limit=1)]

    def test_of_one_institution_no_more_is_claimed_than_its_share_oldest_first(
        self, stores: Stores, user_id: UUID
    ) -> None:
        ages = {self.add(stores, user_id, due_in_s=-age).id: age for age in (5, 7, 6)}
        other = self.add(stores, user_id, due_in_s=-1, institution_code="other")
        claimed = self.claim(stores, per_institution=2)
        assert {7, 6, None} == {ages.get(due.link.id) for due in claimed}
        assert other.id in {due.link.id for due in claimed}
        assert [5] == [ages[due.link.id] for due in self.claim(stores, per_institution=2)], "the rest stayed due"

    def test_institutions_that_are_left_out_take_no_place(self, stores: Stores, user_id: UUID) -> None:
        for code in ("full", "full", "full", "full too"):
            self.add(stores, user_id, due_in_s=-9, institution_code=code)
        for code in ("b", "c"):
            self.add(stores, user_id, due_in_s=-1, institution_code=code)
        claimed = self.claim(stores, limit=2, leave_out=["full", "full too"])
        assert {"b": 1, "c": 1} == Counter(due.link.institution_code for due in claimed)
        assert 4 == len(self.claim(stores)), "they stayed due"

    def test_where_the_persons_members_live_comes_along(self, stores: Stores, user_id: UUID) -> None:
        with stores.unit_of_work:
            stores.links.keep_aggregator_user(user_id, "USR-1")
        self.add(stores, user_id, due_in_s=-1)
        (due,) = self.claim(stores)
        assert "USR-1" == due.user_guid
        assert "USR-1" not in repr(due)

    @pytest.mark.parametrize(
        ("fields", "is_claimed"),
        [
            ({}, True),
            ({"reason": "unproved"}, True),
            ({"is_refreshing": True}, False),
            ({"retry_with": RetryWith.CHALLENGE, "reason": "needs_user"}, False),
            ({"link_status": LinkStatus.WRONG_CREDENTIALS, "retry_with": RetryWith.CREDENTIALS}, False),
            ({"link_status": LinkStatus.OTHER_ERROR}, False),
            ({"next_attempt_at": None}, False),
        ],
    )
    def test_a_healthy_link_whose_day_has_come_is_due_unless_a_person_is_needed(
        self, stores: Stores, user_id: UUID, fields: dict[str, Any], is_claimed: bool
    ) -> None:
        self.add(stores, user_id, **{"link_status": SUCCESS, "next_attempt_at": make_link().created_at} | fields)
        with stores.unit_of_work:
            claimed = stores.links.claim_due(10, 60, 10)
        assert is_claimed is bool(claimed)

    def test_a_day_to_come_is_not_due(self, stores: Stores, user_id: UUID) -> None:
        with stores.unit_of_work:
            tomorrow = stores.unit_of_work.now() + timedelta(days=1)
        self.add(stores, user_id, link_status=SUCCESS, next_attempt_at=tomorrow)
        assert [] == self.claim(stores)

    def test_many_claimers_at_once_share_what_is_due(self, world: World, stores: Stores, user_id: UUID) -> None:
        wanted = {self.add(stores, user_id, due_in_s=-1).id for _ in range(12)}
        claimed: list[UUID] = []
        barrier = threading.Barrier(4)

        def work() -> None:
            mine = world.stores()
            barrier.wait()
            while due := self.claim(mine, limit=2):
                claimed.extend(one.link.id for one in due)

        in_threads(*[work] * 4)
        for _ in range(3):  # who skipped rows that another had in hand finds nothing left
            claimed.extend(one.link.id for one in self.claim(stores))
        assert (12, wanted) == (len(claimed), set(claimed))

    # the fence

    def test_what_was_looked_at_is_written_while_the_fence_stands(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        link = self.add(stores, user_id, due_in_s=-1)
        (due,) = self.claim(stores)
        due.link.member_guid, due.link.link_status = "MBR-1", SUCCESS
        due.link.challenges = (Challenge("CRD-1", "TEXT", "?"),)
        due.link.next_look_at = due.link.lease_until = None
        with stores.unit_of_work:
            assert {link.id} == stores.links.save_looked_at([due.link])
        kept = self.read(world, link)
        assert fields_of(due.link) == fields_of(kept)

    @pytest.mark.parametrize(
        ("kept_h", "seen_h", "expected_h"), [(0, 2, 2), (24, 0, 24), (None, 2, None), (24, None, 24)]
    )
    def test_a_looker_only_ever_puts_the_next_attempt_off(
        self,
        world: World,
        stores: Stores,
        user_id: UUID,
        kept_h: int | None,
        seen_h: int | None,
        expected_h: int | None,
    ) -> None:
        def at(hours: int | None) -> datetime | None:
            return None if hours is None else NOON + timedelta(hours=hours)

        link = self.add(stores, user_id, due_in_s=-1)
        (due,) = self.claim(stores)
        with stores.unit_of_work:  # as a download does, meanwhile
            stores.links.lock(user_id, link.id).next_attempt_at = at(kept_h)
        due.link.next_attempt_at = at(seen_h)
        with stores.unit_of_work:
            stores.links.save_looked_at([due.link])
        assert at(expected_h) == self.read(world, link).next_attempt_at

    @pytest.mark.parametrize(("kept_h", "seen_h", "expected_h"), [(0, 2, 2), (2, 0, 2), (None, 1, 1), (1, None, 1)])
    def test_a_looker_never_takes_an_attempt_back(
        self,
        world: World,
        stores: Stores,
        user_id: UUID,
        kept_h: int | None,
        seen_h: int | None,
        expected_h: int,
    ) -> None:
        def at(hours: int | None) -> datetime | None:
            return None if hours is None else NOON + timedelta(hours=hours)

        link = self.add(stores, user_id, due_in_s=-1)
        (due,) = self.claim(stores)
        with stores.unit_of_work:  # as a download does, meanwhile
            stores.links.lock(user_id, link.id).last_attempted_at = at(kept_h)
        due.link.last_attempted_at = at(seen_h)
        with stores.unit_of_work:
            stores.links.save_looked_at([due.link])
        assert at(expected_h) == self.read(world, link).last_attempted_at

    def test_whoever_was_taken_over_writes_nothing_and_hears_of_it(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        taken, mine = self.add(stores, user_id, due_in_s=-1), self.add(stores, user_id, due_in_s=-1)
        old = self.claim(stores)
        other = world.stores()
        with other.unit_of_work:
            other.links.lock(user_id, taken.id).claim(other.unit_of_work.now(), 60)
        for due in old:
            due.link.reason = "written by the looker"
        with stores.unit_of_work:
            assert {mine.id} == stores.links.save_looked_at([due.link for due in old])
        assert (None, 2) == (self.read(world, taken).reason, self.read(world, taken).lease_no)
        assert "written by the looker" == self.read(world, mine).reason

    def test_of_two_threads_that_took_a_link_one_after_the_other_the_later_writes(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        link = self.add(stores, user_id, due_in_s=-1)
        claimed, taken_over = threading.Event(), threading.Event()
        written: dict[str, set[UUID]] = {}

        def work(name: str, before: threading.Event | None, after: threading.Event, wait: threading.Event) -> None:
            mine = world.stores()
            if before:
                before.wait(5)
                world.pass_time(61)
            (due,) = self.claim(mine)
            after.set()
            wait.wait(5)
            due.link.reason = name
            with mine.unit_of_work:
                written[name] = mine.links.save_looked_at([due.link])

        in_threads(
            lambda: work("slow", None, claimed, taken_over), lambda: work("fast", claimed, taken_over, taken_over)
        )
        assert {"slow": set(), "fast": {link.id}} == written
        assert "fast" == self.read(world, link).reason

    def test_a_looker_leaves_alone_what_a_download_writes_at_the_same_time(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        link = self.add(stores, user_id, due_in_s=-1)
        (due,) = self.claim(stores)
        other = world.stores()
        with other.unit_of_work:
            now = other.unit_of_work.now()
            other.links.lock(user_id, link.id).download_complete(7, now, now)
        with stores.unit_of_work:
            stores.links.save_looked_at([due.link])
        kept = self.read(world, link)
        assert (7, now, now, TransactionsStatus.COMPLETE) == (
            kept.transactions_count, kept.last_synced, kept.next_attempt_at, kept.transactions_status,
        )  # fmt: skip

    def test_a_link_that_is_gone_is_not_written(self, stores: Stores, user_id: UUID) -> None:
        self.add(stores, user_id, due_in_s=-1)
        (due,) = self.claim(stores)
        with stores.unit_of_work:
            stores.links.erase(stores.links.lock(user_id, due.link.id), stores.unit_of_work.now())
        with stores.unit_of_work:
            assert set() == stores.links.save_looked_at([due.link])
            assert set() == stores.links.save_looked_at([])

    def test_of_commands_at_once_each_sees_what_the_one_before_wrote(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        link = self.add(stores, user_id)
        barrier = threading.Barrier(6)

        def work() -> None:
            mine = world.stores()
            barrier.wait()
            with mine.unit_of_work:
                held = mine.links.lock(user_id, link.id)
                held.transactions_count += 1
                held.claim(mine.unit_of_work.now(), 60)

        in_threads(*[work] * 6)
        assert (6, 6) == (self.read(world, link).transactions_count, self.read(world, link).lease_no)
