"""The keys that sign tokens: made once, kept sealed in the database, read again from time to time."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc.jwk import RSAKey
from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from ..domain.unit_of_work import Clock
from .persistence.tables.identity import signing_keys

RELOAD_S = 30
# an invented key id makes us look for it, yet not more often than this
MISS_S = 1


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair.

    Args:
        kid: its RFC 7638 thumbprint.
    """

    kid: str
    algorithm: str
    active_from: datetime
    private: rsa.RSAPrivateKey = field(repr=False)
    public: rsa.RSAPublicKey = field(repr=False)


class SigningKeys:
    """All keys that are published; the newest active one signs. One object serves all threads.

    Reads in autocommit, on connections of its own: a token is also checked where no unit of work is open.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, SigningKey] = {}
        self._read_at = float("-inf")

    def current(self) -> SigningKey:
        """The key to sign with; the very first is made here."""
        now = self._clock.now()
        active = [key for key in self._all().values() if key.active_from <= now]
        return max(active, key=lambda key: key.active_from) if active else next(iter(self._all().values()))

    def public(self, kid: str) -> rsa.RSAPublicKey | None:
        """The public key of this id, or None."""
        key = self._all().get(kid)
        if key is None and time.monotonic() - self._read_at > MISS_S:
            self._read()
            key = self._keys.get(kid)
        return None if key is None else key.public

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set.

        Source: RFC 7517 §5.
        """
        return {
            "keys": [
                {**RSAKey.import_key(key.public).as_dict(private=False), "kid": kid, "use": "sig", "alg": key.algorithm}
                for kid, key in self._all().items()
            ]
        }

    def _all(self) -> Mapping[str, SigningKey]:
        if time.monotonic() - self._read_at > RELOAD_S:
            self._read()
        return self._keys

    def _read(self) -> None:
        with self._lock, self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            published = select(signing_keys).where(signing_keys.c.retired_at.is_(None))
            rows = connection.execute(published).all()
            if not rows:
                self._make_first(connection)
                rows = connection.execute(published).all()
            # loading a private key costs milliseconds, so what is known is kept
            self._keys = {row.kid: self._keys.get(row.kid) or _load(row) for row in rows}
            self._read_at = time.monotonic()

    def _make_first(self, connection: Connection) -> None:
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        now = self._clock.now()
        row = {
            "kid": RSAKey.import_key(private).thumbprint(),
            "generation": 1,
            "algorithm": "RS256",
            "private_key": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "created_at": now,
            "active_from": now,
        }
        try:
            connection.execute(insert(signing_keys), row)
        except IntegrityError:
            return  # another process was first: its key is the key


def _load(row: Any) -> SigningKey:
    private = load_pem_private_key(row.private_key.encode(), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)  # noqa: S101 - no other kind is ever stored
    return SigningKey(row.kid, row.algorithm, row.active_from, private, private.public_key())
