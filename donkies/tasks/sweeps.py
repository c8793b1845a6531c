"""Takes up what is overdue: the row is the truth, and a message that was lost costs at most one sweep."""

from __future__ import annotations

from celery import Task, shared_task

from ..domain.downloading import DownloadService
from ..domain.granting import GrantService
from ..domain.jobs import Jobs
from ..domain.tracing import tracing_link
from . import services


@shared_task(bind=True, name="donkies.sweep")
def sweep(task: Task) -> None:
    """Wake whoever has something due."""
    with services(task.app) as container:
        downloads, jobs, grants = container.get(DownloadService, Jobs, GrantService)
        grants.erase_successors()
        for user_id, link_id in downloads.due():
            with tracing_link(user_id, link_id):
                jobs.download(user_id, link_id)
        jobs.remove_members()
        jobs.adopt_members()
        jobs.erase()
        jobs.send_mail()
        jobs.look()
