"""Passwords: argon2id, and those that are tried first."""

from __future__ import annotations

import secrets
import threading

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn_rs_py import zxcvbn

# a guesser's tries: all of the library's 30,000 breached ones lie below, and so do their usual spellings, and dates
GUESSED_WITHIN = 10**5
# what people of this kind of service think of, and the library does not know
ALSO = frozenset(
    {"banking123", "creditcard", "default123", "fortnite", "guest123", "iphone123", "login123", "mybank12", "mybank123"}
    | {"root1234", "toor1234", "user1234"}
)


class GuessedPasswords:
    """KnownPasswords by zxcvbn's dictionaries of breached passwords, words, names and keyboard patterns (offline).

    Source: OWASP ASVS 5.0, 6.2.4, 6.2.12; D. Wheeler, zxcvbn, USENIX Security 2016.
    """

    def __init__(self) -> None:
        self.holds("unpacks the dictionaries")  # now, and not when the first person signs up

    def holds(self, password: str) -> bool:
        return password.casefold() in ALSO or zxcvbn(password).guesses < GUESSED_WITHIN


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
