"""Authorization codes and token families: issue, exchange, refresh, revoke. Ports GrantStore and TokenSeal.

A family is what one code gave: a chain of refresh tokens, of which one is current, and the access tokens made
with them; its id is their `sid`. It is one row, so that rotation is one conditional UPDATE and a token replayed
after a year costs no more than a fresh one.

A refresh token is base64url of the family's id (16 bytes), the family's secret (16) and 32 random bytes. The
family's secret stays the same through all rotations, so that an old token of the family, which ends it, can be
told from an invention, which does not.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from .errors import DomainError
from .ids import new_id
from .tokens import TokenClaims
from .unit_of_work import Clock, UnitOfWork

CODE_LIFETIME = timedelta(seconds=60)
# for so long the token just superseded gives the same successor: two tabs, or a reply that was lost
RETRY_WINDOW = timedelta(seconds=30)


class InvalidGrant(DomainError):
    """The code or refresh token cannot be used (any more)."""

    code = "invalid_grant"


class InvalidScope(DomainError):
    """More was asked for than was granted."""

    code = "invalid_scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCode:
    """What a code stands for. Only the code's SHA-256 is stored (RFC 6749 §4.1.2).

    Args:
        family_id: of the family that its exchange will make.
        code_challenge: of PKCE, method S256.
        session_hash: the browser session it was given in, so that logout can end what came of it.
    """

    family_id: UUID
    client_id: str
    user_id: UUID
    redirect_uri: str
    scopes: tuple[str, ...]
    code_challenge: str = field(repr=False)
    nonce: str | None = field(default=None, repr=False)
    auth_time: datetime
    session_hash: bytes | None = field(default=None, repr=False)
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFamily:
    """A family as it is stored; the tokens themselves are not.

    Args:
        expires_at: the absolute end, which rotation does not extend.
        current_hash: SHA-256 of the one refresh token that is good.
        previous_hash: of the one before; for RETRY_WINDOW it leads to `successor_sealed`.
        successor_sealed: the current token, encrypted under the previous one.
    """

    id: UUID
    user_id: UUID
    client_id: str
    scopes: tuple[str, ...]
    auth_time: datetime
    session_hash: bytes | None = field(default=None, repr=False)
    created_at: datetime
    expires_at: datetime
    secret_hash: bytes = field(repr=False)
    current_hash: bytes = field(repr=False)
    previous_hash: bytes | None = field(default=None, repr=False)
    superseded_at: datetime | None = None
    successor_sealed: bytes | None = field(default=None, repr=False)
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What the token endpoint is to give: everything of it but the access token.

    Args:
        code: what was exchanged, if it was a code; it has the ID token's nonce.
    """

    user_id: UUID
    client_id: str
    sid: UUID
    scopes: tuple[str, ...]
    auth_time: datetime
    refresh_token: str = field(repr=False)
    code: AuthorizationCode | None = None


class TokenSeal(Protocol):
    """Encrypts a refresh token under the one it supersedes, so that only who holds that one can read it."""

    def seal(self, under: str, token: str) -> bytes: ...

    def unseal(self, under: str, sealed: bytes) -> str: ...


class Rotations(Protocol):
    """The busiest write of all, outside any unit of work: it is one statement. One object serves all threads."""

    def rotate(
        self,
        family_id: UUID,
        client_id: str,
        presented: bytes,
        successor: bytes,
        sealed: bytes,
        now: datetime,
    ) -> TokenFamily | None:
        """Put a successor in place of the current refresh token, in one conditional statement that commits by itself.

        Args:
            presented, successor: SHA-256 of the tokens.
            sealed: the successor, encrypted under the one presented.
        Returns: the family, if the one presented was current, of this client, neither revoked nor expired,
            and its person is not disabled; else None, and nothing is changed.
        """
        ...


class GrantStore(Protocol):
    """Keeps consents, codes and families; all within a unit of work."""

    def record_consent(self, user_id: UUID, client_id: str, scopes: tuple[str, ...], now: datetime) -> None:
        """Note that the person lets the client have these scopes, beside those noted before."""
        ...

    def add_code(self, code_hash: bytes, code: AuthorizationCode) -> None: ...

    def use_code(self, code_hash: bytes, client_id: str, now: datetime) -> AuthorizationCode | None:
        """Mark an unused, unexpired code of the client's as used, in one conditional statement.

        Returns: the code, to exactly one of any number of callers; None to the others.
        """
        ...

    def family_of_used_code(self, code_hash: bytes, client_id: str) -> UUID | None:
        """The family that a used code of the client's gave."""
        ...

    def add_family(self, family: TokenFamily) -> None: ...

    def find_family(self, family_id: UUID) -> TokenFamily | None: ...

    def revoke_family(self, family_id: UUID, reason: str) -> bool:
        """End a family; the sealed successor is erased. Returns: whether it was alive."""
        ...

    def revoke_families_of(self, user_id: UUID, reason: str) -> int: ...

    def revoke_access_token(self, jti: str, expires_at: datetime) -> None:
        """End one access token that has no family."""
        ...

    def erase_successors(self, before: datetime) -> int:
        """Erase sealed successors of tokens superseded before then. Returns: how many."""
        ...


