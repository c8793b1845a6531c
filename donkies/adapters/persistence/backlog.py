"""What waits in the database, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, func, or_, select
from sqlalchemy.exc import SQLAlchemyError

from ...domain.health import Backlog
from .linked_accounts import is_due_for_fresh_data
from .tables import banking, identity
from .types import database_now


@dataclass
class SqlBacklogReader:
    """Reads by the indexes that workers find their work with, but for the count of links."""

    engine: Engine

    def read(self) -> Backlog | None:
        links, downloads, removals = banking.linked_accounts.c, banking.downloads.c, banking.member_removals.c
        erasures = identity.erasures.c
        wanted = {
            "look": (links.next_look_at, _is_free(links)),
            "sync": (links.next_attempt_at, is_due_for_fresh_data()),
            "download": (downloads.due_at, _is_free(downloads)),
            "removal": (removals.due_at, _is_free(removals)),
            "erasure": (erasures.due_at, _is_free(erasures)),
        }
        try:
            with self.engine.connect() as connection:
                counted = select(links.link_status, func.count()).group_by(links.link_status)
                by_state = {str(state): int(count) for state, count in connection.execute(counted)}
                late = {}
                for kind, (due, is_meant) in wanted.items():
                    oldest = select(due, database_now()).where(due < database_now(), is_meant).order_by(due).limit(1)
                    row = connection.execute(oldest).first()
                    late[kind] = 0.0 if row is None else max(0.0, (row[1] - row[0]).total_seconds())
                return Backlog(links=by_state, late=late)
        except SQLAlchemyError:
            return None


def _is_free(columns: Any) -> Any:
    return or_(columns.lease_until.is_(None), columns.lease_until < database_now())
