"""Statements that run all the time: compiled once, run on the driver's own cursor, nothing left open behind them.

SQLAlchemy still writes the SQL and converts the values; what is left out is what it does for each execution
(contexts, events, result objects, a reset on return), which costs five times what the statement itself does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from psycopg.types.string import TextLoader
from sqlalchemy import CompoundSelect, Dialect, Engine, Select, UpdateBase, event
from sqlalchemy.exc import DBAPIError

Statement = Select[Any] | CompoundSelect[Any] | UpdateBase


class QuickStatement:
    """A statement that gives rows, and whose parameters are all named by `bindparam`; of one dialect."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        self._columns: list[Any] = list(statement.exported_columns)
        self.names = tuple(str(column.name) for column in self._columns)
        self._defaults = dict(compiled.params)
        self._order = list(compiled.positiontup or ()) if compiled.positional else None
        self._binds = [
            (name, convert)
            for name, bind in compiled.binds.items()
            if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        ]
        self._dialect = dialect

    def parameters(self, given: Mapping[str, Any]) -> Any:
        """As the driver wants them."""
        found = {**self._defaults, **given}
        for name, convert in self._binds:
            found[name] = convert(found[name])
        return found if self._order is None else [found[name] for name in self._order]

    @cached_property
    def _results(self) -> list[tuple[int, Callable[[Any], Any]]]:
        return [
            (at, convert)
            for at, column in enumerate(self._columns)
            if (convert := column.type.dialect_impl(self._dialect).result_processor(self._dialect, None)) is not None
        ]

    def named(self, row: Sequence[Any]) -> dict[str, Any]:
        """A row by its columns' names."""
        values = list(row)
        for at, convert in self._results:
            values[at] = convert(values[at])
        return dict(zip(self.names, values, strict=True))


class QuickStatements:
    """Runs quick statements in autocommit, on connections of their own that idle between two requests.

    There are at most as many as threads ask at once. A connection that was cut while it idled is replaced, and
    the statement run again once: what changes something must bear that.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._dialect = engine.dialect
        self._compiled: dict[Statement, QuickStatement] = {}
        self._idle: deque[_Open] = deque()  # its append and pop are atomic: no lock
        event.listen(engine, "engine_disposed", lambda _: self.close())

    def first(self, statement: Statement, **given: Any) -> dict[str, Any] | None:
        quick = self._quick(statement)
        rows = self._run(quick.sql, quick.parameters(given), as_text=False)
        return quick.named(rows[0]) if rows else None

    def texts(self, statement: Statement, **given: Any) -> Sequence[Sequence[Any]]:
        """Rows with ids, numbers, dates, times and JSON as the text that PostgreSQL wrote; no objects are made."""
        quick = self._quick(statement)
        return self._run(quick.sql, quick.parameters(given), as_text=True)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().connection.close()

    def _quick(self, statement: Statement) -> QuickStatement:
        """Compiled when it first runs: two threads that compile the same one at once do no harm."""
        quick = self._compiled.get(statement)
        if quick is None:
            quick = self._compiled[statement] = QuickStatement(statement, self._dialect)
        return quick

    def _run(self, sql: str, parameters: Any, *, as_text: bool) -> Sequence[Sequence[Any]]:
        try:
            opened, was_idle = self._idle.pop(), True
        except IndexError:
            opened, was_idle = self._open(), False
        cursor = opened.text_cursor if as_text else opened.cursor
        try:
            cursor.execute(sql, parameters)
            rows: Sequence[Sequence[Any]] = cursor.fetchall()
        except self._dialect.loaded_dbapi.Error as error:
            is_cut = self._dialect.is_disconnect(error, opened.connection, cursor)
            opened.connection.close()
            if is_cut and was_idle:
                self.close()  # what idles beside it was most likely cut too
                return self._run(sql, parameters, as_text=as_text)
            of_driver = self._dialect.loaded_dbapi.Error
            raise DBAPIError.instance(sql, None, error, of_driver, dialect=self._dialect) from error
        except BaseException:
            opened.connection.close()
            raise
        self._idle.append(opened)
        return rows

    def _open(self) -> _Open:
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        if self._dialect.name != "postgresql":
            # autocommit: SQLAlchemy leaves the driver's own way of beginning transactions behind on some
            connection.isolation_level = None
            return _Open(connection, connection.cursor(), None)
        connection.autocommit = True
        text_cursor = connection.cursor()
        for name in ("uuid", "numeric", "date", "timestamptz", "json"):
            text_cursor.adapters.register_loader(name, TextLoader)
        return _Open(connection, connection.cursor(), text_cursor)


@dataclass(frozen=True, slots=True)
class _Open:
    """A connection with its cursors, which are kept: the driver remembers what it has found out about columns."""

    connection: Any
    cursor: Any
    text_cursor: Any
