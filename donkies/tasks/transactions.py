"""Downloading transactions."""

from __future__ import annotations

from uuid import UUID

from celery import Task, shared_task

from ..domain.downloading import DownloadService
from ..domain.tracing import tracing
from . import services


@shared_task(bind=True, name="donkies.download")
def download(task: Task, user_id: str, link_id: str) -> None:
    """Download a link's transactions, from wherever the last worker stopped."""
    with services(task.app) as container, tracing(user_id=user_id, link_id=link_id):
        container.get(DownloadService).run(UUID(user_id), UUID(link_id))
