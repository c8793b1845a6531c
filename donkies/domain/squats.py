"""Accounts made in the name of a mailbox that is somebody else's, and what they leave behind. Port SquatStore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from .errors import Conflict, NotFound
from .grants import GrantStore, Revocations
from .unit_of_work import Clock, UnitOfWork
from .users import User, UserStore


class SquatStore(Protocol):
    """Takes from an account what somebody may have planted there; within a unit of work."""

    def strip(self, user_id: UUID) -> None:
        """Delete every way in and what was begun: sessions, identities at Google and Facebook, consents, passkeys,
        the authenticator, recovery codes, mailed links, flows.
        """
        ...


@dataclass
class SquatService:
    """Gives mailboxes back to their owners (DESIGN 5).

    Whoever signs up first with an address need not own it. Until somebody has shown that they read mail there, the
    account is not to be joined with anybody's, and refusing alone would lock the owner out.
    """

    unit_of_work: UnitOfWork
    users: UserStore
    squats: SquatStore
    grants: GrantStore
    revocations: Revocations
    clock: Clock

    def release_squat(self, user_id: UUID) -> None:
        """Take the address from an account that never verified it, now that its owner has proved it elsewhere.

        The account keeps its rows and nothing else: no address, no way in, and it is disabled.

        Raises: NotFound; Conflict when the address was verified meanwhile.
        """
        with self.unit_of_work:
            ended = self.release(user_id)
        self.told(ended)

    def release(self, user_id: UUID) -> Sequence[UUID]:
        """The same, within the open unit of work of what the address is taken for.

        Returns: the grants that ended, for `told`, once that has committed.
        Raises: NotFound; Conflict.
        """
        user = self.users.find_locked(user_id)
        if user is None:
            raise NotFound("There is no such person.")
        if user.email_verified:
            raise Conflict("The address of this account is verified: it is its owner's.", code="email_verified")
        # a key that is no address: nobody can sign up, log in or be mailed by it
        self.users.change_email(user, "", f"released:{user.id}")
        user.password_hash, user.is_disabled, user.updated_at = None, True, self.clock.now()
        self.squats.strip(user.id)
        return self.grants.revoke_families_of(user.id, "released")

    def clear(self, user: User) -> Sequence[UUID]:
        """Take all ways in from an account whose mailbox's owner takes it over; within an open unit of work.

        Returns: the grants that ended, for `told`.
        """
        self.squats.strip(user.id)
        return self.grants.revoke_families_of(user.id, "mailbox_proved")

    def told(self, ended: Sequence[UUID]) -> None:
        """Refuse the tokens of these grants in this process from now on; others learn it from the database."""
        self.revocations.add(*map(str, ended))
