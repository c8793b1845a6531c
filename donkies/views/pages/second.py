"""/login/second: the second step of a log-in."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import structlog
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.errors import TooMany
from ...domain.factors import FactorRefused, PasskeyCeremony
from ...domain.passkeys import Question
from ...domain.second_step import SecondStep, SecondStepOver, SecondStepService
from .browser import Browser, add_page
from .entering import let_in
from .questions import STALE, question, wait

log = structlog.get_logger(__name__)

WAYS = ("passkey", "code", "recovery_code")


@view_defaults(route_name="login_second", permission=NO_PERMISSION_REQUIRED)
class SecondStepPage:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)
        self.service = request.services.get(SecondStepService)
        self.address = request.remote_addr or ""

    @view_config(request_method="GET")
    def show(self) -> Response:
        return self._page()

    @view_config(request_method="POST")
    def prove(self) -> Response:
        way = next((way for way in WAYS if self.browser.typed(way)), "code")
        if not self.browser.form_is_ours():
            return self._page(403, notice=STALE)
        try:
            step = self._prove(way)
        except SecondStepOver:
            return self._begin_again()
        except FactorRefused as refusal:
            self._tell("second_factor_failed", way)
            return self._page(422, problem=refusal.detail, way=way)
        except TooMany as refusal:
            self._tell("second_factor_limited", way)
            headers = {"Retry-After": str(refusal.retry_after_s)}
            return self._page(429, headers, problem=wait(refusal.retry_after_s), way=way)
        self.browser.remember_second_step("")
        return let_in(self.browser, step.user_id, step.methods, is_new=step.is_new, password_mark=step.password_mark)

    @view_config(route_name="login_second_options", request_method="POST")
    def ask_passkey(self) -> Response:
        """What a browser is asked for one of the person's passkeys; for the page's script."""

        def ask(browser: str, *, address: str) -> Question:
            return self.service.ask_passkey(self.browser.second_step, browser, address=address)

        return question(self.browser, ask)

    def _prove(self, way: str) -> SecondStep:
        key, typed = self.browser.second_step, self.browser.typed(way)
        if way == "recovery_code":
            return self.service.by_recovery_code(key, typed, address=self.address)
        if way == "code":
            return self.service.by_code(key, typed, address=self.address, device=self.browser.device)
        challenge, browser = self.browser.typed("challenge"), self.browser.typed("form_token")
        return self.service.by_passkey(key, typed, challenge, browser, address=self.address)

    def _tell(self, event: str, way: str) -> None:
        with suppress(SecondStepOver):
            step = self.service.read(self.browser.second_step)
            log.info(event, way=way, user_id=str(step.user_id), address=self.address)

    def _page(self, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
        try:
            step = self.service.read(self.browser.second_step)
        except SecondStepOver:
            return self._begin_again()
        has_passkeys = bool(step.factors.passkeys) and self.request.services.get(PasskeyCeremony).is_possible
        values = {"step": step, "has_passkeys": has_passkeys, "client": self.browser.client()[0], **values}
        return self.browser.page("second", status, headers, has_script=has_passkeys, **values)

    def _begin_again(self) -> Response:
        way = self.browser.way_back()
        return self.browser.lead_on("/login" + (f"?{urlencode({'next': way})}" if way else ""))


def includeme(config: Configurator) -> None:
    add_page(config, "login_second", "/login/second", "GET", "HEAD", "POST")
    add_page(config, "login_second_options", "/login/second/options", "POST")
