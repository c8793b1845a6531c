"""Following links: reading their members at the aggregator and writing down what was seen (DESIGN 3)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

from .aggregator import (
    Aggregator,
    AggregatorDown,
    AggregatorError,
    AggregatorNotAsked,
    AggregatorThrottled,
    JobRunning,
    LinkStatus,
    MemberGone,
    MemberRef,
    MemberStatus,
    Verdict,
)
from .budget import BudgetSpent, SyncBudget
from .downloads import DownloadStore, DownloadTiming
from .events import Events, LinkStatusChanged, NoEvents, state_of
from .jobs import Jobs
from .link_store import DueLink, LinkedAccountStore
from .linked_accounts import ERRORS, Effect, LinkedAccount, LinkTiming
from .members import find_member
from .tracing import tracing_link
from .unit_of_work import UnitOfWork

BATCH = 500  # rows that one claim takes
# A bank's readings under way for each of its threads: they have work while a round is written and claimed, and
# what hangs is not claimed in heaps that wait longer than their lease.
IN_HAND = 8
# Readings under way at once in all, in such shares. A full bank holds less than two, the pool's threads serve four
# full banks: while a thread is free for another bank, its links are claimed.
SHARES = 8

Reading = MemberStatus | AggregatorError


class ReadPool(Protocol):
    """A bounded pool of threads in which no one key can hold more than its share: a slow bank delays nobody."""

    @property
    def per_key(self) -> int:
        """How many calls of one key run at once."""
        ...

    def submit(self, key: str, call: Callable[[], None]) -> None:
        """Run a call soon; those of the same key wait for each other beyond the key's share."""
        ...


