"""Members to be deleted at the aggregator, in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, or_, select, update

from ...domain.removals import Removal
from ..sealing import Keyring
from .tables import banking
from .types import database_now
from .unit_of_work import ZopeUnitOfWork


@dataclass
class SqlRemovalStore:
    """Members to be deleted, in the table `member_removals`."""

    unit_of_work: ZopeUnitOfWork
    keyring: Keyring

    def add(self, removal: Removal) -> None:
        self.unit_of_work.session.add(removal)

    def claim_due(self, limit: int, lease_s: float) -> Sequence[Removal]:
        r = banking.member_removals.c
        session = self.unit_of_work.session
        wanted = (
            select(r.id)
            .where(r.due_at <= database_now(), or_(r.lease_until.is_(None), r.lease_until < database_now()))
            .order_by(r.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claimed = session.scalars(
            update(banking.member_removals)
            .where(r.id.in_(wanted))
            .values(lease_no=r.lease_no + 1, lease_until=database_now(lease_s))
            .returning(r.id)
        ).all()
        removals = session.scalars(select(Removal).where(r.id.in_(claimed))).all()
        session.expunge_all()
        return removals

    def waiting_among(self, member_guids: Collection[str]) -> set[str]:
        r, session = banking.member_removals.c, self.unit_of_work.session
        by_index = {self.keyring.index(guid): guid for guid in member_guids}
        return {by_index[bytes(index)] for index in session.scalars(
            select(r.member_guid_index).where(r.member_guid_index.in_(by_index))
        )}  # fmt: skip

    def done(self, removal: Removal) -> None:
        r = banking.member_removals.c
        self.unit_of_work.session.execute(
            delete(banking.member_removals).where(r.id == removal.id, r.lease_no == removal.lease_no)
        )

    def postpone(self, removal: Removal, due_at: datetime) -> None:
        r = banking.member_removals.c
        self.unit_of_work.session.execute(
            update(banking.member_removals)
            .where(r.id == removal.id, r.lease_no == removal.lease_no)
            .values(due_at=due_at, lease_until=None, attempts=removal.attempts + 1)
        )
