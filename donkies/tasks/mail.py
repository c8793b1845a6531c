"""Sending what is in the outbox."""

from __future__ import annotations

from celery import Task, shared_task

from ..domain.mail import PostService
from ..domain.stopping import StopFlag
from . import services


@shared_task(bind=True, name="donkies.send_mail")
def send_mail(task: Task) -> None:
    """Send until nothing is due."""
    with services(task.app) as container:
        post, stop = container.get(PostService, StopFlag)
        while not stop.is_set() and post.send_due():
            pass
