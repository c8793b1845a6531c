"""Long downloads go on in slices, so that no message is held for long and a worker that is to end can do so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from donkies.adapters.memory.aggregator import MemoryAggregator
from donkies.domain.downloads import DownloadTiming
from donkies.testing.aggregator import credentials
from donkies.testing.banking import BankingServices
from donkies.testing.factories import NOON


class SlicedDownload:
    """A link of 100 rows in ten pages, and a worker that runs when a message comes.

    Args: before_page, called before each page that the aggregator gives.
    """

    def __init__(self, before_page: Callable[[SlicedDownload], object]) -> None:
        bank = MemoryAggregator(transactions=100, per_page=10, today=NOON.date())
        self.services = BankingServices(bank, download_timing=DownloadTiming(slice_s=30))
        self.link_id: UUID = self.services.linking.create(
            self.services.user_id, "mxbank", credentials("any"), "https://us.example/back"
        ).id
        self.services.look_for(20)

        def page(*args: Any) -> Any:
            before_page(self)
            return bank.read_transactions_page(*args)

        self.services.aggregator.instead("read_transactions_page", *[page] * 20)

    def run(self) -> bool:
        """Work once. Returns: whether it sent itself a message to go on."""
        self.services.jobs.sent.clear()
        self.services.downloading.run(self.services.user_id, self.link_id)
        return [("download", self.services.user_id, self.link_id)] == self.services.jobs.sent

    @property
    def shown(self) -> tuple[str, int]:
        link = self.services.link(self.link_id)
        return link.transactions_status, link.transactions_count


def test_after_a_slice_it_lets_go_and_wakes_itself_and_the_end_is_exact() -> None:
    download = SlicedDownload(lambda one: one.services.clock.advance(10))
    slices = 1
    while download.run():
        kept = download.services.download(download.link_id)
        assert None is kept.lease_until
        assert kept.due_at <= download.services.clock.now()
        assert 3 * slices + 1 == kept.next_page or 0 == kept.next_page
        slices += 1
    assert 4 == slices
    assert ("complete", 100) == download.shown


def test_a_download_that_is_quick_is_one_slice() -> None:
    download = SlicedDownload(lambda one: one.services.clock.advance(1))
    assert not download.run()
    assert ("complete", 100) == download.shown


def test_when_the_process_is_to_end_it_lets_go_after_the_page_in_hand_and_another_goes_on() -> None:
    pages = iter(range(100))
    download = SlicedDownload(lambda one: one.services.stop.set() if next(pages) == 4 else None)
    assert download.run()
    assert 6 == download.services.download(download.link_id).next_page
    other = SlicedDownload.__new__(SlicedDownload)
    other.__dict__.update(download.__dict__)
    download.services.stop = type(download.services.stop)()
    download.services.downloading = download.services.download_service()
    assert not other.run()
    assert ("complete", 100) == other.shown
