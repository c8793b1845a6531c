"""Used assertions in SQL."""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from .purging import delete_batch
from .tables.identity import used_assertions
from .upsert import insert


class SqlUsedAssertions:
    """UsedAssertions in autocommit; the primary key decides which of many is first."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def use(self, client_id: str, jti: str, expires_at: datetime) -> bool:
        # hashed, for a stranger chooses its length; a lone surrogate cannot be encoded otherwise
        row = {
            "client_id": client_id,
            "jti_hash": hashlib.sha256(jti.encode(errors="surrogatepass")).digest(),
            "expires_at": expires_at,
        }
        with Session(self._engine) as session:
            statement = insert(session, used_assertions).values(row).on_conflict_do_nothing()
            return session.execute(statement.returning(used_assertions.c.client_id)).first() is not None

    def purge(self, before: datetime) -> int:
        used = used_assertions.c
        with self._engine.connect() as connection:
            statement = delete_batch(used.expires_at < before, used.client_id, used.jti_hash)
            return connection.execute(statement).rowcount
