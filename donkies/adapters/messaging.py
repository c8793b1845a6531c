"""Celery: wakes workers once the unit of work has committed (docs/adr/0003)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid4

import structlog
from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from .persistence.unit_of_work import ZopeUnitOfWork

log = structlog.get_logger(__name__)

QUIET_S = 5  # after a failure nothing is sent for so long: many messages may not wait for a dead broker one by one


def make_celery(broker_url: str, sweep_s: float) -> Celery:
    """The Celery application, the same in web, worker and beat.

    Messages only wake: results are not kept, and nothing is lost with them but time. So a dead broker may
    not hold up a request: publishing is tried once, for a second.
    """
    is_memory = broker_url.startswith("memory:")
    app = Celery("donkies", broker="memory://localhost/" if is_memory else broker_url, set_as_current=False)
    # queues in memory are shared by all applications of a process: each has its own, so that tests do not meet
    own = f"-{uuid4()}" if is_memory else ""
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,  # the row's due time brings failed work back, not the queue
        task_default_queue="links" + own,
        task_queues=[Queue(name + own, Exchange(name + own), name + own) for name in ("links", "downloads")],
        task_routes={"donkies.download": {"queue": "downloads" + own}},
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=1,
        broker_transport_options={"polling_interval": 0.05} if is_memory else {"confirm_publish": True},
        beat_schedule={"sweep": {"task": "donkies.sweep", "schedule": sweep_s}},
        beat_max_loop_interval=1,
    )
    return app


@dataclass
class CeleryJobs:
    """Sends a message after the open unit of work has committed, or at once where none is open."""

    app: Celery
    unit_of_work: ZopeUnitOfWork

    def look(self) -> None:
        self._send("donkies.look")

    def download(self, user_id: UUID, link_id: UUID) -> None:
        self._send("donkies.download", str(user_id), str(link_id))

    def remove_members(self) -> None:
        self._send("donkies.remove_members")

    def _send(self, name: str, *arguments: str) -> None:
        def send() -> None:
            app = cast(Any, self.app)
            if time.monotonic() < getattr(app, "quiet_until", 0):
                return
            try:
                self.app.send_task(name, arguments)
            except (OperationalError, OSError) as error:
                app.quiet_until = time.monotonic() + QUIET_S
                # the row says what is due; a sweep finds it
                log.warning("message_not_sent", task=name, error=type(error).__name__)

        self.unit_of_work.after_commit(send)
