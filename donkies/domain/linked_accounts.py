"""A person's connection to one institution: its states, and what moves it from one to another (DESIGN 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum, auto
from uuid import UUID

from .aggregator import ActBy, AggregatorError, LinkStatus, MemberRef, MemberStatus, RetryWith, Verdict
from .challenges import Challenge
from .errors import Conflict, IllegalTransition

LABELS = {
    LinkStatus.PROCESSING: "Processing",
    LinkStatus.SUCCESS: "Success",
    LinkStatus.WRONG_CREDENTIALS: "Wrong Username/Password",
    LinkStatus.CHALLENGED: "Challenged",
    LinkStatus.OTHER_ERROR: "Other Error",
}
ERRORS = {LinkStatus.WRONG_CREDENTIALS, LinkStatus.OTHER_ERROR}
WAYS_ON = {
    RetryWith.CREDENTIALS: "PUT new credentials",
    RetryWith.CHALLENGE: "answer its challenges",
    RetryWith.BANK_SIGN_IN: "send the person to the bank's own sign-in (authorize)",
    RetryWith.REFRESH: "refresh it",
}
IDLE_READS_FOR_AN_ERROR = 2  # the first read after new credentials can still show the old failure (ATRIUM.md 3.5)
IDLE_READS_FOR_TRANSACTIONS = 10  # how long a connected, idle member may lack its transactions
IDLE_READS_BEFORE_A_NUDGE = 3  # a member that stands still half-way, its job never started (ATRIUM.md 3.5)
LOOKS_AT_A_QUESTION = 60  # after so many the person has walked away, and it is looked at ever less often
PROCESSING = Verdict(LinkStatus.PROCESSING)
AT_THE_BANK = Verdict(LinkStatus.PROCESSING, "bank_sign_in", ActBy.USER, RetryWith.BANK_SIGN_IN)
ABANDONED = Verdict(LinkStatus.OTHER_ERROR, "bank_sign_in_abandoned", ActBy.USER, RetryWith.BANK_SIGN_IN)
DISCONNECTED = Verdict(LinkStatus.OTHER_ERROR, "disconnected", ActBy.USER, None)
ALREADY_LINKED = Verdict(LinkStatus.SUCCESS, "already_linked")
TIMED_OUT = Verdict(LinkStatus.OTHER_ERROR, "timed_out", None, RetryWith.REFRESH)


class TransactionsStatus(StrEnum):
    """How the download of a link's transactions goes; None on a link that never had one."""

    DOWNLOADING = "downloading"
    COMPLETE = "complete"
    FAILED = "failed"


class Effect(Enum):
    """What has to be done after an observation, outside the link's row."""

    DOWNLOAD = auto()
    NUDGE = auto()


@dataclass(frozen=True, slots=True)
class LinkTiming:
    """How long things may take, all in seconds.

    Args:
        look_s: between two readings at first; grows by half each time up to `look_slowest_s`.
        deadline_s: how long a link may be moving.
        oauth_deadline_s: how long a person may stay at the bank's own page.
        quiet_s: the longest pause between readings of a link that is in an error.
        lease_s: how long a piece of work may hold a row without a sign of life.
        widget_look_s: until it is first looked what a person linked in the aggregator's own widget; doubles each time.
    """

    look_s: float = 3
    look_slowest_s: float = 10
    deadline_s: float = 900
    oauth_deadline_s: float = 900
    quiet_s: float = 21_600
    lease_s: float = 60
    widget_look_s: float = 30


