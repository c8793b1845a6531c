"""The schedule of downloads, as an operator sees it."""

from __future__ import annotations

from dataclasses import dataclass

from .jobs import Jobs
from .link_store import LinkedAccountStore
from .unit_of_work import UnitOfWork


@dataclass
class ScheduleService:
    """Brings the schedule forward for everybody, as an operator asks."""

    unit_of_work: UnitOfWork
    links: LinkedAccountStore
    jobs: Jobs

    def hasten(self) -> int:
        """Make every healthy link due now. Returns: how many."""
        with self.unit_of_work:
            count = self.links.hasten_all(self.unit_of_work.now())
            self.jobs.look()
        return count

    def unfinished(self) -> int:
        """How many links are still being refreshed or downloaded, or wait for it."""
        with self.unit_of_work:
            return self.links.count_unfinished()
