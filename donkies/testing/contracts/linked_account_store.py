"""The port `LinkedAccountStore`."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from donkies.domain.aggregator import ActBy, LinkStatus, RetryWith
from donkies.domain.challenges import Challenge, ChallengeOption
from donkies.domain.errors import Conflict, NotFound
from donkies.domain.ids import new_id
from donkies.domain.link_store import IdempotencyKey, MemberHint
from donkies.domain.linked_accounts import LinkedAccount, LinkTiming, TransactionsStatus
from donkies.testing.banking import Stores, World
from donkies.testing.contracts.link_claims import LinkClaims, fields_of
from donkies.testing.factories import NOON, make_account, make_link, make_row
from donkies.testing.threads import in_threads

SUCCESS = LinkStatus.SUCCESS


class LinkedAccountStoreContract(LinkClaims):
    """What every `LinkedAccountStore` does. Needs the fixture `world`, as `MemoryWorld` is one."""

    # waking

    def wake(self, stores: Stores, hint: MemberHint, in_s: float = 5, pause_s: float = 0) -> bool:
        with stores.unit_of_work:
            at = stores.unit_of_work.now() + timedelta(seconds=in_s)
            woken: bool = stores.links.wake(hint, at, timedelta(seconds=pause_s))
        return woken

    def at_rest(self, stores: Stores, user_id: UUID, guid: str = "MBR-1", **fields: Any) -> LinkedAccount:
        with stores.unit_of_work:
            stores.links.keep_aggregator_user(user_id, f"USR-{user_id}")
        return self.add(stores, user_id, member_guid=guid, link_status=SUCCESS, **fields)

    def test_a_hint_brings_one_look_and_the_look_lets_the_next_hint_bring_another(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        link, other = self.at_rest(stores, user_id), self.at_rest(stores, user_id, "MBR-2")
        hint = MemberHint("MBR-1", f"USR-{user_id}")
        assert [True, False] == [self.wake(stores, hint), self.wake(stores, hint, in_s=0)]
        assert [] == self.claim(stores)
        with stores.unit_of_work:
            assert 4 < (stores.links.seconds_to_next(15) or 0) <= 5
        world.pass_time(6)
        (due,) = self.claim(stores)
        assert (link.id, None) == (due.link.id, due.link.wake_at)
        assert self.wake(stores, hint, in_s=-1)  # while it is looked at
        with stores.unit_of_work:
            assert stores.links.seconds_to_next(15) is None  # it waits for the look to end
            due.link.release(stores.unit_of_work.now(), LinkTiming())
            assert {link.id} == stores.links.save_looked_at([due.link])
        assert [link.id] == [due.link.id for due in self.claim(stores)]
        assert self.read(world, other).wake_at is None

    def test_a_hint_of_changed_rows_forgets_whose_job_they_were_of(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        link = self.at_rest(stores, user_id, synced_job_at=NOON)
        assert self.wake(stores, MemberHint("MBR-1"))
        assert NOON == self.read(world, link).synced_job_at
        changed = MemberHint("MBR-1", is_changed=True)
        assert [True, False] == [self.wake(stores, changed), self.wake(stores, changed)]
        assert self.read(world, link).synced_job_at is None

    def test_a_link_whose_data_came_just_now_is_woken_later(self, world: World, stores: Stores, user_id: UUID) -> None:
        with stores.unit_of_work:
            now = stores.unit_of_work.now()
        fresh = self.at_rest(stores, user_id, last_synced=now - timedelta(seconds=30))
        stale = self.at_rest(stores, user_id, "MBR-2", last_synced=now - timedelta(seconds=90))
        never = self.at_rest(stores, user_id, "MBR-3")
        for guid in ("MBR-1", "MBR-2", "MBR-3"):
            assert self.wake(stores, MemberHint(guid), in_s=1, pause_s=60)
        waits = [round(((self.read(world, one).wake_at or now) - now).total_seconds()) for one in (fresh, stale, never)]
        assert 61 <= waits[0] <= 64
        assert waits[1] == waits[2] <= 4

    def test_a_hint_about_nobodys_or_another_persons_member_wakes_nothing(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        link, stranger = self.at_rest(stores, user_id), world.person()
        self.at_rest(stores, stranger, "MBR-2")
        for hint in (MemberHint("MBR-3"), MemberHint("MBR-1", f"USR-{stranger}"), MemberHint("MBR-1", "USR-0")):
            assert not self.wake(stores, hint)
        assert self.read(world, link).wake_at is None

    # keeping

    def test_what_was_added_is_there_in_full_for_others(self, world: World, stores: Stores, user_id: UUID) -> None:
        question = Challenge("CRD-1", "IMAGE_OPTIONS", "Which \u00e9?", (ChallengeOption("A", "a", "data:x"),), None)
        picture = Challenge("CRD-2", "IMAGE_DATA", "What is it?", (), "data:image/png;base64,AAAA")
        moment = make_link().created_at.replace(microsecond=123456)
        link = self.add(
            stores, user_id, member_guid="MBR-1", link_status=LinkStatus.CHALLENGED, reason="needs_user",
            act_by=ActBy.USER, retry_with=RetryWith.CHALLENGE, connection_status="CHALLENGED", is_refreshing=True,
            is_background=True, challenges=(question, picture), transactions_status=TransactionsStatus.FAILED,
            transactions_count=2**40, last_synced=moment, last_attempted_at=moment, next_attempt_at=moment,
            lease_until=moment, next_look_at=moment, looks=3, idle_reads=2,
        )  # fmt: skip
        kept = self.read(world, link)
        assert kept is not link
        assert fields_of(link) == fields_of(kept)

    def test_what_was_rolled_back_is_not(self, world: World, stores: Stores, user_id: UUID) -> None:
        link = make_link(user_id)
        with suppress(ZeroDivisionError), stores.unit_of_work:
            stores.links.add(link)
            raise ZeroDivisionError
        with pytest.raises(NotFound):
            self.read(world, link)

    def test_a_change_is_kept_and_one_rolled_back_is_not(self, world: World, stores: Stores, user_id: UUID) -> None:
        link = self.add(stores, user_id)
        with stores.unit_of_work:
            stores.links.get(user_id, link.id).reason = "kept"
        with suppress(ZeroDivisionError), stores.unit_of_work:
            stores.links.lock(user_id, link.id).reason = "lost"
            raise ZeroDivisionError
        assert "kept" == self.read(world, link).reason

    def test_what_is_done_to_a_link_after_its_unit_of_work_is_not_kept(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        link = self.add(stores, user_id)
        link.reason = "leaked"
        with stores.unit_of_work:
            read = stores.links.get(user_id, link.id)
        read.reason = "leaked"
        assert self.read(world, link).reason is None

    def test_a_link_read_twice_in_one_unit_of_work_is_one(self, stores: Stores, user_id: UUID) -> None:
        link = self.add(stores, user_id)
        with stores.unit_of_work:
            assert stores.links.get(user_id, link.id) is stores.links.lock(user_id, link.id)

    def test_somebody_elses_link_is_not_found(self, world: World, stores: Stores, user_id: UUID) -> None:
        link = self.add(stores, user_id)
        stranger = world.person()
        with stores.unit_of_work:
            for find in (stores.links.get, stores.links.lock):
                with pytest.raises(NotFound):
                    find(stranger, link.id)
                with pytest.raises(NotFound):
                    find(user_id, new_id())
            assert [] == list(stores.links.list_of(stranger))

    def test_links_are_listed_newest_first(self, stores: Stores, user_id: UUID) -> None:
        ids = sorted((self.add(stores, user_id).id for _ in range(3)), reverse=True)
        with stores.unit_of_work:
            assert ids == [link.id for link in stores.links.list_of(user_id)]

    def test_without_a_unit_of_work_there_is_nothing(self, stores: Stores, user_id: UUID) -> None:
        with pytest.raises(RuntimeError):
            stores.links.get(user_id, new_id())

    # the rest

    def test_the_next_one_due_is_told_in_seconds(self, stores: Stores, user_id: UUID) -> None:
        with stores.unit_of_work:
            assert stores.links.seconds_to_next(3600) is None
        self.add(stores, user_id, due_in_s=20)
        with stores.unit_of_work:
            assert stores.links.seconds_to_next(10) is None
            assert 15 < stores.links.seconds_to_next(60) <= 20
        self.add(stores, user_id, due_in_s=-5)
        with stores.unit_of_work:
            assert 0 == stores.links.seconds_to_next(60)

    def test_the_same_key_gives_what_it_made_before(self, world: World, stores: Stores, user_id: UUID) -> None:
        key = IdempotencyKey("client", "key", b"f" * 32)
        made = new_id()
        with stores.unit_of_work:
            assert stores.links.remember(user_id, key, made) is None
        stranger = world.person()
        with stores.unit_of_work:
            assert made == stores.links.remember(user_id, key, new_id())
            assert stores.links.remember(user_id, IdempotencyKey("another", "key", b"g" * 32), new_id()) is None
            assert stores.links.remember(stranger, IdempotencyKey("client", "key", b"g" * 32), new_id()) is None
            with pytest.raises(Conflict) as refused:
                stores.links.remember(user_id, IdempotencyKey("client", "key", b"g" * 32), new_id())
        assert "idempotency_key_reused" == refused.value.code

    def test_a_key_of_a_request_that_was_rolled_back_is_free(self, stores: Stores, user_id: UUID) -> None:
        key = IdempotencyKey("client", "key", b"f" * 32)
        with suppress(ZeroDivisionError), stores.unit_of_work:
            stores.links.remember(user_id, key, new_id())
            raise ZeroDivisionError
        with stores.unit_of_work:
            assert stores.links.remember(user_id, key, new_id()) is None

    def test_of_equal_requests_at_once_one_makes_something(self, world: World, user_id: UUID) -> None:
        answers: list[UUID | None] = []
        barrier = threading.Barrier(5)

        def work() -> None:
            mine = world.stores()
            barrier.wait()
            with mine.unit_of_work:
                answers.append(mine.links.remember(user_id, IdempotencyKey("client", "key", b"f" * 32), new_id()))

        in_threads(*[work] * 5)
        assert 1 == answers.count(None)
        assert 2 == len(set(answers))

    def test_a_persons_user_at_the_aggregator_is_kept_once(self, stores: Stores, user_id: UUID) -> None:
        with stores.unit_of_work:
            assert stores.links.aggregator_user(user_id) is None
            stores.links.keep_aggregator_user(user_id, "USR-1")
            stores.links.keep_aggregator_user(user_id, "USR-2")
        with stores.unit_of_work:
            assert "USR-1" == stores.links.aggregator_user(user_id)

    def test_erasing_takes_all_below_and_tells_the_feed(self, world: World, stores: Stores, user_id: UUID) -> None:
        link, other = self.add(stores, user_id), self.add(stores, user_id)
        for one, guid in ((link, "ACT-1"), (other, "ACT-2")):
            with stores.unit_of_work:
                now = stores.unit_of_work.now()
                stores.downloads.request(user_id, one.id, now, now)
                stores.ledger.write_accounts(user_id, one.id, [make_account(guid)], now)
                ids = stores.ledger.account_ids(user_id, one.id)
                rows = [make_row(n, guid=f"{guid}-{n}", account_guid=guid) for n in range(3)]
                stores.ledger.write_page(user_id, one.id, ids, rows, now)
        with stores.unit_of_work:
            stores.links.erase(stores.links.lock(user_id, link.id), stores.unit_of_work.now())
        assert {"ACT-2-0": 4, "ACT-2-1": 5, "ACT-2-2": 6} == world.change_numbers(user_id)
        assert [7, 8, 9] == sorted(world.tombstones(user_id))
        assert [other.id] == [account["linked_account_id"] for account in world.reader.list_accounts(user_id)]
        with stores.unit_of_work:
            assert [(user_id, other.id)] == list(stores.downloads.due(10))
            with pytest.raises(NotFound):
                stores.links.get(user_id, link.id)

    def test_erasing_takes_what_points_to_it_along_and_nothing_of_anybody_else(
        self, world: World, stores: Stores, user_id: UUID
    ) -> None:
        link, stranger = self.add(stores, user_id), world.person()
        self.add(stores, user_id, duplicate_of=link.id)
        kept = [self.add(stores, user_id), self.add(stores, user_id, duplicate_of=new_id())]
        theirs = self.add(stores, stranger, duplicate_of=link.id)
        with stores.unit_of_work:
            stores.links.erase(stores.links.lock(user_id, link.id), stores.unit_of_work.now())
        with stores.unit_of_work:
            assert {one.id for one in kept} == {one.id for one in stores.links.list_of(user_id)}
            assert [theirs.id] == [one.id for one in stores.links.list_of(stranger)]

    def test_a_looker_leaves_alone_what_a_link_points_to(self, world: World, stores: Stores, user_id: UUID) -> None:
        original = new_id()
        link = self.add(stores, user_id, due_in_s=-1, duplicate_of=original)
        with stores.unit_of_work:
            (due,) = stores.links.claim_due(10, 60, 10)
        due.link.duplicate_of, due.link.looks = None, 5
        other = world.stores()
        with other.unit_of_work:
            assert {link.id} == other.links.save_looked_at([due.link])
        with other.unit_of_work:
            kept = other.links.get(user_id, link.id)
            assert (original, 5) == (kept.duplicate_of, kept.looks)
