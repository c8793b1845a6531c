"""A member's transactions as the wire lists them: the generated ones and, over them, the changes.

Only changes are kept: numbers of generated rows that are gone and whole rows that were added. A
changed row is both, gone and added. A page costs what the changes cost, not what the history does.

Lists are newest first; MX promises no order.
"""

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from typing import Any

from .history import History

PENDING_LIFETIME = timedelta(days=14)


class Ledger:
    """One member's history and its changes."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.gone: set[int] = set()
        self.added: dict[str, dict[str, Any]] = {}

    def find(self, guid: str) -> dict[str, Any] | None:
        """Look one row up by its GUID."""
        if guid in self.added:
            return self.added[guid]
        number = self.history.find(guid)
        if number is None or number in self.gone:
            return None
        return self.history.build([number])[0]

    def put(self, row: dict[str, Any]) -> None:
        """Add a row, in the place of the one with the same GUID."""
        self.remove(row["guid"])
        self.added[row["guid"]] = row

    def remove(self, guid: str) -> None:
        """Take a row out; nothing happens when it is not there."""
        self.added.pop(guid, None)
        number = self.history.find(guid)
        if number is not None:
            self.gone.add(number)

    def select(self, account: str | None, first: date, last: date, now: float) -> "Selection":
        """Choose the rows of one account (None: all) in a window of dates, both ends included."""
        return Selection(self, account, first, last, now)


class Selection:
    """Rows of a ledger, counted, and built a page at a time."""

    def __init__(self, ledger: Ledger, account: str | None, first: date, last: date, now: float) -> None:
        history = ledger.history
        self._history = history
        self._account = None if account is None else history.accounts.index(account)
        self._low = self._rank(history.first_from(first))
        self._high = max(self._low, self._rank(history.first_from(last + timedelta(days=1))))
        self._gone = sorted(
            rank
            for number in ledger.gone
            if self._account is None or history.account_of(number) == self._account
            if self._low <= (rank := self._rank(number)) < self._high
        )
        self._added = _added_in_window(ledger, account, first, last, now)
        self._places = [self._newer_than(row["date"]) + n for n, row in enumerate(self._added)]
        self.total = self._high - self._low - len(self._gone) + len(self._added)

    def page(self, offset: int, limit: int) -> list[dict[str, Any]]:
        """Build the rows from `offset` on, at most `limit`."""
        end = min(offset + limit, self.total)
        if offset >= end:
            return []
        first, last = bisect_left(self._places, offset), bisect_left(self._places, end)
        ranks = self._ranks(offset - first, end - offset - (last - first))
        rows = self._history.build(self._history.number(self._account, rank) for rank in ranks)
        for place, row in zip(self._places[first:last], self._added[first:last], strict=True):
            rows.insert(place - offset, row)
        return rows

    def _rank(self, number: int) -> int:
        return self._history.count(self._account, number)

    def _newer_than(self, day: str) -> int:
        """Count the generated rows that come before an added row of `day`."""
        following = self._rank(self._history.first_from(date.fromisoformat(day) + timedelta(days=1)))
        low = min(self._high, max(self._low, following))
        return self._high - low - (len(self._gone) - bisect_left(self._gone, low))

    def _ranks(self, skip: int, wanted: int) -> list[int]:
        """List the ranks of generated rows that are not gone, newest first, from the skip-th on."""
        rank = self._high - 1 - skip
        gone = self._gone[::-1]
        passed = 0
        while passed < len(gone) and gone[passed] >= rank:
            rank -= 1
            passed += 1
        skipped = set(gone[passed:])
        ranks: list[int] = []
        while len(ranks) < wanted:
            if rank not in skipped:
                ranks.append(rank)
            rank -= 1
        return ranks


def _added_in_window(ledger: Ledger, account: str | None, first: date, last: date, now: float) -> list[dict[str, Any]]:
    """List the added rows that show, newest first. MX drops a pending row after 14 days."""
    oldest_pending = (datetime.fromtimestamp(now, UTC).date() - PENDING_LIFETIME).isoformat()
    low, high = first.isoformat(), last.isoformat()
    rows = [
        row
        for row in ledger.added.values()
        if low <= row["date"] <= high
        if account is None or row["account_guid"] == account
        if row["status"] != "PENDING" or row["date"] >= oldest_pending
    ]
    return sorted(rows, key=lambda row: (row["date"], row["created_at"], row["guid"]), reverse=True)
