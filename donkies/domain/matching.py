"""Which of the new rows is one that vanished: the same purchase under another guid (DESIGN 7).

Aggregators issue guids anew: for a pending row once it is posted, sometimes for a whole block of history. A pair
is always a row that the aggregator names no more and one that it has named for the first time since: two rows that
are both alive there are never made one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

TIP = Decimal("1.3")  # a posted purchase may be so many times the pending one
BEFORE, AFTER = timedelta(days=1), timedelta(days=10)  # where a pending row's posted one may stand, from its date


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is compared of a row. Ids are UUIDv7, so that they stand in the order in which the rows arrived."""

    id: UUID
    account_id: UUID
    date: date
    amount: Decimal
    type: str
    description: str
    is_pending: bool


Pair = tuple[Candidate, Candidate]
"""(the row that vanished, the row that it is now)"""


def match(
    vanished: Sequence[Candidate], fresh: Sequence[Candidate], adopted: Container[UUID] = frozenset()
) -> list[Pair]:
    """All pairs. Each row is in one at most; the order in which rows are given makes no difference."""
    same_day = match_same_day(vanished, fresh, adopted)
    taken = {one.id for pair in same_day for one in pair}
    return same_day + match_pending(_but(vanished, taken), _but(fresh, taken))


def match_same_day(
    vanished: Sequence[Candidate], fresh: Sequence[Candidate], adopted: Container[UUID] = frozenset()
) -> list[Pair]:
    """Pairs of one day: the exact ones, then history whose words the bank mended while nobody read it.

    Args:
        adopted: of which rows the description may differ, where neither row could be another. Elsewhere a row that
            goes as one comes is another purchase.
    """
    exact = match_exactly(vanished, fresh)
    taken = {one.id for pair in exact for one in pair}

    def looks(one: Candidate) -> Hashable:
        return one.account_id, one.date, one.type, one.amount

    groups = _groups(_but(vanished, taken), _but(fresh, taken), looks)
    alone = [(olds[0], news[0]) for olds, news in groups if len(olds) == len(news) == 1]
    return exact + [(old, new) for old, new in alone if old.id in adopted]


def match_exactly(vanished: Iterable[Candidate], fresh: Iterable[Candidate]) -> list[Pair]:
    """Pairs that are equal in account, date, type, amount and description, the first to the first, and so on."""

    def looks(one: Candidate) -> Hashable:
        return one.account_id, one.date, one.type, one.amount, one.description

    return [
        pair
        for olds, news in _groups(vanished, fresh, looks)
        for pair in zip(sorted(olds, key=_arrival), sorted(news, key=_arrival), strict=False)
    ]


def match_pending(vanished: Iterable[Candidate], fresh: Iterable[Candidate]) -> list[Pair]:
    """Pairs of a pending row and what came of it some days on, the surest first:

    equal in amount and description; equal in description, with a tip on the amount; then, only where one row alone
    fits and fits nothing else, equal in description (a hold at a petrol pump) or in amount (a name that was mended).
    """
    olds, news = [one for one in vanished if one.is_pending], list(fresh)
    pairs: list[Pair] = []
    for key, fits, is_sure in STEPS:
        for some, others in _groups(olds, news, key):
            pairs += _in_turn(some, others, fits) if is_sure else _unmistakable(some, others, fits)
        taken = {one.id for pair in pairs for one in pair}
        olds, news = _but(olds, taken), _but(news, taken)
    return pairs


def could_be(pending: Iterable[Candidate]) -> Callable[[Candidate], bool]:
    """A quick test that lets pass whatever `match_pending` could pair with one of these, and little else."""
    wanted = {key(one) for one in pending for key in (_named, _priced)}
    return lambda one: _named(one) in wanted or _priced(one) in wanted


def _named(one: Candidate) -> Hashable:
    return one.account_id, one.type, one.description


def _priced(one: Candidate) -> Hashable:
    return one.account_id, one.type, one.amount


def _named_and_priced(one: Candidate) -> Hashable:
    return one.account_id, one.type, one.description, one.amount


def _is_near(old: Candidate, new: Candidate) -> bool:
    return old.date - BEFORE <= new.date <= old.date + AFTER


def _is_tipped(old: Candidate, new: Candidate) -> bool:
    return _is_near(old, new) and old.type == "debit" and old.amount <= new.amount <= old.amount * TIP


Fits = Callable[[Candidate, Candidate], bool]
STEPS: tuple[tuple[Callable[[Candidate], Hashable], Fits, bool], ...] = (
    (_named_and_priced, _is_near, True),
    (_named, _is_tipped, True),
    (_named, _is_near, False),
    (_priced, _is_near, False),
)


def _in_turn(olds: Sequence[Candidate], news: Sequence[Candidate], fits: Fits) -> list[Pair]:
    """Each old row, the earliest first, takes the earliest new one that fits."""
    free, pairs = sorted(news, key=_day), list[Pair]()
    for old in sorted(olds, key=_day):
        found = next((at for at, new in enumerate(free) if fits(old, new)), None)
        if found is not None:
            pairs.append((old, free.pop(found)))
    return pairs


def _unmistakable(olds: Sequence[Candidate], news: Sequence[Candidate], fits: Fits) -> list[Pair]:
    """Pairs in which neither row fits any other."""
    by_old = {old: [new for new in news if fits(old, new)] for old in olds}
    claims: dict[UUID, int] = defaultdict(int)
    for fitting in by_old.values():
        for new in fitting:
            claims[new.id] += 1
    return [(old, found[0]) for old, found in by_old.items() if len(found) == 1 and claims[found[0].id] == 1]


def _groups(
    olds: Iterable[Candidate], news: Iterable[Candidate], key: Callable[[Candidate], Hashable]
) -> list[tuple[list[Candidate], list[Candidate]]]:
    """The rows of each key that both have."""
    groups: dict[Hashable, tuple[list[Candidate], list[Candidate]]] = {}
    for old in olds:
        groups.setdefault(key(old), ([], []))[0].append(old)
    for new in news:
        if (group := groups.get(key(new))) is not None:
            group[1].append(new)
    return [group for group in groups.values() if group[1]]


def _but(rows: Iterable[Candidate], taken: set[UUID]) -> list[Candidate]:
    return [one for one in rows if one.id not in taken]


def _arrival(one: Candidate) -> UUID:
    return one.id


def _day(one: Candidate) -> tuple[date, UUID]:
    return one.date, one.id
