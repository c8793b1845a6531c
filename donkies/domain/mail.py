"""Mail to people: it is kept with what it tells of, and sent by a worker. Ports Outbox, Postman and LetterPress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from .errors import DomainError
from .ids import new_id
from .jobs import Jobs
from .unit_of_work import UnitOfWork

BATCH = 20
LEASE_S = 60
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 1_800.0


class MailDown(DomainError):
    """The mail server did not take a mail; it may the next time."""

    code = "mail_down"


class MailRefused(DomainError):
    """The mail server will never take this mail: there is no such address."""

    code = "mail_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is to be told to whom; its words are the letter press's.

    Args:
        kind: names the words: `verify_email`, `password_changed`, …
        to: an address.
        values: what stands in it; a one-time link may be among them.
        expires_at: from then on it is of no use and not sent any more.
    """

    id: UUID
    kind: str
    to: str = field(repr=False)
    values: Mapping[str, str] = field(repr=False)
    expires_at: datetime
    attempts: int = 0
    lease_no: int = 0


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as it is sent: plain text, and the same as HTML."""

    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


class Outbox(Protocol):
    """Keeps letters until they are sent; all within a unit of work."""

    def add(self, letter: Letter, now: datetime) -> None: ...

    def claim_due(self, limit: int, lease_s: float) -> Sequence[Letter]: ...

    def done(self, letter: Letter) -> None: ...

    def postpone(self, letter: Letter, wait_s: float) -> None: ...

    def remove_expired(self, now: datetime) -> int:
        """Returns: how many; at most some thousand at once."""
        ...


class LetterPress(Protocol):
    """Puts letters into words."""

    def print(self, letter: Letter) -> Mail: ...


class Postman(Protocol):
    """Hands mail to a mail server. Never called while a unit of work is open."""

    def send(self, mail: Mail) -> None:
        """Raises: MailDown; MailRefused."""
        ...


@dataclass
class Letters:
    """Writes letters, within the unit of work of what they tell of: they are sent if it commits."""

    unit_of_work: UnitOfWork
    outbox: Outbox
    jobs: Jobs

    def write(self, kind: str, to: str, *, lasting_s: float = 259_200, **values: str) -> None:
        """Put a letter into the outbox; a unit of work must be open.

        Args:
            lasting_s: seconds after which it is of no use any more.
        """
        now = self.unit_of_work.now()
        expires_at = now + timedelta(seconds=lasting_s)
        self.outbox.add(Letter(id=new_id(), kind=kind, to=to, values=values, expires_at=expires_at), now)
        self.jobs.send_mail()


def in_words(at: datetime) -> str:
    """A time as letters tell it: `2 January 2026, 03:04 UTC`."""
    return at.strftime("%d %B %Y, %H:%M UTC").lstrip("0")


@dataclass
class PostService:
    """Sends what is in the outbox, until the mail server has taken it."""

    unit_of_work: UnitOfWork
    outbox: Outbox
    press: LetterPress
    postman: Postman

    def send_due(self) -> int:
        """Send a batch of what is due. Returns: how many were tried.

        A worker that dies between sending and noting it sends it twice; none is lost.
        """
        with self.unit_of_work:
            due = self.outbox.claim_due(BATCH, LEASE_S)
        for letter in due:
            is_over = self._send(letter)
            with self.unit_of_work:
                if is_over:
                    self.outbox.done(letter)
                else:
                    self.outbox.postpone(letter, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(letter.attempts, 16)))
        return len(due)

    def _send(self, letter: Letter) -> bool:
        try:
            self.postman.send(self.press.print(letter))
        except MailDown:
            return False
        except MailRefused:
            return True
        return True
