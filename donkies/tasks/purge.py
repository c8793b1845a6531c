"""Deleting what is over: codes, tokens, sessions, limits and what else only mattered for a while."""

from __future__ import annotations

import structlog
from celery import Task, shared_task

from ..domain.purging import PurgeService
from ..domain.stopping import StopFlag
from . import services

log = structlog.get_logger(__name__)


@shared_task(bind=True, name="donkies.purge")
def purge(task: Task) -> None:
    """Delete until nothing is left; whatever a stop leaves is found the next time."""
    total = 0
    with services(task.app) as container:
        purging, stop = container.get(PurgeService, StopFlag)
        while not stop.is_set() and (gone := purging.purge()):
            total += gone
    log.info("purged", rows=total)
