"""Passwords: argon2id."""

from __future__ import annotations

import secrets
import threading

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError


class Argon2PasswordHasher:
    """Hashes with argon2id; OWASP's first choice of parameters is the default.

    Args:
        memory_kib: memory of one hash, KiB.
        time_cost: passes over it.
        at_once: how many hashes run at the same time, so that a burst of log-ins cannot take all memory and cores.
    Source: RFC 9106 §4; OWASP Password Storage Cheat Sheet (19 MiB, 2 passes, 1 lane).
    """

    def __init__(self, *, memory_kib: int = 19_456, time_cost: int = 2, at_once: int = 4) -> None:
        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=1, type=Type.ID)
        self._slots = threading.BoundedSemaphore(at_once)
        # made at start-up, so that the first unknown address does not take longer than the second
        self._nobody = self._hasher.hash(secrets.token_urlsafe(32))

    def hash(self, password: str) -> str:
        with self._slots:
            return self._hasher.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        with self._slots:
            try:
                return self._hasher.verify(password_hash or self._nobody, password) and password_hash is not None
            except (VerificationError, InvalidHashError):
                return False

    def is_outdated(self, password_hash: str) -> bool:
        return self._hasher.check_needs_rehash(password_hash)
