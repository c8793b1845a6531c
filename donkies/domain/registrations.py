"""What can be registered of a client, and its checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from .redirect_uris import LOOPBACK_LITERALS, bad_uri, is_origin, is_plain_http
from .tokens import CLIENT_SCOPES, SCOPES, TRUSTED_SCOPES

ClientType = Literal["public", "confidential"]
SigningAlgorithm = Literal["RS256", "ES256"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What somebody wants to register; not checked yet."""

    name: str
    type: ClientType
    redirect_uris: Sequence[str] = ()
    origins: Sequence[str] = ()
    scopes: Sequence[str] = ()
    post_logout_redirect_uris: Sequence[str] = ()
    is_trusted: bool = False
    is_native: bool = False
    jwks: Mapping[str, Any] | None = None
    id_token_alg: SigningAlgorithm = "RS256"  # noqa: S105 - an algorithm


class Changes(TypedDict, total=False):
    """What can be changed of a registration; what is not given stays as it is. The type never changes."""

    name: str
    redirect_uris: Sequence[str]
    origins: Sequence[str]
    scopes: Sequence[str]
    post_logout_redirect_uris: Sequence[str]
    is_trusted: bool
    is_native: bool
    jwks: Mapping[str, Any]
    id_token_alg: SigningAlgorithm


def find_problems(wanted: Registration, *, is_production: bool) -> dict[str, str]:
    """Every bad field with what is wrong with it; the keys themselves are for ClientKeys to read."""
    return _bad_anywhere(wanted) | (_bad_in_production(wanted) if is_production else {})


def _bad_anywhere(wanted: Registration) -> dict[str, str]:
    bad = {}
    if not 1 <= len(wanted.name.strip()) <= 100 or not wanted.name.isprintable():
        bad["name"] = "Give a name of 1 to 100 printable characters; people will see it."
    if wanted.type not in ("public", "confidential"):
        bad["type"] = "Use public or confidential."
    if wanted.is_native and wanted.type != "public":
        bad["type"] = "A native client is public: a secret shipped in an app proves nothing."
    if wanted.jwks is not None and wanted.type != "confidential":
        bad["jwks"] = "Only a confidential client proves itself by keys."
    if wanted.id_token_alg not in ("RS256", "ES256"):
        bad["id_token_alg"] = "Use RS256 or ES256."  # noqa: S105 - an algorithm
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        given = getattr(wanted, name)
        problems = [f"{uri}: {why}" for uri in given if (why := bad_uri(uri, is_native=wanted.is_native))]
        if problems:
            bad[name] = " ".join(problems)
    if wrong := [origin for origin in wanted.origins if not is_origin(origin)]:
        bad["origins"] = f"{', '.join(wrong)}: give scheme, host and port only, https or http on loopback."
    bad |= _bad_scopes(wanted)
    personal = set(wanted.scopes) - CLIENT_SCOPES
    if not wanted.redirect_uris and (personal or wanted.type == "public"):
        bad.setdefault("redirect_uris", "Give at least one: people have to be sent back somewhere.")
    return bad


def _bad_in_production(wanted: Registration) -> dict[str, str]:
    bad = {}
    hosts = LOOPBACK_LITERALS if wanted.is_native else ()
    for name in ("redirect_uris", "post_logout_redirect_uris", "origins"):
        if wrong := [uri for uri in getattr(wanted, name) if is_plain_http(uri, but=hosts)]:
            bad[name] = f"{', '.join(wrong)}: in production only https; native apps may use http://127.0.0.1 too."
    if wanted.is_native and wanted.is_trusted:
        bad["is_trusted"] = "In production a native client is never trusted."
    return bad


def _bad_scopes(wanted: Registration) -> dict[str, str]:
    if unknown := sorted(set(wanted.scopes) - set(SCOPES)):
        return {"scopes": f"{', '.join(unknown)}: there is no such scope; there are {', '.join(SCOPES)}."}
    if not wanted.is_trusted and (needs_trust := sorted(TRUSTED_SCOPES.intersection(wanted.scopes))):
        return {"scopes": f"{', '.join(needs_trust)}: only for trusted clients."}
    if wanted.type == "public" and CLIENT_SCOPES.intersection(wanted.scopes):
        return {"scopes": f"{', '.join(sorted(CLIENT_SCOPES))}: only for confidential clients."}
    return {}
