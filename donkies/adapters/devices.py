"""Browsers that logged in before: signed marks in a cookie."""

from __future__ import annotations

import base64
import hmac
import secrets

from .sealing import Keyring


class SealedDevices:
    """KnownDevices: the mark is a random number and a keyed digest of it and the account.

    A mark is good for as long as its key is in the ring; afterwards the browser counts as a new one.

    Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def mark(self, account: str) -> str:
        number = secrets.token_urlsafe(16)
        return f"{number}.{_text(self._keyring.index(_signed(number, account)))}"

    def knows(self, mark: str, account: str) -> bool:
        number, _, signature = mark.partition(".")
        good = (_text(index) for index in self._keyring.indexes(_signed(number, account)))
        return any(hmac.compare_digest(one.encode(), signature.encode()) for one in good)


def _signed(number: str, account: str) -> str:
    return f"device {number} {account}"


def _text(index: bytes) -> str:
    return base64.urlsafe_b64encode(index).decode()
