"""Log in with Google and Facebook: there, and back."""

from __future__ import annotations

from functools import cached_property
from urllib.parse import urlencode

import structlog
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.errors import TooMany
from ...domain.identities import AccountDisabled, IdentityService, IdentityTaken
from ...domain.social import NAMES, Cancelled, ProviderFailed, SocialAnswer, SocialProviders, SocialService, Trip
from .browser import Browser, add_page
from .entering import enter
from .login import LoginPage
from .questions import STALE, wait
from .step_up import recent

log = structlog.get_logger(__name__)


@view_defaults(permission=NO_PERMISSION_REQUIRED)
class SocialPage:
    """The way to a provider, and back."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)
        self.provider: str = request.matched_route.name.split("_")[1]
        if self.provider not in request.services.get(SocialProviders).offered:
            raise HTTPNotFound

    @cached_property
    def social(self) -> SocialService:
        return self.request.services.get(SocialService)

    @view_config(route_name="login_google", request_method="POST")
    @view_config(route_name="login_facebook", request_method="POST")
    def begin(self) -> Response:
        """To the provider. It takes a form of ours, so that no link from elsewhere logs anybody in."""
        browser = self.browser
        if not browser.form_is_ours():
            return LoginPage(self.request).page(403, notice=STALE)
        user_id, trip = None, {"way_back": browser.way_back(), "why": browser.typed("why")[:20]}
        if browser.typed("connect") == "1":
            trip["way_back"] = trip["way_back"] or "/account"
            if recent(browser, "factors"):
                query = {"why": "step_up", "next": trip["way_back"]}
                return browser.lead_on(f"/login?{urlencode(query)}")
            user_id = browser.logged_in().user_id
        callback_url = f"{self.request.registry.settings['donkies'].public_url}/login/{self.provider}/callback"
        address = self.request.remote_addr or ""
        try:
            url = self.social.begin(
                self.provider, browser.begun_here(), callback_url, trip, address=address, user_id=user_id
            )
        except TooMany as refusal:
            headers = {"Retry-After": str(refusal.retry_after_s)}
            return LoginPage(self.request).page(429, headers, problem=wait(refusal.retry_after_s))
        return browser.lead_on(url)

    @view_config(route_name="login_google_callback", request_method="GET")
    @view_config(route_name="login_facebook_callback", request_method="GET")
    def finish(self) -> Response:
        """From the provider: whatever it says, what was begun is over."""
        query = dict(self.request.GET)
        trip = self.social.take(self.provider, self.browser.begun_before(), query.get("state", ""))
        if trip is None:
            log.info("social_refused", provider=self.provider, reason="stale")
            return over(self.browser)
        browser = self.browser = Browser(self.request, back=trip.way_back)
        try:
            answer = self.social.ask(self.provider, query, trip)
            return self._log_in(browser, answer) if trip.user_id is None else self._connect(browser, answer, trip)
        except Cancelled:
            log.info("social_refused", provider=self.provider, reason="cancelled")
            return self._back("cancelled", trip)
        except ProviderFailed as failure:
            log.warning("social_refused", provider=self.provider, reason=failure.reason)
            return self._back("failed", trip)
        except AccountDisabled as refusal:
            return disabled(browser, refusal)

    def _log_in(self, browser: Browser, answer: SocialAnswer) -> Response:
        identities = self.request.services.get(IdentityService)
        user_id = identities.recognise(answer)
        if user_id is not None:
            log.info("social_login", provider=self.provider, user_id=str(user_id))
            return enter(browser, user_id, "fed")
        path = "/signup/finish" if identities.holder(answer) == "nobody" else "/login/join"
        held = self.social.hold(browser.begun_here(), answer)
        return browser.lead_on(path_of(path, held, browser.way_back()))

    def _connect(self, browser: Browser, answer: SocialAnswer, trip: Trip) -> Response:
        who = browser.logged_in()
        if who is None or who.user_id != trip.user_id:
            return over(browser)
        try:
            self.request.services.get(IdentityService).join(who.user_id, answer)
        except IdentityTaken as refusal:
            return taken(browser, answer, refusal)
        log.info("identity_joined", provider=self.provider, user_id=str(who.user_id))
        return browser.lead_on()

    def _back(self, trouble: str, trip: Trip) -> Response:
        """To where it began, with a word on what happened."""
        if trip.user_id is not None:
            title, detail = _TROUBLE[trouble]
            name = NAMES[self.provider]
            return _notice(self.browser, 200, title.format(name=name), detail.format(name=name), trip.way_back)
        query = {"trouble": f"{self.provider}_{trouble}", "next": trip.way_back, "why": trip.why}
        given = {name: value for name, value in query.items() if value}
        return self.browser.lead_on(f"/login?{urlencode(given)}")


_TROUBLE = {
    "cancelled": ("{name} was not connected", "You cancelled it there. Nothing was changed."),
    "failed": ("{name} was not connected", "{name} did not answer as it should. Try again in a moment."),
}


def path_of(path: str, held: str, way_back: str) -> str:
    """A page about an answer that is held."""
    return f"{path}?{urlencode({'answer': held} | ({'next': way_back} if way_back else {}))}"


def over(browser: Browser) -> Response:
    """For what was begun in another browser, too long ago, or is done already."""
    detail = "It was begun in another browser or too long ago, or it is done already. Please begin again."
    way = f"/login?{urlencode({'next': browser.way_back()})}" if browser.way_back() else "/login"
    return _notice(browser, 400, "This log-in is over", detail, way, "Go to the log-in page")


def disabled(browser: Browser, refusal: AccountDisabled) -> Response:
    log.info("login_disabled", address=browser.request.remote_addr)
    return _notice(browser, 403, "You cannot log in", refusal.detail, "/", "Go to the start page")


def taken(browser: Browser, answer: SocialAnswer, refusal: IdentityTaken) -> Response:
    title = f"This {NAMES[answer.provider]} account cannot be connected"
    return _notice(browser, 409, title, refusal.detail, browser.way_back() or "/")


def _notice(browser: Browser, status: int, title: str, detail: str, way: str, label: str = "Go back") -> Response:
    return browser.page("error", status, title=title, detail=detail, way=way, label=label)


def includeme(config: Configurator) -> None:
    for provider in NAMES:
        add_page(config, f"login_{provider}", f"/login/{provider}", "POST")
        add_page(config, f"login_{provider}_callback", f"/login/{provider}/callback", "GET", "HEAD")
