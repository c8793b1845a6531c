"""Requests that no view could read: refused before anything looks at them, as a problem document.

Paths and queries that are no UTF-8 or hold NUL (PostgreSQL keeps no NUL), lengths that are no numbers, bodies
longer than any schema wants, and multipart forms, which nothing here takes. Runs on each request, so it is short.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.response import Response
from pyramid.tweens import EXCVIEW

from .api.schemas import BODY_LIMIT
from .errors import problem

Handler = Callable[[Request], Response]

# a server sets it in the environment of a request whose body did not come in time
INCOMPLETE = "donkies.incomplete"

# these answer in OAuth's own shape (RFC 6749 §5.2)
FORMS_OF_OAUTH = frozenset({"/oauth/token", "/oauth/revoke", "/oauth/introspect"})


def guard_tween_factory(handler: Handler, registry: Registry) -> Handler:
    """The tween inside of CORS, so that a front end can read these answers too."""

    def guard_tween(request: Request) -> Response:
        return _refusal(request.environ) or handler(request)

    return guard_tween


def _refusal(environ: dict[str, Any]) -> Response | None:
    path, query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
    if not path.isascii() or "\0" in path:
        try:
            readable = "\0" not in path.encode("latin-1").decode()  # WSGI's spelling of bytes (PEP 3333)
        except UnicodeError:
            readable = False
        if not readable:
            return problem(400, "malformed_path", "The path is not UTF-8, or holds NUL.")
    if query and not (query.isalnum() and query.isascii()) and not _is_text(query):
        return problem(400, "malformed_query", "The query is not UTF-8, or holds NUL.")
    if INCOMPLETE in environ:
        return problem(408, "body_too_slow", "The body did not come in time; send it faster.")
    length = environ.get("CONTENT_LENGTH")
    if length or "wsgi.input_terminated" in environ:
        return _refused_body(environ, length or "")
    return None


def _is_text(query: str) -> bool:
    try:
        return b"\0" not in unquote_to_bytes(query.encode("latin-1")).decode().encode()
    except UnicodeError:
        return False


def _refused_body(environ: dict[str, Any], length: str) -> Response | None:
    if length:
        if not (length.isascii() and length.isdigit()):
            return problem(400, "malformed_length", "Content-Length is not a number.")
        too_long = len(length) > 9 or int(length) > BODY_LIMIT
    else:  # chunked: how long it is shows when it is read, so no more of it is read than is allowed
        body = environ["wsgi.input"].read(BODY_LIMIT + 1)
        too_long = len(body) > BODY_LIMIT
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = BytesIO(body), str(len(body))
    if too_long:
        return problem(413, "request_entity_too_large", f"The body may have at most {BODY_LIMIT} bytes.")
    content_type = environ.get("CONTENT_TYPE", "")
    if content_type[:10].lower() == "multipart/" and environ.get("PATH_INFO") not in FORMS_OF_OAUTH:
        return problem(415, "unsupported_media_type", "Nothing here takes multipart bodies.")
    return None


def includeme(config: Configurator) -> None:
    config.add_tween(
        "donkies.views.guard.guard_tween_factory", under="donkies.views.edge.edge_tween_factory", over=EXCVIEW
    )
