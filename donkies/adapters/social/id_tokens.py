"""Checks Google's ID tokens against the keys that it publishes."""

from __future__ import annotations

import hmac
import threading
import time
from typing import Any

import jwt

from ...domain.social import ProviderFailed
from ...domain.unit_of_work import Clock
from .calls import ProviderCalls

ALGORITHM = "RS256"
REQUIRED = ["iss", "aud", "exp", "iat", "sub", "nonce"]
LEEWAY_S = 60
OLDEST_S = 24 * 3600  # of an ID token that was fetched just now; Google's live an hour
KEEP_S = 3600


class PublishedKeys:
    """A provider's public keys by their ids, kept for an hour; an unknown id looks them up anew."""

    def __init__(self, calls: ProviderCalls, url: str) -> None:
        self._calls, self._url = calls, url
        self._lock = threading.Lock()
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at = float("-inf")

    def find(self, kid: str) -> jwt.PyJWK:
        """Raises: ProviderFailed."""
        with self._lock:
            if kid not in self._keys or time.monotonic() - self._read_at > KEEP_S:
                self._keys, self._read_at = self._fetch(), time.monotonic()
            if kid not in self._keys:
                raise ProviderFailed("unknown_key")
            return self._keys[kid]

    def _fetch(self) -> dict[str, jwt.PyJWK]:
        answer = self._calls.call("GET", self._url)
        listed = answer.data.get("keys") if answer.status == 200 else None
        if not isinstance(listed, list):
            raise ProviderFailed("no_keys")
        good = [one for one in listed if isinstance(one, dict) and one.get("kty") == "RSA"]
        return {
            one["kid"]: jwt.PyJWK(one, algorithm=ALGORITHM)
            for one in good
            if isinstance(one.get("kid"), str) and one.get("use", "sig") == "sig"
        }


class IdTokenVerifier:
    """Tells whom an ID token is about, or refuses it.

    Args:
        issuer: with `https://`; Google leaves that out at times.
        client_id: ours.
    """

    def __init__(self, keys: PublishedKeys, clock: Clock, *, issuer: str, client_id: str) -> None:
        self._keys, self._clock = keys, clock
        self._issuers = [issuer, issuer.removeprefix("https://")]
        self._client_id = client_id

    def verify(self, token: object, nonce: str) -> dict[str, Any]:
        """The claims of a good token.

        Args:
            nonce: of the request that it answers.
        Raises: ProviderFailed.
        Source: OpenID Connect Core §3.1.3.7, RFC 8725 §3.
        """
        claims = self._decoded(token) if isinstance(token, str) else None
        if claims is None:
            raise ProviderFailed("bad_id_token")
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        if len(audiences) > 1 and "azp" not in claims:
            raise ProviderFailed("wrong_audience")
        if claims.get("azp", self._client_id) != self._client_id:
            raise ProviderFailed("wrong_audience")
        if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise ProviderFailed("wrong_nonce")
        now = self._clock.now().timestamp()
        times = claims["exp"], claims["iat"]
        if not all(isinstance(one, int | float) for one in times) or claims["exp"] <= now - LEEWAY_S:
            raise ProviderFailed("expired")
        if not now - OLDEST_S < claims["iat"] < now + LEEWAY_S:
            raise ProviderFailed("wrong_time")
        return claims

    def _decoded(self, token: str) -> dict[str, Any] | None:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            if not isinstance(kid, str):
                return None
            return jwt.decode(
                token,
                self._keys.find(kid),
                algorithms=[ALGORITHM],  # never the header's own word (RFC 8725 §3.1)
                audience=self._client_id,
                issuer=self._issuers,
                # times are checked above, by the clock that is swapped in tests
                options={"require": REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.PyJWTError:
            return None
