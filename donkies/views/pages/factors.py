"""/factors: a person's passkeys, app for codes and recovery codes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import structlog
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.arrivals import browser_name
from ...domain.errors import Conflict, DomainError, Invalid, NotFound, TooMany
from ...domain.factor_keeping import FactorService
from ...domain.factors import FactorRefused
from ...domain.passkeys import PasskeyService, Question
from .browser import Browser, add_page
from .questions import RELOAD, STALE, question, wait
from .step_up import recent

log = structlog.get_logger(__name__)


@view_defaults(permission=NO_PERMISSION_REQUIRED)
class FactorsPage:
    def __init__(self, request: Request) -> None:
        self.request = request
        self.browser = Browser(request)
        self.service = request.services.get(FactorService)

    @view_config(route_name="factors", request_method="GET")
    def show(self) -> Response:
        if self.browser.logged_in() is None:
            return self.browser.lead_on("/login?next=%2Ffactors")
        return self._page()

    @view_config(route_name="factors", request_method="POST")
    def change(self) -> Response:
        if elsewhere := recent(self.browser, "factors"):
            return elsewhere
        if not self.browser.form_is_ours():
            return self._page(403, notice=STALE)
        changes = {
            "begin_app": self._begin_app, "remove_app": self._remove_app, "rename": self._rename,
            "remove_passkey": self._remove_passkey, "renew_codes": self._renew_codes,
        }  # fmt: skip
        change = changes.get(self.browser.typed("action"), self._page)
        try:
            return change()
        except (Conflict, Invalid, NotFound) as refusal:
            return self._page(422, problem=_words(refusal))

    @view_config(route_name="factors_app", request_method="GET")
    def show_app(self) -> Response:
        """The picture for the app; only until its first code was shown."""
        return recent(self.browser, "factors") or self._app_page()

    @view_config(route_name="factors_app", request_method="POST")
    def confirm_app(self) -> Response:
        if elsewhere := recent(self.browser, "factors"):
            return elsewhere
        if not self.browser.form_is_ours():
            return self._app_page(403, notice=STALE)
        try:
            recovery = self.service.confirm_app(self._user_id, self.browser.typed("code"))
        except NotFound:
            return self.browser.lead_on("/factors")
        except Invalid as refusal:
            return self._app_page(422, problem=_words(refusal))
        except TooMany as refusal:
            headers = {"Retry-After": str(refusal.retry_after_s)}
            return self._app_page(429, headers, problem=wait(refusal.retry_after_s))
        return self._added("app", recovery)

    @view_config(route_name="factors_passkey", request_method="GET")
    def show_passkey(self) -> Response:
        return recent(self.browser, "factors") or self._passkey_page()

    @view_config(route_name="factors_passkey", request_method="POST")
    def add_passkey(self) -> Response:
        browser = self.browser
        if elsewhere := recent(browser, "factors"):
            return elsewhere
        if not browser.form_is_ours():
            return self._passkey_page(403, notice=STALE)
        told = (browser.typed("passkey"), browser.typed("challenge"), browser.typed("form_token"))
        try:
            recovery = self.service.add_passkey(self._user_id, *told, browser.typed("name"))
        except (FactorRefused, Conflict, Invalid) as refusal:
            return self._passkey_page(422, problem=_words(refusal))
        return self._added("passkey", recovery)

    @view_config(route_name="factors_passkey_options", request_method="POST")
    def ask_passkey(self) -> Response:
        """What a browser is asked for a new passkey; for the page's script."""
        if recent(self.browser, "factors"):
            return self._reload()

        def ask(browser: str, *, address: str) -> Question:
            return self.request.services.get(PasskeyService).ask_new(self._user_id, browser)

        return question(self.browser, ask)

    @property
    def _user_id(self) -> Any:
        who = self.browser.logged_in()
        return who.user_id if who else None

    def _begin_app(self) -> Response:
        self.service.begin_app(self._user_id)
        return self.browser.lead_on("/factors/app")

    def _remove_app(self) -> Response:
        return self._removed("app", self.service.remove_app(self._user_id))

    def _remove_passkey(self) -> Response:
        return self._removed("passkey", self.service.remove_passkey(self._user_id, self._passkey_id()))

    def _rename(self) -> Response:
        self.service.rename_passkey(self._user_id, self._passkey_id(), self.browser.typed("name"))
        return self.browser.lead_on("/factors")

    def _renew_codes(self) -> Response:
        return self._added("recovery_codes", self.service.renew_recovery_codes(self._user_id))

    def _passkey_id(self) -> bytes:
        try:
            return base64.urlsafe_b64decode(self.browser.typed("passkey"))
        except (binascii.Error, ValueError):
            return b""

    def _added(self, kind: str, recovery: Sequence[str]) -> Response:
        """The recovery codes, which are shown here and never again; without any the list."""
        log.info("factor_added", kind=kind, user_id=str(self._user_id))
        if not recovery:
            return self.browser.lead_on("/factors?done=added")
        return self.browser.page("recovery_codes", codes=recovery)

    def _removed(self, kind: str, was_there: bool) -> Response:
        if was_there:
            log.info("factor_removed", kind=kind, user_id=str(self._user_id))
        return self.browser.lead_on("/factors?done=removed")

    def _page(self, status: int = 200, **values: Any) -> Response:
        factors = self.service.overview(self._user_id)
        ids = {one.credential_id: base64.urlsafe_b64encode(one.credential_id).decode() for one in factors.passkeys}
        can_add = self.request.services.get(PasskeyService).is_possible
        values |= {"factors": factors, "ids": ids, "can_add": can_add, "done": self.request.GET.get("done")}
        return self.browser.page("factors", status, **values)

    def _app_page(self, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
        begun = self.service.app_begun(self._user_id)
        if begun is None:
            return self.browser.lead_on("/factors")
        secret, picture = begun
        groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
        return self.browser.page("factors_app", status, headers, groups=groups, picture=picture, **values)

    def _passkey_page(self, status: int = 200, **values: Any) -> Response:
        if not self.request.services.get(PasskeyService).is_possible:
            return self.browser.lead_on("/factors")
        typed = self.browser.typed("name") or browser_name(self.browser.user_agent)
        return self.browser.page("factors_passkey", status, has_script=True, typed=typed, **values)

    def _reload(self) -> Response:
        raise DomainError(RELOAD, code="form_stale")


def _words(refusal: DomainError) -> str:
    fields = getattr(refusal, "fields", {})
    return " ".join(fields.values()) or refusal.detail


def includeme(config: Configurator) -> None:
    add_page(config, "factors", "/factors", "GET", "HEAD", "POST")
    add_page(config, "factors_app", "/factors/app", "GET", "HEAD", "POST")
    add_page(config, "factors_passkey", "/factors/passkey", "GET", "HEAD", "POST")
    add_page(config, "factors_passkey_options", "/factors/passkey/options", "POST")
