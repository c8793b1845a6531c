"""The state that outlives a restart: one small SQLite file.

Only what changed is written, once after each request, so that a killed process loses at most
the request it was serving. No typed login, password or answer is among it.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

_SCHEMA = "CREATE TABLE IF NOT EXISTS state (kind TEXT, key TEXT, document BLOB, PRIMARY KEY (kind, key))"


class Store:
    """Documents by kind and key, in one file, or nowhere when `path` is None.

    Callers hold the world's lock.
    """

    def __init__(self, path: Path | str | None) -> None:
        self._file: sqlite3.Connection | None = None
        self._pending: dict[tuple[str, str], bytes | None] = {}
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            # Autocommit mode, so that transactions are exactly where this module opens them.
            self._file = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            try:
                self._file.execute("PRAGMA synchronous=OFF")  # a crash of the machine may cost the pretended banks
                self._file.execute(_SCHEMA)
            except sqlite3.Error:
                self._file.close()
                raise

    def read(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Yield key and document of everything of one kind, in the order it was first written."""
        if self._file is not None:
            query = "SELECT key, document FROM state WHERE kind = ? ORDER BY rowid"
            for key, document in self._file.execute(query, (kind,)).fetchall():
                yield key, orjson.loads(document)

    def put(self, kind: str, key: str, document: Any) -> None:
        """Keep a document: a dict, or a dataclass's fields."""
        if self._file is not None:
            self._pending[kind, key] = orjson.dumps(document)

    def remove(self, kind: str, key: str) -> None:
        if self._file is not None:
            self._pending[kind, key] = None

    def clear(self) -> None:
        """Forget everything."""
        self._pending.clear()
        if self._file is not None:
            self._file.execute("DELETE FROM state")

    def flush(self) -> None:
        """Write what is pending, all of it or nothing."""
        if self._file is None or not self._pending:
            return
        self._file.execute("BEGIN")
        for (kind, key), document in self._pending.items():
            if document is None:
                self._file.execute("DELETE FROM state WHERE kind = ? AND key = ?", (kind, key))
            else:
                self._file.execute(
                    "INSERT INTO state VALUES (?, ?, ?) "
                    "ON CONFLICT (kind, key) DO UPDATE SET document = excluded.document",
                    (kind, key, document),
                )
        self._file.execute("COMMIT")
        self._pending.clear()

    def close(self) -> None:
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None
