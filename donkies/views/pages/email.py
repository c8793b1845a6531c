"""/email: the address of who is logged in, its verification and its change; and the links that are mailed."""

from __future__ import annotations

from uuid import UUID

import structlog
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.emails import EmailService
from ...domain.errors import Invalid, TooMany
from ...domain.mailed_links import LinkOver, Purpose
from ...domain.sessions import LoggedIn
from ...domain.users import EmailTaken, UserService
from .browser import Browser, add_page
from .login import STALE, wait
from .step_up import log_in_first, recent

log = structlog.get_logger(__name__)

DONE = {
    "sent": "A mail with a new link is on its way. Older links are over.",
    "asked": "A mail is on its way to the new address. Your address changes when you follow the link in it.",
}


@view_defaults(permission=NO_PERMISSION_REQUIRED)
class EmailPage:
    """One's own address. Whoever is not logged in is asked to be."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)

    @view_config(route_name="email", request_method="GET")
    def show(self) -> Response:
        who = self.browser.logged_in()
        return self._page(who) if who else log_in_first(self.browser)

    @view_config(route_name="email_send", request_method="POST")
    def send(self) -> Response:
        if (who := self.browser.logged_in()) is None:
            return log_in_first(self.browser, "/email")
        if not self.browser.form_is_ours():
            return self._page(who, 403, notice=STALE)
        try:
            self.request.services.get(EmailService).send_verification(who.user_id)
        except TooMany as refusal:
            headers = {"Retry-After": str(refusal.retry_after_s)}
            problem = "Several mails were sent already. Look into your mailbox, and where it keeps unwanted mail."
            return self._page(who, 429, headers, problem=problem)
        return self.browser.lead_on("/email?done=sent")

    def _page(
        self, who: LoggedIn, status: int = 200, headers: dict[str, str] | None = None, **values: object
    ) -> Response:
        profile = self.request.services.get(UserService).profile(who.user_id)
        values.setdefault("notice", DONE.get(self.request.GET.get("done", "")))
        return self.browser.page("email", status, headers, profile=profile, **values)


@view_defaults(route_name="email_change", permission=NO_PERMISSION_REQUIRED)
class ChangePage:
    """Asks for a new address; it counts once the link that is mailed there was followed."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)
        self.who = self.browser.logged_in()
        self.profile = request.services.get(UserService).profile(self.who.user_id) if self.who else None
        self.typed = self.browser.typed("email")

    @view_config(request_method="GET")
    def show(self) -> Response:
        return self._first() or self._page()

    @view_config(request_method="POST")
    def ask(self) -> Response:
        if first := self._first():
            return first
        if not self.browser.form_is_ours():
            return self._page(403, notice=STALE)
        service, password = self.request.services.get(EmailService), self.browser.typed("current_password")
        try:
            service.ask_change(self.who.user_id, self.typed, password)
        except Invalid as refusal:
            return self._page(422, errors=refusal.fields)
        except TooMany as refusal:
            return self._page(429, {"Retry-After": str(refusal.retry_after_s)}, problem=wait(refusal.retry_after_s))
        return self.browser.lead_on("/email?done=asked")

    def _first(self) -> Response | None:
        # who has no password to show shows nothing but a fresh log-in, so that one is always asked for
        return recent(self.browser, "email", always=self.profile is not None and not self.profile.has_password)

    def _page(self, status: int = 200, headers: dict[str, str] | None = None, **values: object) -> Response:
        values.setdefault("errors", {})
        return self.browser.page("email_change", status, headers, profile=self.profile, typed=self.typed, **values)


@view_defaults(permission=NO_PERMISSION_REQUIRED)
class MailedLinkPage:
    """Where a mailed link leads: to a page with a button. Only the button spends it, for mail scanners follow links."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)
        self.service = request.services.get(EmailService)
        self.token = self.browser.typed("token") or request.GET.get("token", "")

    @view_config(route_name="email_verify", request_method="GET")
    def show_verify(self) -> Response:
        return self._show("verify")

    @view_config(route_name="email_verify", request_method="POST")
    def verify(self) -> Response:
        return self._confirm("verify")

    @view_config(route_name="email_confirm", request_method="GET")
    def show_confirm(self) -> Response:
        return self._show("change")

    @view_config(route_name="email_confirm", request_method="POST")
    def confirm(self) -> Response:
        return self._confirm("change")

    def _show(self, purpose: Purpose, status: int = 200, notice: str | None = None) -> Response:
        try:
            asked = self.service.asked(self.token, purpose)
        except LinkOver:
            return self._over(purpose)
        values = {"purpose": purpose, "asked": asked, "token": self.token, "notice": notice, "next": ""}
        return self.browser.page("email_confirm", status, **values)

    def _confirm(self, purpose: Purpose) -> Response:
        if not self.browser.form_is_ours():
            return self._show(purpose, 403, STALE)
        try:
            user_id = self._spend(purpose)
        except LinkOver:
            return self._over(purpose)
        except EmailTaken:
            return self._over(purpose, taken=True)
        log.info("email_verified" if purpose == "verify" else "email_changed", user_id=str(user_id))
        return self.browser.lead_on("/email/confirmed")

    def _spend(self, purpose: Purpose) -> UUID:
        if purpose == "verify":
            return self.service.verify(self.token)
        who = self.browser.logged_in()
        return self.service.confirm_change(self.token, keep=who.session_hash if who else None)

    def _over(self, purpose: Purpose, *, taken: bool = False) -> Response:
        who = self.browser.logged_in()
        profile = self.request.services.get(UserService).profile(who.user_id) if who else None
        return self.browser.page("email_over", 410, purpose=purpose, profile=profile, taken=taken, next="")


@view_config(route_name="email_confirmed", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def confirmed(request: Request) -> Response:
    """Says that it is done, in whatever browser it was."""
    browser = Browser(request)
    return browser.page("email_confirmed", is_logged_in=browser.logged_in() is not None, next="")


def includeme(config: Configurator) -> None:
    add_page(config, "email", "/email", "GET", "HEAD")
    add_page(config, "email_send", "/email/send", "POST")
    add_page(config, "email_change", "/email/change", "GET", "HEAD", "POST")
    add_page(config, "email_verify", "/email/verify", "GET", "HEAD", "POST")
    add_page(config, "email_confirm", "/email/confirm", "GET", "HEAD", "POST")
    add_page(config, "email_confirmed", "/email/confirmed", "GET", "HEAD")
