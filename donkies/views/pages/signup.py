"""Sign up with a form."""

from __future__ import annotations

import structlog
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.errors import Invalid, TooMany
from ...domain.users import EmailTaken, SignUp, UserService
from .browser import Browser, add_page
from .login import STALE

log = structlog.get_logger(__name__)

FIELDS = ("first_name", "last_name", "email", "birthday")


@view_defaults(route_name="signup", permission=NO_PERMISSION_REQUIRED)
class SignUpPage:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)
        # the password is never sent back
        self.typed = {name: self.browser.typed(name) for name in FIELDS}

    @view_config(request_method="GET")
    def show(self) -> Response:
        if self.browser.logged_in():
            return self.browser.lead_on()
        return self._page()

    @view_config(request_method="POST")
    def sign_up(self) -> Response:
        if not self.browser.form_is_ours():
            return self._page(403, notice=STALE)
        typed = SignUp(**self.typed, password=self.browser.typed("password"))
        try:
            user_id = self.request.services.get(UserService).sign_up(typed, address=self.request.remote_addr or "")
        except Invalid as refusal:
            return self._page(422, errors=refusal.fields)
        except EmailTaken:
            return self._page(422, errors={"email": "There is an account with this address already."}, taken=True)
        except TooMany as refusal:
            headers = {"Retry-After": str(refusal.retry_after_s)}
            return self._page(429, headers, notice="There were too many sign-ups from here. Try again in an hour.")
        log.info("signup", user_id=str(user_id))
        self.browser.log_in(user_id)
        return self.browser.lead_on()

    def _page(self, status: int = 200, headers: dict[str, str] | None = None, **values: object) -> Response:
        client, _ = self.browser.client()
        values.setdefault("errors", {})
        return self.browser.page("signup", status, headers, client=client, typed=self.typed, **values)


def includeme(config: Configurator) -> None:
    add_page(config, "signup", "/signup", "GET", "HEAD", "POST")
