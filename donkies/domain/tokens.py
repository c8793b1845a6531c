"""Access tokens as the rest of the service sees them. Ports AccessTokens, IdTokens, PublicKeys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from .errors import DomainError, Forbidden

SCOPES = (
    "openid",
    "profile",
    "email",
    "profile:write",
    "account:delete",
    "accounts:read",
    "transactions:read",
    "transactions:write",
    "links:write",
    "links:credentials",
    "users:write",
)
# what only a trusted client may be registered for
TRUSTED_SCOPES = frozenset({"links:credentials", "users:write"})
# what a client does in its own name; every other scope speaks for a person
CLIENT_SCOPES = frozenset({"users:write"})

ACCESS_TOKEN_S = 600
# for so long after a client's own tokens were revoked others may make some that carry what was taken away: they see
# its registration up to 5 s late, and clocks differ a little
CLIENT_TOKENS_LATE_S = 10
# for so long others may keep our JWK set
JWKS_MAX_AGE_S = 300


class InvalidToken(DomainError):
    """The token is not one of ours, has expired or was revoked."""

    code = "invalid_token"


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a verified access token says.

    Args:
        sub: the person's id; of a client-credentials token the client's.
        sid: the token family it belongs to; None on a client-credentials token.
        exp: Unix seconds.
        auth_time: when the person logged in, Unix seconds.
        iat: when the token was made, Unix seconds.
    Source: RFC 9068 §2.2.
    """

    sub: str
    client_id: str
    scopes: frozenset[str]
    jti: str
    sid: str | None
    exp: int
    auth_time: int | None = None
    iat: int = 0

    @property
    def is_person(self) -> bool:
        """Whether the token speaks for a person."""
        return self.sid is not None

    @property
    def user_id(self) -> UUID:
        """The person's id.

        Raises: Forbidden on a client-credentials token, which speaks for no person.
        """
        if self.sid is None:
            raise Forbidden("This route needs a person's token; this one is the client's own.", code="person_required")
        return UUID(self.sub)


class AccessTokens(Protocol):
    """Makes and checks access tokens; one object serves all threads."""

    expires_in_s: int

    def mint(
        self,
        *,
        sub: str,
        client_id: str,
        scopes: tuple[str, ...],
        sid: UUID | None = None,
        auth_time: datetime | None = None,
    ) -> str:
        """A signed token, good for `expires_in_s`."""
        ...

    def verify(self, token: str) -> TokenClaims:
        """What the token says, without asking the database.

        Raises: InvalidToken; Unavailable when it cannot be known whether it was revoked.
        """
        ...


class IdTokens(Protocol):
    """Signs OpenID Connect ID tokens."""

    def mint(self, claims: Mapping[str, Any], *, access_token: str, algorithm: str = "RS256") -> str:
        """Sign: `iss`, `iat`, `exp` and `at_hash` are added to the claims.

        Args:
            algorithm: RS256 or ES256, as the client was registered.

        Source: OpenID Connect Core 1.0 §2, §3.1.3.6.
        """
        ...


class PublicKeys(Protocol):
    """The keys that others check our signatures with."""

    def jwks(self) -> dict[str, Any]:
        """A JWK set of public keys, RFC 7517 §5."""
        ...

    def prepare(self, algorithm: str) -> None:
        """Make the first key of an algorithm, if there is none: so that it is published before it signs."""
        ...
