"""Assertions by which clients prove themselves (RFC 7523): each is good once. Port UsedAssertions."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

# what a type of key may sign with
ALGORITHMS = {"RSA": ("RS256", "PS256"), "EC": ("ES256",)}


class UsedAssertions(Protocol):
    """Remembers which assertions were used, outside any unit of work. One object serves all threads."""

    def use(self, client_id: str, jti: str, expires_at: datetime) -> bool:
        """Note an assertion's id, in one statement that commits by itself.

        Args:
            jti: of any length and any characters; it counts for this client only.
            expires_at: from then on the assertion is refused anyway, and its id may be forgotten.
        Returns: True to exactly one of any number of callers.
        Source: RFC 7523 §3, item 7.
        """
        ...

    def purge(self, before: datetime) -> int:
        """Forget what expired before then. Returns: how many; at most some thousand at once."""
        ...
