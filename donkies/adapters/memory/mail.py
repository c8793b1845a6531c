"""Mail in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ...domain.mail import Letter, Mail, MailDown


class RecordingPostman:
    """Postman that keeps what it is given, the oldest first; `is_down` makes it refuse."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []
        self.is_down = False

    def send(self, mail: Mail) -> None:
        if self.is_down:
            raise MailDown("The mail server is down.")
        self.sent.append(mail)


class MemoryOutbox:
    """Outbox in a dict.

    Args:
        rows: the rows of sign-in, whose unit of work it takes part in.
    """

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def add(self, letter: Letter, now: datetime) -> None:
        self._rows.letters[letter.id] = (letter, now, None)

    def claim_due(self, limit: int, lease_s: float) -> Sequence[Letter]:
        now = datetime.now(UTC)
        claimed = []
        for letter, due_at, lease_until in sorted(self._rows.letters.values(), key=lambda row: row[1]):
            is_free = lease_until is None or lease_until < now
            if due_at <= now < letter.expires_at and is_free and len(claimed) < limit:
                claimed.append(replace(letter, lease_no=letter.lease_no + 1))
                self._rows.letters[letter.id] = (claimed[-1], due_at, now + timedelta(seconds=lease_s))
        return claimed

    def done(self, letter: Letter) -> None:
        if self._holds(letter):
            del self._rows.letters[letter.id]

    def postpone(self, letter: Letter, wait_s: float) -> None:
        if self._holds(letter):
            later = replace(letter, attempts=letter.attempts + 1)
            self._rows.letters[letter.id] = (later, datetime.now(UTC) + timedelta(seconds=wait_s), None)

    def remove_expired(self, now: datetime) -> int:
        gone = [key for key, (letter, _, _) in self._rows.letters.items() if letter.expires_at <= now]
        for key in gone:
            del self._rows.letters[key]
        return len(gone)

    def _holds(self, letter: Letter) -> bool:
        held = self._rows.letters.get(letter.id)
        return held is not None and held[0].lease_no == letter.lease_no
