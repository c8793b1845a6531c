"""Codes of authenticator apps by pyotp, and their QR pictures by segno."""

from __future__ import annotations

import hmac
from datetime import datetime

import pyotp
import segno

from ..domain.factors import CodePicture

WINDOW = (0, -1, 1)


class TotpCodes:
    """OneTimeCodes: SHA-1, 30 s and 6 digits, which is what every app knows; others are ignored by some.

    Args:
        name: what this service is called: it is what the app shows.
    """

    def __init__(self, name: str) -> None:
        # apps split what they are told at the first colon
        self._name = name.replace(":", " ")

    def new_secret(self) -> str:
        return pyotp.random_base32(32)

    def step_of(self, secret: str, code: str, now: datetime) -> int | None:
        typed = "".join(code.split())
        if not (typed.isascii() and typed.isdigit() and len(typed) == 6):
            return None
        totp = pyotp.TOTP(secret)
        step = totp.timecode(now)
        # all are compared, so that the time does not tell which it was
        fitting = [step + by for by in WINDOW if hmac.compare_digest(totp.generate_otp(step + by), typed)]
        return fitting[0] if fitting else None

    def picture(self, secret: str, email: str) -> CodePicture:
        uri = pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=self._name)
        # white around and behind it, for scanners read dark on light only, whatever the page's colours are
        image = segno.make(uri, error="m", micro=False).svg_data_uri(scale=4, border=4, light="#fff")
        return CodePicture(uri, image)
