"""Asking somebody who is logged in to prove it once more, before what a stolen session must not do."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from pyramid.response import Response

from ...domain.unit_of_work import Clock
from .browser import Browser


def recent(browser: Browser, action: str, *, always: bool = False) -> Response | None:
    """Whether the person here proved who they are just now, or need not have.

    Args:
        action: what is to be done: `email password factors export delete link`; the setting `donkies.step_up.for`
            says for which of them it matters.
        always: it matters whatever the setting says.
    Returns: None to go on; else what to answer: the way to the log-in page, which leads back to this one. It is also
        the answer to who is not logged in at all.
    Source: OWASP ASVS 5.0, 7.5.1.
    """
    who, settings = browser.logged_in(), browser.request.registry.settings["donkies"]
    if who is None:
        return log_in_first(browser)
    if not always and action not in settings.step_up_for.split():
        return None
    if browser.request.services.get(Clock).now() - who.auth_time < timedelta(seconds=settings.step_up_within_s):
        return None
    return browser.lead_on(f"/login?{urlencode({'why': 'step_up', 'next': _this_page(browser)})}")


def log_in_first(browser: Browser, page: str = "") -> Response:
    """The way to the log-in page and back to this one, or to another of ours."""
    return browser.lead_on(f"/login?{urlencode({'next': page or _this_page(browser)})}")


def _this_page(browser: Browser) -> str:
    # what was sent by a form is not kept: the page is shown afresh
    request = browser.request
    return str(request.path if request.method == "POST" else request.path_qs)
