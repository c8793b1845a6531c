"""Downloads in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from ...domain.downloads import Download
from ...domain.errors import LeaseLost
from ...domain.linked_accounts import TransactionsStatus
from .banking import KeptDownload, is_free, is_past, seconds_to
from .unit_of_work import MemoryUnitOfWork, change_link


@dataclass
class MemoryDownloadStore:
    """DownloadStore in a dict."""

    unit_of_work: MemoryUnitOfWork

    def request(self, user_id: UUID, link_id: UUID, now: datetime, full_before: datetime) -> None:
        tables, key = self.unit_of_work.tables, (user_id, link_id)
        kept = tables.downloads.get(key)
        if kept is None:
            kept = KeptDownload(Download(user_id=user_id, linked_account_id=link_id, due_at=now))
        elif kept.download.from_date is None:
            last_full_at = kept.download.last_full_at
            is_full = last_full_at is None or last_full_at <= full_before
            kept = replace(kept, download=replace(kept.download, due_at=now, is_full=is_full), is_wanted_again=False)
        else:
            kept = replace(kept, is_wanted_again=True)
        tables.downloads[key] = kept
        change_link(
            self.unit_of_work, key, transactions_status=TransactionsStatus.DOWNLOADING, last_attempted_at=now,
            next_attempt_at=None, updated_at=now,
        )  # fmt: skip

    def start_over(self, user_id: UUID, link_id: UUID, now: datetime) -> None:
        self.request(user_id, link_id, now, now)
        tables, key = self.unit_of_work.tables, (user_id, link_id)
        kept = tables.downloads[key].download
        fresh = Download(
            user_id=user_id, linked_account_id=link_id, due_at=now, failures=kept.failures,
            proved_change=kept.proved_change, lease_no=kept.lease_no + 1,
        )  # fmt: skip
        tables.downloads[key] = KeptDownload(fresh)

    def claim(self, user_id: UUID, link_id: UUID, lease_s: float) -> Download | None:
        now = self.unit_of_work.now()
        kept = self.unit_of_work.tables.downloads.get((user_id, link_id))
        if kept is None or not is_past(kept.download.due_at, now) or not is_free(kept.download, now):
            return None
        lease_until = now + timedelta(seconds=lease_s)
        taken = replace(kept.download, lease_no=kept.download.lease_no + 1, lease_until=lease_until)
        self.unit_of_work.tables.downloads[user_id, link_id] = replace(kept, download=taken)
        return replace(taken)

    def save(self, download: Download, lease_s: float | None) -> None:
        tables, key = self.unit_of_work.tables, (download.user_id, download.linked_account_id)
        kept = tables.downloads.get(key)
        if kept is None or kept.download.lease_no != download.lease_no:
            raise LeaseLost("Another worker has taken this download over.")
        now = self.unit_of_work.now()
        lease_until = None if lease_s is None else now + timedelta(seconds=lease_s)
        has_ended = download.due_at is None
        saved = replace(download, lease_until=lease_until)
        if has_ended and kept.is_wanted_again:
            saved.due_at = now
        wanted_again = kept.is_wanted_again and not has_ended
        tables.downloads[key] = replace(kept, download=saved, is_wanted_again=wanted_again)

    def add_page(self, download: Download, number: int, digests: bytes) -> None:
        self._set_pages(download, {**self._kept(download).pages, number: digests})

    def page_digests(self, download: Download) -> Sequence[bytes]:
        return list(self._kept(download).pages.values())

    def clear_pages(self, download: Download) -> None:
        self._set_pages(download, {})

    def due(self, limit: int) -> Sequence[tuple[UUID, UUID]]:
        now = self.unit_of_work.now()
        free = [one for one in self._all() if is_free(one, now) and is_past(one.due_at, now)]
        free.sort(key=lambda one: one.due_at or now)
        return [(one.user_id, one.linked_account_id) for one in free[:limit]]

    def seconds_to_next(self, within_s: float) -> float | None:
        now = self.unit_of_work.now()
        return seconds_to((one.due_at for one in self._all() if is_free(one, now)), now, within_s)

    def _all(self) -> list[Download]:
        return [kept.download for kept in self.unit_of_work.tables.downloads.values()]

    def _kept(self, download: Download) -> KeptDownload:
        return self.unit_of_work.tables.downloads[download.user_id, download.linked_account_id]

    def _set_pages(self, download: Download, pages: Mapping[int, bytes]) -> None:
        kept = replace(self._kept(download), pages=pages)
        self.unit_of_work.tables.downloads[download.user_id, download.linked_account_id] = kept
