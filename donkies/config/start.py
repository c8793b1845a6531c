"""What is checked before anything is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import svcs
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from ..adapters.persistence import schema
from ..adapters.sealing import Keyring
from .binding import bind
from .settings import BadSettings, Settings, examine


def check_database(settings: Settings, registry: svcs.Registry, *, is_changed: bool = True) -> None:
    """The database can be reached and has this release's schema; in development an empty one is set up.

    Args:
        is_changed: whether an empty one may be set up now.
    Raises: BadSettings.
    """
    engine = svcs.Container(registry).get(Engine)
    where = engine.url.set(query={}).render_as_string(hide_password=True)  # a query may hold a password too
    try:
        if not settings.is_production and schema.is_empty(engine):
            return schema.upgrade(engine) if is_changed else None
        is_old = schema.pending(engine)
    except OperationalError as error:
        why = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        raise BadSettings(f"donkies.database_url: cannot use the database at {where}: {why}") from None
    if is_old:
        raise BadSettings(
            f"donkies.database_url: the schema at {where} is not this release's; run `donkies -c FILE.ini migrate`"
        )


def find_problems(raw: Mapping[str, Any]) -> list[str]:
    """Everything that would stop a start with these settings, a line each; nothing is changed, nothing started.

    Args:
        raw: the ini file's mapping.
    """
    settings, problems = examine(raw)
    if settings is None:
        return problems
    try:
        # the keys have been judged; a database can be asked for its schema without any
        whole = settings.model_copy(update={"sealing_keys": SecretStr(Keyring.new_key())})
        with bind(whole) as registry:
            check_database(whole, registry, is_changed=False)
    except BadSettings as error:
        problems.append(str(error))
    return problems
