"""That somebody was let into the aggregator's own widget, until all that they linked there is taken in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class WidgetVisit:
    """One person's, however many widgets they have open.

    Args:
        until: when the last of them is surely shut; one look after that is the last.
        is_over: whether that was so when this was claimed.
        looks: how often it was looked since one was opened.
    """

    user_id: UUID
    until: datetime
    is_over: bool = False
    looks: int = 0
    lease_no: int = 0


class WidgetVisitStore(Protocol):
    """Where visits are kept. All methods need an open unit of work."""

    def begin(self, user_id: UUID, until: datetime, due_in_s: float) -> None:
        """A widget is about to be opened: one row a person, which a further one makes longer."""
        ...

    def lock(self, user_id: UUID) -> None:
        """Wait until nobody else takes in what this person linked."""
        ...

    def hasten(self, user_id: UUID) -> None:
        """It is due now; where there is no visit, nothing happens."""
        ...

    def claim_due(self, limit: int, lease_s: float) -> Sequence[WidgetVisit]:
        """Take the oldest of those that are due and free."""
        ...

    def done(self, visit: WidgetVisit) -> None:
        """It is over, unless it was taken over or another widget was opened meanwhile."""
        ...

    def put_off(self, visit: WidgetVisit, due_in_s: float) -> None:
        """It was looked; it is due again then. Whoever was taken over changes nothing."""
        ...
