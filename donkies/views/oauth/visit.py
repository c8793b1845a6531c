"""One authorization request on its way: checked, led by log-in and consent, and answered."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import structlog
from authlib.oauth2.rfc6749 import AccessDeniedError, InvalidRequestError, OAuth2Error
from authlib.oidc.core.errors import ConsentRequiredError, LoginRequiredError
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from webob.multidict import MultiDict

from ...domain.clients import Client
from ...domain.consents import ConsentService
from ...domain.factor_keeping import FactorService
from ...domain.factors import is_strong
from ...domain.hashes import hash_of
from ...domain.sessions import LoggedIn, SessionService
from ...domain.tokens import PublicKeys
from ...domain.unit_of_work import Clock
from ..pages.browser import Browser
from ..pages.login import STALE
from .asked import REPEATABLE, Asked
from .consent import consent_values
from .wishes import Wishes

log = structlog.get_logger(__name__)

# for so long a log-in, and a consent page shown after it, count for the request that asked for them
ANSWER = timedelta(minutes=10)


class Visit:
    """An authorization request, and the browser that brings it.

    Args:
        parameters: of the request; the consent form carries them along.
    """

    def __init__(self, request: Request, parameters: MultiDict) -> None:
        self.request = request
        self.parameters = parameters
        # spelled in one way only, so that it can be recognised after log-in
        self.way = "/oauth/authorize?" + urlencode(list(parameters.items()))
        self.browser = Browser(request, back=self.way)
        self.who = self.browser.logged_in()
        counted = Counter(parameters.keys())
        self.doubled = sorted(name for name, count in counted.items() if count > 1 and name not in REPEATABLE)

    @property
    def is_silent(self) -> bool:
        """Whether the client forbids to ask, which alone lets a person be sent back who is not logged in."""
        return "none" in self.parameters.get("prompt", "").split()

    def go_on(self) -> Response:
        """The next step: log-in, consent or the client.

        Raises: OAuth2Error, to be sent back to the client.
        """
        asked, grant, wishes = self._check()
        if self.who is None:
            raise LoginRequiredError("Nobody is logged in, and prompt=none forbids to ask.")
        is_decision, is_shown = self.request.method == "POST", self._is_shown()
        if not is_shown and (again := self._log_in_again(self.who, wishes)):
            return again
        client, scopes = asked.client.client, tuple(asked.scope.split())
        decision = self.browser.typed("decision") if is_shown else ""
        if decision == "deny":
            log.info("consent_refused", client_id=client.client_id, user_id=str(self.who.user_id))
            self._forget_log_in(self.who)
            raise AccessDeniedError("The person did not allow it.")
        consents = self.request.services.get(ConsentService)
        if "consent" in wishes.prompts or consents.is_needed(self.who.user_id, client, scopes):
            if wishes.is_silent:
                raise ConsentRequiredError("The person has to be asked, and prompt=none forbids it.")
            if decision != "allow":
                return self._ask_consent(self.who, client, scopes, is_stale=is_decision and not is_shown)
            consents.give(self.who.user_id, client.client_id, scopes)
            log.info("consent_given", client_id=client.client_id, user_id=str(self.who.user_id), scopes=scopes)
        return self._give_code(self.who, asked, grant)

    def to_login(self, why: str | None = None) -> Response:
        """By way of the log-in page, which leads back here; of the sign-up page for who is new (`prompt=create`).

        Args:
            why: one of the log-in page's reasons to ask who is logged in already.
        Source: Initiating User Registration via OpenID Connect 1.0 §4.
        """
        is_new = self.who is None and "create" in self.parameters.get("prompt", "").split()
        query = {"next": self.way} | ({"why": why} if why else {})
        return _no_store(HTTPSeeOther(location=("/signup?" if is_new else "/login?") + urlencode(query)))

    def send_back(self, error: OAuth2Error) -> Response:
        """To the client with an error; its redirect URI was found to be its own."""
        server = self.request.registry.oauth
        error.redirect_uri = self.parameters["redirect_uri"]
        error.state = None if "state" in self.doubled else self.parameters.get("state")
        response = server.handle_error_response(self.request, error)
        server.execute_hook("after_create_authorization_response", response)
        response.status_int = 303
        return _no_store(response)

    def _check(self) -> tuple[Asked, Any, Wishes]:
        if self.doubled:
            raise InvalidRequestError("Send each parameter once: " + ", ".join(filter(str.isidentifier, self.doubled)))
        if not all(value.isprintable() for value in self.parameters.values()):
            raise InvalidRequestError("Send no control characters.")
        server = self.request.registry.oauth
        wishes = Wishes.read(self.parameters, server.issuer, self.request.services.get(PublicKeys))
        asked = Asked(self.request, self.parameters)
        return asked, server.get_consent_grant(asked, end_user=self.who), wishes

    def _log_in_again(self, who: LoggedIn, wishes: Wishes) -> Response | None:
        now = self.request.services.get(Clock).now()
        is_answer = self._is_answered_by(who) and now - who.auth_time < ANSWER
        why = wishes.why_log_in(who, now, is_answer=is_answer) or self._why_two(who, wishes, is_answer=is_answer)
        if why and (wishes.is_silent or (why == "other" and is_answer)):
            raise LoginRequiredError("The person has to log in, or the one expected is another.")
        return self.to_login(why) if why else None

    def _why_two(self, who: LoggedIn, wishes: Wishes, *, is_answer: bool) -> str | None:
        """Why somebody logs in again who could show a second factor and has not, where the client prefers it."""
        if not wishes.prefers_two or wishes.is_silent or is_answer or is_strong(who.methods):
            return None
        return "acr" if self.request.services.get(FactorService).has_any(who.user_id) else None

    def _is_answered_by(self, who: LoggedIn) -> bool:
        return who.login_for == hash_of(self.way)

    def _forget_log_in(self, who: LoggedIn) -> None:
        if self._is_answered_by(who):
            self.request.services.get(SessionService).forget_request(who.session_hash)

    def _is_shown(self) -> bool:
        """Whether this is the form of a consent page that was shown for this request lately.

        What it says is then done though it be sent twice; the log-in before it counts only once.
        """
        return self.browser.form_is_ours() and self.browser.typed("shown") in self._marks()

    def _marks(self) -> list[str]:
        """What a consent page carries that is shown now, and what one carried that was shown before."""
        span = int(self.request.services.get(Clock).now().timestamp() // ANSWER.total_seconds())
        return [self.browser.mark(f"{span - ago} {self.way}") for ago in (0, 1)]

    def _ask_consent(self, who: LoggedIn, client: Client, scopes: tuple[str, ...], *, is_stale: bool) -> Response:
        values = consent_values(self.request, who, client, scopes, self.parameters["redirect_uri"])
        values |= {"shown": self._marks()[0], "notice": STALE if is_stale else None}
        return self.browser.page("consent", 403 if is_stale else 200, **values)

    def _give_code(self, who: LoggedIn, asked: Asked, grant: Any) -> Response:
        response = self.request.registry.oauth.create_authorization_response(asked, grant_user=who, grant=grant)
        self._forget_log_in(who)
        log.info("code_issued", client_id=asked.client.client_id, user_id=str(who.user_id))
        response.status_int = 303
        return _no_store(response)


def _no_store(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
