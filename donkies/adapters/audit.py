"""Events go into the log and are counted."""

from __future__ import annotations

from dataclasses import fields
from uuid import UUID

import structlog

from ..domain.events import Event
from .metrics import Metrics

log = structlog.get_logger(__name__)


class LoggedEvents:
    """Writes each event as one line: its name and its fields, which are all that it can hold."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def tell(self, event: Event) -> None:
        values = {one.name: getattr(event, one.name) for one in fields(event)}
        log.info(
            event.name, **{name: str(value) if isinstance(value, UUID) else value for name, value in values.items()}
        )
        self._metrics.event(event)
