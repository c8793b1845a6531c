"""/account: what is kept of somebody, and what they can do about it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import structlog
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.arrivals import browser_name
from ...domain.clients import Clients
from ...domain.consents import ConsentService
from ...domain.errors import Invalid, NotFound
from ...domain.identities import IdentityService, LastWayIn
from ...domain.sessions import LoggedIn, SessionService
from ...domain.transactions import LedgerReader
from ...domain.users import UserService
from ..oauth.consent import WORDS
from .browser import Browser, add_page
from .login import STALE
from .step_up import recent

log = structlog.get_logger(__name__)

# what the page says once it is done, by what `done` in its address says
DONE = {
    "profile": "Your profile is saved.",
    "session": "That browser is signed out.",
    "others": "All other browsers and apps are signed out.",
    "identity": "It leads to this account no more.",
    "app": "The app can do nothing here any more.",
    "bank": "The bank is deleted, with its accounts and transactions.",
}
PROFILE = ("first_name", "last_name", "birthday", "locale")
LANGUAGES = {
    "cs": "Čeština", "da": "Dansk", "de": "Deutsch", "en": "English", "es": "Español", "fr": "Français",
    "it": "Italiano", "nl": "Nederlands", "nb": "Norsk", "pl": "Polski", "pt": "Português", "fi": "Suomi",
    "sv": "Svenska",
}  # fmt: skip


class PageForPeople:
    """A page that only somebody logged in gets to see."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)

    @property
    def who(self) -> LoggedIn:
        """Who is here; asked for only where `for_people` let them in."""
        found = self.browser.logged_in()
        assert found is not None  # noqa: S101 - `for_people` has seen to it
        return found

    def show(self, status: int = 200, **values: Any) -> Response:
        """The page, where its form was not sent or cannot be taken."""
        raise NotImplementedError


def for_people(action: str = "") -> Callable[[Callable[[Any], Response]], Callable[[Any], Response]]:
    """A view of a PageForPeople: whoever is not logged in logs in first, and a form must be one that we gave.

    Args:
        action: what wants a recent log-in, a word of `donkies.step_up.for`; none when any log-in will do.
    """

    def guard(view: Callable[[Any], Response]) -> Callable[[Any], Response]:
        @wraps(view)
        def guarded(page: Any) -> Response:
            if led_away := recent(page.browser, action):
                return led_away
            if page.request.method == "POST" and not page.browser.form_is_ours():
                return page.show(403, notice=STALE)
            return view(page)

        return guarded

    return guard


