"""Jobs in memory."""

from __future__ import annotations

from typing import Any
from uuid import UUID


class RecordingJobs:
    """Jobs that are written down instead of sent, after the unit of work has committed.

    Args:
        unit_of_work: without one, jobs are written down at once.
    """

    def __init__(self, unit_of_work: Any = None) -> None:
        self.sent: list[tuple[str, *tuple[UUID, ...]]] = []
        self._unit_of_work = unit_of_work

    def look(self) -> None:
        self._send("look")

    def download(self, user_id: UUID, link_id: UUID) -> None:
        self._send("download", user_id, link_id)

    def remove_members(self) -> None:
        self._send("remove_members")

    def adopt_members(self) -> None:
        self._send("adopt_members")

    def erase(self) -> None:
        self._send("erase")

    def send_mail(self) -> None:
        self._send("send_mail")

    def _send(self, name: str, *arguments: UUID) -> None:
        def send() -> None:
            self.sent.append((name, *arguments))

        if self._unit_of_work is None:
            send()
        else:
            self._unit_of_work.after_commit(send)
