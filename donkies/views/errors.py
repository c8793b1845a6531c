"""Every refusal in one shape: RFC 9457 `application/problem+json` with a stable `code`."""

from __future__ import annotations

from typing import Any

import orjson
import structlog
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPException, HTTPNotFound
from pyramid.interfaces import IRoutesMapper
from pyramid.request import Request
from pyramid.response import Response
from webob.request import DisconnectionError

from ..domain import aggregator, errors, feed, link_sessions, tracing
from .pages.home import error_page

log = structlog.get_logger(__name__)

# The first family that fits wins, so the special ones come first.
STATUSES: tuple[tuple[type[errors.DomainError], int], ...] = (
    (errors.NotFound, 404),
    (errors.Invalid, 422),
    (errors.Conflict, 409),
    (errors.Forbidden, 403),
    (errors.TooMany, 429),
    (errors.Unavailable, 503),
    (errors.LeaseLost, 409),
    (link_sessions.LinkSessionOver, 410),
    (feed.CursorExpired, 410),
    (link_sessions.LogInFirst, 401),
    (aggregator.MemberGone, 404),
    (aggregator.MemberExists, 409),
    (aggregator.AggregatorError, 503),
)


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None, **members: Any) -> Response:
    """A problem document.

    Args:
        code: stable word for programs; also the end of `type`.
        detail: what was wrong and what to do.
        members: further members, JSON-ready.
    Source: RFC 9457 §3.
    """
    body = {"type": f"urn:donkies:error:{code}", "status": status, "code": code, "detail": detail, **members}
    if request_id := tracing.current().get("request_id"):
        body["request_id"] = request_id
    response = Response(orjson.dumps(body), status=status, content_type="application/problem+json")
    response.headers.update({"Cache-Control": "no-store", **(headers or {})})
    return response


def refused(error: errors.DomainError, request: Request) -> Response:
    """A refusal of the domain's."""
    status = next((status for family, status in STATUSES if isinstance(error, family)), 400)
    headers, members = {}, dict(error.extra)
    if retry_after := getattr(error, "retry_after_s", 5 if status == 503 else None):
        headers["Retry-After"] = str(max(1, round(retry_after)))
    if isinstance(error, errors.Invalid) and error.fields:
        members["errors"] = [{"field": field, "detail": detail} for field, detail in error.fields.items()]
    return problem(status, error.code, error.detail, headers, **members)


def not_found(error: HTTPNotFound, request: Request) -> Response:
    if allowed := _methods_at(request):
        return problem(405, "method_not_allowed", _unused(request), {"Allow": ", ".join(sorted(allowed))})
    if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        return error_page(request, 404, "There is nothing here", "Check the address, or start again from the top.")
    return problem(404, "not_found", f"There is nothing at {request.path}.")


def http_error(error: HTTPException, request: Request) -> Response:
    """What Pyramid and Cornice refuse themselves: unknown methods, content types, …"""
    if error.status_int < 400:
        return error
    code = error.title.lower().replace(" ", "_")
    kept = {name: error.headers[name] for name in ("Allow", "Accept", "WWW-Authenticate") if name in error.headers}
    detail = _unused(request) if error.status_int == 405 else error.detail or error.explanation.strip()
    return problem(error.status_int, code, detail, kept)


def cut_short(error: DisconnectionError, request: Request) -> Response:
    """The client went away before it had sent its body; whoever sits between may still want an answer."""
    return problem(400, "incomplete_body", "The body is shorter than its Content-Length says.")


def _unused(request: Request) -> str:
    return f"{request.method[:20]} does nothing here; see Allow for what does."


def _methods_at(request: Request) -> set[str]:
    """The methods that the path's routes answer, where this one is not among them; else nothing."""
    registry, allowed = request.registry, set[str]()
    for route in registry.getUtility(IRoutesMapper).get_routes():
        if route.match(request.path_info) is not None:
            known = registry.introspector.get("routes", route.name)
            allowed.update((known and known["request_methods"]) or _methods_of_views(registry, route.name))
    if "GET" in allowed:
        allowed.add("HEAD")  # which Pyramid answers where it answers GET
    return set() if request.method in allowed else allowed


def _methods_of_views(registry: Any, route_name: str) -> set[str]:
    views = [entry["introspectable"] for entry in registry.introspector.get_category("views")]
    ours = [view for view in views if view["route_name"] == route_name]
    methods = [view["request_methods"] for view in ours if not getattr(view["callable"], "refuses", False)]
    return {name for each in methods if each for name in ([each] if isinstance(each, str) else each)}


def unexpected(error: Exception, request: Request) -> Response:
    """A fault of ours: logged with its trace, answered without."""
    log.error("unexpected_error", exc_info=error, path=request.path, method=request.method)
    return problem(500, "internal_error", "Something went wrong on our side; it has been logged.")


def includeme(config: Configurator) -> None:
    config.add_exception_view(refused, context=errors.DomainError)
    config.add_exception_view(http_error, context=HTTPException)
    config.add_notfound_view(not_found)
    config.add_exception_view(cut_short, context=DisconnectionError)
    config.add_exception_view(unexpected, context=Exception)
