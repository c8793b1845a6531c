"""What is checked before anything is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import svcs
from celery import Celery
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


def check_broker(registry: svcs.Registry) -> None:
    """The broker answers within a second, and lets us in; nothing is made there.

    Raises: BadSettings.
    """
    where = None
    try:
        with svcs.Container(registry).get(Celery).connection_for_write() as connection:
            where = connection.as_uri()  # without the password
            connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
    except Exception as error:  # every transport has its own ways to fail
        if where is None:  # why is not told: with an address that is cut wrongly it would quote the password
            raise BadSettings(
                "donkies.broker_url: cannot be read; write amqp://user:password@host//, "
                "and %-encode what is neither a letter nor a digit in the password"
            ) from None
        refusal = getattr(error, "reply_text", "")
        why = str(refusal or getattr(error, "strerror", "") or error)
        mend = "mend its user, password or virtual host" if refusal else "start it, or mend its address"
        raise BadSettings(f"donkies.broker_url: cannot use the broker at {where}: {why}; {mend}") from None


def find_problems(raw: Mapping[str, Any]) -> list[str]:
    """Everything that would stop a start or the work with these settings, a line each; nothing is changed or started.

    Args:
        raw: the ini file's mapping.
    """
    settings, problems = examine(raw)
    if settings is None:
        return problems
    whole = openable(settings)
    try:
        bound = bind(whole)
    except BadSettings as error:
        return [*problems, str(error)]
    with bound as registry:
        for look in (lambda: check_database(whole, registry, is_changed=False), lambda: check_broker(registry)):
            try:
                look()
            except BadSettings as error:
                problems.append(str(error))
    return problems


def openable(settings: Settings) -> Settings:
    """The same with a key of no use: keys are judged apart, and a database tells its schema without any."""
    return settings.model_copy(update={"sealing_keys": SecretStr(Keyring.new_key())})
