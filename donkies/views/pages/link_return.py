"""/link/return: where a bank's own sign-in page leads back to."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from .browser import Browser


@view_config(route_name="link_return", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def link_return(request: Request) -> Response:
    """Says that it is over. What the query claims is not believed: the member is read at the aggregator anyway."""
    return Browser(request).page("link_return", next="")


def includeme(config: Configurator) -> None:
    config.add_route("link_return", "/link/return")
