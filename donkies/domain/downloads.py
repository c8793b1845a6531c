"""Downloading every transaction of a link: windows, pages, proof (DESIGN 7).

A *walk* reads one window page by page. Each page is written in a short unit of work of its own, together
with how far the walk has come, so a worker that dies loses at most the page in its hands. The digests of
the guids on each page are kept until the window is *proved*: the aggregator's total and the member's job
are the same before and after, and as many different rows were seen as the total says.
"""

from __future__ import annotations

import hashlib
import heapq
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NoReturn, Protocol
from uuid import UUID

from .aggregator import (
    AggregatedTransaction,
    Aggregator,
    AggregatorError,
    AggregatorMisbehaved,
    JobRunning,
    MemberRef,
    MemberStatus,
    Page,
)
from .errors import LeaseLost
from .events import DownloadComplete, DownloadFailed, DownloadPage, Events, NoEvents
from .linked_accounts import Jobs, LinkedAccount, LinkedAccountStore, LinkTiming
from .stopping import StopFlag
from .transactions import Ledger
from .unit_of_work import UnitOfWork

EARLIEST = date(1970, 1, 1)  # before any row a bank gives: the aggregator's own default is 90 days (ATRIUM.md 2.8)
AHEAD = timedelta(days=30)  # pending rows may bear a date to come
WALKS = 3  # how often a window is walked again before the download is given up as unproved
BAD_ANSWERS = 4  # in a row, that one page survives


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
    lease_no: int = 0
    lease_until: datetime | None = None

    @property
    def window(self) -> tuple[date, date]:
        """The first and the last day of the walk under way."""
        if self.from_date is None or self.to_date is None:
            raise ValueError("no walk is under way")
        return self.from_date, self.to_date

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

    def end(self) -> None:
        """Nothing is left to do until the next one is asked for."""
        self.from_date = self.to_date = self.job_at = self.total_entries = None
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


def digest(guid: str) -> bytes:
    """Eight bytes that stand for a guid: a million of them take 8 MB, and two alike are not to be expected."""
    return hashlib.blake2b(guid.encode(), digest_size=8).digest()


def page_digest(guids: Iterable[str]) -> bytes:
    """The digests of a page's guids, sorted as numbers, so that walks can be compared whatever the order."""
    return array("Q", sorted(array("Q", b"".join(map(digest, guids))))).tobytes()


def _short(digests: bytes) -> bytes:
    return hashlib.blake2b(digests, digest_size=8).digest()


class SeenDigests:
    """The guids of a walk, as sorted digests."""

    def __init__(self, pages: Iterable[bytes]) -> None:
        # merged, not sorted as a whole: a list of a million Python integers would take 40 MB
        self._sorted = array("Q", heapq.merge(*(array("Q", page) for page in pages)))
        self.rows = len(self._sorted)

    def __contains__(self, guid: str, /) -> bool:
        wanted = array("Q", digest(guid))[0]
        at = bisect_left(self._sorted, wanted)
        return at < len(self._sorted) and self._sorted[at] == wanted

    def distinct(self) -> int:
        """How many different guids there are."""
        return sum(1 for at, one in enumerate(self._sorted) if at == 0 or self._sorted[at - 1] != one)


