"""Putting all that is encrypted at rest under the newest sealing key, while the service runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Engine, LargeBinary, Table, and_, func, or_, select, tuple_, type_coerce, update

from ..sealing import Keyring
from .tables import metadata
from .types import Sealed


@dataclass(frozen=True)
class Resealing:
    """Walks every column of type `Sealed`; a blind index `NAME_index` beside a column `NAME` goes along.

    Each batch is a short transaction of its own. A row is written only where it still holds the bytes that were
    read, so a write of the service's at the same time wins, and is under the newest key itself. What is done is
    not looked at again: stopping and beginning anew loses nothing, and a second run finds nothing to do.

    Args:
        batch: rows in one transaction.
    """

    engine: Engine
    keyring: Keyring = field(repr=False)
    batch: int = 200

    def left(self) -> int:
        """How many rows hold something that is not under the newest key."""
        with self.engine.connect() as connection:
            counts = [select(func.count()).where(self._stale(table)) for table in _tables()]
            return sum(connection.execute(count).scalar_one() for count in counts)

    def run(self) -> Iterator[int]:
        """Reseal all that is left; gives after each batch how many rows it was.

        Raises: Unsealable for a row that no key of the ring opens; what was done until then stays done.
        """
        for table in _tables():
            after: tuple[Any, ...] | None = None
            while rows := self._read(table, after):
                yield self._write(table, rows)
                after = tuple(rows[-1][column.name] for column in table.primary_key)

    def _stale(self, table: Table) -> Any:
        first = self.keyring.first
        return or_(*(func.substr(_raw(column), 1, 4, type_=LargeBinary) != first for column in _sealed(table)))

    def _read(self, table: Table, after: tuple[Any, ...] | None) -> list[dict[str, Any]]:
        key = list(table.primary_key)
        query = select(*key, *(_raw(column).label(column.name) for column in _sealed(table)))
        query = query.where(self._stale(table)).order_by(*key).limit(self.batch)
        if after is not None:
            query = query.where(tuple_(*key) > tuple_(*after))
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _write(self, table: Table, rows: list[dict[str, Any]]) -> int:
        done = 0
        with self.engine.begin() as connection:
            for row in rows:
                unchanged = [column == row[column.name] for column in table.primary_key]
                values: dict[str, Any] = {}
                for column in _sealed(table):
                    sealed = row[column.name]
                    unchanged.append(_raw(column).is_(None) if sealed is None else _raw(column) == sealed)
                    if sealed is not None:
                        opened = self.keyring.unseal(sealed).decode()
                        values[column.name] = opened  # the column's type seals it, with the newest key
                        if f"{column.name}_index" in table.c:
                            values[f"{column.name}_index"] = self.keyring.index(opened)
                done += connection.execute(update(table).where(and_(*unchanged)).values(values)).rowcount
        return done


def _tables() -> list[Table]:
    return [table for table in metadata.sorted_tables if _sealed(table)]


def _sealed(table: Table) -> list[Column[Any]]:
    return [column for column in table.c if isinstance(column.type, Sealed)]


def _raw(column: Column[Any]) -> Any:
    """The column's bytes as they are kept."""
    return type_coerce(column, LargeBinary)
