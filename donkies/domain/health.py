"""How the service is, for whoever watches it: ports for /readyz and /metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class DatabaseProbe(Protocol):
    """The database, as whoever watches the service asks."""

    def trouble(self) -> str | None:
        """What is wrong, in a word or two: `down`, `schema is old`; None when all is well."""
        ...


class Neighbours(Protocol):
    """What the service can be without for a while: broker, aggregator."""

    def states(self) -> Mapping[str, str]:
        """`up`, `degraded`, or `unknown` where nothing was asked of it yet, by name. Takes two seconds at most."""
        ...


class RequestMeter(Protocol):
    """Counts requests."""

    def request(self, method: str, route: str, status: str, seconds: float) -> None:
        """One was answered.

        Args:
            route: its pattern, never its path: there would be as many as ids.
            status: three digits.
        """
        ...

    def grant(self, grant_type: str, is_granted: bool) -> None:
        """The token endpoint answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits in the database; ages in seconds, 0 where nothing is late.

    Args:
        links: how many, by link_status.
        late: the age of what is overdue the longest and in nobody's hands, by kind: `look` (also a lease that ran
            out), `download`, `removal`, `erasure`, `sync` (a healthy link whose day has come).
    """

    links: Mapping[str, int] = field(default_factory=dict)
    late: Mapping[str, float] = field(default_factory=dict)


class BacklogReader(Protocol):
    """Reads what waits."""

    def read(self) -> Backlog | None:
        """None when the database cannot be read."""
        ...
