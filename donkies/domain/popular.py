"""The banks that the operator puts first in a list that nobody searched in."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from .aggregator import Aggregator, AggregatorError, Institution, MemberGone, Page

KEPT_S = 3_600.0
AGAIN_S = 30.0  # after one could not be read


class PopularInstitutions:
    """Popular banks, as the aggregator names them: read once, then kept for a while by each process.

    Args:
        codes: in the order to show them.
    """

    def __init__(self, codes: Sequence[str] = (), keep_s: float = KEPT_S, again_s: float = AGAIN_S) -> None:
        self._codes, self._keep_s, self._again_s = tuple(dict.fromkeys(codes)), keep_s, again_s
        self._lock = threading.Lock()
        self._found: tuple[Institution, ...] = ()
        self._fresh_until = float("-inf")

    def read(self, aggregator: Aggregator) -> tuple[Institution, ...]:
        """Those that the aggregator has. One that it does not know is left out; while it cannot be asked, those that
        are known from before are given. One thread asks, others meanwhile get what is there.
        """
        if not self._codes or time.monotonic() < self._fresh_until or not self._lock.acquire(blocking=False):
            return self._found
        try:
            self._found, self._fresh_until = self._asked(aggregator), time.monotonic() + self._keep_s
        except AggregatorError:
            self._fresh_until = time.monotonic() + self._again_s
        finally:
            self._lock.release()
        return self._found

    def _asked(self, aggregator: Aggregator) -> tuple[Institution, ...]:
        found = []
        for code in self._codes:
            try:
                found.append(aggregator.read_institution(code))
            except MemberGone:
                continue
        return tuple(found)


@dataclass(frozen=True, slots=True)
class InstitutionList:
    """Some of a list of banks.

    Args:
        goes_on_at: the aggregator's page, and how many rows of it were shown already; None at the end.
    """

    rows: Sequence[Institution]
    goes_on_at: tuple[int, int] | None


def with_popular_first(
    page: Page[Institution], popular: Sequence[Institution], limit: int, skip: int
) -> InstitutionList:
    """One page of the aggregator's, with the popular ones before all else and nowhere else.

    Args:
        limit: how many may be shown; popular ones that fill it stay where the aggregator has them.
        skip: how many of the page's rows were shown already.
    """
    first = popular[: limit - 1]  # with room for one more, or the list would never go on
    codes = {one.code for one in first}
    shown = list(first) if page.number == 1 and not skip else []
    taken = skip
    for one in page.rows[skip:]:
        if len(shown) == limit:
            break
        taken += 1
        if one.code not in codes:
            shown.append(one)
    if taken < len(page.rows):
        return InstitutionList(shown, (page.number, taken))
    return InstitutionList(shown, (page.number + 1, 0) if page.number < page.total_pages else None)
