"""A bank that was disconnected and is linked anew goes on with its history.

The aggregator gives a new member new guids for everything. So the accounts of the person's disconnected links at the
same institution are compared with those that the new link's member names, and where it is beyond doubt which is which
the old account moves to the new link with its id, its rows and what the person made of them. Its rows are then nobody's
(`former_guid`) until the new member names them: page by page, those that are equal get their new guids before the page
is written, so that no purchase is ever there twice. What the new member gives no more, for a bank's memory is short,
stays as it is.

The account moves in one unit of work, its rows in many: whoever takes the download up goes on where the last one died.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from .aggregator import AggregatedAccount, AggregatedTransaction
from .downloads import Download, DownloadStore
from .errors import Conflict, LeaseLost
from .jobs import Jobs
from .link_store import LinkedAccountStore
from .linked_accounts import LinkTiming
from .transactions import Ledger
from .unit_of_work import UnitOfWork

FORMER = "former:"  # no guid of an aggregator begins so
ROWS = 2_000  # that one unit of work moves


def former_guid(own_id: UUID) -> str:
    """What stands for the guid of an account or a row that no member names: its own id, which is nobody else's."""
    return f"{FORMER}{own_id}"


class AdoptionState(StrEnum):
    """Where an adopted account stands: its rows are `moving` to the link; all is there; its rows are on their way back
    since the adoption was undone; all is back.
    """

    MOVING = "moving"
    ADOPTED = "adopted"
    RETURNING = "returning"
    RETURNED = "returned"


def state_of(moved_at: datetime | None, undone_at: datetime | None, returned_at: datetime | None) -> AdoptionState:
    if undone_at is not None:
        return AdoptionState.RETURNING if returned_at is None else AdoptionState.RETURNED
    return AdoptionState.MOVING if moved_at is None else AdoptionState.ADOPTED


def is_former(guid: str) -> bool:
    """Whether it stands for a guid that no member names."""
    return guid.startswith(FORMER)


@dataclass(frozen=True, slots=True)
class FormerAccount:
    """An account of another link of the person's at the same institution.

    Args:
        is_free: its link is disconnected. One of a link that is alive is not to be had, and leaves room for doubt.
    """

    id: UUID
    linked_account_id: UUID
    guid: str
    name: str
    type: str
    currency_code: str
    masked_number: str | None
    is_free: bool = True


Pair = tuple[FormerAccount, AggregatedAccount]


def pair_accounts(formers: Sequence[FormerAccount], named: Sequence[AggregatedAccount]) -> list[Pair]:
    """Which former account each named one is: of the same guid, for an aggregator may give a member made anew its old
    guids; else equal in type, name, currency and the digits that are left of its number, if only one of each is.
    """
    by_guid = {former.guid: former for former in formers if former.is_free}
    pairs = [(by_guid[one.guid], one) for one in named if one.guid in by_guid]
    taken = {former.id for former, _ in pairs}
    olds = [former for former in formers if former.id not in taken]
    news = [one for one in named if one.guid not in by_guid]
    old_looks, new_looks = Counter(map(_looks, olds)), Counter(map(_looks, news))
    by_looks = {_looks(former): former for former in olds}
    for one in news:
        looks = _looks(one)
        if looks is not None and old_looks[looks] == new_looks[looks] == 1 and by_looks[looks].is_free:
            pairs.append((by_looks[looks], one))
    return pairs


def _looks(account: FormerAccount | AggregatedAccount) -> tuple[str, str, str, str] | None:
    """None where there is no number to tell two accounts of one name apart by."""
    digits = "".join(one for one in account.masked_number or "" if one.isdigit())[-4:]
    name = " ".join(account.name.split()).casefold()
    return (account.type, name, account.currency_code, digits) if digits else None


class AdoptionStore(Protocol):
    """Which accounts a link has from a disconnected one. All methods need an open unit of work."""

    def former_accounts(self, user_id: UUID, link_id: UUID) -> Sequence[FormerAccount]:
        """Accounts of the person's other links at this link's institution, but for those that it had once."""
        ...

    def adopt(self, user_id: UUID, link_id: UUID, former: FormerAccount, guid: str, now: datetime) -> bool:
        """Give an account to the link. Its rows stay behind until `move` is called; the former link's download ends.

        Returns: False where another account of the person's has this guid, and nothing was done.
        """
        ...

    def give_back(self, user_id: UUID, link_id: UUID, now: datetime) -> None:
        """Give what the link adopted back to the former links, and leave it with accounts of its own in their place.
        Rows stay behind until `move` is called.

        Raises: Conflict `nothing_adopted`, `former_link_gone`, or `adopted_further` by a third link.
        """
        ...

    def move(self, user_id: UUID, link_id: UUID, limit: int, now: datetime) -> bool:
        """Let so many rows follow their accounts, each as a change. Returns: whether there may be more."""
        ...

    def is_moving(self, user_id: UUID, link_id: UUID) -> bool:
        """Whether rows are to follow their accounts yet, to the link or back."""
        ...

    def is_any(self, user_id: UUID, link_id: UUID) -> bool:
        """Whether the link has accounts that it adopted."""
        ...

    def recognise(
        self, user_id: UUID, link_id: UUID, account_ids: Mapping[str, UUID], rows: Sequence[AggregatedTransaction]
    ) -> int:
        """Give adopted rows the guids of those of a page that they are: equal in account, date, type, amount and
        description, the first to the first (`matching`). Returns: how many.
        """
        ...

    def report(self, user_id: UUID, link_id: UUID) -> Sequence[Mapping[str, Any]]:
        """What the link adopted, by account, as the API shows it."""
        ...


