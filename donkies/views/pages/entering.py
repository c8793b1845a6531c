"""The end of every way to log in: the person has proved who they are, and is let in."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

import structlog
from pyramid.response import Response

from ...domain.arrivals import ArrivalService
from ...domain.second_step import SecondStepService
from ...domain.users import LoginRefused
from .browser import Browser

log = structlog.get_logger(__name__)


def enter(
    browser: Browser, user_id: UUID, methods: str, *, is_new: bool = False, password_mark: str | None = None
) -> Response:
    """Log the browser in and lead it on to where it wanted to go; by way of the second step, for who has one.

    Args:
        methods: how the person proved who they are, space-separated (RFC 8176: `pwd`, `otp`, `pop`, `mfa`, …).
        is_new: whether the account was made just now.
        password_mark: what LoginService gave, of the password that was shown.
    """
    second = browser.request.services.get(SecondStepService)
    if not second.is_needed(user_id, methods):
        return let_in(browser, user_id, methods, is_new=is_new, password_mark=password_mark)
    browser.remember_second_step(second.begin(user_id, methods, is_new=is_new, password_mark=password_mark))
    log.info("second_factor_asked", user_id=str(user_id), methods=methods)
    way = browser.way_back()
    return browser.lead_on("/login/second" + (f"?{urlencode({'next': way})}" if way else ""))


def let_in(
    browser: Browser, user_id: UUID, methods: str, *, is_new: bool = False, password_mark: str | None = None
) -> Response:
    """Log the browser in, as `enter`; all that is to be shown was shown.

    Only here is the browser marked as known and the owner told of a new one: a password alone gets nobody that far.
    """
    try:
        browser.log_in(user_id, methods, password_mark=password_mark)
    except LoginRefused:
        log.info("login_failed", address=browser.request.remote_addr)
        return browser.lead_on(f"/login?{urlencode({'done': 'again', 'next': browser.way_back()})}")
    arrivals = browser.request.services.get(ArrivalService)
    browser.remember_device(arrivals.note(user_id, browser.device, browser.user_agent, is_new=is_new))
    log.info("signup" if is_new else "login", user_id=str(user_id), methods=methods)
    return browser.lead_on()
