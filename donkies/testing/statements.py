"""What reaches the database, to be counted: clocks on a busy machine lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, event

# what whichever request comes then reads again, once in a second or a few: keys, revocations, clients
NOW_AND_THEN = ("FROM signing_keys", "revoked_access_tokens.revoked_at >", "FROM clients")


class Statements:
    """Every statement that reaches PostgreSQL's driver, of SQLAlchemy's and of the quick ones, without the values."""

    def __init__(self, engine: Engine) -> None:
        self._seen = seen = list[str]()

        class Cursor(psycopg.Cursor[Any]):
            def execute(self, query: Any, parameters: Any = None, **more: Any) -> Any:
                if not any(part in str(query) for part in NOW_AND_THEN):
                    seen.append(str(query))
                return super().execute(query, parameters, **more)

        event.listen(engine, "connect", lambda connection, _: setattr(connection, "cursor_factory", Cursor))
        engine.dispose()

    @contextmanager
    def taken(self) -> Iterator[list[str]]:
        """The statements of a block; they are in the list when it ends."""
        self._seen.clear()
        statements: list[str] = []
        yield statements
        statements.extend(self._seen)
