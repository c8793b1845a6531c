"""Who may link a bank, and take what came of it along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from .errors import Forbidden
from .unit_of_work import UnitOfWork
from .users import UserStore


class LinkGate(Protocol):
    """Who may link a bank, or export what is here of them."""

    def check(self, user_id: UUID) -> None:
        """Raises: Forbidden, saying what the person has to do first."""
        ...


class OpenGate:
    """Everybody may."""

    def check(self, user_id: UUID) -> None:
        pass


@dataclass
class VerifiedEmailGate:
    """Only who has shown that the e-mail address is theirs (DESIGN 5)."""

    unit_of_work: UnitOfWork
    users: UserStore

    def check(self, user_id: UUID) -> None:
        with self.unit_of_work:
            user = self.users.find(user_id)
            verified = user is not None and user.email_verified
        if not verified:
            raise Forbidden("Verify your e-mail address first.", code="email_unverified")
