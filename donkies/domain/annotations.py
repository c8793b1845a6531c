"""What a person says of a transaction: its category, a note, whether it is hidden. No download changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from .errors import NotFound
from .unit_of_work import UnitOfWork


class AnnotationStore(Protocol):
    """Where it is kept. Needs an open unit of work."""

    def annotate(self, user_id: UUID, transaction_id: UUID, changes: Mapping[str, Any], now: datetime) -> bool:
        """Write what changed; a row that changed takes a change number, so that mirrors of the feed hear of it.

        Args:
            changes: any of `category`, `note` (None takes it away) and `hidden`.
        Returns: whether the person has such a transaction.
        """
        ...


@dataclass
class AnnotationService:
    """Changes what a person says of their transactions."""

    unit_of_work: UnitOfWork
    annotations: AnnotationStore

    def annotate(self, user_id: UUID, transaction_id: UUID, changes: Mapping[str, Any]) -> None:
        """What is not in `changes` stays. Raises: NotFound."""
        with self.unit_of_work:
            if not self.annotations.annotate(user_id, transaction_id, changes, self.unit_of_work.now()):
                raise NotFound("There is no transaction with this id.")
