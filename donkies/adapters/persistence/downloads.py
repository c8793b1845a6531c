"""How far downloads have come, in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from uuid import UUID

from sqlalchemy import Executable, Float, bindparam, case, delete, not_, or_, select, update

from ...domain.downloads import Download
from ...domain.errors import LeaseLost
from ...domain.linked_accounts import TransactionsStatus
from .tables import banking
from .types import database_now
from .unit_of_work import ZopeUnitOfWork
from .upsert import insert, insert_of

t = banking.downloads.c
PROGRESS = (
    "due_at", "is_full", "from_date", "to_date", "job_at", "next_page", "total_entries", "walks", "bad_answers",
    "failures", "last_full_at", "proved_change", "began_at", "began_change", "doubt", "report",
)  # fmt: skip

# Written for each page, and built once: to build them costs more than to run them.
links = banking.linked_accounts.c
HOLD = select(links.id).where(links.user_id == bindparam("the_user"), links.id == bindparam("the_link"))
HOLD = HOLD.with_for_update(key_share=True)
SAVE = update(banking.downloads).where(
    t.user_id == bindparam("the_user"),
    t.linked_account_id == bindparam("the_link"),
    t.lease_no == bindparam("the_lease"),
)
SAVE_AND_HOLD = SAVE.values(
    {name: bindparam(name) for name in PROGRESS} | {"lease_until": database_now(bindparam("lease_s", type_=Float))}
)


@cache
def _put_page(dialect: str) -> Executable:
    statement = insert_of(dialect, banking.download_pages)
    return statement.on_conflict_do_update(
        index_elements=["user_id", "linked_account_id", "page"], set_={"digests": statement.excluded.digests}
    )


@dataclass
class SqlDownloadStore:
    """Downloads in the table `downloads`; every write names its fence."""

    unit_of_work: ZopeUnitOfWork

    def request(self, user_id: UUID, link_id: UUID, now: datetime, full_before: datetime) -> None:
        session = self.unit_of_work.session
        self._hold_link(user_id, link_id)
        fresh = {
            "user_id": user_id, "linked_account_id": link_id, "due_at": now, "is_full": True,
            "next_page": 1, "walks": 0, "bad_answers": 0, "failures": 0, "proved_change": 0,
        }  # fmt: skip
        statement = insert(session, banking.downloads).values(fresh)
        is_idle = t.from_date.is_(None)
        wants_full = or_(t.last_full_at.is_(None), t.last_full_at <= full_before)
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["user_id", "linked_account_id"],
                set_={
                    # a walk under way keeps its window, and is followed by another download
                    "due_at": case((is_idle, now), else_=t.due_at),
                    "is_full": case((is_idle, wants_full), else_=t.is_full),
                    "is_wanted_again": not_(is_idle),
                },
            )
        )
        links = banking.linked_accounts
        session.execute(
            update(links)
            .where(links.c.user_id == user_id, links.c.id == link_id)
            .values(
                transactions_status=TransactionsStatus.DOWNLOADING, last_attempted_at=now, next_attempt_at=None,
                updated_at=now,
            )
        )  # fmt: skip

    def start_over(self, user_id: UUID, link_id: UUID, now: datetime) -> None:
        self.request(user_id, link_id, now, now)
        its = t.user_id == user_id, t.linked_account_id == link_id
        fresh = dict.fromkeys(("lease_until", "from_date", "to_date", "job_at", "total_entries", "last_full_at"))
        fresh |= {
            "due_at": now,
            "is_full": True,
            "is_wanted_again": False,
            "next_page": 1,
            "walks": 0,
            "bad_answers": 0,
        }
        session = self.unit_of_work.session
        session.execute(update(banking.downloads).where(*its).values(fresh | {"lease_no": t.lease_no + 1}))
        p = banking.download_pages.c
        session.execute(delete(banking.download_pages).where(p.user_id == user_id, p.linked_account_id == link_id))

    def claim(self, user_id: UUID, link_id: UUID, lease_s: float) -> Download | None:
        session = self.unit_of_work.session
        self._hold_link(user_id, link_id)
        claimed = session.execute(
            update(banking.downloads)
            .where(
                t.user_id == user_id,
                t.linked_account_id == link_id,
                t.due_at <= database_now(),
                or_(t.lease_until.is_(None), t.lease_until < database_now()),
            )
            .values(lease_no=t.lease_no + 1, lease_until=database_now(lease_s))
            .returning(t.user_id)
        ).first()
        if claimed is None:
            return None
        download = session.scalars(select(Download).where(t.user_id == user_id, t.linked_account_id == link_id)).one()
        session.expunge(download)
        return download

    def save(self, download: Download, lease_s: float | None) -> None:
        self._hold_link(download.user_id, download.linked_account_id)
        values = {name: getattr(download, name) for name in PROGRESS}
        key = {
            "the_user": download.user_id,
            "the_link": download.linked_account_id,
            "the_lease": download.lease_no,
        }
        if lease_s is not None and download.due_at is not None:
            statement, key = SAVE_AND_HOLD, key | values | {"lease_s": float(lease_s)}
        else:
            if download.due_at is None:  # it has ended, unless another was asked for meanwhile
                values |= {"due_at": case((t.is_wanted_again, database_now())), "is_wanted_again": False}
            until = None if lease_s is None else database_now(lease_s)
            statement = SAVE.values(values | {"lease_until": until})
        saved = self.unit_of_work.session.connection().execute(statement, key)
        if saved.rowcount != 1:
            raise LeaseLost("Another worker has taken this download over.")

    def add_page(self, download: Download, number: int, digests: bytes) -> None:
        session = self.unit_of_work.session
        row = {
            "user_id": download.user_id, "linked_account_id": download.linked_account_id,
            "page": number, "digests": digests,
        }  # fmt: skip
        session.connection().execute(_put_page(session.get_bind().dialect.name), row)

    def page_digests(self, download: Download) -> Sequence[bytes]:
        p = banking.download_pages.c
        query = select(p.digests).where(
            p.user_id == download.user_id, p.linked_account_id == download.linked_account_id
        )
        return [bytes(digests) for digests in self.unit_of_work.session.scalars(query)]

    def clear_pages(self, download: Download) -> None:
        p = banking.download_pages.c
        self.unit_of_work.session.execute(
            delete(banking.download_pages).where(
                p.user_id == download.user_id, p.linked_account_id == download.linked_account_id
            )
        )

    def _hold_link(self, user_id: UUID, link_id: UUID) -> None:
        """Lock the link's row first, as commands and lookers do: two orders of locking would deadlock."""
        self.unit_of_work.session.connection().execute(HOLD, {"the_user": user_id, "the_link": link_id})

    def due(self, limit: int) -> Sequence[tuple[UUID, UUID]]:
        query = (
            select(t.user_id, t.linked_account_id)
            .where(t.due_at <= database_now(), or_(t.lease_until.is_(None), t.lease_until < database_now()))
            .order_by(t.due_at)
            .limit(limit)
        )
        return [(user_id, link_id) for user_id, link_id in self.unit_of_work.session.execute(query)]

    def seconds_to_next(self, within_s: float) -> float | None:
        query = (
            select(t.due_at, database_now())
            .where(t.due_at <= database_now(within_s), or_(t.lease_until.is_(None), t.lease_until < database_now()))
            .order_by(t.due_at)
            .limit(1)
        )
        row = self.unit_of_work.session.execute(query).first()
        return None if row is None else max(0.0, (row[0] - row[1]).total_seconds())
