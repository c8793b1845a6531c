"""The authorization endpoint (RFC 6749 §3.1): a page's address, for navigation only."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urlencode

import structlog
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error
from authlib.oidc.core.errors import LoginRequiredError
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from ...domain.clients import Client, Clients
from ...domain.sessions import LoggedIn
from ..pages.browser import Browser, add_page
from ..pages.home import error_page
from .engine import Server

log = structlog.get_logger(__name__)


@view_config(route_name="oauth_authorize", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def authorize(request: Request) -> Response:
    """Send the visitor back to the client with a code, by way of log-in where that is needed.

    Source: RFC 6749 §4.1.1; RFC 9700 §4.11: nobody is sent anywhere before the redirect URI was found to be
    the client's, nor, but for prompt=none, before they logged in.
    """
    doubled = sorted(name for name, count in Counter(request.GET.keys()).items() if count > 1)
    client, redirect_uri = request.GET.get("client_id", ""), request.GET.get("redirect_uri", "")
    if problem := _bad_recipient(request, client, redirect_uri, doubled):
        log.info("authorization_refused", client_id=client[:64], redirect_uri=redirect_uri[:200], reason=problem)
        return error_page(request, 400, "This sign-in link does not work", problem)
    browser = Browser(request)
    who = browser.logged_in()
    if who is None and "none" not in request.GET.get("prompt", "").split():
        return _no_store(HTTPSeeOther(location="/login?" + urlencode({"next": request.path_qs})))
    try:
        if doubled:
            raise InvalidRequestError("Send each parameter once: " + ", ".join(filter(str.isidentifier, doubled)))
        if not all(value.isprintable() for value in request.GET.values()):
            raise InvalidRequestError("Send no control characters.")
        if who is None:
            raise LoginRequiredError("Nobody is logged in, and prompt=none forbids to ask.")
        return _no_store(_answer(request, who))
    except OAuth2Error as error:
        log.info("authorization_refused", client_id=client, reason=error.error)
        return _send_back(request, error, redirect_uri)


@view_config(route_name="oauth_authorize", request_method="POST", permission=NO_PERMISSION_REQUIRED)
def authorize_by_post(request: Request) -> Response:
    """The same by POST, as OpenID Connect Core 1.0 §3.1.2.1 wants it; by GET the log-in cookie comes along."""
    return HTTPSeeOther(location="/oauth/authorize?" + urlencode(list(request.POST.items())))


def _answer(request: Request, who: LoggedIn) -> Response:
    server: Server = request.registry.oauth
    asked = server.create_oauth2_request(request)
    grant = server.get_consent_grant(asked, end_user=who)
    response = server.create_authorization_response(asked, grant_user=who, grant=grant)
    log.info("code_issued", client_id=asked.client.client_id, user_id=str(who.user_id))
    response.status_int = 303
    return response


def _bad_recipient(request: Request, client_id: str, redirect_uri: str, doubled: list[str]) -> str | None:
    """Why nobody may be sent to this redirect URI; None when all is well. Tells developers how to mend it."""
    if "client_id" in doubled or "redirect_uri" in doubled:
        return "The app sent its client_id or redirect_uri more than once."
    client: Client | None = request.services.get(Clients).find(client_id) if client_id else None
    if client is None:
        return "The app that sent you here is not registered: its client_id is unknown or missing."
    if not redirect_uri:
        return f"{client.name} sent no redirect_uri, which is always needed here."
    if not client.accepts_redirect_uri(redirect_uri):
        return (
            f"{client.name} is not registered with this redirect_uri:\n{redirect_uri[:300]}\n"
            "It must be exactly one of those registered, to the last character."
        )
    return None


def _send_back(request: Request, error: OAuth2Error, redirect_uri: str) -> Response:
    server: Server = request.registry.oauth
    error.redirect_uri = redirect_uri
    states = request.GET.getall("state")
    error.state = states[0] if len(states) == 1 else None
    response = server.handle_error_response(request, error)
    server.execute_hook("after_create_authorization_response", response)
    response.status_int = 303
    return _no_store(response)


def _no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def includeme(config: Configurator) -> None:
    add_page(config, "oauth_authorize", "/oauth/authorize", "GET", "HEAD", "POST")
