"""Who wakes a download says for whom, whatever woke them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import svcs

from donkies.adapters.memory.jobs import RecordingJobs
from donkies.domain import tracing
from donkies.domain.downloading import DownloadService
from donkies.domain.following import LookService
from donkies.domain.jobs import Jobs
from donkies.domain.stopping import StopFlag
from donkies.tasks.linked_accounts import Looker
from donkies.testing.banking import BankingServices
from donkies.testing.factories import make_link


class TracedJobs(RecordingJobs):
    """Notes the ids that each message would carry; the first ends the looker."""

    def __init__(self, stop: StopFlag) -> None:
        super().__init__()
        self._stop = stop
        self.traces: list[Mapping[str, str]] = []

    def download(self, user_id: UUID, link_id: UUID) -> None:
        self.traces.append(tracing.current())
        self._stop.set()


def test_a_download_that_a_looker_finds_due_carries_the_request_that_asked_for_its_link() -> None:
    services, stop = BankingServices(), StopFlag()
    link = make_link(services.user_id)
    with services.stores.unit_of_work as unit_of_work:
        now = unit_of_work.now()
        services.stores.links.add(link)
        services.stores.downloads.request(services.user_id, link.id, now, now - timedelta(days=1))
    jobs, registry = TracedJobs(stop), svcs.Registry()
    registry.register_value(LookService, services.looking)
    registry.register_value(DownloadService, services.downloading)
    registry.register_value(Jobs, jobs)
    tracing.asked_by.put(str(link.id), "click-00000001")
    with svcs.Container(registry) as container, tracing.tracing(request_id="another-click-1", task_id="look-1"):
        Looker(stop).run(container)
    ids = {"request_id": "click-00000001", "link_id": str(link.id), "user_id": str(services.user_id)}
    assert [ids | {"task_id": "look-1"}] == jobs.traces
