"""What downloads did and do, in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, and_, select

from ...domain.sync_reports import running_of
from .ledger import counted_since
from .tables import banking

ln = banking.linked_accounts.c
d = banking.downloads.c
p = banking.download_pages.c


def report_shown(connection: Connection, user_id: UUID, link_id: UUID) -> Mapping[str, Any] | None:
    """The last download's report and the running one's; None when the link is not this person's."""
    its = and_(d.user_id == ln.user_id, d.linked_account_id == ln.id)
    query = select(*d).select_from(banking.linked_accounts.outerjoin(banking.downloads, its))
    row = connection.execute(query.where(ln.user_id == user_id, ln.id == link_id)).one_or_none()
    if row is None:
        return None
    running = None
    if row.began_at is not None and row.began_change is not None:
        pages = connection.scalars(select(p.digests).where(p.user_id == user_id, p.linked_account_id == link_id))
        counts = connection.execute(counted_since(user_id, link_id, row.began_change)).one()
        running = running_of(row, list(pages), *counts)
    return {"running": running, "last": row.report}
