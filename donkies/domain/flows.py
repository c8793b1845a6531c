"""What somebody began in one browser and finishes there soon, once: a sign-in at Google, a second factor.

Port FlowStore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from .hashes import hash_of
from .unit_of_work import Clock, UnitOfWork


@dataclass(frozen=True, slots=True)
class Flow:
    """Something that was begun.

    Args:
        kind: what; one that was begun as another thing is not found.
        content: plain JSON values; kept encrypted.
        user_id: whose it is, where that is known: it goes with the person.
    """

    kind: str
    content: Mapping[str, Any] = field(repr=False)
    expires_at: datetime
    user_id: UUID | None = None


class FlowStore(Protocol):
    """Keeps flows by the hash of their key; all within a unit of work."""

    def put(self, key_hash: bytes, flow: Flow, now: datetime) -> None:
        """Keep it, in place of one of the same key."""
        ...

    def find(self, key_hash: bytes) -> Flow | None: ...

    def take(self, key_hash: bytes) -> Flow | None:
        """Remove it. Returns: what was removed, to one of any number of callers."""
        ...

    def remove_expired(self, now: datetime) -> int:
        """Returns: how many; at most some thousand at once."""
        ...


@dataclass
class Flows:
    """Begins, reads and ends flows. Whoever knows the key has begun it: it is a cookie's value, or holds one."""

    unit_of_work: UnitOfWork
    store: FlowStore
    clock: Clock

    def begin(
        self, key: str, kind: str, content: Mapping[str, Any], within_s: float, user_id: UUID | None = None
    ) -> None:
        """Keep what was begun under a key of at least 128 random bits, for so many seconds."""
        now = self.clock.now()
        flow = Flow(kind, dict(content), now + timedelta(seconds=within_s), user_id)
        with self.unit_of_work:
            self.store.put(hash_of(key), flow, now)

    def read(self, key: str, kind: str) -> Flow | None:
        """What was begun under this key, unless it is over; it goes on."""
        with self.unit_of_work:
            return self._good(self.store.find(hash_of(key)), kind)

    def finish(self, key: str, kind: str) -> Flow | None:
        """The same, and it is over: of any number of callers one at most gets it."""
        with self.unit_of_work:
            return self._good(self.store.take(hash_of(key)), kind)

    def _good(self, flow: Flow | None, kind: str) -> Flow | None:
        return flow if flow is not None and flow.kind == kind and self.clock.now() < flow.expires_at else None
