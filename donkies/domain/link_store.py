"""Where links are kept: the port, and what goes in and out of it besides links."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from .linked_accounts import LinkedAccount


@dataclass(frozen=True, slots=True)
class DueLink:
    """A link that a looker has claimed, with where its member lives (None: unknown, look for it)."""

    link: LinkedAccount
    user_guid: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a caller named a request, so that sending it twice does it once.

    Args:
        client_id: the caller's client: another client's equal key is another key.
        fingerprint: digest of what was asked, without credentials: the same key for another request is refused.
    """

    client_id: str
    key: str
    fingerprint: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MemberHint:
    """What somebody says of a member at the aggregator: nothing but a reason to go and look.

    Args:
        user_guid: whose member it is said to be; None when it is not said.
        is_changed: the rows are said to have changed, so that they are to be read even if no job ran.
    """

    member_guid: str = field(repr=False)
    user_guid: str | None = field(default=None, repr=False)
    is_changed: bool = False


class LinkedAccountStore(Protocol):
    """Where links are kept. All methods need an open unit of work."""

    def add(self, link: LinkedAccount) -> None: ...

    def get(self, user_id: UUID, link_id: UUID) -> LinkedAccount:
        """Raises: NotFound, also for somebody else's."""
        ...

    def lock(self, user_id: UUID, link_id: UUID) -> LinkedAccount:
        """As `get`, and nobody else changes the row until the unit of work ends."""
        ...

    def list_of(self, user_id: UUID) -> Sequence[LinkedAccount]:
        """A person's links, newest first."""
        ...

    def lock_all_of(self, user_id: UUID) -> None:
        """Wait until no unit of work has any of a person's links in its hands, and keep others from them."""
        ...

    def claim_due(
        self, limit: int, lease_s: float, per_institution: int, leave_out: Collection[str] = ()
    ) -> Sequence[DueLink]:
        """Take the oldest of the rows that are due and free, in one statement.

        Args:
            limit: how many are looked through at most. Of these
            per_institution: so many of one institution are taken at most; the rest stays due.
            leave_out: codes of institutions of which nothing is looked through.
        """
        ...

    def save_looked_at(self, links: Sequence[LinkedAccount]) -> set[UUID]:
        """Write rows that were looked at outside a unit of work, each only if its fence still stands.

        Returns: the ids that were written; the others were taken over and nothing of them is changed.
        """
        ...

    def seconds_to_next(self, within_s: float) -> float | None:
        """Seconds until the next row in a moving state is due; None when none is due within `within_s`."""
        ...

    def wake(self, hint: MemberHint, at: datetime, pause: timedelta = timedelta(0)) -> bool:
        """Have the link of a member looked at, at `at`, besides its own times; one that is to be woken already is not
        put off. A member that is nobody's, or not this person's, wakes nothing.

        Args:
            pause: a link whose last data came less than this before `at` is looked at so much later.
        Returns: whether anything changed.
        """
        ...

    def hasten_all(self, now: datetime) -> int:
        """Make every healthy link due for fresh data. Returns: how many."""
        ...

    def count_unfinished(self) -> int:
        """How many links of everybody are due for fresh data, being refreshed or being downloaded."""
        ...

    def remember(self, user_id: UUID, key: IdempotencyKey, link_id: UUID) -> UUID | None:
        """Keep what a request with this key made.

        Returns: None, or the link that an earlier request with it made.
        Raises: Conflict `idempotency_key_reused` when that request was another one.
        """
        ...

    def aggregator_user(self, user_id: UUID) -> str | None:
        """The person's user guid at the aggregator."""
        ...

    def keep_aggregator_user(self, user_id: UUID, user_guid: str) -> None:
        """Remember it; when it is known already, nothing changes."""
        ...

    def erase(self, link: LinkedAccount, now: datetime) -> None:
        """Delete the link and all below it; the feed tells that its transactions are gone."""
        ...
