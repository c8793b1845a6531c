"""Looking at links that move, and deleting members whose links are gone."""

from __future__ import annotations

import threading
import time
from uuid import UUID

import svcs
from celery import Task, shared_task

from ..domain.adopting import AdoptingService
from ..domain.downloading import DownloadService
from ..domain.following import LookService
from ..domain.jobs import Jobs
from ..domain.removals import RemovalService
from ..domain.stopping import StopFlag
from ..domain.tracing import tracing_link
from . import services

HORIZON_S = 15  # a looker goes on while something is due within this; sweeps and commands start another
LONGEST_S = 300  # then it ends all the same and is started anew, so that no task is endless


class Looker:
    """At most one looker a process: a message that comes while it runs only wakes it.

    Args:
        stop: set when the process is to end; what is left is due, and another worker's looker takes it up.
    """

    def __init__(self, stop: StopFlag) -> None:
        self._stop = stop
        self._running = threading.Lock()
        self._awake = threading.Event()

    def run(self, container: svcs.Container) -> None:
        """Look at links until nothing moves; return at once when another thread of this process does so."""
        self._awake.set()
        while self._awake.is_set() and not self._stop.is_set() and self._running.acquire(blocking=False):
            try:
                self._look_until_quiet(container)
            finally:
                self._running.release()

    def _look_until_quiet(self, container: svcs.Container) -> None:
        looker, downloads, jobs = container.get(LookService, DownloadService, Jobs)
        until = time.monotonic() + LONGEST_S
        woken: dict[tuple[UUID, UUID], float] = {}
        while time.monotonic() < until and not self._stop.is_set():
            self._awake.clear()
            looker.claim()
            self._wake_downloads(downloads, jobs, woken)
            if looker.outstanding:
                looker.collect(wait_s=0.2)
                continue
            pauses = [looker.seconds_to_next(HORIZON_S), downloads.seconds_to_next(HORIZON_S)]
            known = [pause for pause in pauses if pause is not None]
            if not known and not self._awake.is_set():
                break
            self._awake.wait(max(0.05, min([*known, 1.0])))
        while looker.outstanding:
            looker.collect(wait_s=60)

    def _wake_downloads(self, downloads: DownloadService, jobs: Jobs, woken: dict[tuple[UUID, UUID], float]) -> None:
        """Downloads that waited after a bad answer are due again; each is woken once in a while."""
        now = time.monotonic()
        for link in downloads.due():
            if woken.get(link, 0) < now:
                woken[link] = now + HORIZON_S
                with tracing_link(*link):
                    jobs.download(*link)


@shared_task(bind=True, name="donkies.look")
def look(task: Task) -> None:
    """Look at links until nothing moves."""
    with services(task.app) as container:
        container.get(Looker).run(container)


@shared_task(bind=True, name="donkies.adopt_members")
def adopt_members(task: Task) -> None:
    """Take in what people linked in the aggregator's own widget."""
    with services(task.app) as container:
        adopting, stop = container.get(AdoptingService, StopFlag)
        while not stop.is_set() and adopting.adopt_due():
            pass


@shared_task(bind=True, name="donkies.remove_members")
def remove_members(task: Task) -> None:
    """Delete members at the aggregator whose links are gone."""
    with services(task.app) as container:
        removals = container.get(RemovalService)
        stop = container.get(StopFlag)
        while not stop.is_set() and removals.remove():
            pass
