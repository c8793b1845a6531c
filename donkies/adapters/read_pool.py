"""A bounded pool of threads, shared fairly among keys."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import structlog

log = structlog.get_logger(__name__)


class ThreadReadPool:
    """Threads of which one key never holds more than `per_key`.

    Args:
        threads: how many calls run at once in all.
        per_key: how many of one key's.
    """

    def __init__(self, threads: int = 32, per_key: int = 8) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="reader")
        self.per_key = per_key
        self._waiting: dict[str, deque[Callable[[], None]]] = defaultdict(deque)
        self._running: dict[str, int] = defaultdict(int)
        self._lock = Lock()
        self._is_closed = False

    def submit(self, key: str, call: Callable[[], None]) -> None:
        with self._lock:
            self._waiting[key].append(call)
            if self._running[key] < self.per_key:
                self._running[key] += 1
                self._executor.submit(self._work, key)

    def _work(self, key: str) -> None:
        """Run one of the key's calls, then go to the end of the queue: many slow keys hold up no other."""
        with self._lock:
            call = self._waiting[key].popleft()
        try:
            call()
        except Exception as error:  # its place would else be lost for good
            log.error("call_failed", error=type(error).__name__)
        with self._lock:
            if self._waiting[key] and not self._is_closed:
                self._executor.submit(self._work, key)
                return
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key], self._waiting[key]

    def close(self) -> None:
        """Let what runs end; start nothing more."""
        with self._lock:
            self._is_closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)
