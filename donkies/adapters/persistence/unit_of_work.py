"""Units of work over `transaction` and zope.sqlalchemy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import transaction
import zope.sqlalchemy
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from zope.sqlalchemy.datamanager import STATUS_CHANGED

from ...domain.errors import LeaseLost
from .types import database_now


class ZopeUnitOfWork:
    """One thread's unit of work, used again and again; its session is what the Sql…Stores work with.

    A write that found its row's fence changed (`StaleDataError`, the mapper's version column) becomes
    LeaseLost, and everything of the block is rolled back.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._open = False

    @cached_property
    def _manager(self) -> transaction.TransactionManager:
        return transaction.TransactionManager(explicit=True)

    @cached_property
    def _session(self) -> Session:
        # made when first needed: it costs as much as a small query, and some requests need none
        session = Session(self.engine, expire_on_commit=False)
        # 'changed': zope.sqlalchemy would else roll back Core statements in silence
        zope.sqlalchemy.register(session, transaction_manager=self._manager, initial_state=STATUS_CHANGED)
        return session

    @property
    def session(self) -> Session:
        """The session, only while a block is open: nothing may begin a transaction behind its back."""
        if not self._open:
            raise RuntimeError("no unit of work is open")
        return self._session

    def __enter__(self) -> Self:
        if self._open:
            raise RuntimeError("units of work do not nest")
        self._manager.begin()
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._manager.commit()
            else:
                self._manager.abort()
        except StaleDataError as stale:  # found at the last flush
            self._manager.abort()
            raise LeaseLost("Somebody else works on this now.") from stale
        except BaseException:
            self._manager.abort()
            raise
        finally:
            self._open = False
            self._session.close()
        if isinstance(error, StaleDataError):
            raise LeaseLost("Somebody else works on this now.") from error

    def now(self) -> datetime:
        """The database's clock, aware UTC."""
        now = self.session.execute(select(database_now())).scalar_one()
        return now.astimezone(UTC)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call once this block has committed, never if it rolls back; at once where no block is open."""
        if not self._open:
            return call()

        def hook(committed: bool, *_: Any) -> None:
            if committed:
                call()

        self._manager.get().addAfterCommitHook(hook)

    def close(self) -> None:
        """Give the session up; called when the request or task ends."""
        if "_session" in self.__dict__:
            self._session.close()
