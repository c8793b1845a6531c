"""The page at `/`, and the page for what has gone wrong."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from ...domain.errors import NotFound
from ...domain.users import Profile, UserService
from .browser import Browser, add_page


@view_config(route_name="home", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def home(request: Request) -> Response:
    """Says what this is, and who is logged in."""
    browser = Browser(request)
    return browser.page("home", profile=_profile(request, browser))


def error_page(request: Request, status: int, title: str, detail: str) -> Response:
    """A page for people, where a program would get a problem document."""
    return Browser(request).page("error", status, title=title, detail=detail, next="")


def _profile(request: Request, browser: Browser) -> Profile | None:
    who = browser.logged_in()
    try:
        return request.services.get(UserService).profile(who.user_id) if who else None
    except NotFound:
        return None


def includeme(config: Configurator) -> None:
    add_page(config, "home", "/", "GET", "HEAD")
