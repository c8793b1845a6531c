"""What hosted pages share: the browser's cookies and session, anti-forgery, headers, the way back."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMethodNotAllowed, HTTPRequestEntityTooLarge, HTTPSeeOther
from pyramid.renderers import render
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ...domain.clients import Clients
from ...domain.hashes import hash_of
from ...domain.redirect_uris import form_target
from ...domain.second_step import WITHIN_S as SECOND_STEP_S
from ...domain.sessions import ABSOLUTE, LoggedIn, SessionService
from ...domain.social import NAMES, SocialProviders

# where a page may lead on to: our own paths only, so that no address made elsewhere sends people away
WAYS_BACK = re.compile(
    r"/oauth/authorize\?.*|/login/join\?.*|/(account|email|password|factors)([/?].*)?|/link\?s=[A-Za-z0-9_-]+"
)
WAY_LIMIT = 8000
FORM_COOKIE_S = 86_400
DEVICE_COOKIE_S = 31_536_000
FLOW_COOKIE_S, FLOW_SECRET_MIN = 3600, 43
FORM_LIMIT = 64 * 1024


class Browser:
    """The browser that asks.

    Forms carry a token bound to the session, or before log-in to a cookie of its own (OWASP: signed
    double-submit cookie). Where the public URL is https, cookies are `__Host-`: no other host can set them.

    Args:
        back: the way back, where it is not for the request itself to say it.
    """

    def __init__(self, request: Request, back: str | None = None) -> None:
        if (request.content_length or 0) > FORM_LIMIT:
            raise HTTPRequestEntityTooLarge("The form is too long.")
        settings = request.registry.settings["donkies"]
        self.request = request
        self._back = back
        self.is_https = settings.public_url.startswith("https:")
        self.public_host = urlsplit(settings.public_url).netloc
        prefix = "__Host-" if self.is_https else ""
        self._session_cookie, self._form_cookie = f"{prefix}donkies_session", f"{prefix}donkies_form"
        self._device_cookie, self._second_cookie = f"{prefix}donkies_device", f"{prefix}donkies_second"
        self._flow_cookie = f"{prefix}donkies_social"
        self._new_cookies: list[tuple[str, str, int]] = []
        self._read: tuple[LoggedIn | None] | None = None

    @property
    def session_id(self) -> str | None:
        return self.request.cookies.get(self._session_cookie)

    @property
    def session_hash(self) -> bytes | None:
        """By which the session is known that this browser is in, or was in before it ended."""
        return hash_of(self.session_id) if self.session_id else None

    @property
    def user_agent(self) -> str:
        """What the browser calls itself, without NUL, which no database keeps."""
        return (self.request.user_agent or "").replace("\0", "")

    @property
    def device(self) -> str:
        """The mark of a browser that logged in before; empty when there is none."""
        return self.request.cookies.get(self._device_cookie, "")

    def remember_device(self, mark: str) -> None:
        self._new_cookies.append((self._device_cookie, mark, DEVICE_COOKIE_S))

    @property
    def second_step(self) -> str:
        """The key of the second step that this browser is at; empty when there is none."""
        return self.request.cookies.get(self._second_cookie, "")

    def remember_second_step(self, key: str) -> None:
        self._new_cookies.append((self._second_cookie, key, SECOND_STEP_S if key else 0))

    def logged_in(self) -> LoggedIn | None:
        """Who is logged in here; read once per request."""
        if self._read is None:
            session_id = self.session_id
            found = self.request.services.get(SessionService).read(session_id) if session_id else None
            self._read = (found,)
        return self._read[0]

    def log_in(self, user_id: Any, methods: str = "pwd", *, password_mark: str | None = None) -> None:
        """Begin a session under a new id: one that was planted before is worth nothing (session fixation).

        Args:
            password_mark: of the password that was shown.
        Raises: LoginRefused.
        """
        session_id = self.request.services.get(SessionService).open(
            user_id,
            methods=methods,
            password_mark=password_mark,
            user_agent=self.user_agent,
            replaces=self.session_id,
            login_for=_request_in(self.way_back()) or None,
        )
        self._new_cookies.append((self._session_cookie, session_id, int(ABSOLUTE.total_seconds())))

    def log_out(self) -> None:
        """End the session, and all that was granted in it."""
        if self.session_id:
            self.request.services.get(SessionService).close(self.session_id)
        self.forget_session()

    def forget_session(self) -> None:
        """Take the cookie away, and nothing else."""
        self._new_cookies.append((self._session_cookie, "", 0))

    def begun_before(self) -> str:
        """What this browser shows that it began something by; empty where it began nothing lately."""
        return self.request.cookies.get(self._flow_cookie, "")

    def begun_here(self) -> str:
        """The same for what begins now: of all tabs alike, so that none makes another forget."""
        known = self.begun_before()
        secret = known if len(known) >= FLOW_SECRET_MIN else secrets.token_urlsafe(32)
        self._new_cookies.append((self._flow_cookie, secret, FLOW_COOKIE_S))
        return secret

    def typed(self, name: str) -> str:
        """What was typed into a field; a file in its place counts as nothing, and so does text that holds NUL."""
        value = self.request.POST.get(name, "")
        return value if isinstance(value, str) and "\0" not in value else ""

    def form_token(self) -> str:
        """The anti-forgery field's value, bound to this browser."""
        secret = self.session_id if self.logged_in() else self.request.cookies.get(self._form_cookie)
        if not secret:
            secret = secrets.token_urlsafe(32)
            self._new_cookies.append((self._form_cookie, secret, FORM_COOKIE_S))
        return _form_token(secret)

    def mark(self, text: str) -> str:
        """Shows that this text was given to who is logged in here, and to nobody else."""
        return hmac.digest((self.session_id or "").encode(), f"donkies mark {text}".encode(), hashlib.sha256).hex()

    def form_is_ours(self) -> bool:
        """Whether this POST comes from a form that we gave to this browser."""
        if not self._comes_from_here():
            return False
        sent = self.typed("form_token").encode()
        secrets_ = (self.request.cookies.get(name) for name in (self._session_cookie, self._form_cookie))
        return any(hmac.compare_digest(_form_token(secret).encode(), sent) for secret in secrets_ if secret)

    def _comes_from_here(self) -> bool:
        """Whether the browser says that one of our own pages sent this.

        Pages here are `no-referrer`, for which browsers send `Origin: null`; then Sec-Fetch-Site tells, and
        where that is missing too, the form's token decides alone.
        """
        origin = self.request.headers.get("Origin")
        if origin not in (None, "null") and urlsplit(origin).netloc not in (self.request.host, self.public_host):
            return False
        return self.request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")

    def page(
        self,
        template: str,
        status: int = 200,
        headers: dict[str, str] | None = None,
        *,
        leads_to: str | None = None,
        has_script: bool = False,
        offers_social: bool = False,
        **values: Any,
    ) -> Response:
        """A page, with the headers that all pages have.

        Args:
            leads_to: a checked URI of a client's that the page's form leads to; else it is the way back's.
            has_script: whether a file of ours may run in it and ask this service.
            offers_social: whether it has buttons of the providers, so that forms lead there too.
        """
        if offers_social:
            values["providers"] = {one: NAMES[one] for one in self.request.services.get(SocialProviders).offered}
        values.setdefault("next", self.way_back())
        settings = self.request.registry.settings["donkies"]
        brand = {"colour": settings.brand_colour, "logo": settings.brand_logo}
        values |= {"name": settings.name, "brand": brand, "form_token": self.form_token()}
        body = render(f"donkies.views:templates/{template}.jinja2", values, self.request)
        response = Response(body, status=status, headerlist=[("Content-Type", "text/html; charset=UTF-8")])
        page_headers = self._page_headers(leads_to, has_script, values.get("providers", ()))
        response.headers.update({**page_headers, **(headers or {})})
        return self._with_cookies(response)

    def lead_on(self, path: str = "") -> Response:
        """Go on to a path of ours, by default where this page was reached from; 303, so that no form is sent on.

        Args:
            path: also a URI of a client's, when it was checked.
        """
        response = HTTPSeeOther(location=path or self.way_back() or "/")
        response.headers["Cache-Control"] = "no-store"
        return self._with_cookies(response)

    def way_back(self) -> str:
        """The path that the visitor is to be led back to; empty when there is none, or a strange one."""
        if self._back is not None:
            return self._back
        wanted = self.typed("next") or self.request.GET.get("next", "")
        if len(wanted) > WAY_LIMIT or not WAYS_BACK.fullmatch(wanted) or not wanted.isprintable() or "\\" in wanted:
            return ""
        return wanted

    def client(self) -> tuple[Any, str | None]:
        """The client that the visitor comes from, and the redirect URI, when it is one of the client's."""
        if not (back := self.way_back()).startswith("/oauth/authorize?"):
            return None, None
        query = parse_qs(urlsplit(back).query)
        client = self.request.services.get(Clients).find(query.get("client_id", [""])[0])
        uri = query.get("redirect_uri", [""])[0]
        return client, uri if client and client.accepts_redirect_uri(uri) else None

    def _page_headers(self, leads_to: str | None, has_script: bool, providers: Iterable[str]) -> dict[str, str]:
        scripts = "script-src 'self'; connect-src 'self'; " if has_script else ""
        return {
            "Content-Security-Policy": (
                f"default-src 'none'; style-src 'self'; img-src 'self' data:; {scripts}base-uri 'none'; "
                f"frame-ancestors 'none'{self._form_action(leads_to, providers)}"
            ),
            "Cache-Control": "no-store",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        }

    def _form_action(self, leads_to: str | None, providers: Iterable[str]) -> str:
        """The directive form-action.

        Chromium holds the redirects that follow a form's POST to it as well, so where log-in leads back to a
        client, its registered redirect URI's origin must be in, and so must those of the providers that the page's
        buttons lead to. CSP cannot spell IPv6 hosts; then there is none.
        """
        social = self.request.services.get(SocialProviders) if providers else None
        targets = [target for one in providers for target in social.form_targets(one)]
        if uri := leads_to or self.client()[1]:
            targets.append(form_target(uri))
        return "" if any("[" in one for one in targets) else " ".join(["; form-action 'self'", *targets])

    def _with_cookies(self, response: Response) -> Response:
        for name, value, max_age in self._new_cookies:
            response.set_cookie(
                name, value, max_age=max_age, path="/", httponly=True, secure=self.is_https, samesite="Lax"
            )
        return response


def add_page(config: Configurator, name: str, path: str, *methods: str) -> None:
    """A route that answers these methods only, and 405 to all others."""
    config.add_route(name, path)
    others = tuple({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}.difference(methods))

    def refuse(request: Request) -> Response:
        raise HTTPMethodNotAllowed("This page does not do that.", headers={"Allow": ", ".join(sorted(methods))})

    refuse.refuses = True  # type: ignore[attr-defined]  # no method of the route: see errors.py
    config.add_view(refuse, route_name=name, request_method=others, permission=NO_PERMISSION_REQUIRED)


def _request_in(way_back: str) -> str:
    """The authorization request that a way back leads to in the end."""
    path, _, query = way_back.partition("?")
    return parse_qs(query).get("next", [""])[0] if path == "/login/join" else way_back


def _form_token(secret: str) -> str:
    return hmac.digest(secret.encode(), b"donkies form", hashlib.sha256).hex()
