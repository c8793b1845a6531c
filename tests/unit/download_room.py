"""A link whose transactions are downloaded, for the tests of downloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from donkies.adapters.memory.aggregator import MemoryAggregator, made_transaction
from donkies.domain.aggregator import AggregatedTransaction
from donkies.testing.aggregator import credentials
from donkies.testing.banking import BankingServices
from donkies.testing.factories import NOON

DAY = 86_400
TODAY = NOON.date()


class Room:
    """One link that is a success and whose download is wanted."""

    def __init__(self, transactions: int = 30, per_page: int = 10) -> None:
        self.bank = MemoryAggregator(transactions=transactions, per_page=per_page, today=TODAY)
        self.services = services = BankingServices(self.bank)
        self.aggregator = services.aggregator
        self.link_id: UUID = services.linking.create(
            services.user_id, "mxbank", credentials("any"), "https://us.example/back"
        ).id
        services.look_for(20)
        self.member = self.link.member(self.bank.ensure_user(str(services.user_id)))
        self.aggregator.calls.clear()

    @property
    def link(self) -> Any:
        return self.services.link(self.link_id)

    @property
    def download(self) -> Any:
        return self.services.download(self.link_id)

    @property
    def pages(self) -> int:
        return self.aggregator.calls.count("read_transactions_page")

    def run(self) -> None:
        self.services.downloading.run(self.services.user_id, self.link_id)

    def run_for(self, seconds: float) -> None:
        """As a worker that is woken every second."""
        for _ in range(int(seconds)):
            self.services.clock.advance(1)
            self.run()

    def refresh(self) -> None:
        """A person asks for fresh data."""
        self.services.linking.refresh(self.services.user_id, self.link_id)
        self.services.look_for(20)

    def rows(self, **changes: Any) -> dict[str, AggregatedTransaction]:
        """What the aggregator has."""
        return {row.guid: row for row in self.bank._rows[self.member.member_guid]}

    def set_rows(self, rows: Sequence[AggregatedTransaction]) -> None:
        self.bank.set_transactions(self.member, rows)

    def new_row(self, number: int, day: date = TODAY, **changes: Any) -> AggregatedTransaction:
        return made_transaction(self.member, number, day, **changes)

    def kept(self) -> set[str]:
        return {guid for _, guid in self.services.world.rows.committed.transactions}

    def changes(self) -> dict[str, int]:
        return self.services.world.change_numbers(self.services.user_id)

    def on_page(self, number: int, act: Callable[..., Any]) -> None:
        """Do something before the aggregator answers its n-th page from now."""

        def call(*args: Any) -> Any:
            act()
            return self.bank.read_transactions_page(*args)

        self.aggregator.instead("read_transactions_page", *[None] * (number - 1), call)

    def ended(self, status: str) -> tuple[Any, ...]:
        assert status == self.link.transactions_status
        assert None is self.download.lease_until
        return self.link.transactions_count, self.link.reason
