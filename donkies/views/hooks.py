"""/hooks/mx: MX's webhooks. They only bring a look at MX forward; what they say besides is not believed.

MX signs nothing: HTTP Basic over TLS is what it offers (ATRIUM.md 5).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

import orjson
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ..domain.hints import HintService
from ..domain.link_store import MemberHint
from .errors import problem

HOOK_LIMIT = 64 * 1024  # bytes; MX's own are below two thousand
GUID_LIMIT = 100  # characters


def take_hook(request: Request) -> Response:
    """Answered at once with 204, whether it is about anything of ours or not: only MX need know."""
    settings = request.registry.settings["donkies"]
    password = settings.hooks_password.get_secret_value()
    if not (settings.hooks_user and password):
        return problem(404, "not_found", "No webhooks are taken here: see donkies.hooks.user.")
    given = _basic(request.environ.get("HTTP_AUTHORIZATION", ""))
    if not hmac.compare_digest(given, f"{settings.hooks_user}:{password}".encode()):
        asked = {"WWW-Authenticate": 'Basic realm="hooks", charset="UTF-8"'}
        return problem(401, "wrong_login", "The webhook's user name or password is wrong or missing.", asked)
    if request.content_length is not None and request.content_length > HOOK_LIMIT:
        return problem(413, "request_entity_too_large", f"A webhook may have at most {HOOK_LIMIT} bytes.")
    try:
        told = orjson.loads(request.body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return problem(400, "malformed_json", "The body is not a JSON object.")
    if hint := _hint(told):
        request.services.get(HintService).take(hint)
    return Response(status=204, headers={"Cache-Control": "no-store"})


def _basic(header: str) -> bytes:
    """`user:password` (RFC 7617 §2); nothing where there is none to read."""
    kind, _, text = header.partition(" ")
    try:
        return base64.b64decode(text.strip(), validate=True) if kind.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return b""


def _hint(told: Mapping[str, Any]) -> MemberHint | None:
    """Which member an event is about; None for one that names none."""
    # some kinds carry the member or the transaction that they are about under its name
    for about in (told, *(one for one in told.values() if isinstance(one, dict))):
        guid, own = _text(about, "member_guid"), _text(about, "guid")
        if member := guid or (own if own.startswith("MBR-") else ""):
            owner = _text(about, "user_guid") or _text(told, "user_guid")
            return MemberHint(member, owner or None, is_changed=own.startswith("TRN-"))
    return None


def _text(about: Mapping[str, Any], name: str) -> str:
    value = about.get(name)
    return value if isinstance(value, str) and len(value) <= GUID_LIMIT else ""


def includeme(config: Configurator) -> None:
    config.add_route("mx_hook", "/hooks/mx", request_method="POST")
    config.add_view(take_hook, route_name="mx_hook", permission=NO_PERMISSION_REQUIRED)
