"""All that is kept of a person, for them to take along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from .clients import Clients
from .consents import ConsentStore
from .errors import NotFound
from .identities import ExternalIdentity, IdentityStore
from .limits import Limit, Limits
from .link_gate import LinkGate
from .sessions import OpenSession, SessionStore
from .transaction_export import pages
from .transactions import LedgerReader, TransactionQuery
from .unit_of_work import UnitOfWork
from .users import Profile, UserStore

EXPORTS_OF_PERSON = Limit("export", 10, 3600)  # each reads all that there is


@dataclass(frozen=True, slots=True)
class Allowed:
    """What an app may do, and its name as far as it is registered still."""

    client_id: str
    name: str | None
    scopes: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Export:
    """What one export holds. What is small was read when it began; banks are read as it goes, so that memory stays
    flat and no transaction stays open, however long the history and however slow whoever takes it.
    """

    profile: Profile = field(repr=False)
    identities: Sequence[ExternalIdentity] = field(repr=False)
    sessions: Sequence[OpenSession] = field(repr=False)
    consents: Sequence[Allowed]
    reader: LedgerReader = field(repr=False)

    def links(self) -> Sequence[Mapping[str, Any]]:
        return self.reader.list_links(self.profile.id)

    def accounts(self) -> Sequence[Mapping[str, Any]]:
        return self.reader.list_accounts(self.profile.id)

    def transactions(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """All of them, newest first, page by page; each page is a read of its own, by key."""
        return pages(self.reader, self.profile.id, TransactionQuery())

    def balances(self) -> Iterator[Sequence[Mapping[str, Any]]]:
        """What each account's were, account by account."""
        for account in self.accounts():
            rows = self.reader.list_balances(self.profile.id, account["id"])
            yield [{"account_id": account["id"], **row} for row in rows]


@dataclass
class ExportService:
    """Begins exports."""

    unit_of_work: UnitOfWork
    users: UserStore
    identities: IdentityStore
    sessions: SessionStore
    consents: ConsentStore
    clients: Clients
    reader: LedgerReader
    gate: LinkGate
    limits: Limits

    def begin(self, user_id: UUID, here: bytes | None = None) -> Export:
        """An export of all that is kept of a person.

        Args:
            here: the hash of the session that asks for it.
        Raises: NotFound; Forbidden while the address has to be verified first; TooMany.
        """
        self.gate.check(user_id)
        self.limits.spend(EXPORTS_OF_PERSON, str(user_id))
        with self.unit_of_work:
            user = self.users.find(user_id)
            if user is None:
                raise NotFound("There is no such person.")
            profile = Profile.of(user)
            identities = self.identities.of_user(user_id)
            sessions = [OpenSession.of(session, here) for session in self.sessions.of_user(user_id)]
            consents = self.consents.of_user(user_id)
        allowed = [
            Allowed(one.client_id, client.name if (client := self.clients.find(one.client_id)) else None,
                    one.scopes, one.created_at, one.updated_at)
            for one in consents
        ]  # fmt: skip
        return Export(profile, identities, sessions, allowed, self.reader)
