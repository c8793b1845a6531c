"""Authorization codes and token families, and the ports that keep them; what is done with them is in `granting`.

A family is what one code gave: a chain of refresh tokens, of which one is current, and the access tokens made
with them; its id is their `sid`. It is one row, so that rotation is one conditional UPDATE and a token replayed
after a year costs no more than a fresh one.

A refresh token is base64url of the family's id (16 bytes), the family's secret (16) and 32 random bytes. The
family's secret stays the same through all rotations, so that an old token of the family, which ends it, can be
told from an invention, which does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from .errors import DomainError, NotFound


class InvalidGrant(DomainError):
    """The code or refresh token cannot be used (any more)."""

    code = "invalid_grant"


class ClientGone(NotFound):
    """The client was deleted while somebody signed in to it."""

    code = "client_gone"


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
        methods: how the person had logged in, space-separated (RFC 8176).
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
    methods: str = "pwd"
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

    def is_live(self, now: datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at


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
    """The busiest write of all, and what a refused one is told by, outside any unit of work: each is one statement.

    One object serves all threads.
    """

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

    def find(self, family_id: UUID) -> TokenFamily | None: ...


class GrantStore(Protocol):
    """Keeps codes and families; all within a unit of work.

    What ends families returns the ids of those that were alive, to be told to this process's Revocations after
    the commit; it also ends the codes that were not exchanged yet.
    """

    def add_code(self, code_hash: bytes, code: AuthorizationCode) -> None:
        """Raises: ClientGone."""
        ...

    def use_code(self, code_hash: bytes, client_id: str, now: datetime) -> AuthorizationCode | None:
        """Mark an unused, unexpired code of the client's as used, in one conditional statement.

        A code that was given in a browser session is good only while that session is there.

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

    def revoke_families_of(self, user_id: UUID, reason: str, *, but: bytes | None = None) -> Sequence[UUID]:
        """Those of one person.

        Args:
            but: the hash of a session; what was granted in it goes on.
        """
        ...

    def end_families_for_good(self, user_id: UUID, reason: str) -> Sequence[UUID]:
        """End a person's families in such a way that it stays known when the person is deleted.

        Returns: all whose access tokens may still live, also those that had ended before.
        """
        ...

    def revoke_families_of_session(self, session_hash: bytes, reason: str) -> Sequence[UUID]: ...

    def move_session(self, session_hash: bytes, to: bytes, user_id: UUID) -> None:
        """What this person granted in one session, also in one that is gone, belongs to another from now on."""
        ...

    def revoke_families_between(self, user_id: UUID, client_id: str, reason: str) -> Sequence[UUID]:
        """Those that one person gave one client."""
        ...

    def revoke_families_of_client(self, client_id: str, reason: str) -> Sequence[UUID]:
        """End all that a client holds, in such a way that it stays known when the client itself is deleted."""
        ...

    def is_user_disabled(self, user_id: UUID) -> bool:
        """Whether the person may get no tokens; also when there is no such person."""
        ...

    def revoke_access_token(self, jti: str, expires_at: datetime) -> None:
        """End one access token that has no family; or by a client's id in place of the `jti` all that it has till now.

        Done again it counts again.
        """
        ...

    def is_client_token_live(self, client_id: str, jti: str, issued_at: datetime | None = None) -> bool:
        """Whether an access token that has no family was not revoked, and its client is still there.

        Args:
            issued_at: a token made CLIENT_TOKENS_LATE_S after all of the client's were revoked is none of those;
                None for one that may be.
        """
        ...

    def erase_successors(self, before: datetime) -> int:
        """Erase sealed successors of tokens superseded before then. Returns: how many."""
        ...

    def purge(self, before: datetime) -> int:
        """Delete codes and families that were over before then, and revocations whose token had expired.

        Returns: how many rows; at most some thousand at once, so that it holds nobody up.
        """
        ...


class Revocations(Protocol):
    """What was revoked lately, as this process knows it; others learn it from the database."""

    def add(self, *sids_or_jtis: str) -> None:
        """Refuse these families' or single access tokens from now on; called after the commit."""
        ...


@dataclass(frozen=True, slots=True)
class FamilyLifetime:
    """How long a family lives in all, however often it is refreshed."""

    seconds: float