@view_defaults(route_name="account_page", permission=NO_PERMISSION_REQUIRED)
class AccountPage(PageForPeople):
    """All of it at a glance."""

    @view_config(request_method="GET")
    @for_people()
    def overview(self) -> Response:
        return self.show(notice=DONE.get(self.request.GET.get("done", "")))

    @view_config(route_name="account_sessions", request_method="GET")
    @view_config(route_name="account_apps", request_method="GET")
    @view_config(route_name="account_identities", request_method="GET")
    def back(self) -> Response:
        """Who had to log in before a button of the page could be heeded is led back to the page."""
        return self.browser.lead_on("/account")

    @view_config(route_name="account_sessions", request_method="POST")
    @for_people()
    def end_sessions(self) -> Response:
        """End one session, or all but this one. What ended already stays ended."""
        service, handle = self.request.services.get(SessionService), self.browser.typed("session")
        if handle:
            service.close_one(self.who.user_id, handle)
        else:
            service.close_others(self.who.user_id, self.who.session_hash)
        which = "session" if handle else "others"
        log.info("session_ended", user_id=str(self.who.user_id), which=which)
        return self.browser.lead_on(f"/account?done={which}")

    @view_config(route_name="account_apps", request_method="POST")
    @for_people()
    def withdraw(self) -> Response:
        """Withdraw what an app may do; every token that it holds for this person ends."""
        client_id = self.browser.typed("client_id")
        if self.request.services.get(ConsentService).withdraw(self.who.user_id, client_id):
            log.info("consent_withdrawn", user_id=str(self.who.user_id), client_id=client_id)
        return self.browser.lead_on("/account?done=app")

    @view_config(route_name="account_identities", request_method="POST")
    @for_people("factors")
    def disconnect(self) -> Response:
        """Let an account elsewhere lead here no more. What is disconnected already stays so."""
        provider, subject = self.browser.typed("provider"), self.browser.typed("subject")
        try:
            self.request.services.get(IdentityService).disconnect(self.who.user_id, provider, subject)
        except LastWayIn as refusal:
            return self.show(409, problem=refusal.detail)
        except NotFound:
            return self.browser.lead_on("/account?done=identity")
        log.info("identity_disconnected", user_id=str(self.who.user_id), provider=provider)
        return self.browser.lead_on("/account?done=identity")

    def show(self, status: int = 200, **values: Any) -> Response:
        services, user_id = self.request.services, self.who.user_id
        profile = services.get(UserService).profile(user_id)
        return self.browser.page(
            "account",
            status,
            profile=profile,
            language=language(profile.locale),
            identities=services.get(IdentityService).list(user_id),
            offers_social=True,
            sessions=services.get(SessionService).list(user_id, self.who.session_hash),
            browser_name=browser_name,
            apps=self._apps(),
            # one that only points to another goes with that one
            banks=[one for one in services.get(LedgerReader).list_links(user_id) if one["duplicate_of"] is None],
            next="",
            **values,
        )

    def _apps(self) -> list[dict[str, Any]]:
        consents = self.request.services.get(ConsentService).list(self.who.user_id)
        clients = self.request.services.get(Clients)
        found = [(clients.find(consent.client_id), consent) for consent in consents]
        apps = [
            {
                "client_id": consent.client_id,
                "name": client.name if client else consent.client_id,
                "abilities": [WORDS[scope] for scope in consent.scopes if scope in WORDS],
                "since": consent.created_at,
            }
            for client, consent in found
        ]
        return sorted(apps, key=lambda app: str(app["name"]).casefold())


@view_defaults(route_name="account_profile", permission=NO_PERMISSION_REQUIRED)
class ProfilePage(PageForPeople):
    """Names, birthday and language."""

    @view_config(request_method="GET")
    @for_people()
    def form(self) -> Response:
        return self.show()

    @view_config(request_method="POST")
    @for_people()
    def save(self) -> Response:
        typed = {name: self.browser.typed(name) for name in PROFILE}
        try:
            changes = typed | {"locale": typed["locale"] or None}
            self.request.services.get(UserService).change_profile(self.who.user_id, changes)
        except Invalid as refusal:
            return self.show(422, errors=refusal.fields)
        log.info("profile_changed", user_id=str(self.who.user_id), fields=list(PROFILE))
        return self.browser.lead_on("/account?done=profile")

    def show(self, status: int = 200, **values: Any) -> Response:
        profile = self.request.services.get(UserService).profile(self.who.user_id)
        typed = {name: getattr(profile, name) or "" for name in PROFILE}
        if self.request.method == "POST":
            typed = {name: self.browser.typed(name) for name in PROFILE}
        values.setdefault("errors", {})
        known = {profile.locale: language(profile.locale)} if profile.locale else {}
        return self.browser.page("account_profile", status, typed=typed, languages=LANGUAGES | known, next="", **values)


def language(locale: str | None) -> str | None:
    """A language in its own words, as far as they are known here; else its tag."""
    if not locale:
        return None
    name = LANGUAGES.get(locale.replace("_", "-").split("-")[0].lower())
    return locale if name is None else name if locale in LANGUAGES else f"{name} ({locale})"


def includeme(config: Configurator) -> None:
    add_page(config, "account_page", "/account", "GET", "HEAD")
    add_page(config, "account_profile", "/account/profile", "GET", "HEAD", "POST")
    add_page(config, "account_sessions", "/account/sessions", "GET", "HEAD", "POST")
    add_page(config, "account_identities", "/account/identities", "GET", "HEAD", "POST")
    add_page(config, "account_apps", "/account/apps", "GET", "HEAD", "POST")
