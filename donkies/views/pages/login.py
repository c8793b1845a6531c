"""Log in, log out."""

from __future__ import annotations

import structlog
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.errors import TooMany
from ...domain.users import LoginRefused, LoginService
from .browser import Browser, add_page

log = structlog.get_logger(__name__)

STALE = "This page was open for a long time. Everything is still here: please send it once more."


@view_defaults(route_name="login", permission=NO_PERMISSION_REQUIRED)
class LoginPage:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)

    @view_config(request_method="GET")
    def show(self) -> Response:
        if self.browser.logged_in():
            return self.browser.lead_on()
        return self._page()

    @view_config(request_method="POST")
    def log_in(self) -> Response:
        email, password = self.browser.typed("email"), self.browser.typed("password")
        if not self.browser.form_is_ours():
            return self._page(403, email=email, notice=STALE)
        service = self.request.services.get(LoginService)
        try:
            user_id = service.log_in(
                email, password, address=self.request.remote_addr or "", device=self.browser.device
            )
        except LoginRefused as refusal:
            log.info("login_failed", address=self.request.remote_addr)
            return self._page(422, email=email, problem=refusal.detail)
        except TooMany as refusal:
            log.info("login_limited", address=self.request.remote_addr)
            headers = {"Retry-After": str(refusal.retry_after_s)}
            return self._page(429, headers, email=email, problem=_wait(refusal.retry_after_s))
        log.info("login", user_id=str(user_id))
        self.browser.log_in(user_id)
        self.browser.remember_device(service.mark_device(email))
        return self.browser.lead_on()

    def _page(self, status: int = 200, headers: dict[str, str] | None = None, **values: str) -> Response:
        client, _ = self.browser.client()
        return self.browser.page("login", status, headers, client=client, **values)


@view_config(route_name="logout", request_method="POST", permission=NO_PERMISSION_REQUIRED)
def log_out(request: Request) -> Response:
    browser = Browser(request)
    if browser.form_is_ours():
        browser.log_out()
    return browser.lead_on("/")


def _wait(seconds: int) -> str:
    minutes = -(-seconds // 60)
    return f"There were too many tries. Wait {minutes} minute{'s' if minutes > 1 else ''} and try again."


def includeme(config: Configurator) -> None:
    add_page(config, "login", "/login", "GET", "HEAD", "POST")
    add_page(config, "logout", "/logout", "POST")
