"""waitress in a thread of its own: how the sandbox, the demo and the tests serve."""

from __future__ import annotations

import logging
import socket
import threading
from typing import Any

from waitress import create_server, wasyncore
from waitress.server import BaseWSGIServer

logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a request that waits for a moment is no news


class Serving:
    """A server that runs from its making on, until it is stopped.

    Args:
        app: the WSGI application.
        name: of the thread.
        options: waitress' own, as `listen`, `sockets` and `threads`.
    Raises: OSError if it cannot listen.
    Source: https://docs.pylonsproject.org/projects/waitress/en/stable/arguments.html
    """

    def __init__(self, app: Any, name: str, **options: Any) -> None:
        self._sockets: dict[int, Any] = {}
        self._server = create_server(app, map=self._sockets, ident=name, asyncore_use_poll=True, **options)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens, when that is one address."""
        return int(self._server.effective_port)

    def stop(self, within_s: float = 0.5) -> None:
        """End the loop, then what is being answered, then the sockets: in this order none is used that is closed."""
        self._stopping.set()
        for server in list(self._sockets.values()):
            if isinstance(server, BaseWSGIServer):
                server.pull_trigger()  # ends the loop's wait at once
        self._thread.join()
        self._server.task_dispatcher.shutdown(timeout=within_s)
        wasyncore.close_all(self._sockets, ignore_all=True)

    def _run(self) -> None:
        while not self._stopping.is_set():
            wasyncore.loop(timeout=1, use_poll=True, map=self._sockets, count=1)


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens, for `sockets` of a Serving; a host with a colon is one of IPv6.

    Raises: OSError, whose `filename` is the address, if the port is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, error.strerror, f"{host}:{port}") from None
    return listener
