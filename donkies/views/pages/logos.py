"""/logos/{code}: the banks' logos, public and from here: no browser tells another host who looks at which bank."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from ...domain.logos import LogoService
from .browser import add_page

KEPT_S = 604_800


@view_config(route_name="institution_logo", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def logo(request: Request) -> Response:
    """A raster picture of a type that its own bytes say; opened by itself it can do nothing."""
    kept = request.services.get(LogoService).read(request.matchdict["code"])
    response = Response(
        kept.picture.body, content_type=kept.picture.content_type, etag=kept.etag, conditional_response=True
    )
    response.headers.update(
        {
            "Cache-Control": f"public, max-age={KEPT_S}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "cross-origin",  # front ends on other sites show it
        }
    )
    return response


def includeme(config: Configurator) -> None:
    add_page(config, "institution_logo", "/logos/{code}", "GET", "HEAD")
