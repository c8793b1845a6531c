"""The port `WidgetVisitStore`."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from donkies.domain.widget_visits import WidgetVisit
from donkies.testing.banking import Stores, World


class WidgetVisitStoreContract:
    """What every `WidgetVisitStore` does. Needs the fixture `world`, as `MemoryWorld` is one."""

    @pytest.fixture
    def stores(self, world: World) -> Stores:
        return world.stores()

    def begin(self, stores: Stores, user_id: UUID, *, for_s: float = 100, due_in_s: float = -1) -> None:
        with stores.unit_of_work:
            stores.visits.begin(user_id, stores.unit_of_work.now() + timedelta(seconds=for_s), due_in_s)

    def claim(self, stores: Stores, limit: int = 10) -> list[WidgetVisit]:
        with stores.unit_of_work:
            return list(stores.visits.claim_due(limit, 60))

    def test_what_is_due_is_claimed_once_and_the_oldest_first(self, world: World, stores: Stores) -> None:
        late, early, not_yet = (world.person() for _ in range(3))
        for user_id, due_in_s in ((late, -1), (early, -9), (not_yet, 50)):
            self.begin(stores, user_id, due_in_s=due_in_s)
        assert [(early, 1, 0)] == [(one.user_id, one.lease_no, one.looks) for one in self.claim(world.stores(), 1)]
        assert [late] == [one.user_id for one in self.claim(stores)]
        assert [] == self.claim(stores)

    def test_it_says_when_the_last_widget_is_shut(self, world: World, stores: Stores) -> None:
        self.begin(stores, world.person())
        (visit,) = self.claim(stores)
        assert not visit.is_over
        world.pass_time(101)
        assert [True] == [one.is_over for one in self.claim(stores)]

    def test_what_is_put_off_comes_back_with_its_looks_counted(self, world: World, stores: Stores) -> None:
        self.begin(stores, world.person())
        (visit,) = self.claim(stores)
        with stores.unit_of_work:
            stores.visits.put_off(visit, 30)
        assert [] == self.claim(stores)
        world.pass_time(31)
        assert [(1, 2)] == [(one.looks, one.lease_no) for one in self.claim(stores)]

    def test_a_second_widget_makes_it_longer_and_never_shorter(self, world: World, stores: Stores) -> None:
        user_id = world.person()
        self.begin(stores, user_id, for_s=100)
        (visit,) = self.claim(stores)
        self.begin(stores, user_id, for_s=200)
        self.begin(stores, user_id, for_s=50)
        with stores.unit_of_work:
            stores.visits.done(visit)  # it was over by what was known then
        world.pass_time(150)
        (again,) = self.claim(stores)
        assert (False, 0) == (again.is_over, again.looks)
        with stores.unit_of_work:
            stores.visits.done(again)
        world.pass_time(1_000)
        assert [] == self.claim(stores)

    def test_it_is_hastened_where_there_is_one(self, world: World, stores: Stores) -> None:
        user_id, other = world.person(), world.person()
        self.begin(stores, user_id, due_in_s=50)
        with stores.unit_of_work:
            stores.visits.hasten(user_id)
            stores.visits.hasten(other)
            stores.visits.lock(user_id)
        assert [user_id] == [one.user_id for one in self.claim(stores)]

    def test_whoever_was_taken_over_changes_nothing(self, world: World, stores: Stores) -> None:
        self.begin(stores, world.person())
        (old,) = self.claim(stores)
        world.pass_time(61)
        assert 1 == len(self.claim(world.stores()))
        with stores.unit_of_work:
            stores.visits.done(old)
            stores.visits.put_off(old, 86_400)
        world.pass_time(61)
        assert [(0, 3)] == [(one.looks, one.lease_no) for one in self.claim(stores)]
