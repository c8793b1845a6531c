"""The application on a real server, in a thread of the tests' process."""

from __future__ import annotations

import threading
from typing import Any, Self

from waitress import create_server, wasyncore


class Served:
    """waitress on a free port of loopback; its loop ends before its sockets are closed.

    Args:
        app: the WSGI application.
        threads: as many requests are answered at once.
    """

    def __init__(self, app: Any, threads: int = 16) -> None:
        self._sockets: dict[Any, Any] = {}
        self._server = create_server(app, map=self._sockets, listen="127.0.0.1:0", threads=threads)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.effective_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.pull_trigger()
        self._thread.join()
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._sockets, ignore_all=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=1, use_poll=True, map=self._sockets, count=1)
