"""Limits by the package `limits`, counted in the database, so that they hold across processes and restarts."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter
from sqlalchemy import Engine, case, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from ..domain.errors import TooMany
from ..domain.limits import Limit
from ..domain.unit_of_work import Clock
from .persistence.tables.identity import rate_limits


class SqlLimitStorage(Storage):
    """A `limits` storage in one small table; each count is one statement that commits by itself.

    Keys name accounts and addresses, so only their SHA-256 is stored.
    """

    STORAGE_SCHEME = None

    def __init__(self, engine: Engine, clock: Clock) -> None:
        super().__init__()
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._clock = clock

    @property
    def base_exceptions(self) -> type[Exception]:
        return SQLAlchemyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        now = self._clock.now()
        table, end = rate_limits.c, now + timedelta(seconds=expiry)
        insert = (sqlite if self._engine.dialect.name == "sqlite" else postgresql).insert(rate_limits)
        over = rate_limits.c.expires_at <= now
        statement = (
            insert.values(key_hash=_hash(key), tries=amount, expires_at=end)
            .on_conflict_do_update(
                index_elements=["key_hash"],
                set_={
                    "tries": case((over, amount), else_=table.tries + amount),
                    "expires_at": case((over, end), else_=table.expires_at),
                },
            )
            .returning(table.tries)
        )
        with self._engine.connect() as connection:
            return connection.execute(statement).scalar_one()

    def get(self, key: str) -> int:
        row = self._find(key)
        return row[0] if row else 0

    def get_expiry(self, key: str) -> float:
        row = self._find(key)
        return (row[1] if row else self._clock.now()).timestamp()

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        with self._engine.connect() as connection:
            return connection.execute(delete(rate_limits)).rowcount

    def clear(self, key: str) -> None:
        with self._engine.connect() as connection:
            connection.execute(delete(rate_limits).where(rate_limits.c.key_hash == _hash(key)))

    def _find(self, key: str) -> tuple[int, datetime] | None:
        statement = select(rate_limits.c.tries, rate_limits.c.expires_at).where(
            rate_limits.c.key_hash == _hash(key), rate_limits.c.expires_at > self._clock.now()
        )
        with self._engine.connect() as connection:
            row = connection.execute(statement).first()
        return None if row is None else (row.tries, row.expires_at)


class StoredLimits:
    """Limits over a `limits` storage; fixed windows, which need one statement for each try."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._limiter = FixedWindowRateLimiter(storage)
        self._storage = storage
        self._clock = clock

    def spend(self, limit: Limit, *who: str) -> None:
        item = _item(limit)
        if self._limiter.hit(item, limit.name, *who):
            return
        until = datetime.fromtimestamp(self._storage.get_expiry(item.key_for(limit.name, *who)), UTC)
        wait_s = max(1, round((until - self._clock.now()).total_seconds()))
        raise TooMany("There were too many tries. Wait a little and try again.", retry_after_s=wait_s)

    def forget(self, limit: Limit, *who: str) -> None:
        self._limiter.clear(_item(limit), limit.name, *who)


class NoLimits:
    """Lets everything through: `donkies.limits.enabled = false`."""

    def spend(self, limit: Limit, *who: str) -> None: ...

    def forget(self, limit: Limit, *who: str) -> None: ...


def _item(limit: Limit) -> RateLimitItem:
    return RateLimitItemPerSecond(limit.amount, limit.per_s, namespace="donkies")


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
