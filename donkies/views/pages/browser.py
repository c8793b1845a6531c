"""What hosted pages share: the browser's cookies and session, anti-forgery, headers, the way back."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPMethodNotAllowed, HTTPRequestEntityTooLarge, HTTPSeeOther
from pyramid.renderers import render
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ...domain.clients import Clients, uri_origin
from ...domain.sessions import ABSOLUTE, LoggedIn, SessionService

# where a page may lead on to: our own paths only, so that no address made elsewhere sends people away
WAYS_BACK = ("/oauth/authorize?", "/account")
FORM_COOKIE_S = 86_400
DEVICE_COOKIE_S = 31_536_000
FORM_LIMIT = 64 * 1024


class Browser:
    """The browser that asks.

    Forms carry a token bound to the session, or before log-in to a cookie of its own (OWASP: signed
    double-submit cookie). Where the public URL is https, cookies are `__Host-`: no other host can set them.
    """

    def __init__(self, request: Request) -> None:
        if (request.content_length or 0) > FORM_LIMIT:
            raise HTTPRequestEntityTooLarge("The form is too long.")
        settings = request.registry.settings["donkies"]
        self.request = request
        self.is_https = settings.public_url.startswith("https:")
        self.public_host = urlsplit(settings.public_url).netloc
        prefix = "__Host-" if self.is_https else ""
        self._session_cookie, self._form_cookie = f"{prefix}donkies_session", f"{prefix}donkies_form"
        self._device_cookie = f"{prefix}donkies_device"
        self._new_cookies: list[tuple[str, str, int]] = []
        self._read: tuple[LoggedIn | None] | None = None

    @property
    def session_id(self) -> str | None:
        return self.request.cookies.get(self._session_cookie)

    @property
    def device(self) -> str:
        """The mark of a browser that logged in before; empty when there is none."""
        return self.request.cookies.get(self._device_cookie, "")

    def remember_device(self, mark: str) -> None:
        self._new_cookies.append((self._device_cookie, mark, DEVICE_COOKIE_S))

    def logged_in(self) -> LoggedIn | None:
        """Who is logged in here; read once per request."""
        if self._read is None:
            session_id = self.session_id
            found = self.request.services.get(SessionService).read(session_id) if session_id else None
            self._read = (found,)
        return self._read[0]

    def log_in(self, user_id: Any, methods: str = "pwd") -> None:
        """Begin a session under a new id: one that was planted before is worth nothing (session fixation)."""
        session_id = self.request.services.get(SessionService).open(
            user_id,
            methods=methods,
            user_agent=(self.request.user_agent or "").replace("\0", ""),
            replaces=self.session_id,
        )
        self._new_cookies.append((self._session_cookie, session_id, int(ABSOLUTE.total_seconds())))

    def log_out(self) -> None:
        if self.session_id:
            self.request.services.get(SessionService).close(self.session_id)
        self._new_cookies.append((self._session_cookie, "", 0))

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

    def page(self, template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
        """A page, with the headers that all pages have."""
        values.setdefault("next", self.way_back())
        values |= {"name": self.request.registry.settings["donkies"].name, "form_token": self.form_token()}
        body = render(f"donkies.views:templates/{template}.jinja2", values, self.request)
        response = Response(body, status=status, headerlist=[("Content-Type", "text/html; charset=UTF-8")])
        response.headers.update({**self._page_headers(), **(headers or {})})
        return self._with_cookies(response)

    def lead_on(self, path: str = "") -> Response:
        """Go on to a path of ours, by default where this page was reached from; 303, so that no form is sent on."""
        response = HTTPSeeOther(location=path or self.way_back() or "/")
        response.headers["Cache-Control"] = "no-store"
        return self._with_cookies(response)

    def way_back(self) -> str:
        """The path that the visitor is to be led back to; empty when there is none, or a strange one."""
        wanted = self.typed("next") or self.request.GET.get("next", "")
        if len(wanted) > 8000 or not wanted.startswith(WAYS_BACK) or not wanted.isprintable() or "\\" in wanted:
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

    def _page_headers(self) -> dict[str, str]:
        return {
            "Content-Security-Policy": (
                "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
                f"frame-ancestors 'none'{self._form_action()}"
            ),
            "Cache-Control": "no-store",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Frame-Options": "DENY",
        }

    def _form_action(self) -> str:
        """The directive form-action.

        Chromium holds the redirects that follow a form's POST to it as well, so where log-in leads back to a
        client, its registered redirect URI's origin must be in. CSP cannot spell IPv6 hosts; then there is none.
        """
        _, uri = self.client()
        if uri is None:
            return "; form-action 'self'"
        target = uri_origin(uri) or f"{urlsplit(uri).scheme}:"
        return "" if "[" in target else f"; form-action 'self' {target}"

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


def _form_token(secret: str) -> str:
    return hmac.digest(secret.encode(), b"donkies form", hashlib.sha256).hex()
