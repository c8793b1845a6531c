"""After Google or Facebook: sign up with what is missing, or join what they tell to an account that is there."""

from __future__ import annotations

from functools import cached_property

import structlog
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config

from ...domain.errors import Invalid, TooMany
from ...domain.identities import AccountDisabled, IdentityService, IdentityTaken
from ...domain.social import NAMES, SocialAnswer, SocialService
from ...domain.users import EmailTaken, SignUp, UserService
from .browser import Browser, add_page
from .entering import enter
from .questions import STALE
from .signup import FIELDS, LIMITED
from .social import disabled, over, path_of, taken
from .step_up import recent

log = structlog.get_logger(__name__)


class HeldAnswer:
    """A page about what a provider told in this browser."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)
        self.name = self.browser.typed("answer") or request.GET.get("answer", "")
        self.not_mine = "1" in (self.browser.typed("not_mine"), request.GET.get("not_mine"))

    @cached_property
    def answer(self) -> SocialAnswer | None:
        return self.request.services.get(SocialService).held(self.browser.begun_before(), self.name)

    @cached_property
    def identities(self) -> IdentityService:
        return self.request.services.get(IdentityService)

    def page(
        self, template: str, status: int = 200, headers: dict[str, str] | None = None, **values: object
    ) -> Response:
        client, _ = self.browser.client()
        values |= {"answer": self.answer, "held": self.name, "provider": NAMES[self.answer.provider], "client": client}
        return self.browser.page(template, status, headers, **values)

    def let_go(self) -> None:
        self.request.services.get(SocialService).let_go(self.browser.begun_before(), self.name)


class FinishPage(HeldAnswer):
    """Asks for what a profile needs and the provider did not tell."""

    @view_config(route_name="social_signup", request_method="GET", permission=NO_PERMISSION_REQUIRED)
    def show(self) -> Response:
        if self.answer is None:
            return over(self.browser)
        try:
            holder = self.identities.holder(self.answer)
        except AccountDisabled as refusal:
            return disabled(self.browser, refusal)
        if holder == "proved" or (holder == "unproved" and not self.not_mine):
            return self._to_join()
        return self._form({name: getattr(self.answer, name) or "" for name in FIELDS})

    @view_config(route_name="social_signup", request_method="POST", permission=NO_PERMISSION_REQUIRED)
    def sign_up(self) -> Response:
        if self.answer is None:
            return over(self.browser)
        typed = {name: self.browser.typed(name) for name in FIELDS}
        if not self.browser.form_is_ours():
            return self._form(typed, 403, notice=STALE)
        address = self.request.remote_addr or ""
        try:
            user_id = self.identities.sign_up(self.answer, SignUp(**typed), address=address, not_mine=self.not_mine)
        except Invalid as refusal:
            return self._form(typed, 422, errors=refusal.fields)
        except EmailTaken:
            if self.answer.email_verified:
                return self._to_join()
            return self._form(
                typed, 422, errors={"email": "There is an account with this address already."}, taken=True
            )
        except IdentityTaken:
            return over(self.browser)
        except TooMany as refusal:
            return self._form(typed, 429, headers={"Retry-After": str(refusal.retry_after_s)}, notice=LIMITED)
        self.let_go()
        log.info("social_signup", provider=self.answer.provider, user_id=str(user_id), not_mine=self.not_mine)
        return enter(self.browser, user_id, "fed", is_new=True)

    def _to_join(self) -> Response:
        return self.browser.lead_on(path_of("/login/join", self.name, self.browser.way_back()))

    def _form(self, typed: dict[str, str], status: int = 200, **values: object) -> Response:
        values = {"errors": {}, "not_mine": self.not_mine} | values
        join = path_of("/login/join", self.name, self.browser.way_back())
        return self.page("social_signup", status, typed=typed, join=join, **values)


class JoinPage(HeldAnswer):
    """Says to log in to the account that is there, and afterwards asks whether to connect the two.

    An address alone joins nothing: the account's owner has to be logged in to it, and press the button.
    """

    @view_config(route_name="social_join", request_method="GET", permission=NO_PERMISSION_REQUIRED)
    def show(self) -> Response:
        if self.answer is None:
            return over(self.browser)
        who = self.browser.logged_in()
        if who is None:
            return self._ask_to_log_in()
        if way := recent(self.browser, "factors"):
            return way
        known = self.request.services.get(UserService).profile(who.user_id).email
        return self.page("social_join", known=known)

    @view_config(route_name="social_join", request_method="POST", permission=NO_PERMISSION_REQUIRED)
    def join(self) -> Response:
        if self.answer is None:
            return over(self.browser)
        who, again = self.browser.logged_in(), path_of("/login/join", self.name, self.browser.way_back())
        if who is None or not self.browser.form_is_ours() or recent(self.browser, "factors"):
            return self.browser.lead_on(again)
        self.let_go()
        try:
            self.identities.join(who.user_id, self.answer)
        except IdentityTaken as refusal:
            return taken(self.browser, self.answer, refusal)
        log.info("identity_joined", provider=self.answer.provider, user_id=str(who.user_id))
        return self.browser.lead_on()

    def _ask_to_log_in(self) -> Response:
        way_back = self.browser.way_back()
        try:
            holder = self.identities.holder(self.answer)
        except AccountDisabled as refusal:
            return disabled(self.browser, refusal)
        finish = path_of("/signup/finish", self.name, way_back)
        here = path_of("/login/join", self.name, way_back)
        return self.page("social_join", known=None, holder=holder, finish=finish, here=here)


def includeme(config: Configurator) -> None:
    add_page(config, "social_signup", "/signup/finish", "GET", "HEAD", "POST")
    add_page(config, "social_join", "/login/join", "GET", "HEAD", "POST")
