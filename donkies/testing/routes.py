"""Everything that the application answers, as Pyramid knows it; and requests that no well-kept client sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import quote

from pyramid.security import NO_PERMISSION_REQUIRED
from webob import Request, Response

from .app import DonkiesTestApp


@dataclass(frozen=True, order=True)
class Operation:
    """One method of one route.

    Args:
        pattern: the route's path, as `/v1/accounts/{id}`.
        scope: what a token must have; None where nobody is asked for one.
    """

    pattern: str
    method: str
    scope: str | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.pattern}"


def operations(app: DonkiesTestApp) -> list[Operation]:
    """Each method of each route (HEAD comes with GET), from Pyramid's own records of what was registered."""
    found: set[Operation] = set()
    routes = {entry["introspectable"]["name"]: entry["introspectable"] for entry in _records(app, "routes")}
    for entry in _records(app, "views"):
        view = entry["introspectable"]
        if view["route_name"] is None or getattr(view["callable"], "refuses", False):
            continue
        route = routes[view["route_name"]]
        methods = view["request_methods"] or route["request_methods"]
        if methods is None:
            continue  # Cornice's view for the methods that a service has not
        scopes = [one.title for one in entry["related"] if one.category_name == "permissions"]
        (scope,) = [None if one == NO_PERMISSION_REQUIRED else one for one in scopes]
        for method in [methods] if isinstance(methods, str) else methods:
            pattern = route["pattern"] if route["pattern"].startswith("/") else "/" + route["pattern"]
            found.add(Operation(pattern, method, scope))
    return sorted((one for one in found if one.method != "HEAD"), key=lambda one: (one.pattern, one.method))


def _records(app: DonkiesTestApp, category: str) -> Any:
    return app.app.registry.introspector.get_category(category)


def ask(
    app: DonkiesTestApp,
    method: str,
    path: str,
    *,
    query: str = "",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    **environ: Any,
) -> Response:
    """Ask as a stranger's program may, past all that keeps WebTest's requests well-formed.

    Args:
        path: decoded, in WSGI's spelling: each character is a byte.
        query: as it stands behind the question mark.
        environ: what of the WSGI environment is to be otherwise.
    """
    request = Request.blank("/", method=method)
    request.environ |= {"PATH_INFO": path, "QUERY_STRING": query, "REMOTE_ADDR": "192.0.2.1"}
    for name, value in (headers or {}).items():
        request.headers[name] = value
    if body is not None:
        request.environ |= {"wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    request.environ |= environ
    return request.get_response(app.app)


def query_of(**parameters: str) -> str:
    """A query string, percent-encoded."""
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in parameters.items())
