"""Downloads the pages in the folder BENCH_PAGES as a worker would, from claim to proof; only the network is left out.

python -m bench.ingest          download everything once, and print the figures
python -m bench.ingest reset    put the database back to where it was
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import svcs
from sqlalchemy import func, select

from donkies.adapters.mx.transactions import read_transactions
from donkies.adapters.persistence.tables import banking
from donkies.adapters.persistence.unit_of_work import ZopeUnitOfWork
from donkies.config import bind, parse_settings
from donkies.domain.aggregator import AggregatedTransaction, LinkStatus, MemberStatus, Page, Verdict
from donkies.domain.downloading import DownloadService
from donkies.domain.downloads import DownloadStore

from .prepare import Place
from .rows import INGEST, person_id

RawPages = Iterator[list[dict[str, Any]]]


class PagesAggregator:
    """An Aggregator whose transactions are the files' pages, read by MX's own adapter."""

    def __init__(self, files: list[Path]) -> None:
        said = orjson.loads(files[0].read_bytes())["pagination"]
        self._total, self._total_pages, self._per_page = said["total_entries"], said["total_pages"], said["per_page"]
        now = datetime.now(UTC)
        self._status = MemberStatus("CONNECTED", Verdict(LinkStatus.SUCCESS), False, True, now, now)
        self._last = 0
        self.pages: RawPages = iter(())

    def read_member_status(self, member: object) -> MemberStatus:
        return self._status

    def list_accounts(self, member: object) -> tuple[()]:
        return ()

    def read_transactions_page(
        self, member: object, from_date: date, to_date: date, page: int
    ) -> Page[AggregatedTransaction]:
        rows: list[AggregatedTransaction] = []
        if page == self._last + 1:  # else the total alone is wanted, for the proof
            raw = next(self.pages)
            rows = read_transactions(raw, raw[0]["user_guid"])
            self._last = page
        return Page(rows, page, self._per_page, self._total, self._total_pages)


def download(pages: list[Path], measure: Any) -> int:
    """Download the pages once.

    Args:
        measure: the peers' `meter.measure`.
    Returns: how many of the person's transactions there are now.
    """
    aggregator, user_id = PagesAggregator(pages), person_id(INGEST)
    registry = bind(parse_settings({}, os.environ), aggregator=aggregator)
    with registry, svcs.Container(registry) as container:
        unit_of_work, downloads = container.get(ZopeUnitOfWork), container.get(DownloadStore)
        with unit_of_work:
            link_id = _link(unit_of_work, user_id)
            now = unit_of_work.now() - timedelta(seconds=1)
            downloads.request(user_id, link_id, now, full_before=now + timedelta(days=1))
        service = container.get(DownloadService)

        def load(found: RawPages) -> None:
            aggregator.pages = found
            service.run(user_id, link_id)

        measure(load)
        with unit_of_work:
            return _outcome(unit_of_work, user_id, link_id)


def _link(unit_of_work: ZopeUnitOfWork, user_id: UUID) -> UUID:
    """The one that has the person's accounts."""
    a = banking.accounts.c
    return unit_of_work.session.scalars(select(a.linked_account_id).where(a.user_id == user_id).limit(1)).one()


def _outcome(unit_of_work: ZopeUnitOfWork, user_id: UUID, link_id: UUID) -> int:
    ln, t = banking.linked_accounts.c, banking.transactions.c
    said = unit_of_work.session.execute(
        select(ln.transactions_status, ln.reason).where(ln.user_id == user_id, ln.id == link_id)
    ).one()
    if said.transactions_status != "complete":
        raise SystemExit(f"the download is {said.transactions_status}: {said.reason}")
    return unit_of_work.session.scalar(select(func.count()).where(t.user_id == user_id)) or 0


def main(words: list[str]) -> None:
    if words == ["reset"]:
        place = Place(os.environ["BENCH_ADMIN_URL"], os.environ["BENCH_NAME"], Path("var/bench"))
        place.copy(place.ingest)
        return
    from meter import measure  # the peers', on PYTHONPATH

    download(sorted(Path(os.environ["BENCH_PAGES"]).glob("*.json")), measure)


if __name__ == "__main__":
    main(sys.argv[1:])
