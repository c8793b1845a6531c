"""/password: forgotten, chosen anew, changed."""

from __future__ import annotations

from urllib.parse import urlencode

import structlog
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.errors import Conflict, Invalid, TooMany
from ...domain.forgotten import ForgottenPasswordService
from ...domain.mailed_links import LinkOver
from ...domain.people import AccountService
from ...domain.users import UserService
from .browser import Browser, add_page
from .login import STALE, wait
from .step_up import recent

log = structlog.get_logger(__name__)


@view_defaults(route_name="password_forgot", permission=NO_PERMISSION_REQUIRED)
class ForgotPage:
    """Mails a link. What it answers does not tell whether anybody has the address."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)
        self.typed = self.browser.typed("email")

    @view_config(request_method="GET")
    def show(self) -> Response:
        return self._page(done=self.request.GET.get("done") == "sent")

    @view_config(request_method="POST")
    def ask(self) -> Response:
        if not self.browser.form_is_ours():
            return self._page(403, notice=STALE)
        service, address = self.request.services.get(ForgottenPasswordService), self.request.remote_addr or ""
        try:
            service.ask(self.typed, address=address)
        except TooMany as refusal:
            log.info("password_forgotten_limited", address=address)
            problem = "Several mails were asked for already. Look into your mailbox, and where it keeps unwanted mail."
            return self._page(429, {"Retry-After": str(refusal.retry_after_s)}, problem=problem)
        log.info("password_forgotten", address=address)
        return self.browser.lead_on(f"/password/forgot?{urlencode({'done': 'sent', 'next': self.browser.way_back()})}")

    def _page(self, status: int = 200, headers: dict[str, str] | None = None, **values: object) -> Response:
        return self.browser.page("password_forgot", status, headers, email=self.typed, **values)


@view_defaults(route_name="password_reset", permission=NO_PERMISSION_REQUIRED)
class ResetPage:
    """Where the mailed link leads. Nobody is logged in by it: the log-in page asks for all that it always asks for."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)
        self.service = request.services.get(ForgottenPasswordService)
        self.token = self.browser.typed("token") or request.GET.get("token", "")

    @view_config(request_method="GET")
    def show(self) -> Response:
        return self._page()

    @view_config(request_method="POST")
    def reset(self) -> Response:
        if not self.browser.form_is_ours():
            return self._page(403, notice=STALE)
        try:
            user_id = self.service.reset(self.token, self.browser.typed("password"))
        except Invalid as refusal:
            return self._page(422, errors=refusal.fields)
        except LinkOver:
            return self._over()
        log.info("password_reset", user_id=str(user_id))
        return self.browser.lead_on("/login?done=reset")

    def _page(self, status: int = 200, **values: object) -> Response:
        try:
            email = self.service.address(self.token)
        except LinkOver:
            return self._over()
        values.setdefault("errors", {})
        return self.browser.page("password_reset", status, token=self.token, email=email, next="", **values)

    def _over(self) -> Response:
        return self.browser.page("password_over", 410, next="")


@view_defaults(route_name="password_change", permission=NO_PERMISSION_REQUIRED)
class ChangePage:
    """Changes one's own password, or sets the first."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)
        self.who = self.browser.logged_in()
        self.profile = request.services.get(UserService).profile(self.who.user_id) if self.who else None

    @view_config(request_method="GET")
    def show(self) -> Response:
        return self._first() or self._page(done=self.request.GET.get("done") == "changed")

    @view_config(request_method="POST")
    def change(self) -> Response:
        if first := self._first():
            return first
        if not self.browser.form_is_ours():
            return self._page(403, notice=STALE)
        try:
            self._set()
        except Invalid as refusal:
            return self._page(422, errors=refusal.fields)
        except Conflict as refusal:
            return self._page(409, problem=refusal.detail)
        except TooMany as refusal:
            return self._page(429, {"Retry-After": str(refusal.retry_after_s)}, problem=wait(refusal.retry_after_s))
        log.info("password_changed", user_id=str(self.who.user_id))
        return self.browser.lead_on("/password/change?done=changed")

    def _first(self) -> Response | None:
        # who has no password to show shows nothing but a fresh log-in, so that one is always asked for
        return recent(self.browser, "password", always=self.profile is not None and not self.profile.has_password)

    def _set(self) -> None:
        accounts, new, keep = (
            self.request.services.get(AccountService),
            self.browser.typed("password"),
            self.who.session_hash,
        )
        if self.profile.has_password:
            accounts.change_password(self.who.user_id, self.browser.typed("current_password"), new, keep)
        else:
            accounts.set_first_password(self.who.user_id, new, keep)

    def _page(self, status: int = 200, headers: dict[str, str] | None = None, **values: object) -> Response:
        values.setdefault("errors", {})
        return self.browser.page("password_change", status, headers, profile=self.profile, **values)


def includeme(config: Configurator) -> None:
    add_page(config, "password_forgot", "/password/forgot", "GET", "HEAD", "POST")
    add_page(config, "password_reset", "/password/reset", "GET", "HEAD", "POST")
    add_page(config, "password_change", "/password/change", "GET", "HEAD", "POST")
