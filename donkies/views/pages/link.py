"""/link: the page on which a bank is linked, framed by an app or by itself; and the script that apps frame it with.

The page is an empty shell that tells nothing of anybody: its script shows something only once /link/session has
opened the session to it.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from urllib.parse import urlencode

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from ...domain.errors import Forbidden
from ...domain.link_sessions import LinkSessionService, LogInFirst
from ..api.answers import answer
from ..api.schemas import Body, read_body
from ..errors import problem
from .browser import Browser, add_page

SCRIPT_S = 86_400


class StartIn(Body):
    """How a page starts.

    Args:
        session: the handle in the page's address.
        start: the start token; a page by itself, once started, needs none.
        framed: whether the page is in a frame, whose opener answered it from the registered origin.
    """

    session: str
    start: str | None = None
    framed: bool


@view_config(route_name="link_page", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def link_page(request: Request) -> Response:
    """The shell, with the headers that say who may frame it."""
    sessions = request.services.get(LinkSessionService)
    handle = request.GET.get("s", "")
    session = sessions.find(handle)
    is_live, has_widget = session is not None, session is not None and session.is_widget
    origin = sessions.framing_origin(handle) if is_live else None
    response = Browser(request).page(
        "link", has_script=True, next="", is_live=is_live, origin=origin, has_widget=has_widget
    )
    policy = response.headers["Content-Security-Policy"]
    if has_widget:
        policy += "; frame-src " + " ".join(request.registry.settings["donkies"].widget_origins)
    if origin and "[" not in origin:  # CSP cannot spell IPv6 hosts
        policy = policy.replace("frame-ancestors 'none'", f"frame-ancestors {origin}")
        del response.headers["X-Frame-Options"]  # it knows no origins, and the policy is newer
    response.headers["Content-Security-Policy"] = policy
    return response


@view_config(route_name="link_session", request_method="POST", permission=NO_PERMISSION_REQUIRED)
def start(request: Request) -> Response:
    """Swap a start token for a page token."""
    from_here(request)
    body, sessions = read_body(request, StartIn), request.services.get(LinkSessionService)
    if body.framed:
        opened = sessions.start_framed(body.session, body.start or "")
    else:
        who = Browser(request).logged_in()
        try:
            opened = sessions.start_alone(body.session, body.start, who.user_id if who else None)
        except LogInFirst as error:
            login = "/login?" + urlencode({"next": f"/link?s={body.session}"})
            return problem(401, error.code, error.detail, location=login)
    session = opened.session
    return answer(
        {
            "token": opened.page_token,
            "renewal": opened.start_token,
            "app": opened.app,
            "person": opened.person,
            "mode": session.mode,
            "institution_code": session.institution_code,
            "linked_account_id": session.linked_account_id,
            "return_uri": session.return_uri,
            "expires_at": session.expires_at,
        }
    )


@view_config(route_name="link_script", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def link_script(request: Request) -> Response:
    """The script of apps: theirs to load from anywhere, and to check by its hash."""
    return _kept(request, "link.js", "text/javascript")


@view_config(route_name="link_types", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def link_types(request: Request) -> Response:
    """Its types."""
    return _kept(request, "link.d.ts", "text/plain")


def from_here(request: Request) -> None:
    """Raises: Forbidden when the browser says that another site's page sent this."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden("Only the page of the link session may ask this.", code="other_site")


def _kept(request: Request, name: str, content_type: str) -> Response:
    body = _file(name)
    response = Response(body, content_type=content_type, charset="UTF-8", etag=sha256(body).hexdigest()[:16])
    response.conditional_response = True
    response.headers.update(
        {
            "Cache-Control": f"public, max-age={SCRIPT_S}",
            "Access-Control-Allow-Origin": "*",  # without it no browser checks an integrity hash
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
    )
    return response


@cache
def _file(name: str) -> bytes:
    return (files("donkies.views") / "static" / name).read_bytes()


def includeme(config: Configurator) -> None:
    add_page(config, "link_script", "/link.js", "GET", "HEAD")
    add_page(config, "link_types", "/link.d.ts", "GET", "HEAD")
    add_page(config, "link_page", "/link", "GET", "HEAD")
    add_page(config, "link_session", "/link/session", "POST")
