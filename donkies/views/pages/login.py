"""Log in, log out."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import structlog
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.clients import Client
from ...domain.errors import TooMany
from ...domain.factors import FactorRefused, PasskeyCeremony
from ...domain.passkeys import PasskeyService
from ...domain.social import NAMES
from ...domain.users import LoginRefused, LoginService, UserService
from .browser import Browser, add_page
from .entering import enter
from .questions import STALE, question, wait

log = structlog.get_logger(__name__)

# why somebody is asked who is logged in already
REASONS = {
    "login": "{app} wants to be sure that it is you.",
    "max_age": "You logged in some time ago, and {app} wants to be sure that it is still you.",
    "account": "",  # a choice that speaks for itself
    "other": "You are logged in as {known}, and {app} expects another account.",
    "acr": "{app} wants you to confirm your log-in by a second step.",
    "step_up": "You logged in some time ago. Before you go on, show that it is still you.",
}
DONE = {
    "reset": "Your password is changed. Log in with the new one.",
    "again": "Your account was changed while you logged in. Log in once more.",
}
# what happened at a provider
TROUBLES = {
    "cancelled": "You did not log in with {name}. Try again, or log in another way.",
    "failed": "{name} did not answer as it should. Try again in a moment, or log in another way.",
}


@view_defaults(route_name="login", permission=NO_PERMISSION_REQUIRED)
class LoginPage:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)

    @view_config(request_method="GET")
    def show(self) -> Response:
        if self.browser.logged_in() and self.request.GET.get("why") not in REASONS:
            return self.browser.lead_on()
        return self.page()

    @view_config(request_method="POST")
    def log_in(self) -> Response:
        email, password = self.browser.typed("email"), self.browser.typed("password")
        if not self.browser.form_is_ours():
            return self.page(403, email=email, notice=STALE)
        service = self.request.services.get(LoginService)
        try:
            shown = service.log_in(email, password, address=self.request.remote_addr or "", device=self.browser.device)
        except LoginRefused as refusal:
            log.info("login_failed", address=self.request.remote_addr)
            return self.page(422, email=email, problem=refusal.detail)
        except TooMany as refusal:
            log.info("login_limited", address=self.request.remote_addr)
            headers = {"Retry-After": str(refusal.retry_after_s)}
            return self.page(429, headers, email=email, problem=wait(refusal.retry_after_s))
        return enter(self.browser, shown.user_id, "pwd", password_mark=shown.password_mark)

    @view_config(route_name="login_passkey_options", request_method="POST")
    def ask_passkey(self) -> Response:
        """What a browser is asked for any passkey that its owner picks; for the page's script."""
        return question(self.browser, self.passkeys.ask)

    @view_config(route_name="login_passkey", request_method="POST")
    def use_passkey(self) -> Response:
        """Log in by a passkey alone: it is held, and the authenticator has verified its owner, so it is two factors."""
        browser = self.browser
        if not browser.form_is_ours():
            return self.page(403, notice=STALE)
        try:
            user_id = self.passkeys.prove(
                browser.typed("passkey"), browser.typed("challenge"), browser.typed("form_token")
            )
        except FactorRefused as refusal:
            log.info("login_failed", address=self.request.remote_addr)
            return self.page(422, problem=refusal.detail)
        return enter(browser, user_id, "pop user mfa")

    @property
    def passkeys(self) -> PasskeyService:
        return self.request.services.get(PasskeyService)

    def page(self, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
        client, _ = self.browser.client()
        asked = dict(parse_qsl(urlsplit(self.browser.way_back()).query))
        has_passkeys = self.request.services.get(PasskeyCeremony).is_possible
        values = {"email": asked.get("login_hint", "")[:254], "client": client, **self._again(client), **values}
        values.setdefault("notice", DONE.get(self.request.GET.get("done", "")) or self._trouble())
        values |= {"has_script": has_passkeys, "has_passkeys": has_passkeys, "offers_social": True}
        return self.browser.page("login", status, headers, **values)

    def _trouble(self) -> str | None:
        provider, _, trouble = self.request.GET.get("trouble", "").partition("_")
        return TROUBLES[trouble].format(name=NAMES[provider]) if provider in NAMES and trouble in TROUBLES else None

    def _again(self, client: Client | None) -> dict[str, Any]:
        """What the page says and offers when somebody is logged in already."""
        why = self.browser.typed("why") or self.request.GET.get("why")
        who = self.browser.logged_in()
        if who is None or why not in REASONS:
            return {}
        known = self.request.services.get(UserService).profile(who.user_id).email
        values = {"why": why, "reason": REASONS[why].format(app=client.name if client else "The app", known=known)}
        if why == "account":
            return values | {"go_on": _as_chosen(self.browser.way_back()), "known": known}
        return values if why == "other" else values | {"email": known}


@view_config(route_name="logout", request_method="POST", permission=NO_PERMISSION_REQUIRED)
def log_out(request: Request) -> Response:
    browser = Browser(request)
    if browser.form_is_ours():
        browser.log_out()
    return browser.lead_on("/")


def _as_chosen(way_back: str) -> str:
    """The way back for who goes on as they are: the choice of an account is made."""
    path, _, query = way_back.partition("?")
    parameters = parse_qsl(query, keep_blank_values=True)
    prompts = " ".join(prompt for prompt in dict(parameters).get("prompt", "").split() if prompt != "select_account")
    kept = [(name, value) for name, value in parameters if name != "prompt"]
    return f"{path}?{urlencode(kept + ([('prompt', prompts)] if prompts else []))}" if query else path or "/"


def includeme(config: Configurator) -> None:
    add_page(config, "login", "/login", "GET", "HEAD", "POST")
    add_page(config, "logout", "/logout", "POST")
    add_page(config, "login_passkey", "/login/passkey", "POST")
    add_page(config, "login_passkey_options", "/login/passkey/options", "POST")
