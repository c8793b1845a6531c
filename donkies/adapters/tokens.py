"""Access and ID tokens by pyramid_jwt and PyJWT; what was revoked; refresh tokens sealed under one another."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pyramid_jwt.policy import JWTAuthenticationPolicy
from sqlalchemy import Engine, String, cast, select, union_all
from sqlalchemy.exc import SQLAlchemyError

from ..domain.errors import Unavailable
from ..domain.ids import new_id
from ..domain.tokens import ACCESS_TOKEN_S, CLIENT_TOKENS_LATE_S, InvalidToken, TokenClaims
from ..domain.unit_of_work import Clock
from .persistence.tables.identity import revoked_access_tokens, token_families
from .persistence.types import database_now
from .signing_keys import ID_TOKEN_S, SigningKeys

log = structlog.get_logger(__name__)

LEEWAY_S = 5
REQUIRED = ["iss", "aud", "exp", "sub", "client_id", "iat", "jti"]


class AccessTokenPolicy(JWTAuthenticationPolicy):  # type: ignore[misc]
    """pyramid_jwt's policy, mended to make and take RFC 9068 tokens.

    The original sets no header, uses `utcnow`, and when decoding ignores `typ`, `iss` and key ids.
    """

    def __init__(self, keys: SigningKeys, clock: Clock, *, issuer: str, audience: str) -> None:
        super().__init__(None, algorithm="RS256", expiration=ACCESS_TOKEN_S, auth_type="Bearer", audience=audience)
        self.default_claims = {"iss": issuer}
        self._keys = keys
        self._clock = clock

    def create_token(
        self, principal: str, expiration: timedelta | None = None, audience: str | None = None, **claims: Any
    ) -> str:
        key, now = self._keys.current(), int(self._clock.now().timestamp())
        payload = {
            **self.default_claims,
            **claims,
            "sub": principal,
            "aud": audience or self.audience,
            "iat": now,
            "exp": now + int((expiration or self.expiration).total_seconds()),
        }
        return jwt.encode(payload, key.private, key.algorithm, {"typ": "at+jwt", "kid": key.kid})

    def jwt_decode(self, request: Any, token: str) -> dict[str, Any]:
        """The claims of a good token.

        Args:
            request: not used; kept so that the signature stays pyramid_jwt's.
        Raises: InvalidToken.
        Source: RFC 9068 §4, RFC 8725 §3.
        """
        try:
            header = jwt.get_unverified_header(token)
            kid, public = header.get("kid"), None
            if str(header.get("typ")).lower() in ("at+jwt", "application/at+jwt") and isinstance(kid, str):
                public = self._keys.public(kid, self.algorithm)
            if public is None:
                raise InvalidToken("This is no access token of this service.")
            claims = jwt.decode(
                token,
                public,
                algorithms=[self.algorithm],  # never the header's own word (RFC 8725 §3.1)
                audience=self.audience,
                issuer=self.default_claims["iss"],
                # times are checked below, by the clock that is swapped in tests
                options={"require": REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except jwt.InvalidTokenError:
            raise InvalidToken("This is no access token of this service.") from None
        now = self._clock.now().timestamp()
        if not isinstance(claims["exp"], int) or claims["exp"] <= now:
            raise InvalidToken("The access token has expired: refresh it.")
        if not isinstance(claims["iat"], int) or claims["iat"] > now + LEEWAY_S:
            raise InvalidToken("The access token is from the future.")
        return claims

    def knows(self, kid: str) -> bool:
        """Whether a key is still good for access tokens; one that leaked is gone."""
        return self._keys.public(kid, self.algorithm) is not None


class JwtAccessTokens:
    """AccessTokens: signed once, checked without the database, remembered until they expire.

    Args:
        keep: how many verified tokens are remembered; the oldest half is dropped when it is reached.
    """

    expires_in_s = ACCESS_TOKEN_S

    def __init__(self, policy: AccessTokenPolicy, revoked: RevokedGrants, clock: Clock, *, keep: int = 10_000) -> None:
        self._policy = policy
        self._revoked = revoked
        self._clock = clock
        self._keep = keep
        # the key is a hash, so that a memory dump holds no token
        self._verified: dict[bytes, tuple[str, TokenClaims]] = {}

    def mint(
        self,
        *,
        sub: str,
        client_id: str,
        scopes: tuple[str, ...],
        sid: UUID | None = None,
        auth_time: datetime | None = None,
    ) -> str:
        claims: dict[str, Any] = {"client_id": client_id, "scope": " ".join(scopes), "jti": str(new_id())}
        if sid is not None:
            claims["sid"] = str(sid)
        if auth_time is not None:
            claims["auth_time"] = int(auth_time.timestamp())
        return self._policy.create_token(sub, **claims)

    def verify(self, token: str) -> TokenClaims:
        digest = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(digest)
        if known is None:
            claims = _read_claims(self._policy.jwt_decode(None, token))
            self._remember(digest, jwt.get_unverified_header(token)["kid"], claims)
        else:
            kid, claims = known
            if claims.exp <= self._clock.now().timestamp():
                self._verified.pop(digest, None)
                raise InvalidToken("The access token has expired: refresh it.")
            if not self._policy.knows(kid):
                self._verified.pop(digest, None)
                raise InvalidToken("The access token's key was withdrawn: refresh it.")
        # a client that was deleted or lost a scope: its own tokens have no family
        if self._revoked.holds(claims.sid or claims.jti) or (
            claims.sid is None and self._revoked.holds(claims.client_id, issued_at=claims.iat)
        ):
            raise InvalidToken("The access token was revoked.")
        return claims

    def _remember(self, digest: bytes, kid: str, claims: TokenClaims) -> None:
        if len(self._verified) >= self._keep:
            for old in list(self._verified)[: self._keep // 2]:
                self._verified.pop(old, None)
        self._verified[digest] = kid, claims


def _read_claims(claims: Mapping[str, Any]) -> TokenClaims:
    try:
        sid = claims.get("sid")
        if sid is not None:
            UUID(sid), UUID(claims["sub"])
        return TokenClaims(
            sub=str(claims["sub"]),
            client_id=str(claims["client_id"]),
            scopes=frozenset(str(claims.get("scope", "")).split()),
            jti=str(claims["jti"]),
            sid=sid,
            exp=claims["exp"],
            auth_time=claims.get("auth_time"),
            iat=claims["iat"],
        )
    except (ValueError, AttributeError, TypeError):
        raise InvalidToken("This is no access token of this service.") from None


class RevokedGrants:
    """What was revoked lately: whatever is older, its access tokens have expired by themselves.

    The list is read again about every second by whichever request comes then, in autocommit on a connection
    of its own, while the others go on with the one there is. Past `max_age_s` nobody goes on with it.

    Args:
        every_s: age at which a request reads the list again.
        max_age_s: age at which it may not be used any more.
    """

    def __init__(self, engine: Engine, *, every_s: float = 1, max_age_s: float = 10) -> None:
        self._engine = engine
        self._every_s = every_s
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._revoked_at: dict[str, float] = {}  # Unix seconds, by id
        self._read_at = float("-inf")
        # a minute more than tokens live, for transactions that were slow to commit
        since = database_now(-(ACCESS_TOKEN_S + 60))
        families, tokens = token_families.c, revoked_access_tokens.c
        self._query = union_all(
            select(cast(families.id, String), families.revoked_at).where(families.revoked_at > since),
            select(tokens.jti, tokens.revoked_at).where(tokens.revoked_at > since),
        )

    def holds(self, sid_or_jti: str, *, issued_at: float | None = None) -> bool:
        """Whether a family, a token, or all that a client has was revoked.

        Args:
            issued_at: of a client's token, Unix seconds: one made well after all of them were revoked is good.
        Raises: Unavailable when the list is too old and the database does not answer.
        """
        age = time.monotonic() - self._read_at
        if age > self._every_s:
            self._renew(must=age > self._max_age_s)
        revoked_at = self._revoked_at.get(sid_or_jti.replace("-", ""))
        return revoked_at is not None and (issued_at is None or issued_at <= revoked_at + CLIENT_TOKENS_LATE_S)

    def add(self, *sids_or_jtis: str) -> None:
        """What this process itself revoked counts here at once."""
        with self._lock:
            self._revoked_at |= {revoked.replace("-", ""): time.time() for revoked in sids_or_jtis}

    def _renew(self, *, must: bool) -> None:
        if not self._lock.acquire(blocking=must):
            return  # somebody is at it
        try:
            if time.monotonic() - self._read_at <= self._every_s:
                return  # somebody was, while we waited
            began = time.monotonic()
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                # SQLite writes a UUID without its hyphens
                rows = connection.execute(self._query)
                self._revoked_at = {found.replace("-", ""): at.timestamp() for found, at in rows}
            self._read_at = began
        except SQLAlchemyError as error:
            log.warning("revocations_unread", error=type(error).__name__)
            if time.monotonic() - self._read_at > self._max_age_s:
                # fail closed: a token that may have been revoked is not let in
                raise Unavailable("It cannot be checked now whether the token was revoked; try again.") from None
        finally:
            self._lock.release()


class JwtIdTokens:
    """IdTokens: with the same keys, or with ES256 where a client is registered so."""

    def __init__(self, keys: SigningKeys, clock: Clock, *, issuer: str) -> None:
        self._keys = keys
        self._clock = clock
        self._issuer = issuer

    def mint(self, claims: Mapping[str, Any], *, access_token: str, algorithm: str = "RS256") -> str:
        key, now = self._keys.current(algorithm), int(self._clock.now().timestamp())
        half = hashlib.sha256(access_token.encode()).digest()[:16]  # SHA-256 is what RS256 and ES256 both sign
        payload = {
            "iss": self._issuer,
            **claims,
            "iat": now,
            "exp": now + ID_TOKEN_S,
            "at_hash": jwt.utils.base64url_encode(half).decode(),
        }
        return jwt.encode(payload, key.private, key.algorithm, {"typ": "JWT", "kid": key.kid})


class AesTokenSeal:
    """TokenSeal: AES-256-GCM under a key derived from the superseded token.

    Only that token's hash is stored, so neither the database nor the service's keys alone give a token.
    """

    def seal(self, under: str, token: str) -> bytes:
        nonce = os.urandom(12)
        return nonce + AESGCM(_derive(under)).encrypt(nonce, token.encode(), None)

    def unseal(self, under: str, sealed: bytes) -> str:
        return AESGCM(_derive(under)).decrypt(sealed[:12], sealed[12:], None).decode()


def _derive(token: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"donkies successor").derive(token.encode())
