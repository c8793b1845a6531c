"""Whether what the service cannot do without is there: a port for /readyz."""

from __future__ import annotations

from typing import Protocol


class DatabaseProbe(Protocol):
    """The database, as whoever watches the service asks."""

    def trouble(self) -> str | None:
        """What is wrong, in a word or two: `down`, `schema is old`; None when all is well."""
        ...
