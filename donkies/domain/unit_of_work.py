"""Units of work and the clock: ports that every concept shares."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Protocol, Self


class UnitOfWork(Protocol):
    """Opens the database for exactly as long as a `with` block lasts.

    Leaving the block commits; raising out of it rolls back. Blocks do not nest, and none is open while
    the aggregator, a social provider or a mail server is being called. Entities do not outlive their block.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def now(self) -> datetime:
        """The database's clock, aware UTC: leases of all processes are measured by this one."""
        ...


class Clock(Protocol):
    """The time of this process, for what is not shared with others."""

    def now(self) -> datetime:
        """The current time, aware UTC."""
        ...
