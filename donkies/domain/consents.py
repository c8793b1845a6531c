"""What people let clients do. Port ConsentStore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from .clients import Client
from .grants import GrantStore, Revocations
from .unit_of_work import Clock, UnitOfWork


@dataclass(frozen=True, slots=True)
class Consent:
    """What one person lets one client do.

    Args:
        scopes: all that was allowed so far.
    """

    client_id: str
    scopes: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


class ConsentStore(Protocol):
    """Keeps consents; all within a unit of work."""

    def record(self, user_id: UUID, client_id: str, scopes: tuple[str, ...], now: datetime) -> None:
        """Note that the person lets the client have these scopes, beside those noted before.

        Raises: ClientGone.
        """
        ...

    def find(self, user_id: UUID, client_id: str) -> Consent | None: ...

    def of_user(self, user_id: UUID) -> Sequence[Consent]:
        """By client_id."""
        ...

    def remove(self, user_id: UUID, client_id: str) -> bool:
        """Returns: whether there was one."""
        ...


@dataclass
class ConsentService:
    """Remembers consents, for as long as the person does not withdraw them."""

    unit_of_work: UnitOfWork
    consents: ConsentStore
    grants: GrantStore
    revocations: Revocations
    clock: Clock

    def is_needed(self, user_id: UUID, client: Client, scopes: tuple[str, ...]) -> bool:
        """Whether the person has to be asked before the client gets these scopes.

        A first-party client that proves who it is, is not asked for. A native client always is: another app on
        the device can bear its name and take its redirect URI (RFC 8252 §8.6).
        """
        if client.is_native:
            return True
        if client.is_trusted and client.is_confidential:
            return False
        with self.unit_of_work:
            known = self.consents.find(user_id, client.client_id)
        return known is None or not set(scopes).issubset(known.scopes)

    def give(self, user_id: UUID, client_id: str, scopes: tuple[str, ...]) -> None:
        """Remember that the person allowed this."""
        with self.unit_of_work:
            self.consents.record(user_id, client_id, scopes, self.clock.now())

    def list(self, user_id: UUID) -> Sequence[Consent]:
        """What the person allowed whom."""
        with self.unit_of_work:
            return self.consents.of_user(user_id)

    def withdraw(self, user_id: UUID, client_id: str) -> bool:
        """Forget it, and end every token that the client holds for this person.

        Returns: whether there was anything.
        """
        with self.unit_of_work:
            had = self.consents.remove(user_id, client_id)
            ended = self.grants.revoke_families_between(user_id, client_id, "consent_withdrawn")
        self.revocations.add(*map(str, ended))
        return had or bool(ended)
