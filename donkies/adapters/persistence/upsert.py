"""INSERT … ON CONFLICT, which PostgreSQL and SQLite spell alike but SQLAlchemy keeps in two dialects."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def insert(session: Session, table: Table) -> Any:
    """The dialect's own insert, which knows `on_conflict_do_update` and `on_conflict_do_nothing`."""
    return insert_of(session.get_bind().dialect.name, table)


def insert_of(dialect: str, table: Table) -> Any:
    """The same, for a statement that is kept."""
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


def insert_ignoring(session: Session, table: Table, *rows: dict[str, Any]) -> None:
    """Insert rows; those whose key is taken stay as they are."""
    session.connection().execute(insert(session, table).on_conflict_do_nothing(), list(rows))
