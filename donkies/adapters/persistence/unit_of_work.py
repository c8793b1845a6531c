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
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError
from zope.sqlalchemy.datamanager import STATUS_CHANGED

from ...domain.errors import LeaseLost, NotFound
from .types import database_now

FOREIGN_KEY_VIOLATION = "23503"  # of SQLSTATE
NOW = select(database_now())
GONE = "What this belongs to was deleted meanwhile."


class ZopeUnitOfWork:
    """One thread's unit of work, used again and again; its session is what the Sql…Stores work with.

    A write that found its row's fence changed (`StaleDataError`, the mapper's version column) becomes
    LeaseLost, and everything of the block is rolled back. So does a write that belongs to something which is not
    there any more, and becomes NotFound: its person was erased meanwhile.
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
        except BaseException as failure:
            self._manager.abort()
            if _is_orphan(failure):
                raise NotFound(GONE) from None  # the driver's text quotes the row
            raise
        finally:
            self._open = False
            self._session.close()
        if isinstance(error, StaleDataError):
            raise LeaseLost("Somebody else works on this now.") from error
        if _is_orphan(error):
            raise NotFound(GONE) from None

    def now(self) -> datetime:
        """The database's clock, aware UTC."""
        return self.session.connection().execute(NOW).scalar_one().astimezone(UTC)

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


def _is_orphan(error: BaseException | None) -> bool:
    """Whether a row was to be written that refers to one which is not there."""
    if not isinstance(error, IntegrityError):
        return False
    return getattr(error.orig, "sqlstate", None) == FOREIGN_KEY_VIOLATION or "FOREIGN KEY" in str(error.orig)
