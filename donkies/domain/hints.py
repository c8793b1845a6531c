"""Being told by the aggregator that there is something to see (ATRIUM.md 5).

What is told is a hint, for anybody could send it, twice, late or out of order: it only brings a look forward, and
the look reads what is true. Hints that come close together share one look.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from .jobs import Jobs
from .link_store import LinkedAccountStore, MemberHint
from .unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class HintTiming:
    """In seconds.

    Args:
        gather_s: from the first hint about a member until it is looked at; those that come meanwhile add none.
        pause_s: from one download of a link until hints may bring about another.
    """

    gather_s: float = 3
    pause_s: float = 60


@dataclass
class HintService:
    """Takes hints: one short unit of work each, and no call to the aggregator."""

    unit_of_work: UnitOfWork
    links: LinkedAccountStore
    jobs: Jobs
    timing: HintTiming

    def take(self, hint: MemberHint) -> bool:
        """Returns: whether it brought anything forward."""
        with self.unit_of_work:
            at = self.unit_of_work.now() + timedelta(seconds=self.timing.gather_s)
            is_woken = self.links.wake(hint, at, timedelta(seconds=self.timing.pause_s))
            if is_woken:
                self.jobs.look()
        return is_woken
