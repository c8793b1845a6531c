"""How many calls the schedule may make, so that what an aggregator allows or sells is left for people who wait."""

from __future__ import annotations

from dataclasses import dataclass

from .aggregator import AggregatorThrottled
from .errors import TooMany
from .limits import Limit, Limits


class BudgetSpent(AggregatorThrottled):
    """The calls of this minute are used up; nothing was sent. It says nothing of the aggregator or of the link."""


@dataclass(frozen=True, slots=True)
class SyncBudget:
    """Counts calls that nobody waits for: of downloads, and of the schedule that asks for fresh data.

    What failed before has half of it at most: broken links are the first to wait.

    Args:
        limits: where all workers count together; None for as many calls as the aggregator answers.
        calls_per_minute: in all.
    """

    limits: Limits | None = None
    calls_per_minute: int = 0

    def spend(self, *, is_again: bool) -> None:
        """Count one call.

        Args:
            is_again: for a link of which the last attempt failed.
        Raises: BudgetSpent.
        """
        if self.limits is None:
            return
        try:
            if is_again:
                self.limits.spend(Limit("sync-again", max(1, self.calls_per_minute // 2), 60))
            self.limits.spend(Limit("sync", self.calls_per_minute, 60))
        except TooMany as spent:
            raise BudgetSpent("The calls of this minute are used up.", retry_after_s=spent.retry_after_s) from None
