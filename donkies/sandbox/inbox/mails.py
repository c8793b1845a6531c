"""The mails that came, in memory."""

import email
import itertools
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from email import policy
from email.message import EmailMessage
from typing import Any

from ..wire import moment

MOST_MAILS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail as it came.

    Args: id, from 1 in the order of arrival; html, None for plain mail; at, seconds since 1970.
    """

    id: int
    recipients: Sequence[str]
    sender: str
    subject: str
    text: str = field(repr=False)
    html: str | None = field(repr=False)
    at: float

    def to_json(self) -> dict[str, Any]:
        shown = asdict(self)
        to, sender = ", ".join(shown.pop("recipients")), shown.pop("sender")
        return {**shown, "to": to, "from": sender, "at": moment(self.at)}


class Inbox:
    """The last 1,000 mails. It locks by itself: mail comes in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.smtp_port: int | None = None
        self.reset()

    def reset(self) -> None:
        """Forget all mail, and take new mail again."""
        self.refuses = False
        self.clear()

    def clear(self) -> None:
        """Forget all mail."""
        with self._lock:
            self._mails: deque[Mail] = deque(maxlen=MOST_MAILS)
            self._ids = itertools.count(1)

    def add(self, raw: bytes, recipients: Sequence[str], at: float) -> None:
        """Keep a mail. Args: raw, the message; recipients, whom the envelope names; at, seconds since 1970."""
        message = email.message_from_bytes(raw, policy=policy.default)
        with self._lock:
            self._mails.append(
                Mail(
                    id=next(self._ids),
                    recipients=tuple(recipients),
                    sender=str(message["From"] or ""),
                    subject=str(message["Subject"] or ""),
                    text=_part(message, "plain") or "",
                    html=_part(message, "html"),
                    at=at,
                )
            )

    def list(self, to: str | None = None) -> Sequence[Mail]:
        """List the mails to an address, or all, newest first."""
        wanted = to and to.lower()
        with self._lock:
            newest_first = list(reversed(self._mails))
        return [m for m in newest_first if not wanted or wanted in (one.lower() for one in m.recipients)]

    def find(self, mail_id: int) -> Mail | None:
        with self._lock:
            return next((mail for mail in self._mails if mail.id == mail_id), None)


def _part(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))  # type: ignore[arg-type]
    return None if part is None else part.get_content().replace("\r\n", "\n")
