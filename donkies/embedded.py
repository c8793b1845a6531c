"""The embedded default: one process runs web, worker, beat, sandbox and demo (DESIGN 8).

`[server:main] use = egg:donkies#embedded` in development.ini brings `pserve` here.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, NoReturn

import svcs
import waitress
from pyramid.router import Router
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask

from .config import BadSettings, Settings
from .demo import Demo
from .domain.clients import ClientService, Registration
from .proxies import behind_proxies
from .sandbox import Sandbox
from .sandbox.scenarios import PASSWORDS
from .views.api.schemas import BODY_LIMIT
from .views.errors import problem
from .worker import EmbeddedWorker

STOP_S = 25  # what may pass after SIGTERM until all that is under way is answered
DEMO_SCOPES = (
    "openid profile profile:write email accounts:read transactions:read transactions:write links:write "
    "links:credentials account:delete"
)


def serve(app: Router, global_conf: Mapping[str, str], *, listen: str = "127.0.0.1:6543", **_: str) -> None:
    """Serve until Ctrl-C or SIGTERM (a PasteDeploy server runner); say in one line why it cannot."""
    try:
        _serve(app, listen)
    except SystemExit as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(1)  # pserve would end with status 0


def _serve(app: Router, listen: str) -> None:
    registry = app.registry.svcs
    settings = svcs.Container(registry).get(Settings)
    logging.getLogger("waitress").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as parts:
        server = parts.enter_context(_web(app, listen, settings))
        mail_port = settings.sandbox_smtp_port
        sandbox = Sandbox(port=settings.sandbox_port, smtp_port=mail_port, state_path="var/sandbox.db")
        _start(parts, sandbox, {settings.sandbox_port: "donkies.sandbox.port", mail_port: "donkies.sandbox.smtp_port"})
        demo = Demo(host="localhost", port=settings.demo_port, api_url=settings.public_url)
        _start(parts, demo, {settings.demo_port: "donkies.demo.port"})
        _ensure_demo_client(registry, settings, demo.url)
        _ensure_docs_client(registry, settings)
        worker = EmbeddedWorker(registry)
        worker.start()
        parts.callback(worker.stop)
        _greet(settings.public_url, demo.url, sandbox)
        with suppress(KeyboardInterrupt):
            server.run()


# connections at once, half-read and idle ones too; and what is read of a body that is too long before giving up on it
CONNECTIONS = 1000
THROWN_AWAY = 16 * BODY_LIMIT


class _Kept(OverflowableBuffer):
    """Of a body that is too long it keeps just so much that the guard sees it; the rest is thrown away.

    The server's own refusal would be plain text, and would cut off a client that is still sending.
    """

    def append(self, piece: bytes) -> None:
        super().append(piece[: max(0, BODY_LIMIT + 1 - len(self))])


class _Parser(HTTPRequestParser):
    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.body_rcv is not None:
            self.body_rcv.buf = _Kept(self.adj.inbuf_overflow)


class _Refusal(ErrorTask):
    """What waitress itself refuses: requests that are no HTTP, headers and bodies beyond all bounds."""

    def execute(self) -> None:
        error = self.request.error
        answer = problem(error.code, error.reason.lower().replace(" ", "_"), f"{error.body}.")
        self.status, self.content_length = answer.status, answer.content_length
        self.response_headers.extend(answer.headerlist)
        self.set_close_on_finish()
        self.write(answer.body)


class _Channel(HTTPChannel):
    parser_class = _Parser
    error_task_class = _Refusal

    def handle_read(self) -> None:
        began, was_half_read = self.last_activity, self.request is not None
        super().handle_read()
        if was_half_read and self.request is not None:
            self.last_activity = began  # a byte a second buys no time


class _web:  # noqa: N801 - reads as the step it is
    """waitress, listening from entry on."""

    def __init__(self, app: Router, listen: str, settings: Settings) -> None:
        self._make: Callable[[], Any] = lambda: waitress.create_server(
            behind_proxies(app, settings.web_trusted_proxies),
            map=self.sockets,
            listen=listen,
            threads=settings.web_threads,
            ident=None,
            clear_untrusted_proxy_headers=False,  # we believe them or not, as behind any other server
            # a request is read before it gets a thread; never into a temporary file, for it may hold a password
            max_request_body_size=THROWN_AWAY,
            inbuf_overflow=4 * BODY_LIMIT,
            channel_timeout=settings.web_read_s,
            cleanup_interval=1,
            connection_limit=CONNECTIONS,
            asyncore_use_poll=True,
        )
        self._listen = listen
        self.sockets: dict[int, Any] = {}

    def __enter__(self) -> Any:
        try:
            self._server = self._make()
        except OSError as error:
            _taken("[server:main] listen", self._listen, error)
        dispatcher = self._server.task_dispatcher
        # of itself it would cut off after 5 s whoever waits for a slow bank
        dispatcher.shutdown = partial(dispatcher.shutdown, timeout=STOP_S)
        for server in self.sockets.values():
            if isinstance(server, BaseWSGIServer):
                server.channel_class = _Channel
        return self._server

    def __exit__(self, *_: object) -> None:
        self._server.close()


def _start(parts: ExitStack, part: Sandbox | Demo, ports: Mapping[int, str]) -> None:
    try:
        part.start()
    except OSError as error:
        # of several ports the error names the one; of one there is nothing to name
        port = next((port for port in ports if str(error.filename or "").endswith(f":{port}")), next(iter(ports)))
        _taken(ports[port], str(port), error)
    parts.callback(part.stop)


def _taken(setting: str, value: str, error: OSError) -> NoReturn:
    raise SystemExit(
        f"donkies: {setting} = {value}: cannot listen there ({error.strerror or error}); "
        "stop what uses the port, or choose another"
    ) from None


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _ensure_demo_client(registry: svcs.Registry, settings: Settings, demo_url: str) -> None:
    if settings.is_production:
        raise BadSettings("donkies.env: the embedded default is for development; use a WSGI server in production")
    with svcs.Container(registry) as container:
        container.get(ClientService).ensure(
            "demo",
            Registration(
                name="Donkies demo",
                type="public",
                redirect_uris=(f"{demo_url}/",),
                post_logout_redirect_uris=(f"{demo_url}/",),
                origins=(demo_url,),
                scopes=tuple(DEMO_SCOPES.split()),
                is_trusted=True,
            ),
        )


def _ensure_docs_client(registry: svcs.Registry, settings: Settings) -> None:
    if not settings.docs_client_id:
        return
    with svcs.Container(registry) as container:
        container.get(ClientService).ensure(
            settings.docs_client_id,
            Registration(
                name="API docs",
                type="public",
                redirect_uris=(f"{settings.public_url}/docs/signed-in",),
                origins=(settings.public_url,),
                scopes=tuple(DEMO_SCOPES.split()),
                is_trusted=True,
            ),
        )


def _greet(web_url: str, demo_url: str, sandbox: Sandbox) -> None:
    lines = [
        "",
        "donkies is running.",
        "",
        f"  demo front end   {demo_url}      <- click here first: Sign in, create an account, link a bank",
        f"  this service     {web_url}",
        f"  its API          {web_url}/docs",
        f"  sandbox bank     {sandbox.url}",
        f"  mail to people   {sandbox.inbox_url}",
        "",
        "  At the sandbox's MX Bank the user name is test_atrium. Passwords:",
        *(f"    {password:<40} {meaning}" for password, meaning in PASSWORDS),
        "  The answer to its questions is: correct",
        "",
        "  Ctrl-C stops everything.",
        "",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
