"""Links that are mailed to people: whoever follows one reads mail at that address. Port MailedLinkStore."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol
from uuid import UUID

from .errors import DomainError
from .hashes import hash_of
from .mail import Letters
from .unit_of_work import Clock

Purpose = Literal["verify", "reset", "change"]
# the letter that brings each, and how long it is good, seconds
LETTERS: dict[Purpose, str] = {"verify": "verify_email", "reset": "reset_password", "change": "change_email"}
LIVES: dict[Purpose, int] = {"verify": 86_400, "reset": 1_800, "change": 3_600}


class LinkOver(DomainError):
    """The link was used, is too old, or a newer one took its place; which of them is not told."""

    code = "link_over"


@dataclass(frozen=True, slots=True)
class MailedLink:
    """What a mailed link is good for.

    Args:
        email: where it was mailed to.
    """

    user_id: UUID
    purpose: Purpose
    email: str = field(repr=False)
    expires_at: datetime


class MailedLinkStore(Protocol):
    """Keeps mailed links by the hash of their token; all within a unit of work."""

    def put(self, token_hash: bytes, link: MailedLink, now: datetime) -> None:
        """Keep it, in place of the same person's for the same purpose."""
        ...

    def find(self, token_hash: bytes, purpose: Purpose, now: datetime) -> MailedLink | None:
        """Returns: the link, if it is for this purpose and not over."""
        ...

    def take(self, token_hash: bytes, purpose: Purpose, now: datetime) -> MailedLink | None:
        """Remove it, in one conditional statement. Returns: the same, to one of any number of callers."""
        ...

    def remove_all_of(self, user_id: UUID) -> None: ...

    def remove_expired(self, now: datetime) -> int:
        """Returns: how many; at most some thousand at once."""
        ...


@dataclass
class MailedLinks:
    """Mails, reads and spends links, within the unit of work of what they are for.

    Reading spends nothing: mail scanners follow links, and some press the button too (OWASP ASVS 5.0, 6.6.2).
    """

    store: MailedLinkStore
    letters: Letters
    clock: Clock

    def mail(self, purpose: Purpose, user_id: UUID, to: str) -> None:
        """Mail somebody a link; older ones for the same purpose are over then.

        Only the letter holds the token, 256 random bits; it is sealed while it waits.
        """
        token, now = secrets.token_urlsafe(32), self.clock.now()
        expires_at = now + timedelta(seconds=LIVES[purpose])
        self.store.put(hash_of(token), MailedLink(user_id, purpose, to, expires_at), now)
        self.letters.write(LETTERS[purpose], to, lasting_s=LIVES[purpose], token=token)

    def read(self, token: str, purpose: Purpose) -> MailedLink:
        """Raises: LinkOver."""
        return _good(self.store.find(hash_of(token), purpose, self.clock.now()))

    def spend(self, token: str, purpose: Purpose) -> MailedLink:
        """The same, once. Raises: LinkOver."""
        return _good(self.store.take(hash_of(token), purpose, self.clock.now()))

    def end_all(self, user_id: UUID) -> None:
        """A person's links are over, whatever they are for."""
        self.store.remove_all_of(user_id)


def _good(link: MailedLink | None) -> MailedLink:
    if link is None:
        raise LinkOver("This link was used already, or it is too old.")
    return link
