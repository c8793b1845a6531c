"""/metrics: for Prometheus, and for nobody else."""

from __future__ import annotations

import hmac

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from .errors import problem
from .security import bearer_token

_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")


def metrics(request: Request) -> Response:
    """The metrics of this process, and what waits in the database and the broker."""
    if not _may_see(request):
        return problem(403, "forbidden", "Metrics are for the operator: see donkies.metrics.token.")
    body = generate_latest(request.services.get(CollectorRegistry))
    response = Response(body, headerlist=[("Content-Type", CONTENT_TYPE_LATEST), ("Cache-Control", "no-store")])
    response.content_length = len(body)
    return response


def _may_see(request: Request) -> bool:
    token = request.registry.settings["donkies"].metrics_token.get_secret_value()
    if token:
        given = bearer_token(request.environ) or ""
        return hmac.compare_digest(given.encode(), token.encode())
    # a proxy on this machine makes everybody look near: what it handed on is not from here
    return request.remote_addr in _LOOPBACK and not any(name in request.environ for name in _FORWARDED)


def includeme(config: Configurator) -> None:
    config.add_route("metrics", "/metrics", request_method="GET")
    config.add_view(metrics, route_name="metrics", permission=NO_PERMISSION_REQUIRED)
