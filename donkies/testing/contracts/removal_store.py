"""The port `RemovalStore`."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from donkies.domain.ids import new_id
from donkies.domain.removals import Removal
from donkies.testing.banking import Stores, World


class RemovalStoreContract:
    """What every `RemovalStore` does. Needs the fixture `world`, as `MemoryWorld` is one."""

    @pytest.fixture
    def stores(self, world: World) -> Stores:
        return world.stores()

    def add(self, stores: Stores, due_in_s: float = -1, **fields: Any) -> Removal:
        with stores.unit_of_work:
            now = stores.unit_of_work.now()
            removal = Removal(**{
                "id": new_id(), "user_guid": "USR-1", "member_guid": "MBR-1", "identifier": "link",
                "due_at": now + timedelta(seconds=due_in_s), "created_at": now,
            } | fields)  # fmt: skip
            stores.removals.add(removal)
        return removal

    def claim(self, stores: Stores, limit: int = 10) -> list[Removal]:
        with stores.unit_of_work:
            return list(stores.removals.claim_due(limit, 60))

    def test_what_is_due_is_claimed_once_and_comes_in_full(self, world: World, stores: Stores) -> None:
        removal = self.add(stores, member_guid=None)
        self.add(stores, due_in_s=60)
        (mine,) = self.claim(world.stores())
        assert (removal.id, "USR-1", None, "link", 0, 1) == (
            mine.id, mine.user_guid, mine.member_guid, mine.identifier, mine.attempts, mine.lease_no,
        )  # fmt: skip
        assert removal.created_at == mine.created_at
        assert [] == self.claim(stores)

    def test_what_was_rolled_back_is_not_there(self, stores: Stores) -> None:
        with suppress(ZeroDivisionError), stores.unit_of_work:
            now = stores.unit_of_work.now()
            stores.removals.add(
                Removal(id=new_id(), user_guid="U", member_guid="M", identifier="i", due_at=now, created_at=now)
            )
            raise ZeroDivisionError
        assert [] == self.claim(stores)

    def test_the_oldest_due_come_first(self, stores: Stores) -> None:
        late, early = self.add(stores, due_in_s=-1), self.add(stores, due_in_s=-9)
        assert [early.id] == [one.id for one in self.claim(stores, limit=1)]
        assert [late.id] == [one.id for one in self.claim(stores, limit=1)]

    def test_what_is_done_is_gone(self, world: World, stores: Stores) -> None:
        self.add(stores)
        (mine,) = self.claim(stores)
        with stores.unit_of_work:
            stores.removals.done(mine)
        world.pass_time(1_000)
        assert [] == self.claim(stores)

    def test_it_is_told_which_members_wait(self, stores: Stores) -> None:
        self.add(stores, member_guid="MBR-1", due_in_s=60)
        self.add(stores, member_guid=None)
        with stores.unit_of_work:
            assert {"MBR-1"} == stores.removals.waiting_among(["MBR-1", "MBR-2"])
            assert set() == stores.removals.waiting_among([])

    def test_what_is_postponed_comes_back_with_its_attempts_counted(self, world: World, stores: Stores) -> None:
        self.add(stores)
        (mine,) = self.claim(stores)
        with stores.unit_of_work:
            stores.removals.postpone(mine, stores.unit_of_work.now() + timedelta(seconds=100))
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
            stores.removals.done(old)
            stores.removals.postpone(old, stores.unit_of_work.now() + timedelta(days=1))
        world.pass_time(61)
        (again,) = self.claim(stores)
        assert (new.id, 0, 3) == (again.id, again.attempts, again.lease_no)
