"""Encryption at rest with rotating keys, and blind indexes to find what is encrypted (DESIGN 9)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Unsealable(Exception):
    """The bytes were not sealed by any key of the ring, or were changed since."""


class Keyring:
    """Seals with its first key and opens with any.

    A sealed value is 4 bytes that name the key, 12 of nonce, then AES-256-GCM ciphertext and tag
    (NIST SP 800-38D). The blind index is under a key derived from the first too, and looked for under every
    one (`indexes`). To rotate while the service runs, in this order:

    1. `OLD NEW` everywhere: every process can open what the new key will seal;
    2. `NEW OLD` everywhere: from now on the new key seals;
    3. `donkies keys reseal`: all that is kept, and its indexes, go under the new key;
    4. `NEW` everywhere: the old key opens nothing that is left, and can be destroyed.

    Args:
        keys: 32 random bytes each, base64url; at least one.
    Raises: ValueError when a key is not that; the text never holds the key.
    """

    def __init__(self, *keys: str) -> None:
        if not keys:
            raise ValueError("at least one sealing key is needed")
        raw = [_decode(key) for key in keys]
        self._ciphers = {hashlib.sha256(key).digest()[:4]: AESGCM(_derive(key, b"seal")) for key in raw}
        self._first = hashlib.sha256(raw[0]).digest()[:4]
        self._index_keys = tuple(_derive(key, b"blind index") for key in raw)

    @property
    def first(self) -> bytes:
        """How values begin that the first key sealed, 4 bytes."""
        return self._first

    def __repr__(self) -> str:
        return f"Keyring({len(self._ciphers)} keys)"

    @staticmethod
    def new_key() -> str:
        """A fresh key, as the setting wants it."""
        return base64.urlsafe_b64encode(os.urandom(32)).decode()

    def seal(self, value: bytes) -> bytes:
        nonce = os.urandom(12)
        return self._first + nonce + self._ciphers[self._first].encrypt(nonce, value, self._first)

    def unseal(self, sealed: bytes) -> bytes:
        """Raises: Unsealable."""
        name, nonce, text = bytes(sealed[:4]), bytes(sealed[4:16]), bytes(sealed[16:])
        try:
            return self._ciphers[name].decrypt(nonce, text, name)
        except (KeyError, InvalidTag, ValueError):
            raise Unsealable("a stored value cannot be opened with the sealing keys configured") from None

    def index(self, value: str) -> bytes:
        """A keyed digest to keep beside an encrypted value, so that it can be found; 32 bytes."""
        return hmac.digest(self._index_keys[0], value.encode(), "sha256")

    def indexes(self, value: str) -> tuple[bytes, ...]:
        """The digests under every key, the first one's first: a value that is not resealed yet is under another."""
        return tuple(hmac.digest(key, value.encode(), "sha256") for key in self._index_keys)


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"donkies " + purpose).derive(key)


def _decode(key: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(key.encode())
    except (binascii.Error, ValueError):
        raise ValueError("a sealing key is not base64url") from None
    if len(raw) != 32:
        raise ValueError("a sealing key must be 32 bytes in base64url")
    return raw
