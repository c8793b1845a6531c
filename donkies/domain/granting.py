"""What is done with grants: codes are issued and exchanged, tokens refreshed, looked at and revoked."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from .grants import (
    AuthorizationCode,
    FamilyLifetime,
    GrantStore,
    InvalidGrant,
    InvalidScope,
    Issued,
    Revocations,
    Rotations,
    TokenFamily,
    TokenSeal,
)
from .ids import new_id
from .tokens import TokenClaims
from .unit_of_work import Clock, UnitOfWork

CODE_LIFETIME = timedelta(seconds=60)
# for so long the token just superseded gives the same successor: two tabs, or a reply that was lost
RETRY_WINDOW = timedelta(seconds=30)
NOTHING_LEFT = "The client is not registered any more for anything that was granted: start again."


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
        methods: str = "pwd",
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
            methods=methods,
            created_at=now,
            expires_at=now + CODE_LIFETIME,
        )
        with self.unit_of_work:
            self.grants.add_code(_hash(code), issued)
        return code

    def exchange(
        self,
        code: str,
        *,
        client_id: str,
        redirect_uri: str | None,
        code_verifier: str,
        allowed: frozenset[str] | None = None,
    ) -> Issued:
        """Exchange a code for the first tokens of its family.

        The code is used up first, whatever comes of it: of any number of tries one at most succeeds, and
        a second one ends what the first gave.

        Args:
            allowed: what people can grant the client now, which may be less than when the code was issued; None for
                whatever was granted.
        Raises: InvalidGrant.
        Source: RFC 6749 §4.1.3, §4.1.2; RFC 7636 §4.6.
        """
        now, code_hash, family_id = self.clock.now(), _hash(code), None
        with self.unit_of_work:
            used = self.grants.use_code(code_hash, client_id, now)
            if used is not None:
                used = replace(used, scopes=_only(used.scopes, allowed))
                is_right = used.redirect_uri == redirect_uri and _fits(code_verifier, used.code_challenge)
                if is_right and used.scopes:
                    return self._begin_family(used, now)
            elif family_id := self.grants.family_of_used_code(code_hash, client_id):
                self.grants.revoke_family(family_id, "code_replayed")
        if family_id:
            self.revocations.add(str(family_id))
        if used is None:
            raise InvalidGrant("The code is unknown, was used already or is older than 60 seconds: start again.")
        if used.redirect_uri != redirect_uri:
            raise InvalidGrant("The redirect_uri is not the one of the authorization request: start again.")
        if not used.scopes:
            raise InvalidGrant(NOTHING_LEFT)
        raise InvalidGrant("The code_verifier does not fit the code_challenge: start again.")

    def refresh(
        self,
        token: str,
        *,
        client_id: str,
        scopes: frozenset[str] | None = None,
        allowed: frozenset[str] | None = None,
    ) -> Issued:
        """Supersede a refresh token.

        Args:
            scopes: what the next access token is to be for; None for all that was granted.
            allowed: what people can grant the client now; None for whatever was granted.
        Raises: InvalidGrant; a token that was superseded more than 30 s ago, or whose successor was used,
            ends its family first. InvalidScope, and nothing is changed.
        Source: RFC 6749 §6, RFC 9700 §4.14.2.
        """
        family_id, prefix, secret_hash = _read_refresh_token(token)
        now, presented = self.clock.now(), _hash(token)
        successor = _encode(prefix + secrets.token_bytes(32))
        sealed = self.seal.seal(token, successor)
        if scopes is not None and self._is_too_much(family_id, client_id, presented, now, scopes, allowed):
            raise InvalidScope("More scopes were asked for than were granted.")
        family = self.rotations.rotate(family_id, client_id, presented, _hash(successor), sealed, now)
        if family is not None:
            return _issue(family, successor, scopes, allowed)
        family = self.rotations.find(family_id)
        is_of_family = family is not None and hmac.compare_digest(family.secret_hash, secret_hash)
        if family is not None and is_of_family and family.client_id == client_id and family.is_live(now):
            if (again := self._retry(family, token, presented, now)) is not None:
                return _issue(family, again, scopes, allowed)
            if family.current_hash != presented:  # else its person is disabled
                self._end_replayed(family_id)
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
        """Whether a family is good and its person too, asked of the database: for what must be exact."""
        with self.unit_of_work:
            family = self.grants.find_family(sid)
            return family is not None and self._is_good(family)

    def is_token_live(self, claims: TokenClaims) -> bool:
        """Whether a verified access token is good still, asked of the database: for what must be exact.

        Source: RFC 7662 §2.2, §4.
        """
        if claims.sid is not None:
            return self.is_live(UUID(claims.sid))
        with self.unit_of_work:
            issued_at = datetime.fromtimestamp(claims.iat, UTC)
            return self.grants.is_client_token_live(claims.client_id, claims.jti, issued_at)

    def session_of(self, sid: UUID) -> bytes | None:
        """The hash of the browser session that a family, also one that has ended, was granted in."""
        with self.unit_of_work:
            family = self.grants.find_family(sid)
            return family.session_hash if family is not None else None

    def look_up(self, token: str, *, client_id: str) -> TokenFamily | None:
        """The family whose current refresh token this is, if it is the client's own and good; nothing is changed.

        Source: RFC 7662 §2.2.
        """
        try:
            family_id, _, _ = _read_refresh_token(token)
        except InvalidGrant:
            return None
        with self.unit_of_work:
            family = self.grants.find_family(family_id)
            if family is None or family.client_id != client_id or not self._is_good(family):
                return None
            return family if hmac.compare_digest(family.current_hash, _hash(token)) else None

    def _is_good(self, family: TokenFamily) -> bool:
        return family.is_live(self.clock.now()) and not self.grants.is_user_disabled(family.user_id)

    def erase_successors(self) -> int:
        """Erase what is kept for retries that can come no more. Returns: how many."""
        with self.unit_of_work:
            return self.grants.erase_successors(self.clock.now() - RETRY_WINDOW)

    def _is_too_much(
        self,
        family_id: UUID,
        client_id: str,
        presented: bytes,
        now: datetime,
        scopes: frozenset[str],
        allowed: frozenset[str] | None,
    ) -> bool:
        """Whether more is asked for than was granted: before the token is superseded, which it then is not.

        Of a token that is not good itself it is not said: it is refused for that.
        """
        family = self.rotations.find(family_id)
        if family is None or family.client_id != client_id or not family.is_live(now):
            return False
        granted = _only(family.scopes, allowed)
        is_good = family.current_hash == presented or _may_retry(family, presented, now)
        return is_good and bool(granted) and not scopes.issubset(granted)

    def _end_replayed(self, family_id: UUID) -> None:
        with self.unit_of_work:
            self.grants.revoke_family(family_id, "refresh_token_replayed")
        self.revocations.add(str(family_id))

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
        return _issue(family, token, code=code)

    def _retry(self, family: TokenFamily, token: str, presented: bytes, now: datetime) -> str | None:
        """The successor that this token gave already, while it may be asked for again."""
        if family.successor_sealed is None or not _may_retry(family, presented, now):
            return None
        return self.seal.unseal(token, family.successor_sealed)


def _issue(
    family: TokenFamily,
    token: str,
    scopes: frozenset[str] | None = None,
    allowed: frozenset[str] | None = None,
    code: AuthorizationCode | None = None,
) -> Issued:
    """Raises: InvalidGrant when of what was granted nothing is allowed any more."""
    if not (granted := _only(_only(family.scopes, allowed), scopes)):
        raise InvalidGrant(NOTHING_LEFT)
    return Issued(
        user_id=family.user_id,
        client_id=family.client_id,
        sid=family.id,
        scopes=granted,
        auth_time=family.auth_time,
        refresh_token=token,
        code=code,
    )


def _may_retry(family: TokenFamily, presented: bytes, now: datetime) -> bool:
    if family.previous_hash != presented or family.superseded_at is None:
        return False
    return now - family.superseded_at <= RETRY_WINDOW


def _only(granted: Iterable[str], wanted: frozenset[str] | None) -> tuple[str, ...]:
    return tuple(scope for scope in granted if wanted is None or scope in wanted)


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
