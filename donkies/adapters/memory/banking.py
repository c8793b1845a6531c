"""The rows of banking in memory: what the twins of its stores share, for tests and examples.

What a unit of work changes is seen by others once it has committed, and never when it was rolled back; entities
are copies, so nothing leaks from one unit of work into another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from ...domain.downloads import Download
from ...domain.erasures import Erasure
from ...domain.linked_accounts import LinkedAccount
from ...domain.logos import KeptLogo
from ...domain.removals import Removal
from ...domain.widget_visits import WidgetVisit

Row = dict[str, Any]
Key = tuple[UUID, UUID]
Entity = TypeVar("Entity", LinkedAccount, Download, Removal)


@dataclass(frozen=True)
class KeptDownload:
    """A download's row, whether another one is wanted after it, and the pages of its walk."""

    download: Download
    is_wanted_again: bool = False
    pages: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class KeptVisit:
    """A visit's row: when it is due, and until when somebody holds it."""

    visit: WidgetVisit
    due_at: datetime
    lease_until: datetime | None = None


@dataclass(frozen=True)
class Tombstone:
    """A transaction that is gone, and the number of the change that took it."""

    user_id: UUID
    change_no: int
    transaction_id: UUID
    added_no: int
    removed_at: datetime


@dataclass
class Tables:
    """All rows. A row is never changed, only replaced, so a copy of the dicts is a copy of all."""

    links: dict[Key, LinkedAccount] = field(default_factory=dict)
    removals: dict[UUID, Removal] = field(default_factory=dict)
    visits: dict[UUID, KeptVisit] = field(default_factory=dict)
    downloads: dict[Key, KeptDownload] = field(default_factory=dict)
    accounts: dict[tuple[UUID, str], Row] = field(default_factory=dict)
    balances: dict[tuple[UUID, UUID, date], Row] = field(default_factory=dict)
    transactions: dict[tuple[UUID, str], Row] = field(default_factory=dict)
    tombstones: dict[tuple[UUID, int], Tombstone] = field(default_factory=dict)
    last_changes: dict[UUID, int] = field(default_factory=dict)
    erasures: dict[UUID, tuple[Erasure, datetime | None]] = field(default_factory=dict)  # and who holds it until when
    aggregator_users: dict[UUID, str] = field(default_factory=dict)
    logos: dict[str, KeptLogo] = field(default_factory=dict)
    adoptions: dict[tuple[UUID, UUID, UUID], Row] = field(default_factory=dict)  # by person, link and account
    idempotency: dict[tuple[UUID, str, str], tuple[bytes, UUID]] = field(default_factory=dict)

    def copy(self) -> Tables:
        return Tables(**{one.name: dict(getattr(self, one.name)) for one in fields(self)})


@dataclass
class OpenUnit:
    """What one open unit of work has in its hands.

    Args:
        loaded: the links it has given out, each with the fence at which it was read (None: it is new).
    """

    owner: int
    tables: Tables
    others: ExitStack
    loaded: dict[Key, tuple[LinkedAccount, int | None]] = field(default_factory=dict)
    hooks: list[Callable[[], None]] = field(default_factory=list)


class MemoryBanking:
    """The rows of banking: `committed` is what everybody sees."""

    def __init__(self) -> None:
        self.committed = Tables()
        self.open: OpenUnit | None = None
        self.lock = threading.Lock()

    def is_open_here(self) -> bool:
        """Whether this thread has a unit of work open."""
        return self.open is not None and self.open.owner == threading.get_ident()


def is_past(moment: datetime | None, now: datetime) -> bool:
    """Whether something was to be done by now."""
    return moment is not None and moment <= now


def is_free(row: Entity, now: datetime) -> bool:
    """Whether nobody holds the row's lease."""
    return row.lease_until is None or row.lease_until < now


def seconds_to(moments: Iterable[datetime | None], now: datetime, within_s: float) -> float | None:
    """Seconds until the first of the moments; None when it is not within `within_s`."""
    first = min((moment for moment in moments if moment is not None), default=None)
    if first is None or first > now + timedelta(seconds=within_s):
        return None
    return max(0.0, (first - now).total_seconds())
