"""The application on a real server, in a thread of the tests' process; and a client that knows no manners."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

from ..serving import Serving


class Served:
    """waitress on a free port of loopback, listening from its making on.

    Args:
        app: the WSGI application.
        threads: as many requests are answered at once.
    """

    def __init__(self, app: Any, threads: int = 16) -> None:
        self._serving = Serving(app, "served", listen="127.0.0.1:0", threads=threads)
        self.url = f"http://127.0.0.1:{self._serving.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._serving.stop()


class Wire:
    """A connection that sends just the bytes it is told to, as no well-kept client does.

    Args:
        url: of the server.
        pieces: sent at once.
        source: the address of this machine's to come from.
    """

    def __init__(self, url: str, *pieces: bytes, source: str = "127.0.0.1") -> None:
        where = urlsplit(url)
        self._socket = socket.create_connection((where.hostname, where.port), 5, (source, 0))
        self.send(*pieces)

    def send(self, *pieces: bytes) -> None:
        """Raises: OSError when the server has hung up."""
        self._socket.sendall(b"".join(pieces))

    def answer(self, within_s: float = 10) -> bytes:
        """All that comes until the server hangs up. Raises: TimeoutError when it does not."""
        self._socket.settimeout(within_s)
        pieces = []
        with suppress(ConnectionResetError), self._socket:
            while piece := self._socket.recv(65_536):
                pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        self._socket.close()
