"""/healthz and /readyz: for whoever runs it."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ..domain.health import DatabaseProbe, Neighbours
from .api import shapes
from .api.answers import json_bytes, json_response
from .openapi.operation import Operation


def healthz(request: Request) -> Response:
    """The process answers."""
    return _answer({"status": "alive"})


def readyz(request: Request) -> Response:
    """The database can be used; nothing else that may be down stops the service from being useful."""
    trouble = request.services.get(DatabaseProbe).trouble()
    if trouble:
        return _answer({"status": "unready", "database": trouble}, 503)
    neighbours = request.services.get(Neighbours).states()
    return _answer({"status": "ready", "database": "up", **neighbours})


def _answer(content: dict[str, Any], status: int = 200) -> Response:
    return json_response(json_bytes(content), status, {"Cache-Control": "no-store"})


def includeme(config: Configurator) -> None:
    for view, path, also in ((healthz, "/healthz", {}), (readyz, "/readyz", {503: shapes.Health})):
        operation = Operation(shapes.Health, also_answers=also)
        config.add_route(view.__name__, path, request_method="GET")
        config.add_view(view, route_name=view.__name__, permission=NO_PERMISSION_REQUIRED, operation=operation)
