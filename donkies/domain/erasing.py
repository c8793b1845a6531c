"""Leaving for good: a person is erased with everything that is theirs, here at once and then at the aggregator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from .erasures import Erasure, ErasureStore, when_due
from .errors import NotFound
from .events import AccountDeleted, Events, NoEvents
from .grants import GrantStore, Revocations
from .jobs import Jobs
from .link_store import LinkedAccountStore
from .linked_accounts import LinkedAccount, LinkTiming
from .mail import Letters
from .sessions import SessionStore
from .unit_of_work import UnitOfWork
from .users import User, UserStore


@dataclass
class LeavingService:
    """Erases people. Of somebody who is gone nothing stays but a receipt that names nobody."""

    unit_of_work: UnitOfWork
    users: UserStore
    sessions: SessionStore
    grants: GrantStore
    revocations: Revocations
    links: LinkedAccountStore
    erasures: ErasureStore
    letters: Letters
    jobs: Jobs
    timing: LinkTiming
    events: Events = field(default_factory=NoEvents)

    def leave(self, user_id: UUID, receipt: UUID | None = None) -> Erasure:
        """Erase somebody in one unit of work: what they have here is gone, every session and token with it.

        Their user at the aggregator is deleted by a worker, whatever that takes.

        Args:
            receipt: the id that the receipt is to have, a random UUIDv4; made when not given.
        Returns: the receipt; it is done already when they never had a bank.
        Raises: NotFound, also when they are gone already.
        """
        with self.unit_of_work:
            self._stop_all_work(user_id)
            user = self.users.find_for_removal(user_id)
            if user is None:
                raise NotFound("There is no such person.")
            # what was granted until just now: nothing can be granted any more while the person's row is held
            ended = self.grants.end_families_for_good(user_id, "account_deleted")
            now = self.unit_of_work.now()
            erasure = self._erasure(user_id, receipt or uuid4(), now)
            self.erasures.add(erasure)
            self._tell(user, erasure)
            self.users.remove(user_id)
            if erasure.due_at is not None:
                self.jobs.erase()
        self.revocations.add(*map(str, ended))
        self.events.tell(AccountDeleted(user_id=user_id, receipt=erasure.id))
        return erasure

    def _stop_all_work(self, user_id: UUID) -> None:
        """Let what is under way for this person end, and nothing new begin.

        In this order, for a code is held before the person's row by who exchanges it, and a link by who works on
        it: whoever holds the person's row for removal and waits for those would wait for ever.
        """
        if self.users.find_locked(user_id) is None:
            raise NotFound("There is no such person.")
        self.sessions.remove_all_of(user_id)
        self.grants.revoke_families_of(user_id, "account_deleted")
        self.links.lock_all_of(user_id)

    def _tell(self, user: User, erasure: Erasure) -> None:
        if not user.email:  # whose address was its owner's
            return
        at = erasure.requested_at.strftime("%d %B %Y, %H:%M UTC").lstrip("0")
        self.letters.write("account_deleted", user.email, first_name=user.first_name, at=at, receipt=str(erasure.id))

    def _erasure(self, user_id: UUID, receipt: UUID, now: datetime) -> Erasure:
        user_guid, links = self.links.aggregator_user(user_id), self.links.list_of(user_id)
        due_at, is_looked_for = when_due(
            now, self.timing.lease_s,
            has_user=user_guid is not None, has_links=bool(links), is_in_flight=_is_in_flight(links, now),
        )  # fmt: skip
        return Erasure(
            id=receipt,
            user_guid=user_guid,
            identifier=str(user_id) if is_looked_for else "",
            requested_at=now,
            due_at=due_at,
            done_at=now if due_at is None else None,
        )


def _is_in_flight(links: Sequence[LinkedAccount], now: datetime) -> bool:
    """Whether a request may be making the person's user, or a member of it, at the aggregator now."""
    return any(link.member_guid is None and link.lease_until is not None and link.lease_until > now for link in links)
