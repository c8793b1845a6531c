"""What every request passes: faults, keys, `Accept`, the log, MX's response headers.

Source: ATRIUM.md 1.2, 1.3, 8.1; DESIGN.md 11.
"""

import hmac
import re
import time
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import unquote_plus

import orjson
from pyramid.request import Request
from pyramid.response import Response
from waitress.channel import ClientDisconnected

from .faults import Fault, is_beside_mx, is_social
from .wire import JSON_CONTENT_TYPE, VENDOR_CONTENT_TYPE, Refusal, accepts_version_1, json_response
from .world import World

PREFIX = "/atrium"
CONTROL_PREFIX = "/_sandbox"
_HTML = b"<html>\n<head><title>502 Bad Gateway</title></head>\n<body><h1>502 Bad Gateway</h1></body>\n</html>\n"
_NEVER_NULL = re.compile(r"guid$|^(amount|code|date|institution_code|type|status|connection_status|is_|has_)")
# What the log leaves out of the pretended providers' queries: secrets, and what stands for a sign-in or a person.
_HIDDEN = {
    "access_token", "appsecret_proof", "client_secret", "code", "code_challenge", "code_verifier", "id_token",
    "id_token_hint", "input_token", "login_hint", "nonce", "refresh_token", "state", "token",
}  # fmt: skip
_MESSAGES = {
    429: "Too many requests",
    500: "Internal server error",
    502: "Bad gateway",
    503: "Service unavailable",
    504: "Gateway timeout",
}


def gate_factory(handler: Callable, registry: object) -> Callable:
    """Build the tween that stands before all views."""
    world: World = registry.world  # type: ignore[attr-defined]

    def gate(request: Request) -> Response:
        path, era = request.environ["PATH_INFO"], world.log.era
        if path.startswith(CONTROL_PREFIX):
            response = handler(request)
        elif path.startswith(PREFIX + "/"):
            response = _atrium(world, handler, request, path.removeprefix(PREFIX))
            _log(world, request, path, response.status_int, era)
        elif is_beside_mx(path):
            response = _beside_mx(world, handler, request, path)
            _log(world, request, path, response.status_int, era)
        else:
            response = handler(request)
            _log(world, request, path, response.status_int, era)
        world.flush()
        return response

    return gate


def _log(world: World, request: Request, path: str, status: int, era: int) -> None:
    # The log tells real time: whoever reads it asks how often something was called, and a moved
    # clock would spoil the answer.
    query = _without_secrets(request.query_string) if is_social(path) else request.query_string
    world.log.add(request.method, path, query, status, time.time(), era)


def _without_secrets(query: str) -> str:
    parts = (part.partition("=") for part in re.split("[&;]", query))
    return "&".join(
        f"{name}=…" if unquote_plus(name) in _HIDDEN else name + joint + value for name, joint, value in parts
    )


def _atrium(world: World, handler: Callable, request: Request, path: str) -> Response:
    started = time.perf_counter()
    fault = world.faults.strike(request.method, path)
    request.fault = fault.kind if fault else None
    response = _with_fault(world, fault, lambda: _refused(world, request) or handler(request), VENDOR_CONTENT_TYPE)
    response.headers["X-Request-Id"] = uuid.uuid4().hex
    response.headers["X-Runtime"] = f"{time.perf_counter() - started:.6f}"
    response.headers["Cache-Control"] = "max-age=0, private, must-revalidate"
    return response


def _beside_mx(world: World, handler: Callable, request: Request, path: str) -> Response:
    fault = world.faults.strike(request.method, path) or world.social.outage(path)
    return _with_fault(world, fault, lambda: handler(request), JSON_CONTENT_TYPE)


def _with_fault(world: World, fault: Fault | None, work: Callable[[], Response], content_type: str) -> Response:
    """Answer, with the fault striking before the work or after it. Args: content_type, of the service's JSON."""
    if fault is None:
        return work()
    if fault.when == "before":
        return _replaced(world, fault, None, content_type) or work()
    response = work()
    return _replaced(world, fault, response, content_type) or response


def _refused(world: World, request: Request) -> Response | None:
    key, client_id = request.headers.get("MX-API-Key", ""), request.headers.get("MX-Client-ID", "")
    if not (_fits(key, world.limits.api_key) and _fits(client_id, world.limits.client_id)):
        return json_response(Refusal(401, "MX-API-Key or MX-Client-ID is missing or wrong").body(), 401)
    if not accepts_version_1(request.headers.get("Accept")):
        return json_response(Refusal(406, "Accept names no version that is served").body(), 406)
    return None


def _fits(given: str, wanted: str | None) -> bool:
    if wanted is None:
        return bool(given)
    return hmac.compare_digest(given.encode(), wanted.encode())


def _replaced(world: World, fault: Fault, response: Response | None, content_type: str) -> Response | None:
    """Wait if the fault says so, and build the answer it puts in the place of the right one, if it does."""
    if fault.delay_s:
        world.stopping.wait(fault.delay_s)
    if fault.kind == "status" and fault.status is not None:
        message = _MESSAGES.get(fault.status, "Fault on request")
        failed = json_response(Refusal(fault.status, message).body(), fault.status, content_type)
        if fault.retry_after is not None:
            failed.headers["Retry-After"] = str(fault.retry_after)
        return failed
    if fault.kind == "html":
        return Response(
            body=_HTML, status=fault.status or 502, headerlist=[("Content-Type", "text/html; charset=utf-8")]
        )
    body = response.body if response is not None and response.body else b'{"member":{"guid":"MBR-'
    if fault.kind == "garbage":
        garbled = body[: max(1, len(body) // 2)] + b"\x00]}<"
        return Response(body=garbled, status=fault.status or 200, headerlist=[("Content-Type", content_type)])
    if fault.kind == "cut":
        return _cut(body, content_type)
    if fault.kind in ("extra_fields", "null_fields") and response is not None and response.body:
        return _altered(response, fault.kind)
    return None


def _altered(response: Response, kind: str) -> Response:
    """Put keys that nobody knows into an answer, or null where MX may send null."""
    body = orjson.loads(response.body)
    for name, value in body.items():
        if name in ("pagination", "error"):
            continue
        for shown in value if isinstance(value, list) else [value]:
            if kind == "extra_fields":
                shown["invented_later"] = {"nested": [1, None, "text"]}
            else:
                shown.update({key: None for key in shown if not _NEVER_NULL.search(key)})
    response.body = orjson.dumps(body)
    return response


def _cut(body: bytes, content_type: str) -> Response:
    """Announce a body and send only its beginning, then hang up."""

    def beginning() -> Iterator[bytes]:
        yield body[: max(1, len(body) // 2)]
        # Waitress's own sign that nobody listens: it closes the connection and logs no error.
        raise ClientDisconnected

    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    return Response(app_iter=beginning(), status=200, headerlist=headers)
