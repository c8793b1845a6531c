"""The pictures of the people, served beside both providers."""

import functools

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from .. import pictures
from ..wire import not_found, route
from .personas import Persona, initials_of

SIDE = 96


def includeme(config: Configurator) -> None:
    route(config, "/portraits/{persona}.png", GET=show_portrait, locked=False)


def portrait_url(request: Request, persona: Persona) -> str:
    """Tell where a persona's picture is, or a silhouette for one who has none."""
    return f"{request.host_url}/portraits/{persona.key if persona.has_picture else 'silhouette'}.png"


def show_portrait(request: Request) -> Response:
    """Draw a persona's initials, or the silhouette."""
    key = request.matchdict["persona"]
    initials = initials_of(key)
    if initials is None and key != "silhouette":
        raise not_found("Picture")
    body = _silhouette() if initials is None else pictures.logo(key, initials, SIDE)
    return Response(body=body, headerlist=[("Content-Type", "image/png"), ("Cache-Control", "max-age=86400")])


@functools.cache
def _silhouette() -> bytes:
    canvas = pictures.Canvas(SIDE, SIDE, (209, 213, 219))
    canvas.fill(36, 22, 24, 28, pictures.WHITE)
    canvas.fill(22, 58, 52, 38, pictures.WHITE)
    return canvas.png()
