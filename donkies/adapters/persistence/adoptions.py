"""Accounts that links have from disconnected ones, in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, bindparam, case, exists, func, insert, literal, not_, select, update
from sqlalchemy.orm import Session

from ...domain.aggregator import AggregatedTransaction
from ...domain.ids import new_id
from ...domain.linked_accounts import DISCONNECTED
from ...domain.matching import Candidate, match_exactly
from ...domain.relinking import (
    FORMER,
    AdoptionState,
    FormerAccount,
    adopted_further,
    former_guid,
    former_link_gone,
    nothing_adopted,
    state_of,
)
from .ledger import SqlLedger
from .missing import COMPARED, candidate
from .tables import banking
from .unit_of_work import ZopeUnitOfWork

ad = banking.adopted_accounts.c
a = banking.accounts.c
t = banking.transactions.c
ln = banking.linked_accounts.c
IS_FORMER = t.guid.startswith(FORMER, autoescape=True)
PLACES = Decimal("0.0001")


@dataclass
class SqlAdoptionStore:
    """AdoptionStore in the table `adopted_accounts`."""

    unit_of_work: ZopeUnitOfWork
    ledger: SqlLedger

    @property
    def _session(self) -> Session:
        return self.unit_of_work.session

    def former_accounts(self, user_id: UUID, link_id: UUID) -> Sequence[FormerAccount]:
        new = banking.linked_accounts.alias("new").c
        code = select(new.institution_code).where(new.user_id == user_id, new.id == link_id).scalar_subquery()
        had = exists().where(ad.user_id == user_id, ad.linked_account_id == link_id, ad.account_id == a.id)
        is_free = func.coalesce(ln.reason, "") == DISCONNECTED.reason
        query = (
            select(
                a.id, a.linked_account_id, a.guid, a.name, a.type, a.currency_code, a.masked_number,
                case((is_free, True), else_=False),
            )
            .join(banking.linked_accounts, and_(ln.user_id == a.user_id, ln.id == a.linked_account_id))
            .where(a.user_id == user_id, ln.id != link_id, ln.institution_code == code, not_(had))
        )  # fmt: skip
        return [FormerAccount(*row) for row in self._session.execute(query)]

    def adopt(self, user_id: UUID, link_id: UUID, former: FormerAccount, guid: str, now: datetime) -> bool:
        twin = select(a.id).where(a.user_id == user_id, a.guid == guid, a.id != former.id)
        if self._session.execute(twin).first():
            return False
        self._give(user_id, former.id, link_id, guid, now)
        d = banking.downloads.c
        self._session.execute(  # whoever may still read for the former link writes no more
            update(banking.downloads)
            .where(d.user_id == user_id, d.linked_account_id == former.linked_account_id)
            .values(lease_no=d.lease_no + 1, lease_until=None, due_at=None, from_date=None)
        )
        row = {
            "user_id": user_id, "linked_account_id": link_id, "account_id": former.id,
            "former_link_id": former.linked_account_id, "change_no": self.ledger.last_change(user_id),
            "adopted_at": now,
        }  # fmt: skip
        self._session.execute(insert(banking.adopted_accounts).values(row))
        return True

    def give_back(self, user_id: UUID, link_id: UUID, now: datetime) -> None:
        adoptions = [one for one in self._of(user_id, link_id) if one.undone_at is None]
        if not adoptions:
            raise nothing_adopted()
        for one in adoptions:
            account = self._session.execute(
                select(banking.accounts).where(a.user_id == user_id, a.id == one.account_id)
            ).one_or_none()
            if account is None or account.linked_account_id != link_id:
                raise adopted_further()
            if not self._session.execute(
                select(ln.id).where(ln.user_id == user_id, ln.id == one.former_link_id)
            ).first():
                raise former_link_gone()
            self._give(user_id, account.id, one.former_link_id, former_guid(account.id), now)
            own = {
                "id": new_id(),
                "linked_account_id": link_id,
                "guid": account.guid,
                "created_at": now,
                "updated_at": now,
            }
            self._copy_account(user_id, account.id, own)
            self._mark(one, undone_at=now, own_account_id=own["id"])

    def move(self, user_id: UUID, link_id: UUID, limit: int, now: datetime) -> bool:
        for one in self._of(user_id, link_id):
            if one.undone_at is None and one.moved_at is None:
                if self._fetch(one, limit, now) == limit:
                    return True
                self._mark(one, moved_at=now)
            elif one.undone_at is not None and one.returned_at is None:
                if self._return(one, limit, now) == limit:
                    return True
                self._mark(one, returned_at=now)
        return False

    def is_moving(self, user_id: UUID, link_id: UUID) -> bool:
        states = [state_of(one.moved_at, one.undone_at, one.returned_at) for one in self._of(user_id, link_id)]
        return AdoptionState.MOVING in states or AdoptionState.RETURNING in states

    def is_any(self, user_id: UUID, link_id: UUID) -> bool:
        return any(one.undone_at is None for one in self._of(user_id, link_id))

    def recognise(
        self, user_id: UUID, link_id: UUID, account_ids: Mapping[str, UUID], rows: Sequence[AggregatedTransaction]
    ) -> int:
        if not rows:
            return 0
        days = [row.date for row in rows]
        unnamed = select(*COMPARED).where(
            t.user_id == user_id, t.linked_account_id == link_id, t.date.between(min(days), max(days)), IS_FORMER
        )
        formers = [candidate(row) for row in self._session.execute(unnamed)]
        if not formers:
            return 0
        named = select(t.guid).where(t.user_id == user_id, t.guid.in_([row.guid for row in rows]))
        known = set(self._session.scalars(named))
        guids, fresh = {}, []
        for row in rows:
            if row.guid not in known and row.guid not in guids.values():
                one = Candidate(
                    new_id(), account_ids[row.account_guid], row.date, row.amount.quantize(PLACES, ROUND_HALF_UP),
                    row.type, row.description, row.status == "pending",
                )  # fmt: skip
                guids[one.id] = row.guid
                fresh.append(one)
        pairs = match_exactly(formers, fresh)
        self._update_rows(
            user_id, [{"the_id": old.id, "the_guid": guids[new.id]} for old, new in pairs], guid=bindparam("the_guid")
        )
        return len(pairs)

    def report(self, user_id: UUID, link_id: UUID) -> Sequence[Mapping[str, Any]]:
        return [self._reported(one) for one in self._of(user_id, link_id)]

    def _reported(self, one: Any) -> dict[str, Any]:
        account = self._session.execute(
            select(a.name, a.masked_number).where(a.user_id == one.user_id, a.id == one.account_id)
        ).one_or_none()
        counted = select(func.count(), func.count(case((not_(IS_FORMER), 1)))).where(
            t.user_id == one.user_id, t.account_id == one.account_id,
            t.linked_account_id == one.linked_account_id, t.added_no <= one.change_no,
        )  # fmt: skip
        rows, named = self._session.execute(counted).one()
        return {
            "account_id": one.account_id,
            "name": account and account.name,
            "masked_number": account and account.masked_number,
            "former_linked_account_id": one.former_link_id,
            "state": state_of(one.moved_at, one.undone_at, one.returned_at),
            "transactions_count": rows,
            "recognised_count": named,
            "adopted_at": one.adopted_at,
            "undone_at": one.undone_at,
        }

    def _of(self, user_id: UUID, link_id: UUID) -> Sequence[Any]:
        query = select(banking.adopted_accounts).where(ad.user_id == user_id, ad.linked_account_id == link_id)
        return self._session.execute(query.order_by(ad.account_id)).all()

    def _mark(self, one: Any, **values: Any) -> None:
        key = ad.user_id == one.user_id, ad.linked_account_id == one.linked_account_id, ad.account_id == one.account_id
        self._session.execute(update(banking.adopted_accounts).where(*key).values(values))

    def _give(self, user_id: UUID, account_id: UUID, link_id: UUID, guid: str, now: datetime) -> None:
        its = a.user_id == user_id, a.id == account_id
        values = {"linked_account_id": link_id, "guid": guid, "is_listed": True, "updated_at": now}
        self._session.execute(update(banking.accounts).where(*its).values(values))

    def _copy_account(self, user_id: UUID, account_id: UUID, changes: Mapping[str, Any]) -> None:
        """Another account that is as this one; MX's object passes through no hands."""
        columns = [literal(changes[c.name], c.type).label(c.name) if c.name in changes else c for c in a]
        source = select(*columns).where(a.user_id == user_id, a.id == account_id)
        self._session.execute(insert(banking.accounts).from_select([c.name for c in a], source))

    def _fetch(self, one: Any, limit: int, now: datetime) -> int:
        """Rows that are still the former link's come to the link. Returns: how many."""
        its = t.user_id == one.user_id, t.linked_account_id == one.former_link_id, t.account_id == one.account_id
        ids = self._session.scalars(select(t.id).where(*its).limit(limit)).all()
        self._move_rows(one.user_id, ids, one.former_link_id, one.linked_account_id, now)
        return len(ids)

    def _return(self, one: Any, limit: int, now: datetime) -> int:
        """Rows that were adopted go back; those that came since go over to the link's own account."""
        its = t.user_id == one.user_id, t.account_id == one.account_id, t.linked_account_id == one.linked_account_id
        rows = self._session.execute(select(t.id, t.added_no).where(*its).limit(limit)).all()
        adopted = [row.id for row in rows if row.added_no <= one.change_no]
        self._move_rows(one.user_id, adopted, one.linked_account_id, one.former_link_id, now)
        own = [row.id for row in rows if row.added_no > one.change_no]
        self._update_rows(
            one.user_id, self._numbered(one.user_id, own), change_no=bindparam("the_number"),
            account_id=one.own_account_id, updated_at=now,
        )  # fmt: skip
        return len(rows)

    def _move_rows(self, user_id: UUID, ids: Sequence[UUID], from_id: UUID, to_id: UUID, now: datetime) -> None:
        rows = [row | {"the_guid": former_guid(row["the_id"])} for row in self._numbered(user_id, ids)]
        self._update_rows(
            user_id, rows, change_no=bindparam("the_number"), guid=bindparam("the_guid"), linked_account_id=to_id,
            missed_reads=0, updated_at=now,
        )  # fmt: skip
        for link_id, more in ((from_id, -len(ids)), (to_id, len(ids))):
            self._session.execute(
                update(banking.linked_accounts)
                .where(ln.user_id == user_id, ln.id == link_id)
                .values(transactions_count=ln.transactions_count + more, updated_at=now)
            )

    def _numbered(self, user_id: UUID, ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """The rows, each with a change number."""
        first = self.ledger.take_changes(user_id, len(ids)) if ids else 0
        return [{"the_id": row_id, "the_number": first + at} for at, row_id in enumerate(ids)]

    def _update_rows(self, user_id: UUID, rows: Sequence[dict[str, Any]], **values: Any) -> None:
        if rows:
            statement = update(banking.transactions).where(t.user_id == user_id, t.id == bindparam("the_id"))
            self._session.connection().execute(statement.values(values), rows)
