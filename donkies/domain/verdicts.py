"""The words for where a link stands, and who can lead it on (DESIGN 3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LinkStatus(StrEnum):
    """What a front end is shown of a link (DESIGN 3)."""

    PROCESSING = "processing"
    SUCCESS = "success"
    WRONG_CREDENTIALS = "wrong_credentials"
    CHALLENGED = "challenged"
    OTHER_ERROR = "other_error"


class ActBy(StrEnum):
    """Who can mend what is wrong."""

    USER = "user"
    OPERATOR = "operator"


class RetryWith(StrEnum):
    """What leads on from where a link stands."""

    CREDENTIALS = "credentials"
    CHALLENGE = "challenge"
    BANK_SIGN_IN = "bank_sign_in"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one word of the aggregator means for a link.

    Args:
        link_status: the state it maps to.
        reason: stable code of ours that says why, or None when all is well.
        act_by: who can mend it, or None when nobody can or need.
        retry_with: what leads on, or None.
    """

    link_status: LinkStatus
    reason: str | None = None
    act_by: ActBy | None = None
    retry_with: RetryWith | None = None
