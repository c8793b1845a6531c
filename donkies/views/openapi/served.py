"""/openapi.json, and /docs, which shows it and tries calls. All files are our own server's.

The viewer is Swagger UI, as its authors publish it: static/swagger-ui/, whose NOTICE and LICENSE lie beside it.
"""

from __future__ import annotations

import orjson
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ...domain.clients import Client, Clients
from ..api.answers import etag_of
from ..pages.browser import Browser
from .operation import Operation

MAX_AGE_S = 300
SCOPES = ("openid", "profile", "email", "accounts:read", "transactions:read", "links:write")  # ticked to begin with
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def read_openapi(request: Request) -> Response:
    """This document."""
    registry = request.registry
    if (body := getattr(registry, "openapi", None)) is None:
        from .document import make_document  # here: it reads what all views declare

        body = registry.openapi = orjson.dumps(make_document(registry))
    tag = etag_of(body)
    headers = [
        ("ETag", tag),
        ("Cache-Control", f"public, max-age={MAX_AGE_S}"),
        ("Vary", "Origin"),  # a copy fetched without one lacks the CORS headers
    ]
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status=304, headerlist=headers)
    response = Response(body, content_type="application/json")
    response.headers.extend(headers)
    return response


def docs(request: Request) -> Response:
    """The document in Swagger UI. Who reads it can sign in there once the operator registered a client for it."""
    client = _client(request)
    scopes = [one for one in SCOPES if client and one in client.personal_scopes]
    return _page(request, "docs", client_id=client.client_id if client else "", scopes=" ".join(scopes))


def docs_signed_in(request: Request) -> Response:
    """Where signing in from the docs leads back to; a script hands the code to the page that opened this one."""
    return _page(request, "docs_signed_in")


def _client(request: Request) -> Client | None:
    """The public client that signing in goes by; None when the settings name none, or one that cannot."""
    settings = request.registry.settings["donkies"]
    client = request.services.get(Clients).find(settings.docs_client_id) if settings.docs_client_id else None
    leads_back = client and client.accepts_redirect_uri(f"{settings.public_url}/docs/signed-in")
    return client if client and leads_back and not client.is_confidential else None


def _page(request: Request, template: str, **values: str) -> Response:
    return Browser(request, back="").page(template, headers={"Content-Security-Policy": POLICY}, **values)


def includeme(config: Configurator) -> None:
    operation = Operation(dict[str, object], etag=True)
    config.add_route("openapi", "/openapi.json", request_method="GET")
    config.add_view(read_openapi, route_name="openapi", permission=NO_PERMISSION_REQUIRED, operation=operation)
    for view, path in ((docs, "/docs"), (docs_signed_in, "/docs/signed-in")):
        config.add_route(view.__name__, path, request_method="GET")
        config.add_view(view, route_name=view.__name__, permission=NO_PERMISSION_REQUIRED)