@dataclass
class LookService:
    """Looks at links that are due: many rows claimed in one statement, read side by side, written in one."""

    unit_of_work: UnitOfWork
    links: LinkedAccountStore
    downloads: DownloadStore
    aggregator: Aggregator
    jobs: Jobs
    pool: ReadPool
    timing: LinkTiming
    download_timing: DownloadTiming
    budget: SyncBudget = field(default_factory=SyncBudget)
    events: Events = field(default_factory=NoEvents)
    _under_way: Counter[str] = field(default_factory=Counter, init=False)
    _results: SimpleQueue[tuple[DueLink, Reading | None]] = field(default_factory=SimpleQueue, init=False, repr=False)

    @property
    def outstanding(self) -> int:
        """Readings under way, or done and not yet collected."""
        return self._under_way.total()

    def look(self) -> int:
        """Look at everything that is due now, up to a batch, and wait for it.

        Returns: how many rows were looked at.
        """
        claimed = self.claim()
        while self.outstanding:
            self.collect(wait_s=60)
        return claimed

    def claim(self) -> int:
        """Take what is due and start reading it, but nothing of a bank that has its share under way.

        Returns: how many rows were taken.
        """
        share = IN_HAND * self.pool.per_key
        if self.outstanding >= SHARES * share:
            return 0
        full = [code for code, count in self._under_way.items() if count >= share]
        read_by = time.monotonic() + self.timing.lease_s  # told before the claim: the lease ends no earlier
        with self.unit_of_work:
            due = self.links.claim_due(BATCH, self.timing.lease_s, share, full)
            now = self.unit_of_work.now()
        self._under_way.update(one.link.institution_code for one in due)
        for one in due:
            self.pool.submit(one.link.institution_code, partial(self._read_and_report, one, now, read_by))
        return len(due)

    def collect(self, wait_s: float) -> int:
        """Write down what has been read. Returns: how many readings ended; 0 when none did within `wait_s`."""
        try:
            results = [self._results.get(timeout=wait_s)]
        except Empty:
            return 0
        while len(results) < BATCH:
            try:
                results.append(self._results.get_nowait())
            except Empty:
                break
        self._under_way -= Counter(due.link.institution_code for due, _ in results)
        self._write([(due, reading) for due, reading in results if reading is not None])
        return len(results)

    def seconds_to_next(self, within_s: float) -> float | None:
        """Seconds until the next link is due; None when none is within `within_s`."""
        with self.unit_of_work:
            return self.links.seconds_to_next(within_s)

    def _read_and_report(self, due: DueLink, now: datetime, read_by: float) -> None:
        reading: Reading | None = AggregatorDown("The reading did not end.")
        try:
            if time.monotonic() >= read_by:  # it waited too long for a thread: the row is due again, for whoever comes
                reading = None
                return
            with tracing_link(due.link.user_id, due.link.id):
                reading = self._read(due, now)
        finally:
            self._results.put((due, reading))

    def _read(self, due: DueLink, now: datetime) -> Reading:
        """One link at the aggregator, with no unit of work open; a failure is a result like others."""
        link = due.link
        try:
            member = find_member(self.aggregator, due.link, due.user_guid)
            if member is None:
                return MemberGone("The aggregator does not know this link.")
            if link.is_due_for_fresh_data(now):
                link.begin_refresh(now, is_background=True)
                self.budget.spend(is_again=link.looks > 0)
                self._aggregate(member)
            return self.aggregator.read_member_status(member)
        except AggregatorError as error:
            return error

    def _aggregate(self, member: MemberRef) -> None:
        with suppress(JobRunning):  # a job runs anyway, and its end is what we wait for
            self.aggregator.aggregate_member(member)

    def _write(self, results: Sequence[tuple[DueLink, Reading]]) -> None:
        if not results:
            return
        nudged: list[DueLink] = []
        with self.unit_of_work:
            now = self.unit_of_work.now()
            before = [state_of(due.link) for due, _ in results]
            effects = [self._take_in(due.link, reading, now) for due, reading in results]
            written = self.links.save_looked_at([due.link for due, _ in results])
            for (due, _), wanted in zip(results, effects, strict=True):
                link = due.link
                if link.id in written and Effect.DOWNLOAD in wanted:
                    full_before = self.download_timing.full_before(link.id, now)
                    self.downloads.request(link.user_id, link.id, now, full_before)
                    with tracing_link(link.user_id, link.id):
                        self.jobs.download(link.user_id, link.id)
                if link.id in written and Effect.NUDGE in wanted:
                    nudged.append(due)
        for (due, _), was in zip(results, before, strict=True):
            if due.link.id in written and (change := LinkStatusChanged.between(was, due.link)):
                with tracing_link(due.link.user_id, due.link.id):
                    self.events.tell(change)
        for due in nudged:
            self.pool.submit(due.link.institution_code, partial(self._nudge, due))

    def _take_in(self, link: LinkedAccount, reading: Reading, now: datetime) -> set[Effect]:
        if isinstance(reading, MemberStatus):
            return link.observe(reading, now, self.timing)
        was_woken = link.is_at_rest and not isinstance(reading, MemberGone)  # and not for its day had come
        if not isinstance(reading, MemberGone):
            link.not_seen(reading, now, self.timing)
            if isinstance(reading, AggregatorNotAsked) and link.link_status == LinkStatus.PROCESSING:
                link.show(
                    Verdict(LinkStatus.PROCESSING, link.reason or reading.reason, link.act_by, link.retry_with), now
                )
        elif link.member_guid is not None or link.link_status not in ERRORS:
            link.fail(reading, link.begins_with, now)
        # else no member was ever made, and the link says already why
        if not isinstance(reading, BudgetSpent):  # which is nobody's failure
            link.looks += 1
        link.release(now, self.timing)
        if was_woken:
            link.wakes_again(now, self.timing)
        if isinstance(reading, AggregatorThrottled) and link.next_look_at is not None:
            link.next_look_at = max(link.next_look_at, now + timedelta(seconds=reading.retry_after_s))
        return set()

    def _nudge(self, due: DueLink) -> None:
        """A member whose job never started: ask for one. How it goes is seen at the next look."""
        with suppress(AggregatorError):
            if member := find_member(self.aggregator, due.link, due.user_guid):
                self._aggregate(member)
