"""Letters that wait to be sent, in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, delete, or_, select, update

from ...domain.mail import Letter
from .purging import delete_batch
from .tables.identity import outgoing_mails
from .types import database_now
from .unit_of_work import ZopeUnitOfWork

mails = outgoing_mails.c


class SqlOutbox:
    """Outbox over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def add(self, letter: Letter, now: datetime) -> None:
        row = {
            "id": letter.id, "kind": letter.kind, "recipient": letter.to, "content": json.dumps(dict(letter.values)),
            "attempts": 0, "created_at": now, "due_at": now, "expires_at": letter.expires_at, "lease_no": 0,
        }  # fmt: skip
        self._unit_of_work.session.execute(outgoing_mails.insert().values(row))

    def claim_due(self, limit: int, lease_s: float) -> Sequence[Letter]:
        is_free = or_(mails.lease_until.is_(None), mails.lease_until < database_now())
        due = (
            select(mails.id)
            .where(mails.due_at <= database_now(), mails.expires_at > database_now(), is_free)
            .order_by(mails.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        claimed = (
            update(outgoing_mails)
            .where(mails.id.in_(due))
            .values(lease_no=mails.lease_no + 1, lease_until=database_now(lease_s))
            .returning(*outgoing_mails.c)
        )
        return [_letter(row) for row in self._unit_of_work.session.execute(claimed)]

    def done(self, letter: Letter) -> None:
        self._unit_of_work.session.execute(delete(outgoing_mails).where(_is_held(letter)))

    def postpone(self, letter: Letter, wait_s: float) -> None:
        later = {"due_at": database_now(wait_s), "lease_until": None, "attempts": letter.attempts + 1}
        self._unit_of_work.session.execute(update(outgoing_mails).where(_is_held(letter)).values(later))

    def remove_expired(self, now: datetime) -> int:
        gone = self._unit_of_work.session.execute(delete_batch(mails.expires_at <= now, mails.id))
        return gone.rowcount  # type: ignore[attr-defined,no-any-return]


def _is_held(letter: Letter) -> ColumnElement[bool]:
    return and_(mails.id == letter.id, mails.lease_no == letter.lease_no)


def _letter(row: Row[Any]) -> Letter:
    return Letter(
        id=row.id,
        kind=row.kind,
        to=row.recipient,
        values=json.loads(row.content),
        expires_at=row.expires_at,
        attempts=row.attempts,
        lease_no=row.lease_no,
    )
