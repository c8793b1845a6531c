"""Downloading every transaction of a link: windows, pages, proof (DESIGN 7).

A *walk* reads one window page by page. Each page is written in a short unit of work of its own, together
with how far the walk has come, so a worker that dies loses at most the page in its hands. The digests of
the guids on each page are kept until the window is *proved*: the aggregator's total and the member's job
are the same before and after, and as many different rows were seen as the total says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from .aggregator import (
    Aggregator,
    AggregatorError,
    AggregatorMisbehaved,
    JobRunning,
    LinkStatus,
    MemberRef,
    MemberStatus,
)
from .budget import BudgetSpent, SyncBudget
from .digests import SeenDigests, count, page_digest, short
from .downloads import Download, DownloadStore, DownloadTiming
from .duplicates import DuplicateService
from .errors import LeaseLost
from .events import DownloadComplete, DownloadFailed, DownloadPage, Events, LinkStatusChanged, NoEvents
from .jobs import Jobs
from .link_store import LinkedAccountStore
from .linked_accounts import LinkTiming
from .relinking import Relinking
from .stopping import StopFlag
from .sync_reports import Outcome, report_of
from .transaction_columns import TransactionColumns
from .transactions import Ledger, MissingCounts, PageCounts
from .unit_of_work import UnitOfWork

WALKS = 3  # how often a window is walked again before the download is given up as unproved
BAD_ANSWERS = 4  # in a row, that one page survives
LONGEST_WAIT_S = 120  # who is to wait longer is told so: the download has failed for now


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
    duplicates: DuplicateService
    relinking: Relinking
    budget: SyncBudget = field(default_factory=SyncBudget)
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
            download.begins(self.ledger.last_change(user_id), began)
            user_guid = self.links.aggregator_user(user_id)
        try:
            self.relinking.carry_on(download, self._rests)
            if link.member_guid is None or user_guid is None:
                return self._give_up(download, "member_gone", is_tried_again=False)
            self._walk_until_proved(download, link.member(user_guid))
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

    def _walk_until_proved(self, download: Download, member: MemberRef) -> None:
        while download.walks < WALKS:
            if download.from_date is None:
                self._begin_walk(download, member)
            self._walk(download, member)
            if self._prove(download, member):
                return
        self._give_up(download, "unproved")

    def _begin_walk(self, download: Download, member: MemberRef) -> None:
        status = self._asking(download).read_member_status(member)
        if status.is_being_aggregated:
            self._wait_for_job(download, status)
        accounts = self._asking(download).list_accounts(member)
        self.relinking.adopt(download, accounts, self._rests)
        user_id, link_id = download.user_id, download.linked_account_id
        with self.unit_of_work:
            now = self.unit_of_work.now()
            is_new = self.duplicates.hold(user_id, link_id)
            download.begin_walk(status.aggregated_at, now.date(), self.timing.recent_days)
            self.downloads.save(download, self.link_timing.lease_s)
            self.downloads.clear_pages(download)
            link = self.duplicates.settle(user_id, link_id, member, accounts, now) if is_new else None
            if link is None:
                self.ledger.write_accounts(user_id, link_id, accounts, now)
                return
            download.end()
            self.downloads.save(download, None)
        if change := LinkStatusChanged.between((LinkStatus.SUCCESS, None), link):
            self.events.tell(change)
        raise LeaseLost("This login was linked before: nothing is downloaded for it.")

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

    def _asking(self, download: Download) -> Aggregator:
        """The aggregator, for one call. Raises: BudgetSpent."""
        self.budget.spend(is_again=bool(download.failures or download.bad_answers))
        return self.aggregator

    def _rests(self, now: datetime) -> bool:
        """Whether this slice has ended, or the process is to end."""
        return self.stop.is_set() or now - (self._began or now) >= timedelta(seconds=self.timing.slice_s)

    def _walk(self, download: Download, member: MemberRef) -> None:
        """Read and write pages until none is left."""
        with self.unit_of_work:
            account_ids = self.ledger.account_ids(download.user_id, download.linked_account_id)
            earlier = set(map(short, self.downloads.page_digests(download)))
            has_history = self.relinking.has_adopted(download)
        while download.next_page:
            page = self._asking(download).read_transactions_page(member, *download.window, download.next_page)
            if page.number != download.next_page:
                raise AggregatorMisbehaved(f"The aggregator gave page {page.number} for page {download.next_page}.")
            if not page.rows and page.number < page.total_pages:
                raise AggregatorMisbehaved(f"The aggregator gave an empty page {page.number} of {page.total_pages}.")
            rows = TransactionColumns.of(page.rows)
            digests = page_digest(rows.column("guid"))
            if digests and short(digests) in earlier:
                raise AggregatorMisbehaved(f"The aggregator gave an earlier page again as page {page.number}.")
            if unknown := set(rows.column("account_guid")) - account_ids.keys():
                raise AggregatorMisbehaved(f"Transactions of {len(unknown)} account(s) that are not the member's.")
            earlier.add(short(digests))
            with self.unit_of_work:
                download.page_written(page)
                now = self.unit_of_work.now()
                ends = self._rests(now)
                # the fence first: where it is lost, nothing of the page is written
                self.downloads.save(download, None if ends else self.link_timing.lease_s)
                self.downloads.add_page(download, page.number, digests)
                if has_history:
                    self.relinking.recognise(download, account_ids, rows)
                self.ledger.write_page(download.user_id, download.linked_account_id, account_ids, rows, now)
                if ends:  # it is due still: due_at lies before `began`
                    self.jobs.download(download.user_id, download.linked_account_id)
            self._pages += 1
            self.events.tell(
                DownloadPage(
                    user_id=download.user_id, link_id=download.linked_account_id, page=page.number, of=page.total_pages
                )
            )
            del page, rows  # not to hold two while the next one is read
            if ends:
                raise LeaseLost("This slice has ended; the download goes on with the next message.")

    def _prove(self, download: Download, member: MemberRef) -> bool:
        """Check the walk, and either bring the download to its end or have the window walked again."""
        status = self._asking(download).read_member_status(member)
        with self.unit_of_work:
            seen = SeenDigests(self.downloads.page_digests(download))
        total = self._total(download, member)
        doubt = _doubt(download, status, seen, total)
        if doubt is None:
            self._complete(download, seen)
        elif status.is_being_aggregated:
            self._wait_for_job(download, status)
        else:
            with self.unit_of_work:
                download.walks += 1
                download.doubt = doubt
                download.from_date = None
                self.downloads.save(download, self.link_timing.lease_s)
        return doubt is None

    def _total(self, download: Download, member: MemberRef) -> int:
        """What the aggregator says of the window now."""
        return self._asking(download).read_transactions_page(member, *download.window, 1).total_entries

    def _complete(self, download: Download, seen: SeenDigests) -> None:
        user_id, link_id = download.user_id, download.linked_account_id
        with self.unit_of_work:
            now = self.unit_of_work.now()
            job_at = download.job_at
            self.downloads.save(download, self.link_timing.lease_s)  # the fence: where it is lost, nothing is settled
            missing = MissingCounts()
            if self.ledger.count(user_id, link_id, *download.window) != seen.rows:
                window = download.window
                missing = self.ledger.settle_missing(user_id, link_id, window, seen, download.proved_change, now)
            self.ledger.close_unlisted(user_id, link_id, now)
            stands = self.ledger.account_stands(user_id, link_id)
            download.report = report_of(download, self._outcome(download, None, missing), stands, now)
            download.proved(self.ledger.last_change(user_id), now)
            self.downloads.save(download, None)
            self.downloads.clear_pages(download)
            link = self.links.lock(user_id, link_id)
            link.download_complete(
                self.ledger.count(user_id, link_id), now, self.timing.next_attempt(link_id, now), job_at
            )
        seconds = round((now - (self._began or now)).total_seconds(), 3)
        self.events.tell(
            DownloadComplete(user_id=user_id, link_id=link_id, rows=seen.rows, seconds=seconds, pages=self._pages)
        )

    def _outcome(self, download: Download, reason: str | None, missing: MissingCounts) -> Outcome:
        user_id, link_id = download.user_id, download.linked_account_id
        pages = self.downloads.page_digests(download)
        counts = PageCounts(0, 0)
        if download.began_change is not None:
            counts = self.ledger.changes_since(user_id, link_id, download.began_change)
        modified = max(0, counts.modified - missing.adopted)  # which are told by themselves
        return Outcome(reason, count(pages), len(pages), counts.added, modified, missing.removed, missing.adopted)

    def _bad_answer(self, download: Download, error: AggregatorError) -> None:
        """Wait and ask again; after too many bad answers, or one that asks for a long wait, give up and say why."""
        asked_s = getattr(error, "retry_after_s", 0)
        if not isinstance(error, BudgetSpent):
            download.bad_answers += 1
        if download.bad_answers > BAD_ANSWERS or asked_s > LONGEST_WAIT_S:
            return self._give_up(download, error.reason, asked_s=asked_s)
        wait_s = asked_s or self.timing.retry_s * 2 ** (download.bad_answers - 1)
        try:
            with self.unit_of_work:
                download.due_at = self.unit_of_work.now() + timedelta(seconds=wait_s)
                self.downloads.save(download, None)
        except LeaseLost:
            return

    def _give_up(self, download: Download, reason: str, *, is_tried_again: bool = True, asked_s: float = 0) -> None:
        """The download failed; what was there stays readable, and as a rule it is tried again later.

        Args:
            asked_s: how many seconds the aggregator asked us to stay away.
        """
        try:
            with self.unit_of_work:
                now = self.unit_of_work.now()
                outcome = self._outcome(download, reason, MissingCounts())
                download.report = report_of(download, outcome, None, now)
                download.end()
                download.failures += 1
                wait_s = min(self.timing.every_s, self.timing.give_up_s * 2 ** min(download.failures - 1, 16))
                wait_s = max(wait_s, asked_s)
                download.due_at = now + timedelta(seconds=wait_s) if is_tried_again else None
                self.downloads.save(download, None)
                self.downloads.clear_pages(download)
                link = self.links.lock(download.user_id, download.linked_account_id)
                link.download_failed(reason, now, download.due_at)
        except LeaseLost:
            return
        self.events.tell(DownloadFailed(user_id=download.user_id, link_id=download.linked_account_id, reason=reason))


def _doubt(download: Download, status: MemberStatus, seen: SeenDigests, total: int) -> str | None:
    """What speaks against a walk; None when it is proved."""
    if status.is_being_aggregated or status.aggregated_at != download.job_at:
        return "job_moved"
    if total != download.total_entries:
        return "total_moved"
    if seen.distinct() != seen.rows:
        return "rows_twice"
    return None if seen.rows == total else "rows_missing"
