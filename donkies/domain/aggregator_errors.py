"""What can go wrong between us and an aggregator."""

from __future__ import annotations

from .errors import DomainError, Unavailable
from .verdicts import ActBy


class AggregatorError(DomainError):
    """The aggregator did not do what was asked.

    `reason` goes onto the link, `act_by` says who can mend it. A detail never quotes what the aggregator
    sent, for that could repeat a credential.
    """

    code = "aggregator_error"
    reason = "aggregator_down"
    act_by: ActBy | None = None


class AggregatorDown(AggregatorError):
    """Unreachable, timed out, cut off or 5xx.

    Args:
        outcome_unknown: the request may have been carried out all the same; before repeating a call that
            creates or changes something, look whether it was.
    """

    code = "aggregator_down"

    def __init__(self, detail: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(detail)
        self.outcome_unknown = outcome_unknown


class AggregatorNotAsked(AggregatorDown):
    """So many calls failed in a row that this one was not even sent: the aggregator is given time to heal.

    Args:
        retry_after_s: seconds until one call is let through again.
    """

    def __init__(self, detail: str, *, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class InstitutionNotAsked(AggregatorNotAsked):
    """The same of one bank's calls, while those of others pass."""

    code = "institution_down"
    reason = "institution_down"


class AggregatorThrottled(AggregatorError):
    """Too many requests (429).

    Args:
        retry_after_s: seconds the aggregator asks us to wait.
    """

    code = "aggregator_throttled"
    reason = "aggregator_throttled"

    def __init__(self, detail: str, *, retry_after_s: float) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class AggregatorRefusedUs(AggregatorError):
    """Wrong keys, an address that is not allowed, a feature not enabled (401, 403, 406): the operator's."""

    code = "aggregator_refused_us"
    reason = "aggregator_refused_us"
    act_by = ActBy.OPERATOR


class AggregatorMisbehaved(AggregatorError):
    """An answer that makes no sense: not JSON, a field missing or of a wrong type, too large."""

    code = "aggregator_misbehaved"
    reason = "aggregator_misbehaved"


class CredentialsNotAccepted(AggregatorError):
    """The aggregator could not use the fields sent (400, 422): wrong guids or a field missing."""

    code = "credentials_not_accepted"
    reason = "credentials_incomplete"
    act_by = ActBy.USER


class MemberExists(AggregatorError):
    """The person has linked this login at this institution before (409)."""

    code = "already_linked"
    reason = "already_linked"
    act_by = ActBy.USER


class JobRunning(AggregatorError):
    """A job of another kind runs on the member (409); ask again when it has ended."""

    code = "job_running"
    reason = "job_running"


class MemberLimitReached(AggregatorError):
    """The aggregator takes no more members for this person (405)."""

    code = "member_limit"
    reason = "member_limit"
    act_by = ActBy.OPERATOR


class NotChallenged(AggregatorError):
    """An answer came when no question is open (405): it expired, or somebody answered already."""

    code = "not_challenged"
    reason = "challenge_expired"
    act_by = ActBy.USER


class MemberGone(AggregatorError):
    """The aggregator does not know this user, member, account or institution (404)."""

    code = "member_gone"
    reason = "member_gone"
    act_by = ActBy.USER


class CallsExhausted(Unavailable):
    """As many calls as may run at once are running; nothing was sent (DESIGN 6: 503 with Retry-After)."""

    code = "aggregator_busy"
