"""The demo front end as a server on a port of its own."""

from __future__ import annotations

import socket
from typing import Self

from ..serving import Serving, listening
from .files import DemoFiles

DEFAULT_PORT = 6544
THREADS = 4


class Demo:
    """A money app at `http://localhost:…`: another site than a backend at `http://127.0.0.1:…`.

    Args:
        host: `127.0.0.1`, or `localhost` for IPv6's loopback too where there is one.
        port: where to listen; port 0 takes any that is free.
        api_url: the backend's public URL, which is also the issuer of its tokens.
        client_id: under which the demo is registered there, with `redirect_uri` and the origin `url`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        api_url: str = "http://127.0.0.1:6543",
        client_id: str = "demo",
    ) -> None:
        if host not in ("127.0.0.1", "localhost"):
            raise ValueError("The demo listens on loopback only: 127.0.0.1 or localhost")
        self.host = host
        self.port = port
        self.api_url = api_url.rstrip("/")
        self.client_id = client_id
        self._running: Serving | None = None

    @property
    def url(self) -> str:
        """The demo's origin. Always by name: 127.0.0.1 would be the backend's site."""
        return f"http://localhost:{self.port}"

    @property
    def redirect_uri(self) -> str:
        """Where sign-in leads back to."""
        return f"{self.url}/"

    def start(self) -> Self:
        """Listen and serve from background threads; the port listens when this returns.

        Raises: OSError if the port is in use; RuntimeError if it runs already.
        """
        if self._running is not None:
            raise RuntimeError("The demo runs already")
        listeners = _listen(self.host, self.port)
        self.port = listeners[0].getsockname()[1]
        config = {"api_url": self.api_url, "client_id": self.client_id, "redirect_uri": self.redirect_uri}
        self._running = Serving(DemoFiles(self.api_url, config), "demo", sockets=listeners, threads=THREADS)
        return self

    def stop(self) -> None:
        """Stop serving within a second and close everything; nothing happens when it does not run."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _listen(host: str, port: int) -> list[socket.socket]:
    """A listener, and a second one on IPv6's loopback: browsers try that one first for `localhost`."""
    listeners = [listening("127.0.0.1", port)]
    if host == "localhost" and _has_ipv6():
        try:
            listeners.append(listening("::1", listeners[0].getsockname()[1]))
        except OSError:
            listeners[0].close()
            raise
    return listeners


def _has_ipv6() -> bool:
    try:
        listening("::1", 0).close()
    except OSError:
        return False
    return True
