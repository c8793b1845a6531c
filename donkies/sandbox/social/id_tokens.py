"""Google's ID tokens, and what can be wrong with one. Source: OpenID Connect Core §2, §3.1.3.6."""

import base64
import functools
import hashlib
import json
from typing import Any, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

ID_TOKEN_LIFETIME_S = 3600
_ALGORITHM = "RS256"


class _SigningKey(NamedTuple):
    kid: str
    private: rsa.RSAPrivateKey
    jwk: dict[str, Any]


@functools.cache
def _signing_key() -> _SigningKey:
    """Make the key at its first use: most sandboxes never sign. A new one has a new name, so caches notice."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = json.loads(RSAAlgorithm.to_jwk(private.public_key()))
    kid = hashlib.sha256(jwk["n"].encode()).hexdigest()[:40]
    jwk = {"kty": "RSA", "use": "sig", "alg": _ALGORITHM, "kid": kid, "n": jwk["n"], "e": jwk["e"]}
    return _SigningKey(kid, private, jwk)


def public_keys() -> dict[str, Any]:
    """Build the JWK set."""
    return {"keys": [_signing_key().jwk]}


def sign(claims: dict[str, Any], now: float, fault: str | None) -> str:
    """Sign an ID token that is an hour valid, or make one that must be refused.

    Args: fault, one of `wrong_nonce`, `wrong_aud`, `wrong_iss`, `expired`, `alg_none`, `bad_signature`.
    """
    issued_at = int(now) - (2 * ID_TOKEN_LIFETIME_S if fault == "expired" else 0)
    claims = {**claims, **_wrong(fault), "iat": issued_at, "exp": issued_at + ID_TOKEN_LIFETIME_S}
    if fault == "alg_none":
        return jwt.encode(claims, None, algorithm="none")
    key = _signing_key()
    token = jwt.encode(claims, key.private, algorithm=_ALGORITHM, headers={"kid": key.kid})
    return _spoilt(token) if fault == "bad_signature" else token


def at_hash(access_token: str) -> str:
    """Spell the left half of an access token's SHA-256. Source: OpenID Connect Core §3.1.3.6."""
    half = hashlib.sha256(access_token.encode()).digest()[:16]
    return base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def _wrong(fault: str | None) -> dict[str, str]:
    wrongs = {
        "wrong_nonce": {"nonce": "of-another-sign-in"},
        "wrong_aud": {"aud": "another-app"},
        "wrong_iss": {"iss": "https://accounts.invalid"},
    }
    return wrongs.get(fault or "", {})


def _spoilt(token: str) -> str:
    """Turn the signature's first letter into another: the form stays right."""
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
