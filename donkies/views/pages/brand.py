"""The operator's own look of the hosted pages: a logo, and a colour from which readable ones are made."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from ...domain.errors import NotFound
from .browser import add_page

# of pages.css: what the colour stands on by day and by night
LIGHT, DARK = (255, 255, 255), (0x1A, 0x21, 0x28)
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
LOGO_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp"}

Colour = tuple[int, int, int]


@view_config(route_name="brand_css", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def stylesheet(request: Request) -> Response:
    """The colours, laid over those of pages.css."""
    colour = request.registry.settings["donkies"].brand_colour
    return _kept(request, brand_css(colour).encode() if colour else b"", "text/css")


@view_config(route_name="brand_logo", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def logo(request: Request) -> Response:
    """The logo; an SVG file opened by itself may run and load nothing."""
    if not (configured := request.registry.settings["donkies"].brand_logo):
        raise NotFound("There is no logo: see donkies.brand.logo.")
    path = Path(configured)
    response = _kept(request, path.read_bytes(), LOGO_TYPES[path.suffix.lower()])
    response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return response


def brand_css(colour: str) -> str:
    """The rules that put a colour, `#rrggbb`, in place of the accent: as near to it as can be read (WCAG 1.4.3)."""
    wanted = _read(colour)
    by_day, by_night = _readable(wanted, LIGHT, to=(0, 0, 0)), _readable(wanted, DARK, to=(255, 255, 255))
    return (
        f":root {{ {_rules(by_day, LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {_rules(by_night, DARK)} }} }}\n"
    )


def contrast(one: Colour, other: Colour) -> float:
    """1 to 21. Source: WCAG 2.2, contrast ratio."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _rules(accent: Colour, ground: Colour) -> str:
    text = max((LIGHT, (0, 0, 0)), key=lambda one: contrast(one, accent))
    soft = _mixed(ground, accent, 0.12)
    return f"--accent: {_write(accent)}; --accent-text: {_write(text)}; --accent-soft: {_write(soft)};"


def _readable(colour: Colour, ground: Colour, *, to: Colour) -> Colour:
    steps = (_mixed(colour, to, step / 50) for step in range(51))
    return next(mixed for mixed in steps if contrast(mixed, ground) >= LEAST_CONTRAST)


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _luminance(colour: Colour) -> float:
    red, green, blue = (c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _read(colour: str) -> Colour:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _write(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _kept(request: Request, body: bytes, content_type: str) -> Response:
    """An answer that browsers keep for an hour, and then ask whether it is still the same."""
    response = Response(body, content_type=content_type, etag=sha256(body).hexdigest()[:16], conditional_response=True)
    response.headers["Cache-Control"] = "public, max-age=3600"
    return response


def includeme(config: Configurator) -> None:
    add_page(config, "brand_css", "/brand.css", "GET", "HEAD")
    add_page(config, "brand_logo", "/brand/logo", "GET", "HEAD")
