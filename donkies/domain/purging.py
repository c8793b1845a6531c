"""Deleting what is over and of no use to anybody any more. Port Leftovers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from .assertions import UsedAssertions
from .erasures import ErasureStore
from .flows import FlowStore
from .grants import GrantStore
from .mail import Outbox
from .mailed_links import MailedLinkStore
from .sessions import SessionStore
from .unit_of_work import Clock, UnitOfWork

# for so long codes and families outlive their end, so that a replay still ends what it must and can be looked into
KEEP = timedelta(days=1)
# so long a receipt shows that somebody's erasure is done
KEEP_RECEIPTS = timedelta(days=400)


class Leftovers(Protocol):
    """Rows that belong to no concept and only matter for a while; all within a unit of work."""

    def purge(self, now: datetime) -> int:
        """Delete limits whose window is over, idempotency keys and tombstones past their life, and signing keys that
        were retired long ago.

        Returns: how many rows; at most some thousand at once, so that it holds nobody up.
        """
        ...


@dataclass
class PurgeService:
    """Deletes in short transactions; two at once do no harm, each takes what the other has not."""

    unit_of_work: UnitOfWork
    grants: GrantStore
    sessions: SessionStore
    assertions: UsedAssertions
    flows: FlowStore
    outbox: Outbox
    mailed_links: MailedLinkStore
    erasures: ErasureStore
    leftovers: Leftovers
    clock: Clock

    def purge(self) -> int:
        """Delete one batch of everything. Returns: how many rows; 0 when nothing is left."""
        now = self.clock.now()
        with self.unit_of_work:
            gone = self.grants.purge(now - KEEP)
        with self.unit_of_work:
            gone += self.sessions.remove_expired(now)
        with self.unit_of_work:
            gone += self.flows.remove_expired(now) + self.outbox.remove_expired(now)
            gone += self.mailed_links.remove_expired(now)
        with self.unit_of_work:
            gone += self.leftovers.purge(now) + self.erasures.remove_done(now - KEEP_RECEIPTS)
        return gone + self.assertions.purge(now - KEEP)
