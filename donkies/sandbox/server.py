"""The sandbox as a server on a port of its own."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from waitress import create_server, wasyncore
from waitress.server import BaseWSGIServer

from .app import make_app
from .world import TYPICAL_JOB_S, Limits, Mode, World

DEFAULT_PORT = 6545
THREADS = 64  # slow faults sleep in them; the others must still be answered
_IN_MEMORY_BYTES = 256 * 1024 * 1024


class Sandbox:
    """MX's Atrium, pretended, over real HTTP.

    Args:
        host, port: where to listen; port 0 takes any that is free.
        state_path: a file that users, members and changed rows survive a restart in; None for memory only.
        webhook_url: where `/_sandbox/members/{guid}/webhooks` posts; user and password in it are sent.
        clock: tells the time, seconds since 1970.
        job_s: how long a job takes in all; 0 finishes it at the first look.
        api_key, client_id: what callers must send; None for anything that is not empty.
        member_limit: how many members a user may have.
        max_per_page: the largest `records_per_page`.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        state_path: Path | str | None = None,
        webhook_url: str | None = None,
        clock: Callable[[], float] = time.time,
        *,
        job_s: float = TYPICAL_JOB_S,
        api_key: str | None = None,
        client_id: str | None = None,
        member_limit: int = 25,
        max_per_page: int = 1000,
    ) -> None:
        self.host = host
        self.port = port
        self._state_path = state_path
        self._clock = clock
        self._mode = Mode(job_s=job_s)
        self._limits = Limits(api_key, client_id, member_limit, max_per_page, webhook_url)
        self._running: _Running | None = None

    @property
    def url(self) -> str:
        """The address of the sandbox, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def atrium_url(self) -> str:
        """The root of MX's API."""
        return f"{self.url}/atrium"

    def start(self) -> Self:
        """Listen and serve from background threads; the port listens when this returns.

        Raises: OSError if the port is in use; RuntimeError if it runs already.
        """
        if self._running is not None:
            raise RuntimeError("The sandbox runs already")
        listener = _listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        try:
            world = World(limits=self._limits, mode=self._mode, state_path=self._state_path, clock=self._clock)
        except BaseException:
            listener.close()
            raise
        self._running = _Running(listener, world)
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


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


class _Running:
    """A server's loop, in a thread that ends when told to."""

    def __init__(self, listener: socket.socket, world: World) -> None:
        self._world = world
        self._sockets: dict[int, object] = {}
        self._server: BaseWSGIServer = create_server(
            make_app(world),
            map=self._sockets,
            sockets=[listener],
            threads=THREADS,
            ident="sandbox",
            connection_limit=4000,
            asyncore_use_poll=True,
            # Bodies hold what people typed: they must never reach a temporary file.
            inbuf_overflow=_IN_MEMORY_BYTES,
            outbuf_overflow=_IN_MEMORY_BYTES,
            outbuf_high_watermark=_IN_MEMORY_BYTES,
            max_request_body_size=4 * 1024 * 1024,
        )
        self._thread = threading.Thread(target=self._serve, name="sandbox", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while not self._world.stopping.is_set():
            wasyncore.loop(timeout=1, use_poll=True, map=self._sockets, count=1)

    def stop(self) -> None:
        self._world.stopping.set()  # slow faults wait on it too
        self._server.pull_trigger()
        self._thread.join()
        self._server.task_dispatcher.shutdown(timeout=0.5)
        wasyncore.close_all(self._sockets, ignore_all=True)
        self._world.close()
