"""How far the download of a link's transactions has come, and where that is kept (DESIGN 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from .aggregator import AggregatedTransaction, Page

EARLIEST = date(1970, 1, 1)  # before any row a bank gives: the aggregator's own default is 90 days (ATRIUM.md 2.8)
AHEAD = timedelta(days=30)  # pending rows may bear a date to come

SPREAD = 0.2  # of a wait, by which it is shorter for some links


@dataclass(frozen=True, slots=True)
class DownloadTiming:
    """In seconds.

    Args:
        retry_s: the wait after the first bad answer; doubles with each.
        every_s: between two downloads of the last days.
        full_every_s: between two downloads of everything.
        give_up_s: before a failed download is tried again; doubles with each failure, up to `every_s`.
        recent_days: how many days a download of the last days reads.
        slice_s: after so long others are let in, and the download goes on with a message of its own.
    """

    retry_s: float = 2
    every_s: float = 86_400
    full_every_s: float = 604_800
    give_up_s: float = 300
    recent_days: int = 30
    slice_s: float = 300

    def next_attempt(self, link_id: UUID, now: datetime) -> datetime:
        """A day from now, less what spreads the links over the hours by their ids."""
        spread = link_id.int % 1_000 / 1_000 * SPREAD
        return now + timedelta(seconds=self.every_s * (1 - spread))

    def full_before(self, link_id: UUID, now: datetime) -> datetime:
        """When everything was last read must be before this for it to be read again: a week ago, less what spreads the
        links over the days by their ids, so that many that were linked on one day are not all read whole on another.
        """
        spread = link_id.int // 1_000 % 1_000 / 1_000 * SPREAD
        return now - timedelta(seconds=self.full_every_s * (1 - spread))


@dataclass(eq=False, kw_only=True)
class Download:
    """How far the download of one link has come. `lease_no` is the fence of every write (DESIGN 3).

    Args:
        due_at: when a worker may take it up; None when there is nothing to do.
        from_date, to_date: the window of the walk under way; None before it begins.
        job_at: the member's `aggregated_at` when the walk began: another one means the data may have moved.
        next_page: 1-based; 0 after the last page, when only the proof is left.
        total_entries: what the aggregator said of the window at the first page.
        walks: how many walks of this window have failed to prove it.
        bad_answers: in a row.
        failures: downloads given up in a row.
        proved_change: the person's last change when the link was last proved: rows added since are new to it.
        began_at, began_change: when this download began, and the person's last change then; None when none is.
        doubt: what spoke against the proof of the last walk that failed.
        report: of the last download that ended (see `sync_reports`).
    """

    user_id: UUID
    linked_account_id: UUID
    due_at: datetime | None = None
    is_full: bool = True
    from_date: date | None = None
    to_date: date | None = None
    job_at: datetime | None = None
    next_page: int = 1
    total_entries: int | None = None
    walks: int = 0
    bad_answers: int = 0
    failures: int = 0
    last_full_at: datetime | None = None
    proved_change: int = 0
    began_at: datetime | None = None
    began_change: int | None = None
    doubt: str | None = None
    report: dict[str, Any] | None = None
    lease_no: int = 0
    lease_until: datetime | None = None

    @property
    def window(self) -> tuple[date, date]:
        """The first and the last day of the walk under way."""
        if self.from_date is None or self.to_date is None:
            raise ValueError("no walk is under way")
        return self.from_date, self.to_date

    def begins(self, last_change: int, now: datetime) -> None:
        """A worker has taken it up, perhaps again."""
        if self.began_at is None:
            self.began_at, self.began_change = now, last_change

    def begin_walk(self, job_at: datetime | None, today: date, recent_days: int) -> None:
        """Start reading the window from its first page."""
        self.from_date = EARLIEST if self.is_full else today - timedelta(days=recent_days)
        self.to_date = today + AHEAD
        self.job_at = job_at
        self.next_page = 1
        self.total_entries = None

    def page_written(self, page: Page[AggregatedTransaction]) -> None:
        """One page more is safe."""
        if page.number == 1:  # a later page's would hide that rows moved between the pages
            self.total_entries = page.total_entries
        self.next_page = page.number + 1 if page.number < page.total_pages else 0
        self.bad_answers = 0

    def proved(self, last_change: int, now: datetime) -> None:
        """Every row of the window is here."""
        if self.is_full:
            self.last_full_at = now
        self.proved_change = last_change
        self.failures = 0
        self.end()

    def end(self) -> None:
        """Nothing is left to do until the next one is asked for."""
        self.from_date = self.to_date = self.job_at = self.total_entries = None
        self.began_at = self.began_change = self.doubt = None
        self.next_page = 1
        self.walks = self.bad_answers = 0
        self.lease_until = self.due_at = None


class DownloadStore(Protocol):
    """Where downloads are kept. All methods need an open unit of work."""

    def request(self, user_id: UUID, link_id: UUID, now: datetime, full_before: datetime) -> None:
        """A download is wanted now, and the link says `downloading`.

        One that is under way goes on: the new data makes its proof fail, and it walks again.

        Args:
            full_before: everything is read, not only the last days, if that was last done before this.
        """
        ...

    def start_over(self, user_id: UUID, link_id: UUID, now: datetime) -> None:
        """Everything is to be read from the beginning, now; whoever is at it writes no more."""
        ...

    def claim(self, user_id: UUID, link_id: UUID, lease_s: float) -> Download | None:
        """Take the download if it is due and free; None otherwise."""
        ...

    def save(self, download: Download, lease_s: float | None) -> None:
        """Write how far it has come, if its fence still stands, and hold it for `lease_s` more (None: let go).

        Raises: LeaseLost when somebody else has taken it.
        """
        ...

    def add_page(self, download: Download, number: int, digests: bytes) -> None:
        """Keep the digests of a page's guids; a second time replaces them."""
        ...

    def page_digests(self, download: Download) -> Sequence[bytes]:
        """The digests kept so far, a piece for each page."""
        ...

    def clear_pages(self, download: Download) -> None: ...

    def due(self, limit: int) -> Sequence[tuple[UUID, UUID]]:
        """(user id, link id) of downloads that are due and free."""
        ...

    def seconds_to_next(self, within_s: float) -> float | None:
        """Seconds until the next one is due; None when none is within `within_s`."""
        ...
