"""What a person shows beside a password: passkeys, codes of an app, recovery codes.

Ports FactorStore, PasskeyCeremony and OneTimeCodes.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from .errors import Conflict, DomainError

RECOVERY_CODES = 10
# Crockford's base 32: no letter of it is taken for another; 16 of them are 80 bits
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
LOOK_ALIKE = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, " ": None})


class FactorRefused(DomainError):
    """What was shown is wrong, was used already, or is nobody's; which of them is not told."""

    code = "factor_refused"


class PasskeyKnown(Conflict):
    """This passkey was added before."""

    code = "passkey_known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passkey:
    """A WebAuthn credential.

    Args:
        public_key: COSE.
        sign_count: the authenticator's counter when it was last used; those that are synced stay at 0.
        name: what the person calls it.
        transports: how browsers reach it (`internal`, `usb`, …).
        is_synced: whether it is kept on more than one device.
    """

    credential_id: bytes
    user_id: UUID
    public_key: bytes = field(repr=False)
    sign_count: int
    name: str
    transports: tuple[str, ...] = ()
    is_synced: bool = False
    created_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CodeSecret:
    """What an app makes codes from.

    Args:
        secret: base32.
        last_step: the time step of the last code that was taken: none counts twice (RFC 6238 §5.2).
        confirmed_at: None until its first code was shown; it counts for nothing before.
    """

    secret: str = field(repr=False)
    last_step: int
    created_at: datetime
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Factors:
    """What a person has.

    Args:
        app_since: since when an app makes codes; None when there is none.
        recovery_codes: how many are left.
    """

    passkeys: Sequence[Passkey]
    app_since: datetime | None
    recovery_codes: int

    @property
    def is_none(self) -> bool:
        """Whether a password is all that is asked for; recovery codes alone are no second step."""
        return not self.passkeys and self.app_since is None


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What an authenticator made, found to be in order."""

    credential_id: bytes
    public_key: bytes = field(repr=False)
    sign_count: int
    transports: tuple[str, ...]
    is_synced: bool


@dataclass(frozen=True, slots=True)
class PasskeyUse:
    """What an authenticator told when it was used."""

    sign_count: int
    is_synced: bool


@dataclass(frozen=True, slots=True)
class CodePicture:
    """A secret as apps take it over.

    Args:
        uri: `otpauth://…`.
        image: a data: URI of the same as a QR code.
    """

    uri: str = field(repr=False)
    image: str = field(repr=False)


class FactorStore(Protocol):
    """Keeps factors; all within a unit of work. Every change says in one statement what it expects to find."""

    def passkeys_of(self, user_id: UUID) -> Sequence[Passkey]:
        """The oldest first."""
        ...

    def find_passkey(self, credential_id: bytes) -> Passkey | None: ...

    def add_passkey(self, passkey: Passkey) -> None:
        """Raises: PasskeyKnown."""
        ...

    def rename_passkey(self, user_id: UUID, credential_id: bytes, name: str) -> bool: ...

    def note_use(self, passkey: Passkey, use: PasskeyUse, now: datetime) -> bool:
        """Returns: whether the counter was still the one of `passkey`; else nothing is changed."""
        ...

    def remove_passkey(self, user_id: UUID, credential_id: bytes) -> bool: ...

    def secret_of(self, user_id: UUID) -> CodeSecret | None: ...

    def put_secret(self, user_id: UUID, secret: str, now: datetime) -> bool:
        """Keep one that is to be confirmed, in place of another such.

        Returns: False, and nothing is changed, when there is a confirmed one.
        """
        ...

    def confirm_secret(self, user_id: UUID, created_at: datetime, step: int, now: datetime) -> bool:
        """Let the secret that was kept at that time count from now on. Returns: whether it was still there."""
        ...

    def take_step(self, user_id: UUID, step: int) -> bool:
        """Use a time step, and with it all before it, up. Returns: True to one of any number of callers."""
        ...

    def remove_secret(self, user_id: UUID) -> bool: ...

    def put_recovery_codes(self, user_id: UUID, hashes: Sequence[bytes], now: datetime) -> None:
        """Keep these in place of all others."""
        ...

    def take_recovery_code(self, user_id: UUID, code_hash: bytes) -> bool:
        """Use one up. Returns: True to one of any number of callers."""
        ...

    def count_recovery_codes(self, user_id: UUID) -> int: ...


class PasskeyCeremony(Protocol):
    """What is agreed on with authenticators. Answers are JSON texts as browsers give them (WebAuthn §5.1, toJSON)."""

    @property
    def is_possible(self) -> bool:
        """Whether there can be passkeys: they are bound to a domain name, and a bare IP address is none."""
        ...

    def creation(self, challenge: str, user_id: UUID, email: str, name: str, known: Sequence[Passkey]) -> str:
        """What a browser is asked for a new passkey, as JSON.

        Args:
            known: those that the person has; an authenticator that holds one makes no second.
        """
        ...

    def request(self, challenge: str, allowed: Sequence[Passkey]) -> str:
        """What a browser is asked for a proof, as JSON.

        Args:
            allowed: those that will do; none for any that the browser's owner picks.
        """
        ...

    def read_creation(self, answer: str, challenge: str) -> NewPasskey:
        """Raises: FactorRefused."""
        ...

    def whose(self, answer: str) -> tuple[bytes, bytes | None]:
        """The credential id that an answer claims, and the person's id that the authenticator kept with it.

        Raises: FactorRefused.
        """
        ...

    def read_proof(self, answer: str, challenge: str, passkey: Passkey) -> PasskeyUse:
        """Raises: FactorRefused, also for a counter that did not go on: somebody holds a copy (WebAuthn §6.1.1)."""
        ...


class OneTimeCodes(Protocol):
    """Codes that an app makes from a secret and the time (RFC 6238: SHA-1, 30 s, 6 digits)."""

    def new_secret(self) -> str: ...

    def step_of(self, secret: str, code: str, now: datetime) -> int | None:
        """The time step that a code belongs to: now's, the one before or the one after; None when it is wrong."""
        ...

    def picture(self, secret: str, email: str) -> CodePicture: ...


def factors_of(store: FactorStore, user_id: UUID) -> Factors:
    """What a person has; a unit of work must be open."""
    secret = store.secret_of(user_id)
    app_since = secret.confirmed_at if secret else None
    return Factors(store.passkeys_of(user_id), app_since, store.count_recovery_codes(user_id))


def new_recovery_codes() -> tuple[str, ...]:
    """Codes to write down, 80 random bits each, in groups of four."""
    texts = ("".join(secrets.choice(ALPHABET) for _ in range(16)) for _ in range(RECOVERY_CODES))
    return tuple("-".join(text[at : at + 4] for at in range(0, 16, 4)) for text in texts)


def recovery_hash(code: str) -> bytes:
    """What is kept of a recovery code, however it was typed: no case, no hyphens, `o` for 0, `l` for 1."""
    return hashlib.sha256(code.strip().casefold().translate(LOOK_ALIKE).encode()).digest()


def is_strong(methods: str) -> bool:
    """Whether somebody who logged in so has shown more than one factor (RFC 8176, `mfa`)."""
    return "mfa" in methods.split()
