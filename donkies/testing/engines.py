"""Engines that share what SQLAlchemy compiled: to compile a journey's statements takes longer than to run them."""

from __future__ import annotations

from sqlalchemy import Engine

from ..adapters.persistence.engine import make_engine
from ..adapters.sealing import Keyring

_first: dict[tuple[str | bytes, ...], Engine] = {}


def make_test_engine(database_url: str, keyring: Keyring, pool_size: int = 16) -> Engine:
    """An engine as the application makes it, which has compiled all that others of its kind and keys have."""
    engine = make_engine(database_url, keyring, pool_size=pool_size)
    kind = engine.dialect.name, *keyring.indexes("whose engine this is")
    first = _first.get(kind)
    if first is None or first.dialect.server_version_info is None:  # it never met its database
        _first[kind] = engine
        return engine
    # what is compiled is compiled for one dialect, which a pool knows too
    engine.dialect = engine.pool._dialect = first.dialect
    engine._compiled_cache = first._compiled_cache
    return engine
