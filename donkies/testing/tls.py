"""TLS before a server of the tests', with a certificate of a test CA; and what went through it."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import trustme

TIMEOUT_S = 10


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str


def ask(method: str, url: str, body: str = "", headers: dict[str, str] | None = None, ca_file: str = "") -> Answer:
    """Ask as nobody's library does: no redirects, and no logger that a search for secrets would find them in."""
    where = urlsplit(url)
    if where.scheme == "https":
        tls = ssl.create_default_context(cafile=ca_file or None)
        connection: HTTPConnection = HTTPSConnection(where.netloc, timeout=TIMEOUT_S, context=tls)
    else:
        connection = HTTPConnection(where.netloc, timeout=TIMEOUT_S)
    try:
        connection.request(method, where._replace(scheme="", netloc="").geturl(), body, headers or {})
        with connection.getresponse() as answer:
            return Answer(answer.status, dict(answer.headers), answer.read().decode())
    finally:
        connection.close()


class TlsFront:
    """An https server on loopback that hands all on to another, and keeps the bodies, both ways.

    Args:
        url: of the server behind it.
        folder: where the CA's certificate is put.
    """

    def __init__(self, url: str, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(tls)
        self.sent: list[str] = []
        self.answered: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, url))
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def tls_pipe(port: int, certificate: trustme.LeafCert) -> Iterator[int]:
    """TLS before a port on loopback, byte by byte: neither side sees what is between. Gives its own port."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(tls)
    loop = asyncio.new_event_loop()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while some := await reader.read(65_536):
                writer.write(some)
                await writer.drain()
        except OSError:
            pass  # one side is gone, as browsers go
        finally:
            writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return writer.close()
        await asyncio.gather(pass_on(reader, behind[1]), pass_on(behind[0], writer))

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    starting = asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(TIMEOUT_S)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_closed(server), loop).result(TIMEOUT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(TIMEOUT_S)
        loop.close()


async def _closed(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for one in others:
        one.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def _handler(front: TlsFront, url: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            answer = ask(self.command, url + self.path, body, dict(self.headers) | {"X-Forwarded-Proto": "https"})
            front.sent.append(f"{self.path} {body}")
            front.answered.append(answer.text)
            self.send_response(answer.status)
            for name in ("Content-Type", "Location"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            content = answer.text.encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_: Any) -> None: ...

    return Handler
