"""A member's transactions: computed when read, never stored.

Row k of a history is a pure function of (member, k), so a history of a million rows takes no
memory and its last page costs what its first costs. Rows are numbered by date, oldest first:
a window of dates is a run of numbers, found by arithmetic.

Every account gets every so-many-th row after a fixed pattern, so one account's j-th row is found
by arithmetic too.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from .merchants import CARD, ENTRIES, POOLS, REGULAR, Entry
from .wire import derived_guid, moment

# Rows for each account (checking, savings, card, loan, mortgage, investment) in every 120.
_SHARES = (56, 8, 46, 2, 2, 6)
_PERIOD = sum(_SHARES)
_PATTERN = tuple(
    account
    for _, account in sorted(
        ((turn + 0.5) / share, account) for account, share in enumerate(_SHARES) for turn in range(share)
    )
)
_SLOTS = tuple(tuple(i for i, a in enumerate(_PATTERN) if a == account) for account in range(len(_SHARES)))
_BEFORE = tuple(tuple(bisect_left(slots, i) for i in range(_PERIOD + 1)) for slots in _SLOTS)

_MASK = (1 << 48) - 1
_SPREAD = 0x9E37_79B9_7F4B  # odd, hence invertible: neighbours get GUIDs far apart
_GATHER = pow(_SPREAD, -1, 1 << 48)
_TWINS_EVERY = 5

_TEMPLATES = tuple(entry.to_fields() for entry in ENTRIES)
_INDEX = {entry: i for i, entry in enumerate(ENTRIES)}
_POOLS = tuple(tuple(_INDEX[e] for e in POOLS[account]) for account in range(len(_SHARES)))
_REGULAR = {key: _INDEX[entry] for key, entry in REGULAR.items()}


class History:
    """The generated transactions of one member.

    Args: rows, 0 to 1,000,000; days, over how many they spread; the newest is of the day before
        `created_at` (seconds since 1970).
    """

    def __init__(
        self, *, member_guid: str, user_guid: str, accounts: list[str], rows: int, days: int, created_at: float
    ) -> None:
        self.member_guid = member_guid
        self.rows = rows
        self.days = days
        self.accounts = accounts
        today = datetime.fromtimestamp(created_at, UTC).date()
        self._first_day = today - timedelta(days=days)
        self._key = hashlib.blake2b(member_guid.encode(), digest_size=32).digest()
        self._veil = int.from_bytes(self._key[:6]) & _MASK
        self._guid_stem = derived_guid("TRN", member_guid)[: -len("xxxxxxxxxxxx")]
        seen_at = moment(created_at)
        self._constant = {
            "user_guid": user_guid,
            "member_guid": member_guid,
            "created_at": seen_at,
            "updated_at": seen_at,
        }

    # -- numbers and dates

    def first_from(self, day: date) -> int:
        """Find the number of the first row of `day` or later."""
        offset = (day - self._first_day).days
        return min(self.rows, max(0, -(-offset * self.rows // self.days)))

    def count(self, account: int | None, rows: int) -> int:
        """Count an account's rows (None: all) among the first `rows`."""
        if account is None:
            return rows
        return rows // _PERIOD * _SHARES[account] + _BEFORE[account][rows % _PERIOD]

    def number(self, account: int | None, rank: int) -> int:
        """Find the number of an account's row from its rank in the account, both from 0."""
        if account is None:
            return rank
        turn, slot = divmod(rank, _SHARES[account])
        return turn * _PERIOD + _SLOTS[account][slot]

    def account_of(self, number: int) -> int:
        return _PATTERN[number % _PERIOD]

    # -- GUIDs

    def guid(self, number: int) -> str:
        return f"{self._guid_stem}{(number * _SPREAD & _MASK) ^ self._veil:012x}"

    def find(self, guid: str) -> int | None:
        """Read a row's number out of its GUID; None when it is not of this history."""
        stem, tail = guid[: len(self._guid_stem)], guid[len(self._guid_stem) :]
        if stem != self._guid_stem or len(tail) != 12:
            return None
        try:
            number = (int(tail, 16) ^ self._veil) * _GATHER & _MASK
        except ValueError:
            return None
        return number if number < self.rows and self.guid(number) == guid else None

    # -- rows

    def build(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Build rows as the wire shows them; about 10 µs each."""
        days: dict[int, _Day] = {}
        built = []
        for number in numbers:
            offset = number * self.days // self.rows
            day = days.get(offset)
            if day is None:
                day = days[offset] = self._day(offset)
            built.append(self._row(number, day))
        return built

    def _day(self, offset: int) -> "_Day":
        day = self._first_day + timedelta(days=offset)
        first = -(-offset * self.rows // self.days)
        return _Day(day, [self.count(a, first) for a in range(len(_SHARES))], offset == self.days - 1)

    def _row(self, number: int, day: "_Day") -> dict[str, Any]:
        account = _PATTERN[number % _PERIOD]
        turn = self.count(account, number) - day.ranks[account]
        seed = number
        if account == CARD and turn == 2 and day.ordinal % _TWINS_EVERY == 0:
            # Two equal purchases on one day: people buy the same coffee twice, and whoever
            # matches rows by what they look like must not take them for one.
            seed = self.number(account, day.ranks[account] + 1)
        dice = hashlib.blake2b(seed.to_bytes(6), digest_size=12, key=self._key).digest()
        index = _REGULAR.get((account, day.of_month, turn))
        if index is None:
            pool = _POOLS[account]
            index = pool[(dice[0] << 8 | dice[1]) % len(pool)]
        entry: Entry = ENTRIES[index]
        chance = (dice[2] << 8 | dice[3]) * (dice[4] << 8 | dice[5])  # a product: small amounts are commoner
        row = _TEMPLATES[index] | self._constant
        row["guid"] = f"{self._guid_stem}{(number * _SPREAD & _MASK) ^ self._veil:012x}"
        row["account_guid"] = self.accounts[account]
        row["amount"] = (entry.low + ((entry.high - entry.low) * chance >> 32)) / 100
        row["date"] = day.text
        row["transacted_at"] = f"{day.text}T{8 + dice[6] % 14:02d}:{dice[7] % 60:02d}:{dice[8] % 60:02d}Z"
        row["posted_at"] = day.posted_at
        row["original_description"] = f"{entry.description.upper()} {(dice[9] << 8 | dice[10]) % 9000 + 1000}"
        return row


class _Day:
    """What the rows of one day share."""

    __slots__ = ("of_month", "ordinal", "posted_at", "ranks", "text")

    def __init__(self, day: date, ranks: list[int], is_last: bool) -> None:
        self.text = day.isoformat()
        self.of_month = day.day
        self.ordinal = day.toordinal()
        self.ranks = ranks
        posted = day if is_last else day + timedelta(days=1)  # nothing is posted in the future
        self.posted_at = f"{posted.isoformat()}T{'23:30' if is_last else '06:00'}:00Z"
