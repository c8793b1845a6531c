"""What became of the rows that a proved walk did not see, in SQL: a month at a time, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, func, not_, or_, select, update
from sqlalchemy.orm import Session

from ...domain.matching import AFTER, BEFORE, Candidate, Pair, could_be, match_pending, match_same_day
from ...domain.relinking import FORMER, is_former
from ...domain.transactions import SeenGuids
from .tables import banking

t = banking.transactions.c
a = banking.accounts.c
BATCH = 1_000
COMPARED = (
    t.id, t.account_id, t.date, t.amount, t.type, t.description, t.status, t.guid, t.missed_reads, t.added_no,
)  # fmt: skip


class SqlMissing:
    """The rows of one link's window that were not seen, and those that are new to it.

    Use: take all of `pairs`, then `rest`.

    Args:
        proved_change: rows with a greater `added_no` are new.
    """

    def __init__(
        self,
        session: Session,
        user_id: UUID,
        link_id: UUID,
        window: tuple[date, date],
        seen: SeenGuids,
        proved_change: int,
    ) -> None:
        self._session = session
        listed = select(a.id).where(a.user_id == user_id, a.linked_account_id == link_id, a.is_listed)
        # the aggregator was silent about the others' rows
        self._of_link = (t.user_id == user_id, t.linked_account_id == link_id, t.account_id.in_(listed))
        self._of_link += tuple(is_within_memory(session, user_id, link_id))
        self._window = window
        self._seen = seen
        self._proved_change = proved_change
        self._pending: list[Candidate] = []
        self._posted: list[tuple[UUID, int]] = []  # and how often it was missed before

    def pairs(self) -> Iterator[Sequence[Pair]]:
        """Rows that are there under another guid, some at a time, to be made one before more are asked for."""
        for first, last in self._months():
            vanished, fresh, missed, adopted = self._read(first, last)
            pairs = match_same_day(vanished, fresh, adopted)
            yield from _batches(pairs)
            found = {old.id for old, _ in pairs}
            rest = [one for one in vanished if one.id not in found]
            self._pending += [one for one in rest if one.is_pending]
            self._posted += [(one.id, missed[one.id]) for one in rest if not one.is_pending]
        if self._pending:
            pairs = match_pending(self._pending, self._fresh_near_pending())
            yield from _batches(pairs)
            found = {old.id for old, _ in pairs}
            self._pending = [one for one in self._pending if one.id not in found]

    def rest(self) -> tuple[list[UUID], list[UUID]]:
        """Rows that are nowhere: those that are gone for good, and those that were missed for the first time."""
        gone = [one.id for one in self._pending] + [row_id for row_id, missed in self._posted if missed]
        return gone, [row_id for row_id, missed in self._posted if not missed]

    def _read(self, first: date, last: date) -> tuple[list[Candidate], list[Candidate], dict[UUID, int], set[UUID]]:
        """Rows that vanished, rows that are new, how often the former were missed before, and which were adopted."""
        vanished, fresh, missed, adopted = [], [], {}, set[UUID]()
        for row in self._rows(t.date.between(first, last)):
            if row.guid not in self._seen:
                vanished.append(candidate(row))
                missed[row.id] = row.missed_reads
                if is_former(row.guid):
                    adopted.add(row.id)
            elif row.added_no > self._proved_change:
                fresh.append(candidate(row))
        return vanished, fresh, missed, adopted

    def _fresh_near_pending(self) -> list[Candidate]:
        days = [one.date for one in self._pending]
        is_wanted = could_be(self._pending)
        rows = self._rows(t.date.between(min(days) - BEFORE, max(days) + AFTER), t.added_no > self._proved_change)
        fresh = (candidate(row) for row in rows if row.guid in self._seen)
        return [one for one in fresh if is_wanted(one)]

    def _rows(self, *which: ColumnElement[bool]) -> Iterable[Any]:
        return self._session.execute(
            select(*COMPARED).where(*self._of_link, *which).execution_options(yield_per=BATCH)
        )  # fmt: skip

    def _months(self) -> Iterator[tuple[date, date]]:
        """The first and the last day of each month of the window that may have rows."""
        ends = select(func.min(t.date), func.max(t.date)).where(*self._of_link, t.date.between(*self._window))
        day, end = self._session.execute(ends).one()
        while day is not None and day <= end:
            next_month = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
            yield day, min(next_month - timedelta(days=1), end)
            day = next_month


def is_within_memory(session: Session, user_id: UUID, link_id: UUID) -> Iterator[ColumnElement[bool]]:
    """Conditions that leave out adopted history from before the first day of which the new member gives rows."""
    ad = banking.adopted_accounts.c
    is_former = t.guid.startswith(FORMER, autoescape=True)
    adopted = select(ad.account_id).where(
        ad.user_id == user_id, ad.linked_account_id == link_id, ad.undone_at.is_(None)
    )
    for account_id in session.scalars(adopted).all():
        its = t.user_id == user_id, t.account_id == account_id, not_(is_former)
        first_day = session.scalar(select(func.min(t.date)).where(*its)) or date.max
        yield or_(t.account_id != account_id, not_(is_former), t.date >= first_day)


def put_on(session: Session, user_id: UUID, olds: Mapping[UUID, UUID], first_change: int, now: datetime) -> None:
    """Give rows that vanished the content of what they are now, all but the guid, which is still taken.

    Nothing of it passes through this process, so that MX's objects stay byte for byte what they were.

    Args:
        olds: the ids that stay, by those that are to go.
    """
    new = banking.transactions.alias("new")
    own = {name: func.coalesce(t[name], new.c[name]) for name in ("own_category", "note")}
    copied = {c.name: new.c[c.name] for c in banking.transactions.c if c.name not in STAYS and c.computed is None}
    statement = (
        update(banking.transactions)
        .where(
            t.user_id == user_id, t.id == bindparam("old"), new.c.user_id == t.user_id, new.c.id == bindparam("new_id")
        )
        .values(copied | own)
        .values(
            is_hidden=or_(t.is_hidden, new.c.is_hidden), change_no=bindparam("number"), missed_reads=0, updated_at=now
        )
    )
    changes = [
        {"old": old, "new_id": new_id, "number": first_change + at} for at, (new_id, old) in enumerate(olds.items())
    ]
    session.connection().execute(statement, changes)


STAYS = {
    "user_id", "id", "guid", "created_at", "added_no",  # as it was
    "own_category", "note", "is_hidden", "change_no", "missed_reads", "updated_at",  # each in its own way
}  # fmt: skip


def candidate(row: Any) -> Candidate:
    return Candidate(row.id, row.account_id, row.date, row.amount, row.type, row.description, row.status == "pending")


def _batches(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    return (pairs[at : at + BATCH] for at in range(0, len(pairs), BATCH))
