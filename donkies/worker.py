"""Celery's application from an ini file, and the threads that the embedded default runs it in."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import svcs
from celery import Celery
from celery.beat import Scheduler, Service
from celery.signals import worker_shutting_down
from prometheus_client import CollectorRegistry

from .adapters.metrics import serve_metrics
from .config import Settings
from .domain.stopping import StopFlag
from .tasks import erasures, linked_accounts, mail, purge, sweeps, tracing, transactions

TASKS = (
    erasures,
    linked_accounts,
    mail,
    purge,
    sweeps,
    tracing,
    transactions,
)  # importing a module registers its tasks


def application(registry: svcs.Registry) -> Celery:
    """The Celery application that the registry's services send to."""
    return svcs.Container(registry).get(Celery)


def run_worker(registry: svcs.Registry, threads: int, queues: Sequence[str] = ()) -> None:
    """Work in the foreground until SIGTERM or Ctrl-C, which let what runs end, or hand over.

    Threads, not forks: the work waits for the aggregator and the database, and their pools are shared.

    Args:
        registry: as `config.bind` made it.
        queues: `links`, `downloads`; none for both.
    """
    settings, stop = svcs.Container(registry).get(Settings, StopFlag)
    app = application(registry)
    app.set_default()  # a thread of the pool finds its tasks on the current application
    names = [app.queue_names[queue] for queue in queues]

    def stopping(**_: object) -> None:
        stop.set()
        threading.Thread(target=_end_after, args=(settings.worker_stop_s,), daemon=True).start()

    worker_shutting_down.connect(stopping, weak=False)
    worker = app.Worker(pool_cls="threads", concurrency=threads, queues=",".join(names) or None, quiet=True)
    try:
        with showing_metrics(registry):
            worker.start()
    finally:
        worker_shutting_down.disconnect(stopping)


def _end_after(seconds: float) -> None:
    """Whatever still hangs then is taken up by another worker: its lease runs out, its message comes again."""
    time.sleep(seconds)
    sys.stderr.write("donkies: work did not end in time (donkies.worker.stop_s); another worker takes it over\n")
    sys.stderr.flush()
    os._exit(0)


def run_beat(app: Celery) -> None:
    """Send the sweep and the purge in the foreground until SIGTERM or Ctrl-C; nothing is kept on disk."""
    with showing_metrics(app.services):
        app.Beat(scheduler_cls=Scheduler, max_interval=1, quiet=True).run()


@contextmanager
def showing_metrics(registry: svcs.Registry) -> Iterator[None]:
    """Show this process's metrics on the loopback port `donkies.metrics.port`; on none where that is 0.

    Raises: SystemExit, naming the setting, when the port is taken.
    """
    settings, metrics = svcs.Container(registry).get(Settings, CollectorRegistry)
    stop = None
    if settings.metrics_port:
        try:
            stop = serve_metrics(metrics, settings.metrics_port)
        except OSError as error:
            raise SystemExit(
                f"donkies: donkies.metrics.port = {settings.metrics_port}: cannot listen there ({error.strerror}); "
                "worker and beat on one machine need a port each"
            ) from None
    try:
        yield
    finally:
        if stop:
            stop()


class EmbeddedWorker:
    """A worker and a beat in threads of this process, for the embedded default and for tests.

    Args:
        registry: as `config.bind` made it.
    """

    def __init__(self, registry: svcs.Registry) -> None:
        settings, self._stop = svcs.Container(registry).get(Settings, StopFlag)
        self._app = application(registry)
        self._app.set_default()  # a thread of the pool finds its tasks on the current application
        self._worker = self._app.WorkController(
            pool_cls="threads",
            concurrency=settings.worker_threads,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
            hostname="donkies@embedded",
            quiet=True,
        )
        self._beat = Service(self._app, max_interval=1, scheduler_cls=Scheduler)
        self._threads = [
            threading.Thread(target=self._worker.start, name="worker", daemon=True),
            threading.Thread(target=self._beat.start, name="beat", daemon=True),
        ]

    def start(self) -> None:
        """Begin to work."""
        for thread in self._threads:
            thread.start()

    def stop(self, wait_s: float = 2) -> None:
        """Take nothing new; what runs is given `wait_s` to end, and else is taken up by its due time."""
        self._stop.set()
        self._beat.stop(wait=False)
        stopper = threading.Thread(target=self._worker.stop, daemon=True)
        stopper.start()
        stopper.join(wait_s)


__all__ = ["EmbeddedWorker", "application", "run_beat", "run_worker"]
