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
from typing import Any, NoReturn

import svcs
import waitress
from pyramid.router import Router

from .config import BadSettings, Settings
from .demo import Demo
from .domain.clients import ClientService, Registration
from .sandbox import Sandbox
from .sandbox.scenarios import PASSWORDS
from .views.api.schemas import BODY_LIMIT
from .worker import EmbeddedWorker

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
        sandbox = Sandbox(port=settings.sandbox_port, state_path="var/sandbox.db")
        _start(parts, sandbox, "donkies.sandbox.port", settings.sandbox_port)
        demo = Demo(host="localhost", port=settings.demo_port, api_url=settings.public_url)
        _start(parts, demo, "donkies.demo.port", settings.demo_port)
        _ensure_demo_client(registry, settings, demo.url)
        worker = EmbeddedWorker(registry)
        worker.start()
        parts.callback(worker.stop)
        _greet(settings.public_url, demo.url, sandbox.url)
        with suppress(KeyboardInterrupt):
            server.run()


class _web:  # noqa: N801 - reads as the step it is
    """waitress, listening from entry on."""

    def __init__(self, app: Router, listen: str, settings: Settings) -> None:
        self._make: Callable[[], Any] = lambda: waitress.create_server(
            app,
            listen=listen,
            threads=settings.web_threads,
            ident=None,
            clear_untrusted_proxy_headers=True,
            # a request is read before it gets a thread; never into a temporary file, for it may hold a password
            max_request_body_size=2 * BODY_LIMIT,
            inbuf_overflow=4 * BODY_LIMIT,
            channel_timeout=30,
        )
        self._listen = listen

    def __enter__(self) -> Any:
        try:
            self._server = self._make()
        except OSError as error:
            _taken("[server:main] listen", self._listen, error)
        return self._server

    def __exit__(self, *_: object) -> None:
        self._server.close()


def _start(parts: ExitStack, part: Sandbox | Demo, setting: str, port: int) -> None:
    try:
        part.start()
    except OSError as error:
        _taken(setting, str(port), error)
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


def _greet(web_url: str, demo_url: str, sandbox_url: str) -> None:
    lines = [
        "",
        "donkies is running.",
        "",
        f"  demo front end   {demo_url}      <- click here first: Sign in, create an account, link a bank",
        f"  this service     {web_url}",
        f"  sandbox bank     {sandbox_url}",
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
