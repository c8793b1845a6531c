"""What is checked before anything is served."""

from __future__ import annotations

import svcs
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from ..adapters.persistence import schema
from .settings import BadSettings, Settings


def check_database(settings: Settings, registry: svcs.Registry) -> None:
    """The database can be reached and has this release's schema; in development an empty one is set up.

    Raises: BadSettings.
    """
    engine = svcs.Container(registry).get(Engine)
    where = engine.url.render_as_string(hide_password=True)
    try:
        if not settings.is_production and schema.is_empty(engine):
            return schema.upgrade(engine)
        is_old = schema.pending(engine)
    except OperationalError as error:
        why = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        raise BadSettings(f"donkies.database_url: cannot use the database at {where}: {why}") from None
    if is_old:
        raise BadSettings(
            f"donkies.database_url: the schema at {where} is not this release's; run `donkies -c FILE.ini migrate`"
        )