@dataclass
class DownloadService:
    """Downloads the transactions of one link, from wherever the last worker stopped."""

    unit_of_work: UnitOfWork
    links: LinkedAccountStore
    downloads: DownloadStore
    ledger: Ledger
    aggregator: Aggregator
    timing: DownloadTiming
    link_timing: LinkTiming
    jobs: Jobs
    stop: StopFlag
    events: Events = field(default_factory=NoEvents)
    _began: datetime | None = field(default=None, init=False)
    _pages: int = field(default=0, init=False)

    def run(self, user_id: UUID, link_id: UUID) -> None:
        """Go on until the window is proved, given up or has to wait; do nothing when it is not due.

        After `timing.slice_s`, or when the process is to end, it lets go after a page and wakes a worker again.
        A worker that was taken over notices at its next write, which changes nothing, and stops.
        """
        with self.unit_of_work:
            download = self.downloads.claim(user_id, link_id, self.link_timing.lease_s)
            if download is None:
                return
            link = self.links.lock(user_id, link_id)
            began = self._began = self.unit_of_work.now()
            self._pages = 0
            link.download_begins(began)
            user_guid = self.links.aggregator_user(user_id)
        if link.member_guid is None or user_guid is None:
            return self._give_up(download, "member_gone", is_tried_again=False)
        try:
            self._walk_until_proved(download, link.member(user_guid), began)
        except LeaseLost:
            return
        except AggregatorError as error:
            self._bad_answer(download, error)

    def due(self) -> Sequence[tuple[UUID, UUID]]:
        """Downloads that wait for a worker."""
        with self.unit_of_work:
            return self.downloads.due(200)

    def seconds_to_next(self, within_s: float) -> float | None:
        """Seconds until the next download is due; None when none is within `within_s`."""
        with self.unit_of_work:
            return self.downloads.seconds_to_next(within_s)

    def _walk_until_proved(self, download: Download, member: MemberRef, began: datetime) -> None:
        while download.walks < WALKS:
            if download.from_date is None:
                self._begin_walk(download, member)
            self._walk(download, member, began)
            if self._prove(download, member):
                return
        self._give_up(download, "unproved")

    def _begin_walk(self, download: Download, member: MemberRef) -> None:
        status = self.aggregator.read_member_status(member)
        if status.is_being_aggregated:
            self._wait_for_job(download, status)
        accounts = self.aggregator.list_accounts(member)
        with self.unit_of_work:
            now = self.unit_of_work.now()
            download.begin_walk(status.aggregated_at, now.date(), self.timing.recent_days)
            self.downloads.save(download, self.link_timing.lease_s)
            self.downloads.clear_pages(download)
            self.ledger.write_accounts(download.user_id, download.linked_account_id, accounts, now)

    def _wait_for_job(self, download: Download, status: MemberStatus) -> NoReturn:
        """No use to read while the aggregator still writes: let go, and come back soon.

        Raises: LeaseLost; JobRunning, which counts as a bad answer, for a job that does not end.
        """
        with self.unit_of_work:
            now = self.unit_of_work.now()
            longest = timedelta(seconds=self.link_timing.deadline_s)
            is_stuck = status.aggregated_at is not None and now - status.aggregated_at >= longest
            if not is_stuck:
                download.from_date = None
                download.due_at = now + timedelta(seconds=self.timing.retry_s)
                self.downloads.save(download, None)
        if is_stuck:
            raise JobRunning("The aggregator's job on this member does not end.")
        raise LeaseLost("The member is being aggregated; the download goes on when that has ended.")

    def _walk(self, download: Download, member: MemberRef, began: datetime) -> None:
        """Read and write pages until none is left."""
        with self.unit_of_work:
            account_ids = self.ledger.account_ids(download.user_id, download.linked_account_id)
            earlier = set(map(_short, self.downloads.page_digests(download)))
        while download.next_page:
            page = self.aggregator.read_transactions_page(member, *download.window, download.next_page)
            if page.number != download.next_page:
                raise AggregatorMisbehaved(f"The aggregator gave page {page.number} for page {download.next_page}.")
            if not page.rows and page.number < page.total_pages:
                raise AggregatorMisbehaved(f"The aggregator gave an empty page {page.number} of {page.total_pages}.")
            digests = page_digest(row.guid for row in page.rows)
            if digests and _short(digests) in earlier:
                raise AggregatorMisbehaved(f"The aggregator gave an earlier page again as page {page.number}.")
            if unknown := {row.account_guid for row in page.rows} - account_ids.keys():
                raise AggregatorMisbehaved(f"Transactions of {len(unknown)} account(s) that are not the member's.")
            earlier.add(_short(digests))
            with self.unit_of_work:
                download.page_written(page)
                now = self.unit_of_work.now()
                ends = self.stop.is_set() or now - began >= timedelta(seconds=self.timing.slice_s)
                # the fence first: where it is lost, nothing of the page is written
                self.downloads.save(download, None if ends else self.link_timing.lease_s)
                self.downloads.add_page(download, page.number, digests)
                self.ledger.write_page(download.user_id, download.linked_account_id, account_ids, page.rows, now)
                if ends:  # it is due still: due_at lies before `began`
                    self.jobs.download(download.user_id, download.linked_account_id)
            self._pages += 1
            self.events.tell(
                DownloadPage(
                    user_id=download.user_id, link_id=download.linked_account_id, page=page.number, of=page.total_pages
                )
            )
            if ends:
                raise LeaseLost("This slice has ended; the download goes on with the next message.")

    def _prove(self, download: Download, member: MemberRef) -> bool:
        """Check the walk, and either bring the download to its end or have the window walked again."""
        status = self.aggregator.read_member_status(member)
        with self.unit_of_work:
            seen = SeenDigests(self.downloads.page_digests(download))
        total = self._total(download, member)
        proved = (
            status.aggregated_at == download.job_at
            and not status.is_being_aggregated
            and seen.rows == seen.distinct() == total == download.total_entries
        )
        if proved:
            self._complete(download, seen)
        elif status.is_being_aggregated:
            self._wait_for_job(download, status)
        else:
            with self.unit_of_work:
                download.walks += 1
                download.from_date = None
                self.downloads.save(download, self.link_timing.lease_s)
        return proved

    def _total(self, download: Download, member: MemberRef) -> int:
        """What the aggregator says of the window now."""
        return self.aggregator.read_transactions_page(member, *download.window, 1).total_entries

    def _complete(self, download: Download, seen: SeenDigests) -> None:
        user_id, link_id = download.user_id, download.linked_account_id
        with self.unit_of_work:
            now = self.unit_of_work.now()
            window = download.window
            was_full = download.is_full
            download.end()
            download.failures = 0
            if was_full:
                download.last_full_at = now
            self.downloads.save(download, None)
            self.downloads.clear_pages(download)
            if self.ledger.count(user_id, link_id, *window) != seen.rows:
                self.ledger.remove_missing(user_id, link_id, *window, seen, now)
            link = self.links.lock(user_id, link_id)
            link.download_complete(self.ledger.count(user_id, link_id), now, self._next_attempt(link, now))
        seconds = round((now - (self._began or now)).total_seconds(), 3)
        self.events.tell(
            DownloadComplete(user_id=user_id, link_id=link_id, rows=seen.rows, seconds=seconds, pages=self._pages)
        )

    def _next_attempt(self, link: LinkedAccount, now: datetime) -> datetime:
        """A day from now, less what spreads the links over the hours by their ids."""
        spread = link.id.int % 1_000 / 1_000 * 0.2
        return now + timedelta(seconds=self.timing.every_s * (1 - spread))

    def _bad_answer(self, download: Download, error: AggregatorError) -> None:
        """Wait and ask again; after too many bad answers in a row, give up and say why."""
        download.bad_answers += 1
        if download.bad_answers > BAD_ANSWERS:
            return self._give_up(download, error.reason)
        wait_s = getattr(error, "retry_after_s", 0) or self.timing.retry_s * 2 ** (download.bad_answers - 1)
        try:
            with self.unit_of_work:
                download.due_at = self.unit_of_work.now() + timedelta(seconds=wait_s)
                self.downloads.save(download, None)
        except LeaseLost:
            return

    def _give_up(self, download: Download, reason: str, *, is_tried_again: bool = True) -> None:
        """The download failed; what was there stays readable, and as a rule it is tried again later."""
        try:
            with self.unit_of_work:
                now = self.unit_of_work.now()
                download.end()
                download.failures += 1
                wait_s = min(self.timing.every_s, self.timing.give_up_s * 2 ** min(download.failures - 1, 16))
                download.due_at = now + timedelta(seconds=wait_s) if is_tried_again else None
                self.downloads.save(download, None)
                self.downloads.clear_pages(download)
                link = self.links.lock(download.user_id, download.linked_account_id)
                link.download_failed(reason, now, download.due_at)
        except LeaseLost:
            return
        self.events.tell(DownloadFailed(user_id=download.user_id, link_id=download.linked_account_id, reason=reason))


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
