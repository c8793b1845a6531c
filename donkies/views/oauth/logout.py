"""RP-initiated logout: the app that somebody uses asks that they be logged out here too.

Source: OpenID Connect RP-Initiated Logout 1.0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import jwt
import structlog
import svcs
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error
from authlib.oidc.rpinitiated import EndSessionEndpoint, EndSessionRequest
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from ...domain.granting import GrantService
from ...domain.redirect_uris import with_parameters
from ...domain.sessions import LoggedIn
from ...domain.tokens import PublicKeys
from ...domain.users import UserService
from ..pages.browser import Browser, add_page
from ..pages.home import error_page
from ..pages.login import STALE
from .asked import Asked, Payload

log = structlog.get_logger(__name__)

PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales")
URL_LIMIT = 8000


class Leaving(Asked):
    """A logout request.

    Args:
        browser: the one that asks.
    Attributes:
        is_confirmed: whether the person pressed the button of a page of ours.
        is_wanted: whether that, or an ID token of this very session, shows that it is no link on a strange page.
    """

    def __init__(self, request: Request, browser: Browser) -> None:
        super().__init__(request)
        self.browser = browser
        self.is_confirmed = self.is_wanted = request.method == "POST" and browser.form_is_ours()


class EndSession(EndSessionEndpoint):
    """Whether the request is good, and where it leads; whether the person is asked first is for the view to say."""

    def __init__(self, issuer: str, keys: PublicKeys) -> None:
        super().__init__()
        self._issuer = issuer
        self._keys = keys

    def get_server_jwks(self) -> dict[str, Any]:
        return self._keys.jwks()

    def get_algorithms(self) -> list[str]:
        return ["RS256", "ES256"]

    def validate_request(self, request: Leaving) -> EndSessionRequest:
        """As Authlib's; the app that an ID token names is known by it also when it proves nothing any more."""
        data = request.payload.data
        hint = data.get("id_token_hint")
        if hint and not data.get("client_id") and self._validate_id_token_hint(hint) is None:
            # no worse than a client_id, which anybody may send too: the URI must be that app's, and the person is asked
            request.payload = Payload({**data, "client_id": _audience(hint)})
        wish = super().validate_request(request)
        if wish.redirect_uri:  # Authlib would spell the registered query anew
            state = data.get("state")
            wish.redirect_uri = with_parameters(data["post_logout_redirect_uri"], [("state", state)] if state else [])
        return wish

    def _validate_id_token_hint(self, id_token_hint: str) -> dict[str, Any] | None:
        """The claims of an ID token of ours, be it expired (§2); no other token that our keys signed will do.

        Returns: None for any other, which counts as none at all: the key of an old one is no longer published,
            and who shows it must be able to leave all the same.
        """
        try:
            claims: dict[str, Any] = super()._validate_id_token_hint(id_token_hint)
            kind = jwt.get_unverified_header(id_token_hint).get("typ")
        except (InvalidRequestError, jwt.InvalidTokenError, ValueError):
            return None
        return claims if kind == "JWT" and claims.get("iss") == self._issuer else None

    def is_post_logout_redirect_uri_legitimate(
        self, request: Leaving, post_logout_redirect_uri: str, client: Any, logout_hint: str | None
    ) -> bool:
        # §3 forbids to redirect without a hint unless the target is confirmed by other means: here it is exactly
        # one that the client registered, and the person pressed a button that names the client
        return request.is_confirmed

    def end_session(self, end_session_request: EndSessionRequest) -> None:
        leaving: Leaving = end_session_request.request
        if leaving.is_wanted:
            leaving.browser.log_out()
        else:  # nobody is logged in: what was granted before goes on, whatever site made the browser come here
            leaving.browser.forget_session()


