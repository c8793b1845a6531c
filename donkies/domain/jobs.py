"""Waking workers."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class Jobs(Protocol):
    """Wakes workers. Sends after the open unit of work has committed; a message that is lost costs a sweep."""

    def look(self) -> None:
        """There is a link to look at."""
        ...

    def download(self, user_id: UUID, link_id: UUID) -> None:
        """There is a link whose transactions are to be downloaded."""
        ...

    def remove_members(self) -> None:
        """There is a member to be deleted at the aggregator."""
        ...

    def adopt_members(self) -> None:
        """There may be a member that was made in the aggregator's own widget."""
        ...

    def erase(self) -> None:
        """There is a person's user to be deleted at the aggregator."""
        ...

    def send_mail(self) -> None:
        """There is a letter in the outbox."""
        ...
