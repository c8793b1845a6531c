"""Which of the port's errors an HTTP status, or a broken connection, becomes."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import requests
from urllib3.exceptions import NewConnectionError

from donkies.domain.aggregator import (
    AggregatorDown,
    AggregatorError,
    AggregatorMisbehaved,
    AggregatorRefusedUs,
    AggregatorThrottled,
    CredentialsNotAccepted,
    JobRunning,
    MemberExists,
    MemberGone,
    MemberLimitReached,
    NotChallenged,
)

from .calls import Call

Made = TypeVar("Made")

DEFAULT_RETRY_AFTER_S = 30.0
"""Told to callers when MX throttles without saying for how long."""

_LONGEST_RETRY_AFTER_S = 86_400.0

_DETAILS: dict[type[AggregatorError], str] = {
    CredentialsNotAccepted: "MX could not use the fields sent. Read the form again and fill in every field.",
    MemberExists: "This login at this institution is linked already.",
    JobRunning: "MX is still busy with another job for this link. Try again when it has ended.",
    MemberLimitReached: "MX takes no more members for this person.",
    NotChallenged: "No question is open any more. Refresh the link for a new one.",
    MemberGone: "MX does not know this user, member, account or institution.",
    AggregatorMisbehaved: "MX answered in a way that its documentation does not know.",
}

_REFUSALS = {
    401: "MX refused the API key or the client id, or they belong to its other environment.",
    403: "MX does not take calls from this address, or a feature is not enabled for this client.",
    404: "Nothing of MX's is at the configured address.",
    406: "MX no longer speaks this version of its API at the configured address.",
}

_EVERYWHERE: dict[int, type[AggregatorError]] = {
    401: AggregatorRefusedUs,
    403: AggregatorRefusedUs,
    404: MemberGone,
    406: AggregatorRefusedUs,
}
"""What a status means in every call that says nothing else. Source: ATRIUM.md 1.7."""


def refusal(call: Call, status: int, retry_after_s: float | None) -> AggregatorError:
    """The error of an answer that is not 200, 202 or 204."""
    if status == 429:
        wait_s = DEFAULT_RETRY_AFTER_S if retry_after_s is None else retry_after_s
        return AggregatorThrottled(f"MX has too many requests ({call.name}).", retry_after_s=wait_s)
    if status >= 500:
        return AggregatorDown(f"MX answered {status} ({call.name}).", outcome_unknown=call.method != "GET")
    kind = call.meanings.get(status) or _EVERYWHERE.get(status, AggregatorMisbehaved)
    detail = _REFUSALS[status] if kind is AggregatorRefusedUs else _DETAILS[kind]
    return kind(f"{detail} ({call.name}: {status})")


def senseless(call: Call, problem: str) -> AggregatorError:
    """The error of a 2xx whose body makes no sense. A call that changes something may have been carried out."""
    if call.repeatable:
        return AggregatorMisbehaved(f"MX sent {problem} ({call.name}).")
    return AggregatorDown(f"MX sent {problem} ({call.name}).", outcome_unknown=True)


def made(call: Call, read: Callable[[], Made]) -> Made:
    """Read the answer of a call that made something: one that cannot be read leaves open whether it did."""
    try:
        return read()
    except AggregatorMisbehaved as error:
        detail = error.detail
    raise AggregatorDown(f"{detail} ({call.name})", outcome_unknown=True)


def broken(call: Call, error: Exception) -> AggregatorDown:
    """The error of a call that got no whole answer."""
    if _never_sent(error):
        return AggregatorDown(f"MX could not be reached ({call.name}).")
    late = isinstance(error, requests.Timeout | TimeoutError)
    problem = "did not answer in time" if late else "cut the connection"
    return AggregatorDown(f"MX {problem} ({call.name}).", outcome_unknown=call.method != "GET")


def _never_sent(error: Exception) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    refused = isinstance(reason, NewConnectionError)
    distrusted = isinstance(reason, Exception) and any(
        isinstance(cause, ssl.SSLCertVerificationError) for cause in (reason, *reason.args)
    )
    return refused or distrusted


def read_retry_after(text: str | None) -> float | None:
    """Seconds to wait by a `Retry-After` header, which holds seconds or a date; None where it makes no sense.

    Source: RFC 9110 10.2.3.
    """
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_RETRY_AFTER_S)
