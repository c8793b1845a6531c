"""What is stored in place of secrets that are random."""

from __future__ import annotations

import hashlib


def hash_of(secret: str) -> bytes:
    """What is stored in place of a session's id, of a mailed link's token, or of a whole request."""
    return hashlib.sha256(secret.encode()).digest()
