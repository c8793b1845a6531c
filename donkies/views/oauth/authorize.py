"""The authorization endpoint (RFC 6749 §3.1): addresses of pages, for navigation only."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import structlog
from authlib.oauth2.rfc6749 import OAuth2Error
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config
from webob.multidict import MultiDict

from ...domain.clients import Client, Clients
from ..pages.browser import WAY_LIMIT, Browser, add_page
from ..pages.home import error_page
from .visit import Visit

log = structlog.get_logger(__name__)


@view_config(route_name="oauth_authorize", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def authorize(request: Request) -> Response:
    """Send the visitor back to the client with a code, by way of log-in and consent where these are needed.

    Source: RFC 6749 §4.1.1; RFC 9700 §4.11: nobody is sent anywhere before the redirect URI was found to be
    the client's, nor, but for prompt=none, before they logged in.
    """
    return _lead(Visit(request, request.GET))


@view_config(route_name="oauth_authorize", request_method="POST", permission=NO_PERMISSION_REQUIRED)
def authorize_by_post(request: Request) -> Response:
    """The same by POST, as OpenID Connect Core 1.0 §3.1.2.1 wants it; by GET the log-in cookie comes along."""
    visit = Visit(request, request.POST)
    if problem := _bad_recipient(visit):
        return _refuse(visit, problem)
    return HTTPSeeOther(location=visit.way)


@view_config(route_name="oauth_consent", request_method="POST", permission=NO_PERMISSION_REQUIRED)
def decide(request: Request) -> Response:
    """What the person decided on the consent page; the authorization request comes along and is checked anew."""
    way = urlsplit(Browser(request).way_back())
    if way.path != "/oauth/authorize":
        return error_page(request, 400, "Something is missing", "Go back to the app you came from and start again.")
    return _lead(Visit(request, MultiDict(parse_qsl(way.query, keep_blank_values=True))))


def _lead(visit: Visit) -> Response:
    if problem := _bad_recipient(visit):
        return _refuse(visit, problem)
    if visit.who is None and not visit.is_silent:
        return visit.to_login()
    try:
        return visit.go_on()
    except OAuth2Error as error:
        log.info("authorization_refused", client_id=visit.parameters["client_id"], reason=error.error)
        return visit.send_back(error)


def _bad_recipient(visit: Visit) -> str | None:
    """Why nobody may be sent to this redirect URI; None when all is well. Tells developers how to mend it."""
    if len(visit.way) > WAY_LIMIT:
        return f"The app's request is longer than {WAY_LIMIT} characters."
    if {"client_id", "redirect_uri"}.intersection(visit.doubled):
        return "The app sent its client_id or redirect_uri more than once."
    client_id, redirect_uri = visit.parameters.get("client_id", ""), visit.parameters.get("redirect_uri", "")
    client: Client | None = visit.request.services.get(Clients).find(client_id) if client_id else None
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


def _refuse(visit: Visit, problem: str) -> Response:
    client_id, redirect_uri = visit.parameters.get("client_id", ""), visit.parameters.get("redirect_uri", "")
    log.info("authorization_refused", client_id=client_id[:64], redirect_uri=redirect_uri[:200], reason=problem)
    return error_page(visit.request, 400, "This sign-in link does not work", problem)


def includeme(config: Configurator) -> None:
    add_page(config, "oauth_authorize", "/oauth/authorize", "GET", "HEAD", "POST")
    add_page(config, "oauth_consent", "/oauth/consent", "POST")
