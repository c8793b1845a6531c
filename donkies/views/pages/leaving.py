"""/account/banks/…, /account/export and /account/delete: taking things away, and along."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import structlog
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from pyramid.view import view_config, view_defaults

from ...domain.erasing import LeavingService
from ...domain.erasures import ErasureService
from ...domain.errors import Forbidden, NotFound, TooMany
from ...domain.exporting import ExportService
from ...domain.linking import LinkService
from ...domain.transactions import LedgerReader
from ...domain.unit_of_work import Clock
from ...domain.users import UserService
from ..exports import export_response
from .account import PageForPeople, for_people
from .browser import Browser, add_page
from .home import error_page
from .login import STALE

log = structlog.get_logger(__name__)


@view_defaults(route_name="account_bank", permission=NO_PERMISSION_REQUIRED)
class BankPage(PageForPeople):
    """Says what goes with a bank, and deletes it."""

    @view_config(request_method="GET")
    @for_people()
    def ask(self) -> Response:
        return self.show()

    @view_config(request_method="POST")
    @for_people()
    def delete(self) -> Response:
        """What was deleted already is as it should be: the button may be pressed twice."""
        if bank := self._bank():
            with suppress(NotFound):
                self.request.services.get(LinkService).delete(self.who.user_id, bank["id"])
        return self.browser.lead_on("/account?done=bank")

    def show(self, status: int = 200, **values: Any) -> Response:
        if (bank := self._bank()) is None:
            return error_page(self.request, 404, "There is no such bank", "It may be deleted already.")
        return self.browser.page("account_bank", status, bank=bank, next="", **values)

    def _bank(self) -> Mapping[str, Any] | None:
        """This person's; somebody else's is none."""
        try:
            link_id = UUID(self.request.matchdict["link"])
        except ValueError:
            return None
        return self.request.services.get(LedgerReader).poll_link(self.who.user_id, link_id)


@view_defaults(route_name="account_export", permission=NO_PERMISSION_REQUIRED)
class ExportPage(PageForPeople):
    """Says what is in an export, and gives it."""

    @view_config(request_method="GET")
    @for_people("export")
    def ask(self) -> Response:
        return self.show()

    @view_config(request_method="POST")
    @for_people("export")
    def take(self) -> Response:
        services = self.request.services
        try:
            export = services.get(ExportService).begin(self.who.user_id, self.who.session_hash)
        except Forbidden as refusal:
            return self.show(403, problem=refusal.detail)
        except TooMany as refusal:
            headers = {"Retry-After": str(refusal.retry_after_s)}
            return self.show(429, headers=headers, problem="That was often enough for now. Try again in an hour.")
        log.info("export", user_id=str(self.who.user_id))
        return export_response(export, services.get(Clock).now())

    def show(self, status: int = 200, **values: Any) -> Response:
        headers = values.pop("headers", None)
        return self.browser.page("account_export", status, headers, next="", **values)


@view_defaults(route_name="account_delete", permission=NO_PERMISSION_REQUIRED)
class DeletePage(PageForPeople):
    """Says what goes with an account, and deletes it.

    The form names the receipt that its button gives: pressed twice, the second time finds the first one's receipt,
    though nobody is logged in any more.
    """

    @view_config(request_method="GET")
    @for_people("delete")
    def ask(self) -> Response:
        return self.show()

    @view_config(request_method="POST")
    def delete(self) -> Response:
        receipt = self._receipt()
        if self.browser.logged_in() is None and receipt and _is_there(self.request, receipt):
            return self._lead_to(receipt)
        return self._delete()

    @for_people("delete")
    def _delete(self) -> Response:
        if (receipt := self._receipt()) is None:
            return self.show(403, notice=STALE)
        with suppress(NotFound):  # the other one of two at once was quicker
            self.request.services.get(LeavingService).leave(self.who.user_id, receipt)
        return self._lead_to(receipt)

    def show(self, status: int = 200, **values: Any) -> Response:
        services, receipt = self.request.services, str(uuid4())
        return self.browser.page(
            "account_delete",
            status,
            profile=services.get(UserService).profile(self.who.user_id),
            banks=services.get(LedgerReader).list_links(self.who.user_id),
            receipt=receipt,
            mark=self.browser.mark(receipt),
            next="",
            **values,
        )

    def _receipt(self) -> UUID | None:
        """The receipt that the form names, if we gave it to this browser."""
        receipt, mark = self.browser.typed("receipt"), self.browser.typed("mark")
        if not self.browser.session_id or not self.browser.form_is_ours() or mark != self.browser.mark(receipt):
            return None
        return UUID(receipt)

    def _lead_to(self, receipt: UUID) -> Response:
        self.browser.log_out()
        return self.browser.lead_on(f"/account/deleted/{receipt}")


@view_config(route_name="account_deleted", request_method="GET", permission=NO_PERMISSION_REQUIRED)
def deleted(request: Request) -> Response:
    """What became of it. Whoever knows the receipt may look: there is nobody to log in any more."""
    try:
        erasure = request.services.get(ErasureService).read(UUID(request.matchdict["receipt"]))
    except (ValueError, NotFound):
        return error_page(request, 404, "There is no such receipt", "Check the address; receipts are kept 400 days.")
    return Browser(request).page("account_deleted", erasure=erasure, next="")


def _is_there(request: Request, receipt: UUID) -> bool:
    try:
        return bool(request.services.get(ErasureService).read(receipt))
    except NotFound:
        return False


def includeme(config: Configurator) -> None:
    add_page(config, "account_bank", "/account/banks/{link}/delete", "GET", "HEAD", "POST")
    add_page(config, "account_export", "/account/export", "GET", "HEAD", "POST")
    add_page(config, "account_delete", "/account/delete", "GET", "HEAD", "POST")
    add_page(config, "account_deleted", "/account/deleted/{receipt}", "GET", "HEAD")
