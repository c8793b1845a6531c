"""Celery: wakes workers once the unit of work has committed (docs/adr/0003)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, ClassVar, cast
from uuid import UUID, uuid4

import structlog
from celery import Celery
from celery.worker.consumer import Consumer
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from ..domain import tracing
from .persistence.unit_of_work import ZopeUnitOfWork

log = structlog.get_logger(__name__)

QUIET_S = 5  # after a failure nothing is sent for so long: many messages may not wait for a dead broker one by one


QUEUES = ("links", "downloads")  # apart, so that a download of a million rows delays nobody's link
ANSWER_S = 1  # what a broker may take to answer somebody who publishes
DELIVERIES = 20  # of one message; then it is dropped, and a sweep sends another if the work is still due


class ConsumerWithoutDelays(Consumer):  # type: ignore[misc]
    """Celery's consumer, less the 28 queues it sets up for delayed messages: the row's due time does the waiting."""

    class Blueprint(Consumer.Blueprint):  # type: ignore[misc]
        default_steps: ClassVar[list[str]] = [
            step for step in Consumer.Blueprint.default_steps if not str(step).endswith(":DelayedDelivery")
        ]


class DonkiesCelery(Celery):  # type: ignore[misc]
    """Celery whose publishing connections give up on a broker that falls silent, at whatever it was asked."""

    def connection_for_write(self, *arguments: Any, **options: Any) -> Any:
        if str(self.conf.broker_url).startswith("amqp"):
            # one try to connect: kombu would sleep for a second and try again, though it was refused at once
            limits = {"read_timeout": ANSWER_S, "write_timeout": ANSWER_S, "max_retries": 0}
            options["transport_options"] = limits | (options.get("transport_options") or {})
        return super().connection_for_write(*arguments, **options)


def make_celery(
    broker_url: str, sweep_s: float, queue_prefix: str = "donkies.", *, purge_every_s: float = 3600
) -> Celery:
    """The Celery application, the same in web, worker and beat.

    Messages only wake: results are not kept, and nothing is lost with them but time. So a dead broker may
    not hold up a request: publishing is tried once, for a second.

    Args:
        broker_url: `amqp://…`, where queues are quorum queues, or `memory://`.
        sweep_s: between two sweeps.
        queue_prefix: what the names of queues in a broker begin with.
        purge_every_s: between two purges.
    """
    is_memory = broker_url.startswith("memory:")
    app = DonkiesCelery("donkies", broker="memory://localhost/" if is_memory else broker_url, set_as_current=False)
    # queues in memory are shared by all applications of a process: each has its own, so that tests do not meet
    own = f"-{uuid4()}" if is_memory else ""
    names = {name: f"{name}{own}" if is_memory else f"{queue_prefix}{name}" for name in QUEUES}
    arguments = None if is_memory else {"x-queue-type": "quorum", "x-delivery-limit": DELIVERIES}
    app.queue_names = names
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,  # the row's due time brings failed work back, not the queue
        task_default_queue=names["links"],
        task_queues=[Queue(name, Exchange(name), name, queue_arguments=arguments) for name in names.values()],
        task_routes={"donkies.download": {"queue": names["downloads"]}},
        task_publish_retry=False,
        task_serializer="json",
        accept_content=["json"],
        worker_consumer=f"{__name__}:{ConsumerWithoutDelays.__name__}",
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,  # leases and fences keep it right
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # a worker waits for its broker however long that takes
        broker_connection_timeout=ANSWER_S,
        broker_transport_options={"polling_interval": 0.05} if is_memory else {"confirm_publish": True},
        # beat alone publishes with a retry: without it nothing would ever connect it to a broker that came back
        beat_schedule={
            name: {"task": f"donkies.{name}", "schedule": every_s, "options": {"retry": True}}
            for name, every_s in (("sweep", sweep_s), ("purge", purge_every_s))
        },
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

    def adopt_members(self) -> None:
        self._send("donkies.adopt_members")

    def erase(self) -> None:
        self._send("donkies.erase")

    def send_mail(self) -> None:
        self._send("donkies.send_mail")

    def _send(self, name: str, *arguments: str) -> None:
        trace = tracing.current()
        headers = {f"donkies_{key}": trace[key] for key in ("request_id", "link_id") if key in trace}

        def send() -> None:
            app, now = cast(Any, self.app), time.monotonic()
            quiet_until = getattr(app, "quiet_until", 0)
            if now < quiet_until:
                return
            if quiet_until:  # one tries whether the broker is back; the others do not wait beside it
                app.quiet_until = now + QUIET_S
            try:
                self._publish(name, arguments, headers)
                app.quiet_until = 0
            except (OperationalError, OSError) as error:
                app.quiet_until = time.monotonic() + QUIET_S
                # the row says what is due; a sweep finds it
                log.warning("message_not_sent", task=name, error=type(error).__name__)

        self.unit_of_work.after_commit(send)

    def _publish(self, name: str, arguments: tuple[str, ...], headers: dict[str, str]) -> None:
        with self.app.producer_or_acquire() as producer:
            try:
                self.app.send_task(name, arguments, headers=headers, producer=producer, confirm_timeout=ANSWER_S)
            except (OperationalError, OSError):
                # not to be used again: a late answer on it would be taken for the next message's
                producer.connection.collect(socket_timeout=ANSWER_S)
                raise
