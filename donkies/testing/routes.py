"""Everything that the application answers, as Pyramid knows it; and requests that no well-kept client sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import quote

from webob import Request, Response

from ..views.openapi.routes import served
from .app import DonkiesTestApp
from .documented import documented, schemas_read


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
    found = {Operation(one.path, one.method, one.scope) for one in served(app.app.registry)}
    return sorted(found, key=lambda one: (one.pattern, one.method))


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
    with schemas_read() as schemas:
        response = request.get_response(app.app)
    documented(app.app.registry).check(method, path, response, schemas)
    return response


def query_of(**parameters: str) -> str:
    """A query string, percent-encoded."""
    return "&".join(f"{quote(name)}={quote(value)}" for name, value in parameters.items())
