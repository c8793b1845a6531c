"""A bank that does at random what banks do, at the port `Aggregator`: adds, posts, tips, renames, forgets, reissues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from ..adapters.memory.aggregator import made_transaction
from ..domain.aggregator import AggregatedAccount, AggregatedTransaction, MemberRef, MemberStatus, Page
from .factories import NOON, make_account, make_status

NAMES = ("Shop", "Café", "Rent", "Fuel")
AMOUNTS = tuple(map(Decimal, ("5.00", "10.00", "12.50")))
DAYS_AGO = (0, 1, 2, 3, 15, 70, 71)  # within the window of a recent walk, and far out of it
TIPS = Decimal(1), Decimal("1.2")
KEPT = ("guid", "account_guid", "type", "status", "amount", "description")
Choose = Callable[[int], int]  # some number below the one given


def chooser(seed: int) -> Choose:
    """Choices from one number, so that a whole act is one draw of Hypothesis's."""

    def choose(below: int) -> int:
        nonlocal seed
        seed, found = divmod(seed, below)
        return found

    return choose


class Killed(BaseException):
    """The worker's process ends here: nothing of it runs on."""


@dataclass
class RandomBank:
    """One member's accounts and rows. What it does between two pages is put into `between` before.

    Args:
        rows: what it would name now, by guid.
        named: guids that were read since this was last emptied.
    """

    number: int
    today: date
    per_page: int = 3
    rows: dict[str, AggregatedTransaction] = field(default_factory=dict)
    forgotten: list[AggregatedTransaction] = field(default_factory=list)
    between: list[Callable[[], object]] = field(default_factory=list)
    named: set[str] = field(default_factory=set)
    _made: int = 0
    _jobs: int = 0

    @property
    def member(self) -> MemberRef:
        return MemberRef("USR-1", f"MBR-{self.number}")

    # what it does

    def act(self, what: str, choose: Choose) -> None:
        """One of ACTS; it is a job of the aggregator's, so that walks under way notice."""
        self._jobs += 1
        getattr(self, what)(choose)

    def add(self, choose: Choose) -> None:
        day = self.today - timedelta(days=DAYS_AGO[choose(len(DAYS_AGO))])
        self._keep(
            made_transaction(
                self.member, 0, day, guid=self._guid(), account_guid=self._account(choose(2)),
                type=("debit", "debit", "credit")[choose(3)], status=("posted", "pending")[choose(2)],
                amount=AMOUNTS[choose(len(AMOUNTS))], description=NAMES[choose(len(NAMES))],
            )
        )  # fmt: skip

    def add_an_equal_one(self, choose: Choose) -> None:
        if row := self._some(choose):
            self._keep(self._changed(row, guid=self._guid()))

    def post(self, choose: Choose) -> None:
        if row := self._some(choose, "pending"):
            self._keep(self._changed(row, status="posted"))

    def post_anew(self, choose: Choose) -> None:
        """Under another guid, perhaps with a tip, perhaps some days on."""
        if row := self._some(choose, "pending"):
            del self.rows[row.guid]
            self._keep(
                self._changed(
                    row, guid=self._guid(), status="posted", amount=row.amount * TIPS[choose(2)],
                    date=min(self.today, row.date + timedelta(days=choose(3))),
                )
            )  # fmt: skip

    def amend(self, choose: Choose) -> None:
        if row := self._some(choose):
            self._keep(self._changed(row, amount=row.amount + Decimal("0.25") * (1 + choose(3))))

    def delete(self, choose: Choose) -> None:
        if row := self._some(choose):
            self.forgotten.append(self.rows.pop(row.guid))

    def remember(self, choose: Choose) -> None:
        """A row that was gone is there again, under the guid it had."""
        if self.forgotten:
            self._keep(self.forgotten.pop(choose(len(self.forgotten))))

    def reissue(self, choose: Choose) -> None:
        """All rows of an account under other guids."""
        account = self._account(choose(2))
        for row in [row for row in self.rows.values() if row.account_guid == account]:
            del self.rows[row.guid]
            self._keep(self._changed(row, guid=self._guid()))

    # the port, as far as downloads use it

    def read_member_status(self, member: MemberRef) -> MemberStatus:
        self._meanwhile()
        return make_status("CONNECTED", aggregated_at=NOON + timedelta(seconds=self._jobs))

    def list_accounts(self, member: MemberRef) -> tuple[AggregatedAccount, ...]:
        self._meanwhile()
        return tuple(make_account(self._account(at), masked_number=f"XXXX{self.number:03d}{at}") for at in range(2))

    def read_transactions_page(
        self, member: MemberRef, from_date: date, to_date: date, page: int
    ) -> Page[AggregatedTransaction]:
        self._meanwhile()
        rows = [row for row in self.rows.values() if from_date <= row.date <= to_date]
        rows.sort(key=lambda row: (row.date, row.guid), reverse=True)
        shown = rows[(page - 1) * self.per_page : page * self.per_page]
        self.named |= {row.guid for row in shown}
        return Page(shown, page, self.per_page, len(rows), max(1, -(-len(rows) // self.per_page)))

    def _meanwhile(self) -> None:
        if self.between:
            self.between.pop(0)()

    def _some(self, choose: Choose, status: str | None = None) -> AggregatedTransaction | None:
        found = [row for row in self.rows.values() if status in (None, row.status)]
        return found[choose(len(found))] if found else None

    def _changed(self, row: AggregatedTransaction, **changes: Any) -> AggregatedTransaction:
        kept = {name: getattr(row, name) for name in KEPT}
        return made_transaction(self.member, 0, changes.pop("date", row.date), **kept | changes)

    def _keep(self, row: AggregatedTransaction) -> None:
        self.rows[row.guid] = row

    def _guid(self) -> str:
        self._made += 1
        return f"TRN-{self.number}-{self._made}"

    def _account(self, at: int) -> str:
        return f"ACT-{self.number}-{at}"


ACTS = ("add", "add", "add", "add_an_equal_one", "post", "post_anew", "amend", "delete", "remember", "reissue")
