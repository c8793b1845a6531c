"""What a squatted account loses, in SQL."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete

from .tables import identity
from .unit_of_work import ZopeUnitOfWork

# every way in, and what was begun by one; grants end by GrantStore, which keeps them for replays to be noticed
PLANTED = (
    identity.browser_sessions,
    identity.external_identities,
    identity.consents,
    identity.passkeys,
    identity.totp_secrets,
    identity.recovery_codes,
    identity.mailed_links,
    identity.flows,
)


class SqlSquatStore:
    """SquatStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def strip(self, user_id: UUID) -> None:
        session = self._unit_of_work.session
        session.flush()
        for table in PLANTED:
            session.execute(delete(table).where(table.c.user_id == user_id))