@dataclass(eq=False, kw_only=True)
class LinkedAccount:
    """One person's link to one institution, holding one member at the aggregator.

    `lease_no` is the fence: whoever takes the row to work on raises it by one, and every later write of
    that work says which number it took. `next_look_at` is when it is due to be looked at again, and `wake_at` when it
    is looked at besides, for a webhook came. `synced_job_at` is the `aggregated_at` of the job whose rows are here.
    `fresh_until` is when the schedule wanted the next data after the last that came.
    `duplicate_of` names the link that this one's login was linked by before: that one lives, this one points to it.
    """

    user_id: UUID
    id: UUID
    institution_code: str
    institution_name: str
    is_oauth: bool = False
    member_guid: str | None = field(default=None, repr=False)
    link_status: LinkStatus = LinkStatus.PROCESSING
    reason: str | None = None
    act_by: ActBy | None = None
    retry_with: RetryWith | None = None
    connection_status: str | None = None
    is_refreshing: bool = False
    is_background: bool = False
    challenges: tuple[Challenge, ...] = ()
    transactions_status: TransactionsStatus | None = None
    transactions_count: int = 0
    last_synced: datetime | None = None
    last_attempted_at: datetime | None = None
    next_attempt_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    lease_no: int = 0
    lease_until: datetime | None = None
    next_look_at: datetime | None = None
    looks: int = 0
    idle_reads: int = 0
    moving_since: datetime | None = None
    wake_at: datetime | None = None
    synced_job_at: datetime | None = None
    fresh_until: datetime | None = None
    duplicate_of: UUID | None = None

    @property
    def begins_with(self) -> RetryWith:
        """What makes this link's member, where there is none: a bank with its own sign-in takes no credentials."""
        return RetryWith.BANK_SIGN_IN if self.is_oauth else RetryWith.CREDENTIALS

    @property
    def is_on_its_way(self) -> bool:
        """Whether the aggregator is at work on it, and nobody need do anything."""
        return self.is_refreshing or (self.link_status == LinkStatus.PROCESSING and self.retry_with is None)

    @property
    def is_at_rest(self) -> bool:
        """Whether all is well and nothing is under way."""
        return self.link_status == LinkStatus.SUCCESS and not self.is_refreshing

    def is_due_for_fresh_data(self, now: datetime) -> bool:
        """Whether its day has come; a person who has to answer a question first is waited for."""
        is_past = self.next_attempt_at is not None and self.next_attempt_at <= now
        return is_past and self.is_at_rest and self.retry_with != RetryWith.CHALLENGE

    # -- commands: what a person or the schedule asks ----------------------------------------------------

    def begin_credentials(self, now: datetime) -> None:
        """New credentials are about to be sent. Raises: IllegalTransition; Conflict `already_linked`."""
        self.refuse_duplicate()
        if self.link_status != LinkStatus.SUCCESS:
            self._demand(RetryWith.CREDENTIALS)
        self._begin(now)

    def begin_refresh(self, now: datetime, *, is_background: bool = False) -> None:
        """Fresh data is about to be asked for. Raises: IllegalTransition; Conflict `already_linked`."""
        self.refuse_duplicate()
        if self.link_status != LinkStatus.SUCCESS:
            self._demand(RetryWith.REFRESH)
        looks = self.looks
        self._begin(now, keep_success=True)
        self.is_background = is_background
        if is_background:
            self.looks = looks  # on a link at rest: how often in a row the bank could not be asked

    def refresh_not_begun(self, now: datetime) -> None:
        """A healthy link could not even be asked for fresh data: it is as it was."""
        self.is_refreshing = self.is_background = False
        self.moving_since = None
        self.updated_at = now

    def begin_answer(self, now: datetime) -> None:
        """Answers to the open challenges are about to be sent. Raises: IllegalTransition."""
        self._demand(RetryWith.CHALLENGE)
        self._begin(now, keep_success=True)

    def begin_bank_sign_in(self, now: datetime) -> None:
        """The person is about to go to the bank's own page. Raises: IllegalTransition."""
        self._demand(RetryWith.BANK_SIGN_IN)
        self._begin(now)
        self.show(AT_THE_BANK, now)

    def begin_elsewhere(self, now: datetime) -> None:
        """A job was begun by other hands than ours, as in the aggregator's own widget: it is followed like ours."""
        self._begin(now, keep_success=True)

    def disconnect(self, now: datetime) -> None:
        """The member is gone for good; what was downloaded stays."""
        self.member_guid = None
        self.is_refreshing = False
        self.challenges = ()
        self.next_attempt_at = self.lease_until = self.next_look_at = self.wake_at = None
        self.show(DISCONNECTED, now)

    def points_to(self, original: UUID, now: datetime) -> None:
        """The login was linked before: that link goes on, and this one only tells where to go."""
        self.duplicate_of = original
        self.member_guid = self.transactions_status = self.next_attempt_at = self.moving_since = None
        self.is_refreshing = self.is_background = False
        self.challenges = ()
        self.lease_until = self.next_look_at = self.wake_at = None
        self.show(ALREADY_LINKED, now)

    def hasten(self, now: datetime) -> None:
        """A link at rest becomes due for fresh data, if it is not loading any."""
        if self.is_at_rest and self.next_attempt_at is not None:
            self.next_attempt_at = min(self.next_attempt_at, now)

    def refuse_duplicate(self) -> None:
        """Raises: Conflict `already_linked`, naming the link to use, where this one only points to it."""
        if self.duplicate_of is not None:
            raise Conflict(
                "This login was linked before, by another link; use that link.",
                code="already_linked",
                linked_account_id=str(self.duplicate_of),
            )

    def _demand(self, wanted: RetryWith) -> None:
        self.refuse_duplicate()
        if self.retry_with == wanted:
            return
        state = f"This link is {self.link_status}" + (f" ({self.reason})" if self.reason else "")
        if self.retry_with:
            way_on = f"; to lead it on, {WAYS_ON[self.retry_with]}."
        elif self.link_status == LinkStatus.PROCESSING:
            way_on = "; wait until it is done."
        else:
            way_on = "; nothing but deleting it or linking anew leads on."
        raise IllegalTransition(
            state + way_on, link_status=str(self.link_status), retry_with=self.retry_with and str(self.retry_with)
        )

    def _begin(self, now: datetime, *, keep_success: bool = False) -> None:
        self.is_refreshing = keep_success and self.link_status == LinkStatus.SUCCESS
        self.is_background = False
        self.moving_since = now
        self.idle_reads = self.looks = 0
        self.challenges = ()
        self.last_attempted_at = self.updated_at = now
        self.show(Verdict(LinkStatus.SUCCESS) if self.is_refreshing else PROCESSING, now)

    # -- the lease -----------------------------------------------------------------------------------

    def claim(self, now: datetime, lease_s: float) -> int:
        """Take the row for work, as whoever comes last may: earlier work can then write no more.

        Returns: the fence number for `release`.
        """
        self.lease_no += 1
        self.lease_until = now + timedelta(seconds=lease_s)
        self.next_look_at = self.lease_until  # where this work dies, a looker takes the row up
        return self.lease_no

    def release(self, now: datetime, timing: LinkTiming) -> None:
        """The work is done: the row is free, and due to be looked at as its state asks."""
        self.lease_until = None
        self.next_look_at = self._next_look(now, timing)

    # -- observations: what the aggregator is seen to say --------------------------------------------

    def observe(self, seen: MemberStatus, now: datetime, timing: LinkTiming) -> set[Effect]:
        """Take in one reading of the member; any state may follow any other.

        Returns: what has to be done besides.
        """
        before = self.link_status, self.is_refreshing
        self.connection_status = seen.connection_status
        settled = self._settled(seen)
        effects: set[Effect] = set()
        if settled is not None:
            effects = self._settle(settled, seen, now)
        else:
            self._keep_moving(seen, now, timing)
            if self.idle_reads == IDLE_READS_BEFORE_A_NUDGE and self._stands_still(seen):
                effects.add(Effect.NUDGE)
        has_moved = before != (self.link_status, self.is_refreshing)
        self.looks = 0 if has_moved or self.is_at_rest else self.looks + 1  # at rest it could be read, which is all
        if self.is_at_rest and (settled is not None or self.idle_reads >= IDLE_READS_FOR_TRANSACTIONS):
            self.idle_reads = 0  # the next reading, a day or a webhook later, begins anew
        self.release(now, timing)
        return effects

    def fail(self, error: AggregatorError, retry_with: RetryWith | None, now: datetime) -> None:
        """A call that a person asked for went wrong: the row says so and exists all the same."""
        self.is_refreshing = self.is_background = False
        self.moving_since = None
        status = LinkStatus.WRONG_CREDENTIALS if error.reason == "credentials_incomplete" else LinkStatus.OTHER_ERROR
        self.show(Verdict(status, error.reason, error.act_by, retry_with), now)

    def download_complete(
        self, count: int, now: datetime, next_attempt_at: datetime, job_at: datetime | None = None
    ) -> None:
        """Every transaction is here, and that is proved.

        Args:
            job_at: the `aggregated_at` of the aggregator's job that brought them.
        """
        self.synced_job_at = job_at
        self.transactions_status = TransactionsStatus.COMPLETE
        self.transactions_count = count
        self.last_synced = self.updated_at = now
        self.next_attempt_at = self.fresh_until = next_attempt_at
        if self.link_status == LinkStatus.SUCCESS and self.retry_with is None:
            self.reason = None

    def download_failed(self, reason: str, now: datetime, next_attempt_at: datetime | None) -> None:
        """The download was given up for now; a link that is well otherwise says why."""
        self.transactions_status = TransactionsStatus.FAILED
        self.next_attempt_at = next_attempt_at
        self.updated_at = now
        if self.link_status == LinkStatus.SUCCESS and self.retry_with is None:
            self.reason = reason

    def download_begins(self, now: datetime) -> None:
        """A worker has begun, perhaps again."""
        if self.transactions_status != TransactionsStatus.DOWNLOADING:
            self.transactions_status = TransactionsStatus.DOWNLOADING
            self.last_attempted_at = self.updated_at = now

    def not_seen(self, error: AggregatorError, now: datetime, timing: LinkTiming) -> None:
        """The aggregator could not be asked. What is shown stays, unless a moving link has used up its time.

        A background refresh is put off, longer each time: nobody waits for it, and the link is as well as before.
        """
        if self.is_refreshing and self.is_background:
            self.refresh_not_begun(now)
            wait_s = _ever_longer(self.looks, timing)
            self.next_attempt_at = now + timedelta(seconds=max(wait_s, getattr(error, "retry_after_s", 0)))
            return
        is_moving = self.link_status == LinkStatus.PROCESSING or self.is_refreshing
        if is_moving and self._is_overdue(now, timing, waits_at_bank=self.reason == "bank_sign_in"):
            self.fail(error, RetryWith.REFRESH, now)

    def wakes_again(self, now: datetime, timing: LinkTiming) -> None:
        """A link at rest could not be read though something was to be seen: it is looked at again, ever less often."""
        self.next_look_at = now + timedelta(seconds=_ever_longer(self.looks - 1, timing))

    def member(self, user_guid: str) -> MemberRef:
        """Where this link's member lives."""
        if self.member_guid is None:
            raise ValueError("this link has no member yet")
        return MemberRef(user_guid, self.member_guid, self.institution_code)

    def _settled(self, seen: MemberStatus) -> Verdict | None:
        """The verdict that stands, or None while it may still change."""
        verdict = seen.verdict
        if verdict.link_status == LinkStatus.CHALLENGED:
            return verdict
        if seen.is_being_aggregated:
            self.idle_reads = 0
            return None
        self.idle_reads += 1
        if verdict.link_status == LinkStatus.SUCCESS:
            waits = seen.has_processed_transactions is False and self.idle_reads < IDLE_READS_FOR_TRANSACTIONS
            return None if waits else verdict
        if verdict.link_status in ERRORS and self.idle_reads >= IDLE_READS_FOR_AN_ERROR:
            return verdict
        return None

    def _stands_still(self, seen: MemberStatus) -> bool:
        return (
            not seen.is_being_aggregated
            and seen.verdict.link_status == LinkStatus.PROCESSING
            and seen.verdict.reason is None
        )

    def _settle(self, verdict: Verdict, seen: MemberStatus, now: datetime) -> set[Effect]:
        had_success = self.link_status == LinkStatus.SUCCESS
        is_news = not had_success or self.is_refreshing or self._has_another_job(seen)
        ended_well = verdict.link_status == LinkStatus.SUCCESS and is_news
        if self.is_refreshing:
            self.updated_at = now
        self.challenges = seen.challenges if verdict.link_status == LinkStatus.CHALLENGED else ()
        nobody_there = had_success and (self.is_background or not self.is_refreshing)
        if verdict.link_status == LinkStatus.CHALLENGED and nobody_there:
            # what the person had stays in sight until they come (DESIGN 3)
            verdict = Verdict(LinkStatus.SUCCESS, "needs_user", ActBy.USER, RetryWith.CHALLENGE)
        self.is_refreshing = self.is_background = False
        self.moving_since = None
        self.show(verdict, now)
        return {Effect.DOWNLOAD} if ended_well else set()

    def _has_another_job(self, seen: MemberStatus) -> bool:
        """Whether the aggregator has been at the bank since the rows that are here were read."""
        is_known = seen.aggregated_at in (None, self.synced_job_at)
        return not is_known and self.transactions_status != TransactionsStatus.DOWNLOADING

    def _keep_moving(self, seen: MemberStatus, now: datetime, timing: LinkTiming) -> None:
        if self.is_at_rest:
            return  # the aggregator's own nightly job: nothing that a person need see
        waits_at_bank = seen.verdict.reason == "bank_sign_in" and not seen.is_being_aggregated
        if self.retry_with == RetryWith.BANK_SIGN_IN and not waits_at_bank:
            self.moving_since = now  # the person is back: only now the aggregator's own time begins
        if self._is_overdue(now, timing, waits_at_bank):
            self.is_refreshing = False
            self.show(ABANDONED if waits_at_bank else TIMED_OUT, now)
        elif seen.verdict.link_status in ERRORS and not seen.is_being_aggregated:
            return  # an error is believed at the second idle read; until then what is shown stays
        elif self.link_status != LinkStatus.SUCCESS:
            if self.link_status != LinkStatus.PROCESSING:
                self.moving_since = now
                self.challenges = ()
            self.show(seen.verdict if waits_at_bank else PROCESSING, now)

    def _is_overdue(self, now: datetime, timing: LinkTiming, waits_at_bank: bool) -> bool:
        if self.moving_since is None:
            return False
        limit = timing.oauth_deadline_s if waits_at_bank else timing.deadline_s
        return now - self.moving_since >= timedelta(seconds=limit)

    def _next_look(self, now: datetime, timing: LinkTiming) -> datetime | None:
        if self.is_at_rest:  # `next_attempt_at` says when it is asked for fresh data
            return now + timedelta(seconds=timing.look_s) if self.idle_reads else None
        if self.link_status == LinkStatus.PROCESSING or self.is_refreshing:
            pause = min(timing.look_slowest_s, timing.look_s * 1.5 ** min(self.looks, 16))
        else:  # a person is to act; all there is to see is that a question expired, or that the bank has healed
            patience = LOOKS_AT_A_QUESTION if self.link_status == LinkStatus.CHALLENGED else 0
            pause = _ever_longer(self.looks - patience, timing)
        return now + timedelta(seconds=pause)

    def show(self, verdict: Verdict, now: datetime) -> None:
        """Put on the state that a verdict says."""
        shown = Verdict(self.link_status, self.reason, self.act_by, self.retry_with)
        if shown != verdict:
            self.link_status, self.reason = verdict.link_status, verdict.reason
            self.act_by, self.retry_with = verdict.act_by, verdict.retry_with
            self.updated_at = now


def _ever_longer(times: int, timing: LinkTiming) -> float:
    """Seconds to wait after so many times without anything new."""
    return min(timing.quiet_s, timing.look_slowest_s * 2.0 ** min(max(0, times), 16))


def poll_after_ms(link_status: str, is_refreshing: bool, transactions_status: str | None) -> int:
    """How long a front end may wait before it asks again, in milliseconds."""
    if link_status == LinkStatus.PROCESSING or is_refreshing:
        return 1_000
    if transactions_status == TransactionsStatus.DOWNLOADING:
        return 2_000
    return 10_000 if link_status == LinkStatus.CHALLENGED else 60_000


def is_scheduled(
    link_status: str, is_refreshing: bool, retry_with: str | None, transactions_status: str | None
) -> bool:
    """Whether a link's `next_attempt_at` is a promise: a given-up download is tried again whatever its link is, fresh
    data is asked for only of a healthy one that waits for nobody; while it is on its way the next time is not known.
    """
    if transactions_status == TransactionsStatus.FAILED:
        return True
    return link_status == LinkStatus.SUCCESS and not is_refreshing and retry_with != RetryWith.CHALLENGE