class Revocations(Protocol):
    """What was revoked lately, as this process knows it; others learn it from the database."""

    def add(self, sid_or_jti: str) -> None:
        """Refuse a family's or one access token from now on; called after the commit."""
        ...


@dataclass(frozen=True, slots=True)
class FamilyLifetime:
    """How long a family lives in all, however often it is refreshed."""

    seconds: float


@dataclass
class GrantService:
    """Issues codes, exchanges them, refreshes and revokes."""

    unit_of_work: UnitOfWork
    grants: GrantStore
    rotations: Rotations
    seal: TokenSeal
    revocations: Revocations
    clock: Clock
    lifetime: FamilyLifetime

    def issue_code(
        self,
        *,
        client_id: str,
        user_id: UUID,
        redirect_uri: str,
        scopes: tuple[str, ...],
        code_challenge: str,
        nonce: str | None,
        auth_time: datetime,
        session_hash: bytes | None = None,
    ) -> str:
        """Issue a single-use authorization code, valid for 60 s. The redirect URI was checked before.

        Returns: the code, 43 URL-safe characters; only its SHA-256 is stored.
        Source: RFC 6749 §4.1.2, RFC 9700 §2.1.
        """
        code, now = secrets.token_urlsafe(32), self.clock.now()
        issued = AuthorizationCode(
            family_id=new_id(),
            client_id=client_id,
            user_id=user_id,
            redirect_uri=redirect_uri,
            scopes=scopes,
            code_challenge=code_challenge,
            nonce=nonce,
            auth_time=auth_time,
            session_hash=session_hash,
            created_at=now,
            expires_at=now + CODE_LIFETIME,
        )
        with self.unit_of_work:
            self.grants.record_consent(user_id, client_id, scopes, now)
            self.grants.add_code(_hash(code), issued)
        return code

    def exchange(self, code: str, *, client_id: str, redirect_uri: str | None, code_verifier: str) -> Issued:
        """Exchange a code for the first tokens of its family.

        The code is used up first, whatever comes of it: of any number of tries one at most succeeds, and
        a second one ends what the first gave.

        Raises: InvalidGrant.
        Source: RFC 6749 §4.1.3, §4.1.2; RFC 7636 §4.6.
        """
        now, code_hash, family_id = self.clock.now(), _hash(code), None
        with self.unit_of_work:
            used = self.grants.use_code(code_hash, client_id, now)
            if used is not None and used.redirect_uri == redirect_uri and _fits(code_verifier, used.code_challenge):
                return self._begin_family(used, now)
            if used is None and (family_id := self.grants.family_of_used_code(code_hash, client_id)):
                self.grants.revoke_family(family_id, "code_replayed")
        if family_id:
            self.revocations.add(str(family_id))
        if used is None:
            raise InvalidGrant("The code is unknown, was used already or is older than 60 seconds: start again.")
        if used.redirect_uri != redirect_uri:
            raise InvalidGrant("The redirect_uri is not the one of the authorization request: start again.")
        raise InvalidGrant("The code_verifier does not fit the code_challenge: start again.")

    def refresh(self, token: str, *, client_id: str, scopes: frozenset[str] | None = None) -> Issued:
        """Supersede a refresh token.

        Args:
            scopes: what the next access token is to be for; None for all that was granted.
        Raises: InvalidGrant; a token that was superseded more than 30 s ago, or whose successor was used,
            ends its family first. InvalidScope, and nothing is changed.
        Source: RFC 6749 §6, RFC 9700 §4.14.2.
        """
        family_id, prefix, secret_hash = _read_refresh_token(token)
        replayed = False
        now, presented = self.clock.now(), _hash(token)
        successor = _encode(prefix + secrets.token_bytes(32))
        sealed = self.seal.seal(token, successor)
        if scopes is not None:
            self._check_scopes(family_id, scopes)
        family = self.rotations.rotate(family_id, client_id, presented, _hash(successor), sealed, now)
        if family is not None:
            return _issue(family, successor, scopes)
        with self.unit_of_work:
            family = self.grants.find_family(family_id)
            if family is None or not hmac.compare_digest(family.secret_hash, secret_hash):
                family = None
            elif family.client_id == client_id and family.revoked_at is None and now < family.expires_at:
                if (again := self._retry(family, token, presented, now)) is not None:
                    return _issue(family, again, scopes)
                replayed = family.current_hash != presented  # else its person is disabled
                if replayed:
                    self.grants.revoke_family(family.id, "refresh_token_replayed")
        if replayed:
            self.revocations.add(str(family_id))
        raise InvalidGrant("The refresh token is unknown, expired, revoked or was used before: sign in again.")

    def revoke_refresh_token(self, token: str, *, client_id: str) -> bool:
        """End the family of a refresh token, if it is the client's own; an old one of the family does as well.

        Returns: whether it is a token of ours at all.
        Raises: InvalidGrant when it was issued to another client.
        Source: RFC 7009 §2.1, §2.2.
        """
        try:
            family_id, _, secret_hash = _read_refresh_token(token)
        except InvalidGrant:
            return False
        with self.unit_of_work:
            family = self.grants.find_family(family_id)
            if family is None or not hmac.compare_digest(family.secret_hash, secret_hash):
                return False
            if family.client_id != client_id:
                raise InvalidGrant("The token belongs to another client.")
            self.grants.revoke_family(family_id, "revoked_by_client")
        self.revocations.add(str(family_id))
        return True

    def revoke_access_token(self, claims: TokenClaims) -> None:
        """End a verified access token, and with it its whole family.

        Source: RFC 7009 §2.1.
        """
        with self.unit_of_work:
            if claims.sid is None:
                self.grants.revoke_access_token(claims.jti, datetime.fromtimestamp(claims.exp, UTC))
            else:
                self.grants.revoke_family(UUID(claims.sid), "revoked_by_client")
        self.revocations.add(claims.sid or claims.jti)

    def is_live(self, sid: UUID) -> bool:
        """Whether a family is good, asked of the database: for what must be exact."""
        with self.unit_of_work:
            family = self.grants.find_family(sid)
            return family is not None and family.revoked_at is None and self.clock.now() < family.expires_at

    def erase_successors(self) -> int:
        """Erase what is kept for retries that can come no more. Returns: how many."""
        with self.unit_of_work:
            return self.grants.erase_successors(self.clock.now() - RETRY_WINDOW)

    def _check_scopes(self, family_id: UUID, scopes: frozenset[str]) -> None:
        """Before the token is superseded: what a family was granted never changes."""
        with self.unit_of_work:
            family = self.grants.find_family(family_id)
        if family is not None and not scopes.issubset(family.scopes):
            raise InvalidScope("More scopes were asked for than were granted.")

    def _begin_family(self, code: AuthorizationCode, now: datetime) -> Issued:
        prefix = code.family_id.bytes + secrets.token_bytes(16)
        token = _encode(prefix + secrets.token_bytes(32))
        family = TokenFamily(
            id=code.family_id,
            user_id=code.user_id,
            client_id=code.client_id,
            scopes=code.scopes,
            auth_time=code.auth_time,
            session_hash=code.session_hash,
            created_at=now,
            expires_at=now + timedelta(seconds=self.lifetime.seconds),
            secret_hash=hashlib.sha256(prefix).digest(),
            current_hash=_hash(token),
        )
        self.grants.add_family(family)
        return _issue(family, token, None, code)

    def _retry(self, family: TokenFamily, token: str, presented: bytes, now: datetime) -> str | None:
        """The successor that this token gave already, while it may be asked for again."""
        if family.previous_hash != presented or family.successor_sealed is None or family.superseded_at is None:
            return None
        if now - family.superseded_at > RETRY_WINDOW:
            return None
        return self.seal.unseal(token, family.successor_sealed)


def _issue(
    family: TokenFamily, token: str, scopes: frozenset[str] | None, code: AuthorizationCode | None = None
) -> Issued:
    return Issued(
        user_id=family.user_id,
        client_id=family.client_id,
        sid=family.id,
        scopes=family.scopes if scopes is None else _only(family.scopes, scopes),
        auth_time=family.auth_time,
        refresh_token=token,
        code=code,
    )


def _only(granted: Iterable[str], wanted: frozenset[str]) -> tuple[str, ...]:
    return tuple(scope for scope in granted if scope in wanted)


def _fits(verifier: str, challenge: str) -> bool:
    computed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(computed, challenge.encode())


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _encode(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def _read_refresh_token(token: str) -> tuple[UUID, bytes, bytes]:
    """The family's id, the part of the token that all of the family share, and that part's SHA-256.

    Raises: InvalidGrant when it is no refresh token of ours.
    """
    try:
        raw = base64.b64decode(token + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 64 or _encode(raw) != token:
        raise InvalidGrant("This is no refresh token of this service.")
    return UUID(bytes=raw[:16]), raw[:32], hashlib.sha256(raw[:32]).digest()
