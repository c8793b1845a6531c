"""Composition root: settings are parsed once, and every port is bound to its adapter once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import svcs
from cornice.util import current_service
from pyramid.config import Configurator
from pyramid.decorator import reify
from pyramid.interfaces import IRequestExtensions
from pyramid.request import Request
from pyramid.router import Router
from webob.cookies import parse_cookie

from .binding import bind
from .logs import configure_logs
from .settings import BadSettings, Settings, parse_settings
from .start import check_database

__all__ = ["BadSettings", "Settings", "bind", "main", "make_app", "parse_settings"]


def main(
    global_config: Mapping[str, str] | None = None, *, adapters: Mapping[str, Any] | None = None, **raw: Any
) -> Router:
    """The WSGI application (a PasteDeploy app factory).

    Args:
        adapters: ports to swap, by role name, as for `bind`.
        raw: the ini file's settings.
    Raises: SystemExit, with one line that names the setting, when it cannot start.
    """
    try:
        settings = parse_settings(raw)
        configure_logs(settings)
        registry = bind(settings, **(adapters or {}))
        check_database(settings, registry)
    except BadSettings as error:  # one line, no trace: it is for whoever starts it
        raise SystemExit(f"donkies: {error}") from None
    return make_app(settings, registry)


def make_app(settings: Settings, registry: svcs.Registry) -> Router:
    """The WSGI application over ports that are bound already."""
    config = Configurator(settings={"donkies": settings}, request_factory=DonkiesRequest)
    config.registry.svcs = registry
    config.include("donkies.views")
    config.commit()
    # for properties that are put on requests Pyramid makes a class anew for each: ours are on the class already
    put_on = config.registry.getUtility(IRequestExtensions).descriptors
    for name in [name for name in put_on if name in DonkiesRequest.__dict__]:
        del put_on[name]
    return config.make_wsgi_app()


class DonkiesRequest(Request):  # type: ignore[misc]
    """A request, with the services beside it."""

    current_service = reify(current_service)  # Cornice's
    # bodies are not spooled to temporary files: they may hold a password
    request_body_tempfile_limit = 2 * 1024 * 1024

    @reify
    def cookies(self) -> Mapping[str, str]:
        """What the browser keeps, but for what is no text: WebOb would fail at any of them, be it another site's."""
        found = {}
        for name, value in parse_cookie(self.environ.get("HTTP_COOKIE", "")):
            with suppress(UnicodeDecodeError):
                found[name.decode()] = value.decode()
        return found

    @reify
    def services(self) -> svcs.Container:
        """The request's own container of services, made when first asked for and closed at the end."""
        container = svcs.Container(self.registry.svcs)
        self.add_finished_callback(lambda _: container.close())
        return container
