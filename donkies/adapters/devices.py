"""Browsers that logged in before: signed marks in a cookie."""

from __future__ import annotations

import base64
import hmac
import secrets

from .sealing import Keyring


class SealedDevices:
    """KnownDevices: the mark is a random number and a keyed digest of it and the account.

    Source: OWASP, "Slow Down Online Guessing Attacks with Device Cookies".
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def mark(self, account: str) -> str:
        number = secrets.token_urlsafe(16)
        return f"{number}.{self._sign(number, account)}"

    def knows(self, mark: str, account: str) -> bool:
        number, _, signature = mark.partition(".")
        return hmac.compare_digest(self._sign(number, account).encode(), signature.encode())

    def _sign(self, number: str, account: str) -> str:
        return base64.urlsafe_b64encode(self._keyring.index(f"device {number} {account}")).decode()
