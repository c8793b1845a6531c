"""Sign-in in tests: its stores as a bundle, over one unit of work, in memory or in SQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from ..adapters.memory import identity as memory
from ..adapters.memory.factors import MemoryFactorStore
from ..adapters.memory.grants import MemoryGrantStore
from ..adapters.memory.mail import MemoryOutbox
from ..adapters.persistence.assertions import SqlUsedAssertions
from ..adapters.persistence.clients import CachedClients, SqlClientStore
from ..adapters.persistence.consents import SqlConsentStore
from ..adapters.persistence.factors import SqlFactorStore
from ..adapters.persistence.flows import SqlFlowStore
from ..adapters.persistence.grants import SqlGrantStore, SqlRotations
from ..adapters.persistence.identities import SqlIdentityStore
from ..adapters.persistence.mailed_links import SqlMailedLinkStore
from ..adapters.persistence.mappers import start_mappers
from ..adapters.persistence.outbox import SqlOutbox
from ..adapters.persistence.sessions import SqlSessionStore
from ..adapters.persistence.squats import SqlSquatStore
from ..adapters.persistence.unit_of_work import ZopeUnitOfWork
from ..adapters.persistence.users import SqlUserStore
from ..adapters.sealing import Keyring
from ..domain.ids import new_id
from ..domain.users import User
from .databases import SEALING_KEY
from .engines import make_test_engine


@dataclass(kw_only=True)
class SignInStores:
    """All stores of sign-in over the same rows.

    Args:
        reader: the port `Clients`: what requests ask of clients.
        used: the port `UsedAssertions`.
        are_uuids_bare: whether rows hold a UUID without its hyphens.
    """

    unit_of_work: Any
    users: Any
    clients: Any
    reader: Any
    sessions: Any
    consents: Any
    grants: Any
    rotations: Any
    flows: Any
    outbox: Any
    mailed_links: Any
    squats: Any
    identities: Any
    factors: Any
    used: Any
    are_uuids_bare: bool = False

    def person(self, email: str | None = None) -> UUID:
        """Somebody, already there. Returns: the id."""
        id_ = new_id()
        email = email or f"{id_}@people.example"
        now = datetime.now(UTC)
        user = User(
            id=id_, email=email, email_key=email, first_name="A", last_name="B", birthday=date(1990, 12, 31),
            created_at=now, updated_at=now,
        )  # fmt: skip
        with self.unit_of_work:
            self.users.add(user)
        return id_

    def sid_as_kept(self, family_id: UUID) -> str:
        """A family's id as the row of a token's session has it."""
        return family_id.hex if self.are_uuids_bare else str(family_id)


def sign_in_in_memory() -> SignInStores:
    """The twins in memory, empty."""
    rows = memory.MemoryIdentity()
    clients, grants = memory.MemoryClientStore(rows), MemoryGrantStore(rows)
    return SignInStores(
        unit_of_work=rows,
        users=memory.MemoryUserStore(rows),
        clients=clients,
        reader=clients,
        sessions=memory.MemorySessionStore(rows),
        consents=memory.MemoryConsentStore(rows),
        grants=grants,
        rotations=grants,
        flows=memory.MemoryFlowStore(rows),
        outbox=MemoryOutbox(rows),
        mailed_links=memory.MemoryMailedLinkStore(rows),
        squats=memory.MemorySquatStore(rows),
        identities=memory.MemoryIdentityStore(rows),
        factors=MemoryFactorStore(rows),
        used=memory.MemoryUsedAssertions(),
    )


@contextmanager
def sign_in_in_sql(database_url: str) -> Iterator[SignInStores]:
    """The stores in a database that is migrated."""
    start_mappers()
    engine = make_test_engine(database_url, Keyring(SEALING_KEY))
    work = ZopeUnitOfWork(engine)
    try:
        yield SignInStores(
            unit_of_work=work,
            users=SqlUserStore(work),
            clients=SqlClientStore(work),
            reader=CachedClients(engine, keep_s=0),
            sessions=SqlSessionStore(work),
            consents=SqlConsentStore(work),
            grants=SqlGrantStore(work),
            rotations=SqlRotations(engine),
            flows=SqlFlowStore(work),
            outbox=SqlOutbox(work),
            mailed_links=SqlMailedLinkStore(work),
            squats=SqlSquatStore(work),
            identities=SqlIdentityStore(work),
            factors=SqlFactorStore(work),
            used=SqlUsedAssertions(engine),
            are_uuids_bare=engine.dialect.name == "sqlite",
        )
    finally:
        work.close()
        engine.dispose()
