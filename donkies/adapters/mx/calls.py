"""The calls of the Atrium API that are used here, and what a status means in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from donkies.domain.aggregator import (
    AggregatorError,
    AggregatorRefusedUs,
    CredentialsNotAccepted,
    JobRunning,
    MemberExists,
    MemberGone,
    MemberLimitReached,
    NotChallenged,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of call.

    Args:
        path: with a name in braces for each part that is filled in; this, never an address, is logged.
        meanings: statuses that mean something of their own in this call.
    """

    method: str
    path: str
    meanings: Mapping[int, type[AggregatorError]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def repeatable(self) -> bool:
        """Whether doing it twice is the same as doing it once."""
        return self.method in ("GET", "DELETE")

    def filled(self, parts: Mapping[str, str]) -> str:
        """The path with its parts quoted.

        Raises: MemberGone for a part that cannot be a guid or a code: `..` would lead to another address.
        """
        path = self.path
        for name, part in parts.items():
            if not 0 < len(part) <= 256 or part in (".", "..") or not part.isprintable():
                raise MemberGone("This cannot be the name of anything at MX.")
            path = path.replace("{" + name + "}", quote(part, safe=""))
        return path


_MEMBERS = "/users/{user}/members"
_MEMBER = _MEMBERS + "/{member}"

CREATE_USER = Call("POST", "/users", {404: AggregatorRefusedUs, 409: MemberExists})
LIST_USERS = Call("GET", "/users", {404: AggregatorRefusedUs})
DELETE_USER = Call("DELETE", "/users/{user}")
SEARCH_INSTITUTIONS = Call("GET", "/institutions", {404: AggregatorRefusedUs})
READ_INSTITUTION = Call("GET", "/institutions/{code}")
LIST_INSTITUTION_CREDENTIALS = Call("GET", "/institutions/{code}/credentials")
LIST_MEMBER_CREDENTIALS = Call("GET", _MEMBER + "/credentials")
CREATE_MEMBER = Call(
    "POST",
    _MEMBERS,
    {
        400: CredentialsNotAccepted,
        405: MemberLimitReached,
        409: MemberExists,
        422: CredentialsNotAccepted,
    },
)
LIST_MEMBERS = Call("GET", _MEMBERS)
CREATE_WIDGET_URL = Call("POST", "/users/{user}/connect_widget_url", {403: AggregatorRefusedUs})
READ_OAUTH_WINDOW_URI = Call("GET", _MEMBER + "/oauth_window_uri")
UPDATE_MEMBER = Call("PUT", _MEMBER, {400: CredentialsNotAccepted, 409: JobRunning, 422: CredentialsNotAccepted})
DELETE_MEMBER = Call("DELETE", _MEMBER)
AGGREGATE_MEMBER = Call("POST", _MEMBER + "/aggregate", {409: JobRunning})
READ_MEMBER_STATUS = Call("GET", _MEMBER + "/status")
LIST_MEMBER_CHALLENGES = Call("GET", _MEMBER + "/challenges")
RESUME_AGGREGATION = Call(
    "PUT",
    _MEMBER + "/resume",
    {400: CredentialsNotAccepted, 405: NotChallenged, 409: NotChallenged, 422: CredentialsNotAccepted},
)
LIST_ACCOUNTS = Call("GET", _MEMBER + "/accounts")
LIST_TRANSACTIONS = Call("GET", _MEMBER + "/transactions")
