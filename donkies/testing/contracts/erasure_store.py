"""The port `ErasureStore`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from donkies.domain.erasures import Erasure
from donkies.testing.banking import Stores, World


class ErasureStoreContract:
    """What every `ErasureStore` does. Needs the fixture `world`, as `MemoryWorld` is one."""

    @pytest.fixture
    def stores(self, world: World) -> Stores:
        return world.stores()

    def add(self, stores: Stores, due_in_s: float | None = -1, **fields: Any) -> Erasure:
        with stores.unit_of_work:
            now = stores.unit_of_work.now()
            due_at = None if due_in_s is None else now + timedelta(seconds=due_in_s)
            values = {"id": uuid4(), "user_guid": "USR-1", "identifier": "person", "requested_at": now}
            erasure = Erasure(**values | {"due_at": due_at} | fields)
            stores.erasures.add(erasure)
        return erasure

    def claim(self, stores: Stores, limit: int = 10) -> list[Erasure]:
        with stores.unit_of_work:
            return list(stores.erasures.claim_due(limit, 60))

    def find(self, stores: Stores, erasure: Erasure) -> Erasure:
        with stores.unit_of_work:
            return stores.erasures.find(erasure.id)

    def test_what_is_due_is_claimed_once_and_the_oldest_first(self, world: World, stores: Stores) -> None:
        late, early = self.add(stores, due_in_s=-1), self.add(stores, due_in_s=-9, user_guid=None)
        self.add(stores, due_in_s=60)
        (mine,) = self.claim(world.stores(), limit=1)
        assert (early.id, None, "person", 0, 1, early.requested_at) == (
            mine.id, mine.user_guid, mine.identifier, mine.attempts, mine.lease_no, mine.requested_at,
        )  # fmt: skip
        assert [late.id] == [one.id for one in self.claim(stores)]
        assert [] == self.claim(stores)

    def test_a_receipt_is_found_by_its_id_and_without_work_is_never_due(self, world: World, stores: Stores) -> None:
        with stores.unit_of_work:
            now = stores.unit_of_work.now()
        erasure = self.add(stores, due_in_s=None, user_guid=None, identifier="", done_at=now)
        assert ("done", now) == (self.find(stores, erasure).status, self.find(stores, erasure).done_at)
        world.pass_time(1_000)
        assert [] == self.claim(stores)
        with stores.unit_of_work:
            assert stores.erasures.find(uuid4()) is None

    def test_what_is_done_stays_as_a_receipt_that_names_nobody(self, world: World, stores: Stores) -> None:
        self.add(stores)
        (mine,) = self.claim(stores)
        assert "pending" == mine.status
        with stores.unit_of_work:
            stores.erasures.done(mine)
        kept = self.find(stores, mine)
        assert ("done", None, "", None) == (kept.status, kept.user_guid, kept.identifier, kept.due_at)
        assert kept.done_at >= kept.requested_at
        world.pass_time(1_000)
        assert [] == self.claim(stores)

    def test_what_is_postponed_comes_back_with_its_attempts_counted(self, world: World, stores: Stores) -> None:
        self.add(stores)
        (mine,) = self.claim(stores)
        with stores.unit_of_work:
            stores.erasures.postpone(mine, 100)
        world.pass_time(90)
        assert [] == self.claim(stores)
        world.pass_time(20)
        assert [(1, 2)] == [(again.attempts, again.lease_no) for again in self.claim(stores)]

    def test_whoever_was_taken_over_changes_nothing(self, world: World, stores: Stores) -> None:
        self.add(stores)
        (old,) = self.claim(stores)
        world.pass_time(61)
        (new,) = self.claim(world.stores())
        with stores.unit_of_work:
            stores.erasures.done(old)
            stores.erasures.postpone(old, 86_400)
        assert ("pending", 0, 2) == (new.status, self.find(stores, new).attempts, self.find(stores, new).lease_no)
        with stores.unit_of_work:
            stores.erasures.done(new)
            stores.erasures.postpone(new, 1)
        assert "done" == self.find(stores, new).status

    def test_only_what_was_done_before_then_is_removed(self, stores: Stores) -> None:
        pending, done = self.add(stores), self.add(stores, due_in_s=-9)
        (held,) = self.claim(stores, limit=1)
        with stores.unit_of_work:
            stores.erasures.done(held)
            now = stores.unit_of_work.now()
            assert 0 == stores.erasures.remove_done(now - timedelta(seconds=60))
            assert 1 == stores.erasures.remove_done(now + timedelta(seconds=60))
        assert self.find(stores, done) is None
        assert self.find(stores, pending) is not None
