"""Each task's ids in its log lines: its own, and those that came with its message."""

from __future__ import annotations

from typing import Any

import structlog
from celery import Task
from celery.signals import task_postrun, task_prerun

from ..domain import tracing

log = structlog.get_logger(__name__)

FOR_ONE = frozenset({"donkies.download"})  # the others serve whoever has something due


@task_prerun.connect(weak=False, dispatch_uid="donkies.tracing.begin")
def begin(task_id: str, task: Task, **_: Any) -> None:
    """A message names the request that sent it; work for many only remembers whose link that was about."""
    if not task.name.startswith("donkies."):
        return
    headers = task.request.headers or {}
    ids = {key: headers[f"donkies_{key}"] for key in ("request_id", "link_id") if f"donkies_{key}" in headers}
    if {"request_id", "link_id"} == ids.keys():
        tracing.asked_by.put(ids["link_id"], ids["request_id"])
    task.request.donkies_trace = tracing.begin(task_id=task_id, **(ids if task.name in FOR_ONE else {}))
    log.debug("task_begins", task=task.name, woken_by=ids.get("request_id"))


@task_postrun.connect(weak=False, dispatch_uid="donkies.tracing.end")
def end(task: Task, state: str | None = None, **_: Any) -> None:
    """Its thread goes on to other work."""
    opened = getattr(task.request, "donkies_trace", None)
    if opened is not None:
        log.debug("task_ended", task=task.name, state=state)
        tracing.end(opened)