@dataclass
class Relinking:
    """Adopts the history of disconnected links, and gives it back."""

    unit_of_work: UnitOfWork
    links: LinkedAccountStore
    downloads: DownloadStore
    ledger: Ledger
    adoptions: AdoptionStore
    timing: LinkTiming
    jobs: Jobs

    def adopt(
        self, download: Download, accounts: Sequence[AggregatedAccount], rests: Callable[[datetime], bool]
    ) -> None:
        """Before a walk: adopt what the accounts that are new to this link are at disconnected ones.

        Raises: LeaseLost.
        """
        user_id, link_id = download.user_id, download.linked_account_id
        with self.unit_of_work:
            known = self.ledger.account_ids(user_id, link_id)
            strangers = [account for account in accounts if account.guid not in known]
            if not strangers:
                return
            self.links.lock_all_of(user_id)  # of two links that are the same account, the first has it
            pairs = pair_accounts(self.adoptions.former_accounts(user_id, link_id), strangers)
            if not pairs:
                return
            now = self.unit_of_work.now()
            adopted = [self.adoptions.adopt(user_id, link_id, old, account.guid, now) for old, account in pairs]
            if not any(adopted):
                return
            # rows that were here before are not what a vanished one is now; and all is read, to be compared with them
            download.proved_change = max(download.proved_change, self.ledger.last_change(user_id))
            download.is_full = True
            self.downloads.save(download, self.timing.lease_s)
        self.carry_on(download, rests)

    def carry_on(self, download: Download, rests: Callable[[datetime], bool]) -> None:
        """Let rows follow accounts that moved, until all have. Raises: LeaseLost, also when `rests` says so."""
        with self.unit_of_work:
            has_more = self.adoptions.is_moving(download.user_id, download.linked_account_id)
        while has_more:
            with self.unit_of_work:
                self.links.lock_all_of(download.user_id)
                now = self.unit_of_work.now()
                has_more = self.adoptions.move(download.user_id, download.linked_account_id, ROWS, now)
                ends = has_more and rests(now)
                self.downloads.save(download, None if ends else self.timing.lease_s)
                if ends:
                    self.jobs.download(download.user_id, download.linked_account_id)
            if ends:
                raise LeaseLost("This slice has ended; the adoption goes on with the next message.")

    def has_adopted(self, download: Download) -> bool:
        """Whether rows of a page may be adopted ones. Needs an open unit of work, as `recognise` does."""
        return self.adoptions.is_any(download.user_id, download.linked_account_id)

    def recognise(
        self, download: Download, account_ids: Mapping[str, UUID], rows: Sequence[AggregatedTransaction]
    ) -> None:
        """Give adopted rows the guids of those of a page that they are."""
        self.adoptions.recognise(download.user_id, download.linked_account_id, account_ids, rows)

    def report(self, user_id: UUID, link_id: UUID) -> Sequence[Mapping[str, Any]]:
        """What the link adopted, account by account. Raises: NotFound."""
        with self.unit_of_work:
            self.links.get(user_id, link_id)
            return self.adoptions.report(user_id, link_id)

    def undo(self, user_id: UUID, link_id: UUID) -> Sequence[Mapping[str, Any]]:
        """Give everything back to the links it came from, and download this link's own anew. What was added since the
        adoption stays with this link. It is not adopted by this link again.

        Raises: NotFound; Conflict as `AdoptionStore.give_back`.
        """
        with self.unit_of_work:
            self.links.lock_all_of(user_id)
            self.links.get(user_id, link_id)
            now = self.unit_of_work.now()
            self.adoptions.give_back(user_id, link_id, now)
            self.downloads.start_over(user_id, link_id, now)
            self.jobs.download(user_id, link_id)
            return self.adoptions.report(user_id, link_id)


def nothing_adopted() -> Conflict:
    return Conflict("This link has adopted nothing that could be given back.", code="nothing_adopted")


def former_link_gone() -> Conflict:
    return Conflict(
        "The link that this history came from was deleted; there is nowhere to give it back to.",
        code="former_link_gone",
    )


def adopted_further() -> Conflict:
    return Conflict(
        "A link that was made later has this history now; undo that one's adoption first.", code="adopted_further"
    )