@view_config(route_name="oauth_logout", request_method=("GET", "POST"), permission=NO_PERMISSION_REQUIRED)
def log_out(request: Request) -> Response:
    """Log out and lead back to the app; ask first unless the app shows an ID token of this very session (S10).

    Who is logged out already is led back at once if there is an ID token, else by a button: without one anybody
    could make this address forward to a registered URI (§3).
    """
    if request.method == "POST" and "form_token" not in request.POST:
        return _as_navigation(request)
    browser, given = Browser(request), request.POST if request.method == "POST" else request.GET
    leaving = Leaving(request, browser)
    try:
        wish = request.registry.oauth.validate_endpoint_request("end_session", leaving)
        problem = _problem(wish, given)
    except OAuth2Error as error:
        problem = error.description
    if problem:
        log.info("logout_refused", client_id=given.get("client_id", "")[:64], reason=problem)
        return error_page(request, 400, "This sign-out link does not work", problem)
    who = browser.logged_in()
    leaving.is_wanted = leaving.is_confirmed or _is_of_this_session(request, wish, browser)
    if leaving.is_wanted or (who is None and _needs_no_button(wish, given)):
        return _end(request, wish, who)
    return _ask(wish, given, who, browser)


def _as_navigation(request: Request) -> Response:
    """The same by GET: a POST from the app's site comes without the log-in cookie, which is SameSite=Lax."""
    query = urlencode(list(request.POST.items()))
    if len(query) > URL_LIMIT:
        return error_page(request, 400, "This sign-out link does not work", "The app sent too long a request.")
    return HTTPSeeOther(location=f"/oauth/logout?{query}", headers={"Cache-Control": "no-store"})


def _problem(wish: EndSessionRequest, given: Mapping[str, str]) -> str | None:
    """Why the request is refused; None when all is well. Tells developers how to mend it."""
    if doubled := [name for name, count in Counter(given.keys()).items() if count > 1]:
        return "The app sent these more than once: " + ", ".join(filter(str.isidentifier, doubled))
    if not all(value.isprintable() for value in given.values()):
        return "The app sent control characters."
    client, uri = wish.client and wish.client.client, given.get("post_logout_redirect_uri")
    if client is None and (uri or given.get("client_id")):
        return "The app that sent you here is not registered: its client_id is unknown or missing."
    if uri and uri not in client.post_logout_redirect_uris:
        return (
            f"{client.name} is not registered with this post_logout_redirect_uri:\n{uri[:300]}\n"
            "It must be exactly one of those registered, to the last character."
        )
    return None


def _is_of_this_session(request: Request, wish: EndSessionRequest, browser: Browser) -> bool:
    """Whether the hint is an ID token that was given in the browser session that asks, which may be over."""
    claims, who = wish.id_token_claims or {}, browser.logged_in()
    try:
        sid = UUID(claims["sid"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return False
    if browser.session_hash is None or (who is not None and claims.get("sub") != str(who.user_id)):
        return False
    return request.services.get(GrantService).session_of(sid) == browser.session_hash


def _needs_no_button(wish: EndSessionRequest, given: Mapping[str, str]) -> bool:
    return wish.id_token_claims is not None or not given.get("post_logout_redirect_uri")


def _end(request: Request, wish: EndSessionRequest, who: LoggedIn | None) -> Response:
    browser: Browser = wish.request.browser
    client = wish.client and wish.client.client
    request.registry.oauth.create_endpoint_response("end_session", wish)
    if who is not None:
        log.info("logout", user_id=str(who.user_id), client_id=client and client.client_id)
    if wish.redirect_uri:
        return browser.lead_on(wish.redirect_uri)
    return browser.page("logged_out", client=client, next="")


def _ask(wish: EndSessionRequest, given: Mapping[str, str], who: LoggedIn | None, browser: Browser) -> Response:
    is_stale = wish.request.method == "POST"
    return browser.page(
        "logout",
        403 if is_stale else 200,
        leads_to=given.get("post_logout_redirect_uri"),
        client=wish.client and wish.client.client,
        profile=browser.request.services.get(UserService).profile(who.user_id) if who else None,
        given={name: given[name] for name in PARAMETERS if name in given},
        notice=STALE if is_stale else None,
        next="",
    )


def _audience(id_token: str) -> str:
    """The app that an ID token says it is for; nothing vouches for it."""
    try:
        audience = jwt.decode(id_token, options={"verify_signature": False}).get("aud")
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return ""
    return audience if isinstance(audience, str) else ""


def includeme(config: Configurator) -> None:
    keys = svcs.Container(config.registry.svcs).get(PublicKeys)
    config.registry.oauth.register_endpoint(EndSession(config.registry.settings["donkies"].public_url, keys))
    add_page(config, "oauth_logout", "/oauth/logout", "GET", "HEAD", "POST")
