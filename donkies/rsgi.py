"""The application for granian by its own interface: `granian --interface rsgi --factory donkies.rsgi:make_application`.

By WSGI granian gives a request a thread before its body is there, and no deadline: as many slow clients as there are
threads would stop it (https://github.com/emmett-framework/granian/issues/728). Here a request gets a thread when it is
whole. That costs about 50 µs of the processor a request (`make bench`).
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from io import BytesIO
from queue import SimpleQueue
from typing import Any

from .proxies import Wsgi
from .views.api.schemas import BODY_LIMIT
from .views.guard import INCOMPLETE

log = logging.getLogger(__name__)

# a body that is too long is thrown away up to here, for most clients hear an answer only after they have sent it all
THROWN_AWAY = 16 * BODY_LIMIT


class Application:
    """A WSGI application by RSGI.

    Args:
        threads: as many requests are answered at once.
        read_s: how long a client may take for a body, from its headers on.
    Source: https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md
    """

    def __init__(self, app: Wsgi, *, threads: int, read_s: float) -> None:
        self._app = app
        self._read_s = read_s
        # a queue and bare threads: an executor's two futures a request would cost a tenth of a poll
        self._whole: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"web-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    async def __rsgi__(self, scope: Any, proto: Any) -> None:
        environ = make_environ(scope)
        if "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ:
            await self._read(proto, environ)
        loop = asyncio.get_running_loop()
        answered = loop.create_future()

        def answer() -> None:
            try:
                self._answer(environ, proto)
            finally:
                loop.call_soon_threadsafe(_settle, answered)

        self._whole.put(answer)
        await answered  # granian closes a request whose coroutine has ended

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        for _ in self._threads:
            self._whole.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (answer := self._whole.get()) is not None:
            answer()
            del answer  # else the thread would hold an unread body, and with it the connection, until its next request

    async def _read(self, proto: Any, environ: dict[str, Any]) -> None:
        """Put the body where WSGI has it. One that is too long stays out: the guard refuses it by its length."""
        length = environ.get("CONTENT_LENGTH")
        if environ.pop("HTTP_EXPECT", "") and length is not None and int(length) > BODY_LIMIT:
            return  # it has not been sent yet, and need not be
        pieces, size = [], 0
        try:
            async with asyncio.timeout(self._read_s):
                async for piece in proto:
                    size += len(piece)
                    if size <= BODY_LIMIT:
                        pieces.append(piece)
                    elif size > THROWN_AWAY:
                        break
        except TimeoutError:
            environ[INCOMPLETE] = True
        environ["wsgi.input"] = BytesIO(b"".join(pieces))
        if length is None:
            environ["CONTENT_LENGTH"] = str(size)

    def _answer(self, environ: dict[str, Any], proto: Any) -> None:
        """In a thread of ours."""
        head: list[tuple[int, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
            head[:] = [(int(status[:3]), headers)]
            return lambda _: None

        try:
            body = self._app(environ, start_response)
            try:
                whole = b"".join(body)
            finally:
                getattr(body, "close", lambda: None)()
            proto.response_bytes(*head[0], whole)
        except Exception:
            log.exception("the application failed")
            proto.response_empty(500, [])


def _settle(answered: asyncio.Future[None]) -> None:
    if not answered.done():  # cancelled, when the client has gone
        answered.set_result(None)


def make_environ(scope: Any) -> dict[str, Any]:
    """What WSGI calls the environment of a request, its body left empty.

    A header that came more than once is one with commas (RFC 9110 §5.3). Names with an underscore are left out: WSGI
    cannot tell X_Forwarded_For, which anybody may send, from X-Forwarded-For, which proxies write.
    Source: PEP 3333.
    """
    server, _, port = scope.server.rpartition(":")
    environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path if scope.path.isascii() else scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server.strip("[]"),
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:
            continue
        key = name.upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = "HTTP_" + key
        if key in environ:
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ", ") + value
        environ[key] = value
    return environ


def make_application() -> Application:
    """The application of the ini file that DONKIES_INI names; granian calls it in each of its processes."""
    from .wsgi import application, settings  # which reads the ini file

    return Application(application, threads=settings.web_threads, read_s=settings.web_read_s)
