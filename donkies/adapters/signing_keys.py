"""The keys that sign tokens: kept sealed in the database, rotated, and followed by every process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import Connection, Engine, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ..domain.tokens import JWKS_MAX_AGE_S
from ..domain.unit_of_work import Clock
from .persistence.tables.identity import signing_keys

log = structlog.get_logger(__name__)

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

ID_TOKEN_S = 3600  # the longest life of anything that is signed
# an invented key id makes us look for it, yet not more often than this
MISS_S = 1
# from publishing to signing: a minute until every process has read it for sure, and then, until whoever asked one
# of them just before has to ask again
AHEAD = timedelta(seconds=60 + JWKS_MAX_AGE_S)
# clocks of processes differ a little
MARGIN = timedelta(seconds=60)

MAKE: dict[str, Callable[[], PrivateKey]] = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
}
_JWK: dict[str, type[RSAKey] | type[ECKey]] = {"RS256": RSAKey, "ES256": ECKey}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair.

    Args:
        kid: its RFC 7638 thumbprint.
        algorithm: RS256 or ES256.
        active_from: it signs from then on.
        retired_at: it is published no more from then on, and what it signed is refused.
    """

    kid: str
    algorithm: str
    active_from: datetime
    retired_at: datetime | None
    private: PrivateKey = field(repr=False)
    public: PublicKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did.

    Args:
        is_new: False when a key was waiting already: then nothing was changed.
        active_from: when the key begins to sign.
        old_until: when the keys before it go; None when there were none.
    """

    kid: str
    is_new: bool
    active_from: datetime
    old_until: datetime | None


class SigningKeys:
    """All keys that are published; the newest active one of an algorithm signs. One object serves all threads.

    Reads in autocommit, on connections of its own: a token is also checked where no unit of work is open.
    Whichever request comes a second after the last look takes another, while the others go on with what there is.

    Args:
        every_s: age at which a request looks again.
        max_age_s: age at which no request goes on without a look.
    """

    def __init__(self, engine: Engine, clock: Clock, *, every_s: float = 1, max_age_s: float = 10) -> None:
        self._engine = engine
        self._clock = clock
        self._every_s = every_s
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._keys: Mapping[str, SigningKey] = {}
        self._read_at = float("-inf")

    def current(self, algorithm: str = "RS256") -> SigningKey:
        """The key to sign with; the very first is made here."""
        now = self._clock.now()
        found = [key for key in self._published().values() if key.algorithm == algorithm]
        if not found:
            self._make_first(algorithm)
            self._read()
            found = [key for key in self._keys.values() if key.algorithm == algorithm]
        active = [key for key in found if key.active_from <= now]
        return max(active, key=lambda key: key.active_from) if active else min(found, key=lambda key: key.active_from)

    def prepare(self, algorithm: str) -> None:
        self.current(algorithm)

    def public(self, kid: str, algorithm: str = "RS256") -> PublicKey | None:
        """The public key of this id, or None; also when it is for another algorithm."""
        key = self._published().get(kid)
        if key is None and time.monotonic() - self._read_at > MISS_S:
            self._renew(must=True)
            key = self._published().get(kid)
        return key.public if key is not None and key.algorithm == algorithm else None

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set.

        Source: RFC 7517 §5.
        """
        return {
            "keys": [
                {**_public_jwk(key), "kid": kid, "use": "sig", "alg": key.algorithm}
                for kid, key in self._published().items()
            ]
        }

    def rotate(self, algorithm: str, *, at_once: bool = False) -> Rotation:
        """Make a new key, publish it, and let it sign when every copy of the JWK set that others keep has it.

        While such a key waits, another rotation changes nothing. The old key goes on being published until the
        last token that it signed has expired.

        Args:
            at_once: the old key is known to others: the new one signs now, the old ones (one that waits too) are
                deleted, and what they signed is refused.
        Source: OpenID Connect Core 1.0 §10.1.1; NIST SP 800-57 part 1 §5.3.4 on keys that are compromised.
        """
        while True:
            try:
                with self._engine.begin() as connection:
                    done = self._rotate(connection, algorithm, at_once)
            except IntegrityError:
                continue  # another rotation was first, or made the first key: look again
            self._read()
            return done

    def _rotate(self, connection: Connection, algorithm: str, at_once: bool) -> Rotation:
        keys, now = signing_keys.c, self._clock.now()
        connection.execute(delete(signing_keys).where(keys.retired_at <= now))
        ours = keys.algorithm == algorithm
        # in one statement: what another rotation adds after it takes the generation that is taken here
        found = connection.execute(
            select(keys.kid, keys.generation, keys.active_from, keys.retired_at).where(ours)
        ).all()
        waiting = next((key for key in found if key.active_from > now), None)
        if waiting is not None and not at_once:
            until = max((key.retired_at for key in found if key.retired_at is not None), default=None)
            return Rotation(waiting.kid, False, waiting.active_from, until)
        newest = max((key.generation for key in found), default=None)
        active_from = now if at_once or newest is None else now + AHEAD
        kid = _insert(connection, algorithm, (newest or 0) + 1, now, active_from)
        if newest is None:
            return Rotation(kid, True, active_from, None)
        others = (ours, keys.kid != kid)
        if at_once:
            connection.execute(delete(signing_keys).where(*others))
            return Rotation(kid, True, active_from, now)
        until = active_from + timedelta(seconds=ID_TOKEN_S) + MARGIN
        connection.execute(update(signing_keys).where(*others, keys.retired_at.is_(None)).values(retired_at=until))
        return Rotation(kid, True, active_from, until)

    def _published(self) -> Mapping[str, SigningKey]:
        age = time.monotonic() - self._read_at
        if age > self._every_s:
            self._renew(must=age > self._max_age_s)
        keys = self._keys
        if all(key.retired_at is None for key in keys.values()):
            return keys
        now = self._clock.now()
        return {kid: key for kid, key in keys.items() if key.retired_at is None or now < key.retired_at}

    def _renew(self, *, must: bool) -> None:
        if not self._lock.acquire(blocking=must):
            return  # somebody is at it
        try:
            if time.monotonic() - self._read_at > min(self._every_s, MISS_S):  # else somebody was, while we waited
                self._look()
        except SQLAlchemyError as error:
            if not self._keys:
                raise
            # the keys that there are go on; whether tokens were revoked is asked apart, and that fails closed
            log.warning("signing_keys_unread", error=type(error).__name__)
            self._read_at = time.monotonic()
        finally:
            self._lock.release()

    def _read(self) -> None:
        with self._lock:
            self._look()

    def _look(self) -> None:
        """Read what there is; private keys only of those that are new, for each must be opened and loaded."""
        began, keys = time.monotonic(), signing_keys.c
        published = or_(keys.retired_at.is_(None), keys.retired_at > self._clock.now())
        with self._autocommit() as connection:
            listed = select(keys.kid, keys.retired_at).where(published)
            rows = connection.execute(listed.order_by(keys.algorithm.desc(), keys.generation)).all()
            new = [row.kid for row in rows if row.kid not in self._keys]
            whole = connection.execute(select(signing_keys).where(keys.kid.in_(new))).all() if new else []
        known = {**self._keys, **{row.kid: _load(row) for row in whole}}
        self._keys = {row.kid: replace(known[row.kid], retired_at=row.retired_at) for row in rows if row.kid in known}
        self._read_at = began

    def _autocommit(self) -> Connection:
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")

    def _make_first(self, algorithm: str) -> None:
        now = self._clock.now()
        try:
            with self._autocommit() as connection:
                _insert(connection, algorithm, 1, now, now)
        except IntegrityError:
            return  # another process was first: its key is the key


def _insert(connection: Connection, algorithm: str, generation: int, now: datetime, active_from: datetime) -> str:
    private = MAKE[algorithm]()
    kid = _JWK[algorithm].import_key(private).thumbprint()
    row = {
        "kid": kid,
        "generation": generation,
        "algorithm": algorithm,
        "private_key": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "created_at": now,
        "active_from": active_from,
    }
    connection.execute(insert(signing_keys), row)
    return kid


def _load(row: Any) -> SigningKey:
    # unchecked, for our own seal has vouched for it: to prove an RSA key sound takes 2,000 times what reading it does
    private = load_pem_private_key(row.private_key.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(private, PrivateKey)  # noqa: S101 - no other kind is ever stored
    return SigningKey(row.kid, row.algorithm, row.active_from, row.retired_at, private, private.public_key())


def _public_jwk(key: SigningKey) -> dict[str, Any]:
    return _JWK[key.algorithm].import_key(key.public).as_dict(private=False)
