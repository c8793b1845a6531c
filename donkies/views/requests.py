"""Each request's id, its line in the log and its place in the metrics. Runs on each request, so it is short."""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable
from time import perf_counter

import structlog
import svcs
from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response

from ..domain import tracing
from ..domain.health import RequestMeter

log = structlog.get_logger(__name__)

Handler = Callable[[Request], Response]

QUIET = frozenset(
    {"linked_account", "link_account", "healthz", "readyz", "metrics"}
)  # asked all the time; told of only when refused
TELLS_ITSELF = "oauth_token"  # its own line has all of it
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


def requests_tween_factory(handler: Handler, registry: Registry) -> Handler:
    """The outermost tween, so that errors have ids too."""
    measure = svcs.Container(registry.svcs).get(RequestMeter).request
    of_process, numbers = secrets.token_hex(6), itertools.count(1)

    def requests_tween(request: Request) -> Response:
        began = perf_counter()
        request_id = request.environ.get("HTTP_X_REQUEST_ID")
        if request_id is None or not _ID.fullmatch(request_id):  # another text could forge lines of logs
            request_id = f"{of_process}-{next(numbers):06x}"
        opened = tracing.begin(request_id=request_id)
        try:
            response = handler(request)
            response.headerlist.append(("X-Request-Id", request_id))
            seconds = perf_counter() - began
            route = request.matched_route
            status = response.status[:3]
            measure(request.method, "-" if route is None else route.pattern, status, seconds)
            if status >= "400" or route is None or not _is_quiet(route.name, request.method):
                _tell(request, status, seconds)
            return response
        finally:
            tracing.end(opened)

    return requests_tween


def _is_quiet(route: str, method: str) -> bool:
    return route == TELLS_ITSELF or (method == "GET" and route in QUIET)


def _tell(request: Request, status: str, seconds: float) -> None:
    """Neither path nor query: both can hold what is nobody's business."""
    client_id, user_id = _who(request)
    log.info(
        "authorization_failed" if status in ("401", "403") else "request",
        method=request.method if request.method.isalpha() else "?",
        route="-" if request.matched_route is None else request.matched_route.pattern,
        status=int(status),
        ms=round(seconds * 1_000, 1),
        client_id=client_id,
        user_id=user_id,
        address=request.remote_addr,
    )


def _who(request: Request) -> tuple[str | None, str | None]:
    try:
        claims = request.identity
    except Exception:  # the answer stands already, and says why; who asked cannot be known
        return None, None
    return (claims.client_id, claims.sub if claims.is_person else None) if claims else (None, None)


def includeme(config: Configurator) -> None:
    config.add_tween("donkies.views.requests.requests_tween_factory")
