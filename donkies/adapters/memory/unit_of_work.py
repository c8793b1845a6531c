"""The unit of work over rows in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from ...domain.errors import LeaseLost
from ...domain.unit_of_work import Clock, UnitOfWork
from ..clock import SystemClock
from .banking import Key, MemoryBanking, OpenUnit, Tables


class MemoryUnitOfWork:
    """UnitOfWork over MemoryBanking: one is open at a time, others wait. It may be shared by threads.

    Args:
        rows: what it works on.
        others: units of work to be opened along with it, such as MemoryIdentity.
        clock: the clock of leases; this machine's when not given.
    """

    def __init__(self, rows: MemoryBanking, *others: UnitOfWork, clock: Clock | None = None) -> None:
        self._rows = rows
        self._others = others
        self._clock = clock or SystemClock()

    @property
    def unit(self) -> OpenUnit:
        """The open unit of work. Raises: RuntimeError where this thread has none open."""
        if self._rows.open is None or not self._rows.is_open_here():
            raise RuntimeError("no unit of work is open")
        return self._rows.open

    @property
    def tables(self) -> Tables:
        """The rows as this unit of work sees and changes them."""
        return self.unit.tables

    def __enter__(self) -> Self:
        if self._rows.is_open_here():
            raise RuntimeError("units of work do not nest")
        self._rows.lock.acquire()
        try:
            with ExitStack() as others:
                for other in self._others:
                    others.enter_context(other)
                self._rows.open = OpenUnit(
                    threading.get_ident(), self._rows.committed.copy(), others.pop_all()
                )  # fmt: skip
        except BaseException:
            self._rows.lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        unit = self.unit
        try:
            with unit.others:  # they roll back too when the fence of a link is lost
                if error is not None:
                    raise _RolledBack
                self._flush(unit)
            self._rows.committed = unit.tables
        except _RolledBack:
            return
        finally:
            self._rows.open = None
            self._rows.lock.release()
        for hook in unit.hooks:
            hook()

    def now(self) -> datetime:
        self.unit  # noqa: B018 - as with a database, there is no clock outside
        return self._clock.now()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call once this block has committed, never if it rolls back; at once where no block is open."""
        if self._rows.is_open_here():
            self.unit.hooks.append(call)
        else:
            call()

    def _flush(self, unit: OpenUnit) -> None:
        for key, (link, fence) in unit.loaded.items():
            kept = unit.tables.links.get(key)
            if fence is not None and (kept is None or kept.lease_no != fence):
                raise LeaseLost("Somebody else works on this now.")
            unit.tables.links[key] = replace(link)


class _RolledBack(Exception):
    """Makes what was opened along with a block roll back, as the block does."""


def change_link(unit_of_work: MemoryUnitOfWork, key: Key, **changes: Any) -> None:
    """Change a link's row past its entity, as a Core statement does."""
    links = unit_of_work.tables.links
    if key in links:
        links[key] = replace(links[key], **changes)
    if key in unit_of_work.unit.loaded:
        for name, value in changes.items():
            setattr(unit_of_work.unit.loaded[key][0], name, value)
