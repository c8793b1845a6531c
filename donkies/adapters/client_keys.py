"""The keys that clients prove themselves with, read by joserfc."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from ..domain.assertions import ALGORITHMS
from ..domain.errors import Invalid

MOST = 10
PUBLIC = {"RSA": ("n", "e"), "EC": ("crv", "x", "y")}
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
# 2048 to 8192 bits, 6 a character: larger ones would only cost time
MODULUS = re.compile(r"[A-Za-z0-9_-]{342,1366}")


class JwkClientKeys:
    """ClientKeys: RSA of 2048 bits and more, and EC on P-256."""

    def read(self, jwks: Mapping[str, Any]) -> Mapping[str, Any]:
        keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
        if not isinstance(keys, list) or not 1 <= len(keys) <= MOST:
            raise Invalid(f'Give a JWK set, {{"keys": [...]}}, of 1 to {MOST} public keys.')
        read = [_read(key, place) for place, key in enumerate(keys, 1)]
        kids = [key["kid"] for key in read if "kid" in key]
        if len(kids) != len(set(kids)):
            raise Invalid("Two keys have the same kid: give each its own.")
        return {"keys": read}


def _read(key: Any, place: int) -> dict[str, Any]:
    kind = key.get("kty") if isinstance(key, dict) else None
    if not isinstance(kind, str) or kind not in ALGORITHMS:
        raise Invalid(f"Key {place}: use kty RSA or EC; a shared secret (oct) proves nothing that a secret would not.")
    if PRIVATE.intersection(key):
        raise Invalid(
            f"Key {place} holds its private half: keep that to yourself; others may have seen it, so make a new one."
        )
    if key.get("use", "sig") != "sig" or key.get("alg", ALGORITHMS[kind][0]) not in ALGORITHMS[kind]:
        raise Invalid(f"Key {place}: use must be sig and alg one of {', '.join(ALGORITHMS[kind])}, or leave them out.")
    if not isinstance(key.get("kid", ""), str) or len(key.get("kid", "x")) not in range(1, 201):
        raise Invalid(f"Key {place}: a kid is a text of 1 to 200 characters.")
    public = {name: key.get(name) for name in PUBLIC[kind]}
    if kind == "RSA" and not _is_long_enough(str(public["n"])):
        raise Invalid(f"Key {place}: an RSA key must have 2048 to 8192 bits.")
    if kind == "EC" and public["crv"] != "P-256":
        raise Invalid(f"Key {place}: an EC key must be on the curve P-256.")
    try:
        JWKRegistry.import_key({"kty": kind, **public})
    except (JoseError, ValueError, TypeError):
        raise Invalid(f"Key {place} cannot be read: see RFC 7518 section 6 for its members.") from None
    return {"kty": kind, **{name: key[name] for name in ("kid", "use", "alg") if name in key}, **public}


def _is_long_enough(modulus: str) -> bool:
    if not MODULUS.fullmatch(modulus):
        return False
    return int.from_bytes(base64.urlsafe_b64decode(modulus + "==")).bit_length() >= 2048
