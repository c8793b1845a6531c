"""The schema's migrations: walking them, and telling whether a database is up to date."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from ...shipped import shipped
from .tables import metadata

MIGRATIONS = shipped("migrations")


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Walk the schema up to a revision."""
    with engine.connect() as connection:
        command.upgrade(_config(connection), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Walk the schema down to a revision, or to `base`, which is nothing."""
    with engine.connect() as connection:
        command.downgrade(_config(connection), revision)


def is_empty(engine: Engine) -> bool:
    """Whether no migration was ever applied."""
    with engine.connect() as connection:
        return not MigrationContext.configure(connection).get_current_heads()


def pending(engine: Engine) -> bool:
    """Whether the database lacks a migration that this release has."""
    with engine.connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads()) != _heads()


@cache
def _heads() -> frozenset[str]:
    """What this release's migrations lead to: kept, for to read them all takes longer than to answer."""
    return frozenset(ScriptDirectory.from_config(_config(None)).get_heads())


@dataclass
class SqlDatabaseProbe:
    """Tries the database with one small read."""

    engine: Engine

    def trouble(self) -> str | None:
        try:
            return "schema is old" if pending(self.engine) else None
        except SQLAlchemyError:
            return "down"


def _config(connection: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes |= {"connection": connection, "metadata": metadata}
    return config
