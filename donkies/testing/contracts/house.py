"""A person whose links come and go at one bank, for the contract of `AdoptionStore`."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from donkies.adapters.memory.aggregator import MemoryAggregator, made_transaction
from donkies.adapters.memory.annotations import MemoryAnnotationStore
from donkies.adapters.persistence.annotations import SqlAnnotationStore
from donkies.domain.aggregator import AggregatedAccount, AggregatedTransaction, LinkStatus, MemberRef
from donkies.domain.downloading import DownloadService
from donkies.domain.downloads import DownloadTiming
from donkies.domain.duplicates import DuplicateService
from donkies.domain.linked_accounts import LinkTiming
from donkies.domain.relinking import Relinking
from donkies.domain.stopping import StopFlag
from donkies.domain.transactions import TransactionQuery
from donkies.testing.banking import MemoryWorld, World
from donkies.testing.factories import NOON, make_link

TODAY = NOON.date()


class OneCustomersBank(MemoryAggregator):
    """Whoever logs in is the same customer, with accounts of the same numbers."""

    def list_accounts(self, member: MemberRef) -> tuple[AggregatedAccount, ...]:
        accounts = enumerate(super().list_accounts(member), 1)
        return tuple(replace(account, masked_number=f"XXXX{number:04d}") for number, account in accounts)


class House:
    """A person, their links, and a bank that gives every member of theirs the same accounts and purchases."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.user_id = world.person()
        self.bank = OneCustomersBank(transactions=30, per_page=10, today=TODAY)
        self.user_guid = self.bank.ensure_user(str(self.user_id))
        self.members: dict[UUID, MemberRef] = {}
        self.stores = world.stores()
        with self.stores.unit_of_work:
            self.stores.links.keep_aggregator_user(self.user_id, self.user_guid)

    def link(self, *numbers: int, institution_code: str = "mxbank", **changes: Any) -> UUID:
        """A link that is a success, and whose download is wanted; with these rows, by number, else all."""
        member = self.bank.link_in_widget(self.user_guid).ref
        while self.bank.read_member_status(member).is_being_aggregated:
            pass
        if numbers:
            self.bank.set_transactions(member, [self.row(member, number) for number in numbers])
        link = make_link(
            self.user_id, member_guid=member.member_guid, link_status=LinkStatus.SUCCESS,
            institution_code=institution_code,
        )  # fmt: skip
        with self.stores.unit_of_work:
            self.stores.links.add(link)
        self.members[link.id] = member
        self.want(link.id)
        return link.id

    def row(self, member: MemberRef, number: int, **changes: Any) -> AggregatedTransaction:
        return made_transaction(member, number, TODAY - timedelta(days=number // 2), **changes)

    def want(self, link_id: UUID, *, is_full: bool = True) -> None:
        with self.stores.unit_of_work:
            now = self.stores.unit_of_work.now()
            full_before = now if is_full else now - timedelta(days=7)
            self.stores.downloads.request(self.user_id, link_id, now, full_before)

    def worker(self, aggregator: Any = None, stores: Any = None) -> tuple[DownloadService, Relinking]:
        stores, timing = stores or self.world.stores(), LinkTiming()
        relinking = Relinking(
            stores.unit_of_work, stores.links, stores.downloads, stores.ledger, stores.adoptions, timing, stores.jobs
        )
        return DownloadService(
            stores.unit_of_work, stores.links, stores.downloads, stores.ledger, aggregator or self.bank,
            DownloadTiming(), timing, stores.jobs, StopFlag(),
            DuplicateService(stores.links, stores.ledger, stores.removals, stores.jobs, timing), relinking,
        ), relinking  # fmt: skip

    def run(self, link_id: UUID, aggregator: Any = None) -> None:
        self.worker(aggregator)[0].run(self.user_id, link_id)

    def read_again(self, link_id: UUID) -> None:
        self.want(link_id)
        self.run(link_id)

    def disconnect(self, link_id: UUID) -> None:
        with self.stores.unit_of_work:
            self.stores.links.lock(self.user_id, link_id).disconnect(NOON)
        self.bank.delete_member(self.members[link_id])

    def history(self, *numbers: int) -> UUID:
        """A link with its rows, disconnected."""
        link_id = self.link(*numbers)
        self.run(link_id)
        self.disconnect(link_id)
        return link_id

    def note(self, row_id: UUID, note: str) -> None:
        work = self.stores.unit_of_work
        is_memory = isinstance(self.world, MemoryWorld)
        store = MemoryAnnotationStore(work) if is_memory else SqlAnnotationStore(work, self.stores.ledger)
        with work:
            assert store.annotate(self.user_id, row_id, {"note": note, "category": "Mine", "hidden": True}, NOON)

    def rows(self, link_id: UUID | None = None) -> list[Any]:
        return list(
            self.world.reader.list_transactions(self.user_id, TransactionQuery(linked_account_id=link_id, limit=500))
        )

    def accounts(self, link_id: UUID) -> dict[str, UUID]:
        shown = self.world.reader.list_accounts(self.user_id)
        return {one["name"]: one["id"] for one in shown if one["linked_account_id"] == link_id}

    def status(self, link_id: UUID) -> tuple[Any, ...]:
        shown = self.world.reader.poll_link(self.user_id, link_id) or {}
        return shown["transactions_status"], shown["transactions_count"]

    def report(self, link_id: UUID) -> dict[str, tuple[Any, ...]]:
        shown = self.worker()[1].report(self.user_id, link_id)
        return {one["name"]: (str(one["state"]), one["transactions_count"], one["recognised_count"]) for one in shown}

    def undo(self, link_id: UUID) -> None:
        self.worker()[1].undo(self.user_id, link_id)

    def assert_nothing_is_twice(self) -> None:
        looks = Counter(
            (one["linked_account_id"], one["account_id"], one["date"], one["description"]) for one in self.rows()
        )
        assert 1 == max(looks.values())
