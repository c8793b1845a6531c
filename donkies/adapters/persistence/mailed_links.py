"""Mailed links in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, delete, select

from ...domain.mailed_links import MailedLink, Purpose
from .purging import delete_batch
from .tables.identity import mailed_links, users
from .unit_of_work import ZopeUnitOfWork

links = mailed_links.c
COLUMNS = (links.user_id, links.purpose, links.email, links.expires_at)


class SqlMailedLinkStore:
    """MailedLinkStore over the open unit of work."""

    def __init__(self, unit_of_work: ZopeUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def put(self, token_hash: bytes, link: MailedLink, now: datetime) -> None:
        session = self._unit_of_work.session
        session.flush()  # the person may be new
        # of two at once the second waits, and ends the first's link
        session.execute(select(users.c.id).where(users.c.id == link.user_id).with_for_update(key_share=True))
        session.execute(delete(mailed_links).where(links.user_id == link.user_id, links.purpose == link.purpose))
        row = {
            "token_hash": token_hash, "user_id": link.user_id, "purpose": link.purpose, "email": link.email,
            "created_at": now, "expires_at": link.expires_at,
        }  # fmt: skip
        session.execute(mailed_links.insert().values(row))

    def find(self, token_hash: bytes, purpose: Purpose, now: datetime) -> MailedLink | None:
        statement = select(*COLUMNS).where(_is_good(token_hash, purpose, now))
        return _link(self._unit_of_work.session.execute(statement).first())

    def take(self, token_hash: bytes, purpose: Purpose, now: datetime) -> MailedLink | None:
        statement = delete(mailed_links).where(_is_good(token_hash, purpose, now)).returning(*COLUMNS)
        return _link(self._unit_of_work.session.execute(statement).first())

    def remove_all_of(self, user_id: UUID) -> None:
        self._unit_of_work.session.execute(delete(mailed_links).where(links.user_id == user_id))

    def remove_expired(self, now: datetime) -> int:
        gone = self._unit_of_work.session.execute(delete_batch(links.expires_at <= now, links.token_hash))
        return gone.rowcount  # type: ignore[attr-defined,no-any-return]


def _is_good(token_hash: bytes, purpose: Purpose, now: datetime) -> ColumnElement[bool]:
    return and_(links.token_hash == token_hash, links.purpose == purpose, links.expires_at > now)


def _link(row: Row[Any] | None) -> MailedLink | None:
    return None if row is None else MailedLink(row.user_id, row.purpose, row.email, row.expires_at)
