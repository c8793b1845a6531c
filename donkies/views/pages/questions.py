"""Words that pages share, and what a page's script asks before it asks the browser for a passkey."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from pyramid.response import Response

from ...domain.errors import Forbidden
from ...domain.passkeys import Question
from .browser import Browser

STALE = "This page was open for a long time. Everything is still here: please send it once more."
RELOAD = "This page was open for a long time: load it anew."


def question(browser: Browser, ask: Callable[..., Question]) -> Response:
    """What `navigator.credentials` is to be asked, as JSON.

    Args:
        ask: takes this browser's secret, and the address that it comes from.
    Raises: Forbidden when the request does not come from a page of ours; what `ask` raises.
    """
    if not browser.form_is_ours():
        raise Forbidden(RELOAD, code="form_stale")
    asked = ask(browser.typed("form_token"), address=browser.request.remote_addr or "")
    body = {"challenge": asked.challenge, "options": orjson.Fragment(asked.options)}
    response = Response(orjson.dumps(body), content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def wait(seconds: int) -> str:
    """How long somebody has to wait who tried too often."""
    minutes = -(-seconds // 60)
    return f"There were too many tries. Wait {minutes} minute{'s' if minutes > 1 else ''} and try again."
