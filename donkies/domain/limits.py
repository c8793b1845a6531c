"""How often something may be tried. Port Limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries in so many seconds.

    Args:
        name: tells this limit's counters from those of others.
        amount: tries allowed in one window.
        per_s: length of the window, seconds.
    """

    name: str
    amount: int
    per_s: int


class Limits(Protocol):
    """Counts tries; what is counted stays counted, whatever becomes of the try."""

    def spend(self, limit: Limit, *who: str) -> None:
        """Count one try of somebody's.

        Args:
            who: whose counter: an account, a client address, both; kept only as a hash.
        Raises: TooMany when the window is used up.
        """
        ...

    def forget(self, limit: Limit, *who: str) -> None:
        """Start somebody's counter afresh, after a try that went well."""
        ...
