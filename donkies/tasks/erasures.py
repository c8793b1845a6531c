"""Deleting at the aggregator what was there of people who are gone."""

from __future__ import annotations

from celery import Task, shared_task

from ..domain.erasures import ErasureService
from ..domain.stopping import StopFlag
from . import services


@shared_task(bind=True, name="donkies.erase")
def erase(task: Task) -> None:
    """Delete until nothing is due."""
    with services(task.app) as container:
        erasures, stop = container.get(ErasureService, StopFlag)
        while not stop.is_set() and erasures.erase_due():
            pass
