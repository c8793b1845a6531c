"""What MX's words mean for a link: both vocabularies, each as one table.

The rules about `is_being_aggregated` (processing while a job runs, an error only after two idle reads) are the
domain's; here one word becomes one verdict.
"""

from __future__ import annotations

from collections.abc import Sequence

from donkies.domain.aggregator import ActBy, LinkStatus, RetryWith, Verdict

_PROCESSING = Verdict(LinkStatus.PROCESSING)
_SUCCESS = Verdict(LinkStatus.SUCCESS)
_CHALLENGED = Verdict(LinkStatus.CHALLENGED, None, ActBy.USER, RetryWith.CHALLENGE)
_BANK_SIGN_IN = Verdict(LinkStatus.PROCESSING, "bank_sign_in", ActBy.USER, RetryWith.BANK_SIGN_IN)
_REFUSED = Verdict(LinkStatus.WRONG_CREDENTIALS, "credentials_rejected", ActBy.USER, RetryWith.CREDENTIALS)
_INCOMPLETE = Verdict(LinkStatus.WRONG_CREDENTIALS, "credentials_incomplete", ActBy.USER, RetryWith.CREDENTIALS)


def _other(reason: str, act_by: ActBy | None, retry_with: RetryWith | None) -> Verdict:
    return Verdict(LinkStatus.OTHER_ERROR, reason, act_by, retry_with)


_AT_THE_BANK = _other("user_action_at_bank", ActBy.USER, RetryWith.REFRESH)
_DOWN = _other("institution_down", None, RetryWith.REFRESH)

UNKNOWN = _other("unknown_status", ActBy.OPERATOR, RetryWith.REFRESH)
"""The verdict on a word that neither table holds."""

CONNECTION_STATUSES: dict[str | None, Verdict] = {
    None: _other("no_feed", ActBy.USER, RetryWith.CREDENTIALS),
    "CREATED": _PROCESSING,
    "PREVENTED": _REFUSED,
    "DENIED": _REFUSED,
    "CHALLENGED": _CHALLENGED,
    "REJECTED": _other("challenge_rejected", ActBy.USER, RetryWith.REFRESH),
    "LOCKED": _AT_THE_BANK,
    "CONNECTED": _SUCCESS,
    "IMPEDED": _AT_THE_BANK,
    "RECONNECTED": _PROCESSING,
    "DEGRADED": _DOWN,
    "DISCONNECTED": _DOWN,
    "DISCONTINUED": _other("institution_discontinued", ActBy.USER, None),
    "CLOSED": _other("connection_closed", ActBy.USER, None),
    "DELAYED": _PROCESSING,
    "FAILED": _DOWN,
    "UPDATED": _PROCESSING,
    "DISABLED": _other("disabled_by_operator", ActBy.OPERATOR, None),
    "IMPORTED": _INCOMPLETE,
    "RESUMED": _PROCESSING,
    "EXPIRED": _other("challenge_expired", ActBy.USER, RetryWith.REFRESH),
    "IMPAIRED": _INCOMPLETE,
    "PENDING": _BANK_SIGN_IN,
}
"""`connection_status` in the order of MX's numbers. Source: ATRIUM.md 3.2."""

JOB_STATUSES: dict[str, Verdict] = {
    "INITIATED": _PROCESSING,
    "REQUESTED": _PROCESSING,
    "CHALLENGED": _CHALLENGED,
    "AUTHENTICATED": _PROCESSING,
    "RECEIVED": _PROCESSING,
    "TRANSFERRED": _PROCESSING,
    "PROCESSED": _PROCESSING,
    "COMPLETED": _SUCCESS,
    "PREVENTED": _REFUSED,
    "DENIED": _REFUSED,
    "HALTED": _DOWN,
    "THROTTLED": _DOWN,
    "SUSPENDED": _DOWN,
    "TERMINATED": _DOWN,
    "ABORTED": _DOWN,
    "STOPPED": _DOWN,
    "ERRORED": _DOWN,
    "FAILED": _DOWN,
}
"""The old `status` of the latest job, for servers that send no `connection_status`. Source: ATRIUM.md 3.3."""


def verdict_of(
    connection_status: str | None, job_status: str | None = None, challenges: Sequence[object] = ()
) -> Verdict:
    """Say what MX's words mean.

    Args:
        connection_status: MX's word, or None for a member without a feed.
        job_status: the word of the old vocabulary, to be given only where MX sent no `connection_status` at all.
        challenges: the questions that came along: a rejected answer with fresh ones is a new challenge.
    """
    if connection_status is None and job_status is not None:
        return JOB_STATUSES.get(job_status, UNKNOWN)
    if connection_status == "REJECTED" and challenges:
        return _CHALLENGED
    return CONNECTION_STATUSES.get(connection_status, UNKNOWN)


def job_runs(job_status: str | None) -> bool:
    """Whether a word of the old vocabulary says that a job runs."""
    return JOB_STATUSES.get(job_status or "", UNKNOWN) == _PROCESSING
