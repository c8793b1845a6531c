"""Sign up with a form."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.errors import Invalid, TooMany
from ...domain.users import EmailTaken, LoginRefused, LoginService, SignUp, UserService
from .browser import Browser, add_page
from .entering import enter
from .login import STALE

FIELDS = ("first_name", "last_name", "email", "birthday")
LIMITED = "There were too many sign-ups from here. Try again in an hour."


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
            service, address = self.request.services.get(UserService), self.request.remote_addr or ""
            user_id = service.sign_up(typed, address=address, mail_link=True)
        except Invalid as refusal:
            return self._page(422, errors=refusal.fields)
        except EmailTaken:
            return self._known(typed)
        except TooMany as refusal:
            headers = {"Retry-After": str(refusal.retry_after_s)}
            return self._page(429, headers, notice=LIMITED)
        return enter(self.browser, user_id, "pwd", is_new=True)

    def _known(self, typed: SignUp) -> Response:
        """The address is somebody's already: whoever typed that account's password too, as by a double click, is let
        in. The log-in page would tell as much, and its limits hold.
        """
        services, address = self.request.services, self.request.remote_addr or ""
        try:
            shown = services.get(LoginService).log_in(
                typed.email, typed.password or "", address=address, device=self.browser.device
            )
        except (LoginRefused, TooMany):
            return self._page(422, errors={"email": "There is an account with this address already."}, taken=True)
        return enter(self.browser, shown.user_id, "pwd", password_mark=shown.password_mark)

    def _page(self, status: int = 200, headers: dict[str, str] | None = None, **values: object) -> Response:
        client, _ = self.browser.client()
        values.setdefault("errors", {})
        return self.browser.page(
            "signup", status, headers, offers_social=True, client=client, typed=self.typed, **values
        )


def includeme(config: Configurator) -> None:
    add_page(config, "signup", "/signup", "GET", "HEAD", "POST")
