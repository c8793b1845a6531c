"""Links in SQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CursorResult, and_, bindparam, case, delete, func, or_, select, tuple_, update

from ...domain.aggregator import LinkStatus, RetryWith
from ...domain.errors import Conflict, NotFound
from ...domain.link_store import DueLink, IdempotencyKey, MemberHint
from ...domain.linked_accounts import LinkedAccount, TransactionsStatus
from ..sealing import Keyring
from .ledger import SqlLedger
from .tables import banking
from .types import database_now
from .unit_of_work import ZopeUnitOfWork
from .upsert import insert_ignoring

t = banking.linked_accounts.c
# what a looker may write: never what a download of the same link may be writing at the same time
LOOKED_AT = (
    "member_guid", "link_status", "reason", "act_by", "retry_with", "connection_status", "is_refreshing",
    "is_background", "challenges", "updated_at", "lease_until", "next_look_at", "looks", "idle_reads", "moving_since",
)  # fmt: skip


@dataclass
class SqlLinkedAccountStore:
    """Links in the table `linked_accounts`; the mapper's version column is the fence."""

    unit_of_work: ZopeUnitOfWork
    keyring: Keyring
    ledger: SqlLedger

    def add(self, link: LinkedAccount) -> None:
        self.unit_of_work.session.add(link)

    def get(self, user_id: UUID, link_id: UUID) -> LinkedAccount:
        return self._get(user_id, link_id, for_update=False)

    def lock(self, user_id: UUID, link_id: UUID) -> LinkedAccount:
        return self._get(user_id, link_id, for_update=True)

    def _get(self, user_id: UUID, link_id: UUID, *, for_update: bool) -> LinkedAccount:
        query = select(LinkedAccount).where(t.user_id == user_id, t.id == link_id)
        if for_update:
            query = query.with_for_update().execution_options(populate_existing=True)
        link = self.unit_of_work.session.scalar(query)
        if link is None:
            raise NotFound("There is no linked account with this id.")
        return link

    def list_of(self, user_id: UUID) -> Sequence[LinkedAccount]:
        query = select(LinkedAccount).where(t.user_id == user_id).order_by(t.id.desc())
        return self.unit_of_work.session.scalars(query).all()

    def lock_all_of(self, user_id: UUID) -> None:
        query = select(t.id).where(t.user_id == user_id).order_by(t.id)  # in the order that lookers lock in
        self.unit_of_work.session.execute(query.with_for_update())

    def claim_due(
        self, limit: int, lease_s: float, per_institution: int, leave_out: Collection[str] = ()
    ) -> Sequence[DueLink]:
        session = self.unit_of_work.session
        due = (
            select(t.user_id, t.id, t.institution_code, t.next_look_at)
            .where(
                or_(_needs_a_look(), t.wake_at <= database_now(), is_due_for_fresh_data()),
                _is_free(),
                t.institution_code.not_in(leave_out),
            )
            .order_by(t.next_look_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .cte("due")
        )
        place = func.row_number().over(partition_by=due.c.institution_code, order_by=due.c.next_look_at)
        ranked = select(due.c.user_id, due.c.id, place.label("place")).subquery()
        wanted = select(ranked.c.user_id, ranked.c.id).where(ranked.c.place <= per_institution)
        claimed = session.execute(
            update(banking.linked_accounts)
            .where(tuple_(t.user_id, t.id).in_(wanted))
            .values(
                lease_no=t.lease_no + 1,
                lease_until=database_now(lease_s),
                next_look_at=database_now(lease_s),
                wake_at=None,  # a webhook that comes while it is looked at wakes it once more
            )
            .returning(t.user_id, t.id)
        ).all()
        if not claimed:
            return []
        users = banking.aggregator_users.c
        rows = session.execute(
            select(LinkedAccount, users.user_guid)
            .outerjoin(banking.aggregator_users, users.user_id == t.user_id)
            .where(t.id.in_([link_id for _, link_id in claimed]), t.user_id.in_({user_id for user_id, _ in claimed}))
        ).all()
        session.expunge_all()  # they are looked at outside; only `save_looked_at` writes them
        return [DueLink(link, user_guid) for link, user_guid in rows]

    def save_looked_at(self, links: Sequence[LinkedAccount]) -> set[UUID]:
        if not links:
            return set()
        session = self.unit_of_work.session
        put_off = bindparam("put_off_to", type_=t.next_attempt_at.type)
        tried = bindparam("tried_at", type_=t.last_attempted_at.type)
        is_later = or_(t.last_attempted_at.is_(None), t.last_attempted_at < tried)
        statement = (
            update(banking.linked_accounts)
            .where(
                t.user_id == bindparam("the_user"), t.id == bindparam("the_id"), t.lease_no == bindparam("the_fence")
            )
            .values(
                {name: bindparam(name) for name in (*LOOKED_AT, "member_guid_index")}
                # only ever put off: a download of the same link may have set another day meanwhile, or begun
                | {"next_attempt_at": case((t.next_attempt_at < put_off, put_off), else_=t.next_attempt_at)}
                | {"last_attempted_at": case((is_later, tried), else_=t.last_attempted_at)}
            )
        )
        held = self._still_held(links)
        rows = [self._looked_at(link) for link in links if link.id in held]
        if rows:
            session.connection().execute(statement, rows)
        return held

    def _still_held(self, links: Sequence[LinkedAccount]) -> set[UUID]:
        """Locks the rows whose fence stands, so that it stands until the end of the unit of work."""
        fences = {link.id: link.lease_no for link in links}
        query = (
            select(t.id, t.lease_no)
            .where(t.user_id.in_({link.user_id for link in links}), t.id.in_(fences))
            .order_by(t.id)  # one order for all: no deadlock between lookers
            .with_for_update()
        )
        return {link_id for link_id, fence in self.unit_of_work.session.execute(query) if fences[link_id] == fence}

    def _looked_at(self, link: LinkedAccount) -> dict[str, Any]:
        row = {name: getattr(link, name) for name in LOOKED_AT}
        index = link.member_guid and self.keyring.index(link.member_guid)
        return row | {
            "the_user": link.user_id, "the_id": link.id, "the_fence": link.lease_no, "member_guid_index": index,
            "put_off_to": link.next_attempt_at, "tried_at": link.last_attempted_at,
        }  # fmt: skip

    def seconds_to_next(self, within_s: float) -> float | None:
        pauses = [
            self._seconds_to(t.next_look_at, t.next_look_at <= database_now(within_s)),
            self._seconds_to(t.wake_at, and_(t.wake_at <= database_now(within_s), _is_free())),
        ]
        return min((pause for pause in pauses if pause is not None), default=None)

    def _seconds_to(self, moment: Any, wanted: Any) -> float | None:
        query = select(moment, database_now()).where(wanted).order_by(moment).limit(1)
        row = self.unit_of_work.session.execute(query).first()
        return None if row is None else max(0.0, (row[0] - row[1]).total_seconds())

    def wake(self, hint: MemberHint, at: datetime, pause: timedelta = timedelta(0)) -> bool:
        wanted = [t.member_guid_index.in_(self.keyring.indexes(hint.member_guid))]
        if hint.user_guid is not None:
            users = banking.aggregator_users.c
            owner = select(users.user_id).where(users.user_guid_index.in_(self.keyring.indexes(hint.user_guid)))
            wanted.append(t.user_id.in_(owner))
        then = case((t.last_synced > at - pause, at + pause), else_=at)
        values: dict[str, Any] = {"wake_at": func.coalesce(t.wake_at, then)}
        is_new = t.wake_at.is_(None)
        if hint.is_changed:
            values["synced_job_at"] = None  # as if the rows of no job were here
            is_new = or_(is_new, t.synced_job_at.is_not(None))
        woken = self.unit_of_work.session.execute(update(banking.linked_accounts).where(*wanted, is_new).values(values))
        return cast(CursorResult[None], woken).rowcount > 0

    def hasten_all(self, now: datetime) -> int:
        hastened = self.unit_of_work.session.execute(
            update(banking.linked_accounts)
            .where(t.link_status == LinkStatus.SUCCESS, t.is_refreshing.is_(False), t.next_attempt_at.is_not(None))
            .values(next_attempt_at=now)
        )
        return cast(CursorResult[None], hastened).rowcount

    def count_unfinished(self) -> int:
        query = select(func.count()).where(
            or_(
                is_due_for_fresh_data(),
                t.is_refreshing,
                and_(t.transactions_status == TransactionsStatus.DOWNLOADING, t.link_status == LinkStatus.SUCCESS),
            )
        )
        return self.unit_of_work.session.execute(query).scalar_one()

    def remember(self, user_id: UUID, key: IdempotencyKey, link_id: UUID) -> UUID | None:
        session = self.unit_of_work.session
        keys = banking.idempotency_keys
        row = {
            "user_id": user_id,
            "client_id": key.client_id,
            "key": key.key,
            "fingerprint": key.fingerprint,
            "made_id": link_id,
            "created_at": self.unit_of_work.now(),
        }
        insert_ignoring(session, keys, row)  # of two at once one waits here until the other has committed
        kept = session.execute(
            select(keys.c.fingerprint, keys.c.made_id).where(
                keys.c.user_id == user_id, keys.c.client_id == key.client_id, keys.c.key == key.key
            )
        ).one()
        if bytes(kept.fingerprint) != key.fingerprint:
            raise Conflict(
                "This Idempotency-Key was used for another request; use a fresh one.", code="idempotency_key_reused"
            )
        return None if kept.made_id == link_id else kept.made_id

    def aggregator_user(self, user_id: UUID) -> str | None:
        users = banking.aggregator_users.c
        return self.unit_of_work.session.scalar(select(users.user_guid).where(users.user_id == user_id))

    def keep_aggregator_user(self, user_id: UUID, user_guid: str) -> None:
        insert_ignoring(
            self.unit_of_work.session,
            banking.aggregator_users,
            {"user_id": user_id, "user_guid": user_guid, "user_guid_index": self.keyring.index(user_guid)},
        )

    def erase(self, link: LinkedAccount, now: datetime) -> None:
        session = self.unit_of_work.session
        self.ledger.erase(link.user_id, link.id, now)
        session.expunge(link)
        it_or_points_to_it = or_(t.id == link.id, t.duplicate_of == link.id)
        session.execute(delete(banking.linked_accounts).where(t.user_id == link.user_id, it_or_points_to_it))


def _needs_a_look() -> Any:
    return t.next_look_at <= database_now()


def _is_free() -> Any:
    return or_(t.lease_until.is_(None), t.lease_until < database_now())


def is_due_for_fresh_data() -> Any:
    """A healthy link whose day has come, unless a person has to answer a question first."""
    return and_(
        t.next_attempt_at <= database_now(),
        t.link_status == LinkStatus.SUCCESS,
        t.is_refreshing.is_(False),
        or_(t.retry_with.is_(None), t.retry_with != RetryWith.CHALLENGE),
    )
