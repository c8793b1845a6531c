"""Column types that mean the same on PostgreSQL and SQLite."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, BindParameter, DateTime, Dialect, Float, LargeBinary, Numeric, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, UserDefinedType

from ...domain.challenges import Challenge, ChallengeOption


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. SQLite keeps no zone, so it is taken off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was given for a UTC column")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An exact decimal of up to four places. SQLite has no such type: there it is whole ten-thousandths."""

    impl = Numeric(20, 4)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(20, 4))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return int(value.scaleb(4).to_integral_value(ROUND_HALF_UP))  # as PostgreSQL rounds

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None or dialect.name != "sqlite":
            return value
        return Decimal(value).scaleb(-4)


class Sealed(TypeDecorator[str]):
    """Text that is encrypted at rest (DESIGN 9). The engine's dialect carries the keyring: see `engine.py`."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        return None if value is None else dialect.donkies_keyring.seal(value.encode())  # type: ignore[attr-defined]

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        return None if value is None else dialect.donkies_keyring.unseal(value).decode()  # type: ignore[attr-defined]


class Word(TypeDecorator[str]):
    """One of the domain's words (a StrEnum): kept as text, read back as plain text that equals it."""

    impl = String(30)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else str(value)


class RawJson(UserDefinedType[bytes]):
    """JSON that is kept as it came and never looked into: no parsing on the way in or out."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "JSON"

    def bind_processor(self, dialect: Dialect) -> Any:
        return lambda value: None if value is None else value.decode()


@compiles(RawJson, "sqlite")
def _raw_json_on_sqlite(element: RawJson, compiler: Any, **kw: Any) -> str:
    return "TEXT"


class Challenges(TypeDecorator[tuple[Challenge, ...]]):
    """The open questions of a link."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: tuple[Challenge, ...] | None, dialect: Dialect) -> Any:
        return [asdict(challenge) for challenge in value or ()]

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[Challenge, ...]:
        return tuple(
            Challenge(**{**one, "options": tuple(ChallengeOption(**option) for option in one["options"])})
            for one in value or ()
        )


class database_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function it is
    """The database's clock plus some seconds: `database_now(30)`. Leases are measured by this one clock.

    Args:
        plus_s: or a parameter of a statement that is built once.
    """

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, plus_s: float | BindParameter[float] = 0) -> None:
        super().__init__(plus_s if isinstance(plus_s, BindParameter) else literal(float(plus_s), Float))


@compiles(database_now, "postgresql")
def _now_on_postgresql(element: database_now, compiler: Any, **kw: Any) -> str:
    # not clock_timestamp(), which is volatile: no index could be used to find what is due
    return f"(statement_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"


@compiles(database_now, "sqlite")
def _now_on_sqlite(element: database_now, compiler: Any, **kw: Any) -> str:
    # '000' makes SQLite's milliseconds the microseconds that SQLAlchemy writes, so that times compare as text
    seconds = compiler.process(element.clauses, **kw)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"
