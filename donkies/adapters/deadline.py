"""A `requests` adapter whose calls end at a deadline, however slowly the other side drips.

`requests` bounds each read from the socket, not a whole answer: a byte every nine seconds would hold a thread for
hours. Here every read gets what is left of the call's time.
"""

from __future__ import annotations

import http.client
import io
import logging
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

_deadline: ContextVar[float | None] = ContextVar("donkies_deadline", default=None)


@contextmanager
def ending_at(deadline: float) -> Iterator[None]:
    """Give the calls made in this block until `deadline`, a value of `time.monotonic()`."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


class _TimedFile(io.RawIOBase):
    """The reading end of a socket; each read may take as long as the call has left."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock = sock
        self._file = sock.makefile("rb", buffering=0)
        self._read_timeout_s: float | None = sock.gettimeout()
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")  # http.client and urllib3 know it by this type
        self._sock.settimeout(left if self._read_timeout_s is None else min(left, self._read_timeout_s))
        read: int | None = self._file.readinto(buffer)
        return read

    def close(self) -> None:
        self._file.close()
        super().close()


class _TimedSocket:
    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedFile(self._sock, self._deadline), io.DEFAULT_BUFFER_SIZE * 8)


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        deadline = _deadline.get()
        super().__init__(sock if deadline is None else _TimedSocket(sock, deadline), *args, **kwargs)  # type: ignore[arg-type]


class _HTTPConnection(HTTPConnection):
    response_class = _TimedResponse


class TimedHTTPSConnection(HTTPSConnection):
    """A connection whose answers end at the deadline."""

    response_class = _TimedResponse


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class TimedHTTPSPool(HTTPSConnectionPool):
    """A pool of them."""

    ConnectionCls = TimedHTTPSConnection


class DeadlineAdapter(HTTPAdapter):
    """Sends over pooled connections that obey `ending_at`, and keeps urllib3 from logging addresses.

    urllib3 logs every path and query, and those hold guids, which are personal data here.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": TimedHTTPSPool}
        for name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.response"):
            logger = logging.getLogger(name)
            if _not_of_our_calls not in logger.filters:
                logger.addFilter(_not_of_our_calls)


def _not_of_our_calls(record: logging.LogRecord) -> bool:
    return _deadline.get() is None
