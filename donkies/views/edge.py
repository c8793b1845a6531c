"""What goes on every answer: CORS for registered origins, and two headers. Runs on each request, so it is short."""

from __future__ import annotations

from collections.abc import Callable

import svcs
from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response

from ..domain.clients import Clients

Handler = Callable[[Request], Response]

# never /oauth/authorize nor a page: those are for navigation, and no script has business there
OPEN = ("/v1/", "/.well-known/")
OPEN_EXACTLY = frozenset({"/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/userinfo", "/openapi.json"})
EXPOSED = "ETag, Retry-After, WWW-Authenticate, RateLimit, Location, X-Request-Id"
PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match",
    "Access-Control-Max-Age": "7200",
}


def edge_tween_factory(handler: Handler, registry: Registry) -> Handler:
    """The outermost tween, so that errors carry these headers too."""
    clients: Clients = svcs.Container(registry.svcs).get(Clients)
    is_https = registry.settings["donkies"].public_url.startswith("https:")
    fixed = [("X-Content-Type-Options", "nosniff")]
    if is_https:
        fixed.append(("Strict-Transport-Security", "max-age=31536000; includeSubDomains"))

    def edge_tween(request: Request) -> Response:
        if is_https:  # whatever a proxy forgets to say: a redirect to http:// is refused by the pages' own policy
            request.environ["wsgi.url_scheme"] = "https"
        origin = request.environ.get("HTTP_ORIGIN")
        response = handler(request) if origin is None else _with_cors(request, origin, handler, clients)
        response.headerlist.extend(fixed)
        return response

    return edge_tween


def _with_cors(request: Request, origin: str, handler: Handler, clients: Clients) -> Response:
    path = request.environ.get("PATH_INFO", "")
    if not path.startswith(OPEN) and path not in OPEN_EXACTLY:
        return handler(request)
    known = clients.knows_origin(origin)
    if request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.environ:
        response = Response(status=204, headerlist=list(PREFLIGHT.items()) if known else [])
    else:
        response = handler(request)
    response.headerlist.append(("Vary", "Origin"))
    if known:
        response.headerlist.append(("Access-Control-Allow-Origin", origin))
        response.headerlist.append(("Access-Control-Expose-Headers", EXPOSED))
    return response


def includeme(config: Configurator) -> None:
    config.add_tween("donkies.views.edge.edge_tween_factory")
