"""Who has linked what: kept in SQLite, for web and worker are processes of their own, and both ask."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from donkies.domain.aggregator import AggregatorDown, MemberExists, MemberGone, MemberRef

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (guid TEXT PRIMARY KEY, identifier TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS members (
    guid TEXT PRIMARY KEY,
    user_guid TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
    bank TEXT NOT NULL,
    user_name TEXT NOT NULL,
    identifier TEXT NOT NULL,
    is_accepted INTEGER NOT NULL,
    aggregated_at TEXT NOT NULL,
    succeeded_at TEXT,
    UNIQUE (user_guid, bank, user_name)
)
"""


@dataclass(frozen=True, slots=True)
class Link:
    """A row of `members`. The PIN is not kept: the files are read without."""

    guid: str
    user_guid: str
    bank: str
    user_name: str
    identifier: str
    is_accepted: int
    aggregated_at: str
    succeeded_at: str | None

    @property
    def ref(self) -> MemberRef:
        return MemberRef(self.user_guid, self.guid, self.bank)


class Links:
    """Users and members. Threads and processes may share the file: each call is a transaction of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connection() as connection:
            connection.executescript(SCHEMA)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=5)) as connection, connection:
                connection.execute("PRAGMA foreign_keys = ON")
                yield connection
        except sqlite3.OperationalError as error:
            raise AggregatorDown(f"The file of links cannot be used: {error}.") from error

    def ensure_user(self, identifier: str) -> str:
        with self._connection() as connection:
            values = (f"USR-{uuid4()}", identifier)
            connection.execute("INSERT INTO users VALUES (?, ?) ON CONFLICT (identifier) DO NOTHING", values)
            (guid,) = connection.execute("SELECT guid FROM users WHERE identifier = ?", (identifier,)).fetchone()
        return str(guid)

    def find_user(self, identifier: str) -> str | None:
        with self._connection() as connection:
            row = connection.execute("SELECT guid FROM users WHERE identifier = ?", (identifier,)).fetchone()
        return row and str(row[0])

    def delete_user(self, user_guid: str) -> None:
        with self._connection() as connection:
            connection.execute("DELETE FROM users WHERE guid = ?", (user_guid,))

    def add(self, user_guid: str, bank: str, user_name: str, identifier: str, *, is_accepted: bool) -> Link:
        """Raises: MemberGone for an unknown user; MemberExists."""
        now = datetime.now(UTC).isoformat()
        link = Link(
            f"MBR-{uuid4()}", user_guid, bank, user_name, identifier, is_accepted, now, now if is_accepted else None
        )
        values = [getattr(link, name) for name in Link.__slots__]
        with self._connection() as connection, _told_apart():
            connection.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        return link

    def of(self, user_guid: str) -> list[Link]:
        """Raises: MemberGone for an unknown user."""
        with self._connection() as connection:
            if not connection.execute("SELECT 1 FROM users WHERE guid = ?", (user_guid,)).fetchone():
                raise MemberGone("There is no such user.")
            rows = connection.execute("SELECT * FROM members WHERE user_guid = ? ORDER BY rowid", (user_guid,))
            return [Link(*row) for row in rows]

    def get(self, ref: MemberRef) -> Link:
        """Raises: MemberGone, for somebody else's too."""
        key = (ref.member_guid, ref.user_guid)
        with self._connection() as connection:
            row = connection.execute("SELECT * FROM members WHERE guid = ? AND user_guid = ?", key).fetchone()
        if row is None:
            raise MemberGone("There is no such member.")
        return Link(*row)

    def log_in(self, ref: MemberRef, user_name: str, *, is_accepted: bool) -> None:
        """A job: it begins and ends here. Raises: MemberGone; MemberExists."""
        now = datetime.now(UTC).isoformat()
        values = (user_name, is_accepted, now, is_accepted, now, ref.member_guid, ref.user_guid)
        with self._connection() as connection, _told_apart():
            changed = connection.execute(
                "UPDATE members SET user_name = ?, is_accepted = ?, aggregated_at = ?, "
                "succeeded_at = CASE WHEN ? THEN ? ELSE succeeded_at END WHERE guid = ? AND user_guid = ?",
                values,
            )
        if not changed.rowcount:
            raise MemberGone("There is no such member.")

    def delete(self, ref: MemberRef) -> None:
        with self._connection() as connection:
            connection.execute("DELETE FROM members WHERE guid = ? AND user_guid = ?", (ref.member_guid, ref.user_guid))


@contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        if "UNIQUE" in str(error):
            raise MemberExists("This login at this bank is linked already.") from error
        raise MemberGone("There is no such user.") from error
