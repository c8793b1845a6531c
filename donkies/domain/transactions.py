"""Accounts and transactions: what was downloaded, and how a downloaded page is merged into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from .aggregator import AggregatedAccount, AggregatedTransaction
from .feed import Changes, FeedPlace
from .sync_reports import AccountStand


@dataclass(frozen=True, slots=True)
class PageCounts:
    """What writing one page did."""

    added: int
    modified: int


@dataclass(frozen=True, slots=True)
class MissingCounts:
    """What became of rows that a proved walk did not see.

    Args:
        adopted: they are there under another guid, and kept their ids.
    """

    removed: int = 0
    adopted: int = 0


class AccountMark(NamedTuple):
    """What an account is known by at its bank, whichever member shows it."""

    type: str
    name: str
    masked_number: str | None


class Ledger(Protocol):
    """Where accounts and transactions are kept. All methods need an open unit of work.

    Every change to a person's transactions takes a number from that person's counter, under the counter's
    row lock, so that the order of the numbers is the order of the commits (DESIGN 4).
    """

    def write_accounts(
        self, user_id: UUID, link_id: UUID, accounts: Sequence[AggregatedAccount], now: datetime
    ) -> None:
        """Add what is new, update what changed; accounts that are named no more stay as they are.

        Args:
            accounts: all that the aggregator names. None at all is no answer to believe, and changes nothing.
        """
        ...

    def close_unlisted(self, user_id: UUID, link_id: UUID, now: datetime) -> None:
        """After a proved walk: accounts that `write_accounts` was not told of last are closed, and keep their rows."""
        ...

    def account_ids(self, user_id: UUID, link_id: UUID) -> Mapping[str, UUID]:
        """The link's accounts, by the aggregator's guid."""
        ...

    def account_marks(self, user_id: UUID) -> Mapping[UUID, Sequence[AccountMark]]:
        """What tells accounts apart, of each of the person's links, by link id."""
        ...

    def write_page(
        self,
        user_id: UUID,
        link_id: UUID,
        account_ids: Mapping[str, UUID],
        rows: Sequence[AggregatedTransaction],
        now: datetime,
    ) -> PageCounts:
        """Add what is new and update what changed; rows that are as they were are not touched."""
        ...

    def count(self, user_id: UUID, link_id: UUID, from_date: date | None = None, to_date: date | None = None) -> int:
        """How many transactions are kept, of a window or in all."""
        ...

    def last_change(self, user_id: UUID) -> int:
        """The last number that a change to the person's transactions took; 0 before the first."""
        ...

    def changes_since(self, user_id: UUID, link_id: UUID, change: int) -> PageCounts:
        """How many of a link's rows were added, and how many of the others changed, after a change number."""
        ...

    def account_stands(self, user_id: UUID, link_id: UUID) -> Sequence[AccountStand]:
        """The link's accounts, each with the sum of its posted rows, in order of their ids."""
        ...

    def settle_missing(
        self,
        user_id: UUID,
        link_id: UUID,
        window: tuple[date, date],
        seen: SeenGuids,
        proved_change: int,
        now: datetime,
    ) -> MissingCounts:
        """After a proved walk: find out what became of the window's rows that it did not see.

        A row that is there under another guid (see `matching`) takes that one's guid and content and keeps its id,
        its age and what the person made of it. Of the rest, pending rows are removed, and posted ones that two
        proved walks in a row did not see. Rows of an account that the aggregator names no more stay.

        Args:
            proved_change: what `last_change` was at the link's last proof; rows added since may be one of them.
        """
        ...


class SeenGuids(Protocol):
    """The guids that a walk has met."""

    def __contains__(self, guid: str, /) -> bool: ...


@dataclass(frozen=True, slots=True)
class TransactionQuery:
    """What a person asks of the list; bounds are inclusive.

    Args:
        category: the one that is shown: the person's own, else the aggregator's.
        hidden: only rows that the person hid, or only the others; None for both.
        words: each must be in description, original description, memo or merchant, whole or as a beginning, as
            `searching.py` says.
        limit: at most 500.
        after: (date, id) of the last row that the caller has, from the cursor.
        before: (date, id) of the first row that the caller has, to go back; the rows that end there.
    """

    account_id: UUID | None = None
    linked_account_id: UUID | None = None
    from_date: date | None = None
    to_date: date | None = None
    type: str | None = None
    status: str | None = None
    category: str | None = None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    hidden: bool | None = None
    words: tuple[str, ...] = ()
    limit: int = 50
    after: tuple[date, UUID] | None = None
    before: tuple[date, UUID] | None = None


BEGINNING = date.min, UUID(int=0)  # `before` it are the oldest rows


class Grouping(StrEnum):
    """What a summary has one line for, beside the currency."""

    MONTH = "month"
    CATEGORY = "category"
    ACCOUNT = "account"
    MERCHANT = "merchant"


def summary_order(line: Mapping[str, Any]) -> tuple[bool, str, str]:
    """By key, then currency; what has no key comes last."""
    return line["key"] is None, str(line["key"]), line["currency_code"]


class LedgerReader(Protocol):
    """Reads for the API, straight to what is shown. Needs no unit of work and leaves no transaction open."""

    def poll_link(self, user_id: UUID, link_id: UUID) -> Mapping[str, Any] | None:
        """One link as it is shown; None when it is not this person's."""
        ...

    def read_sync_report(self, user_id: UUID, link_id: UUID) -> Mapping[str, Any] | None:
        """What a link's last download did, and the one under way does; None when the link is not this person's.

        Returns: `running` and `last`, each null where there is none.
        """
        ...

    def list_links(self, user_id: UUID) -> Sequence[Mapping[str, Any]]: ...

    def list_accounts(self, user_id: UUID) -> Sequence[Mapping[str, Any]]: ...

    def read_account(self, user_id: UUID, account_id: UUID) -> Mapping[str, Any] | None: ...

    def list_transactions(
        self, user_id: UUID, query: TransactionQuery, *, with_raw: bool = False
    ) -> Sequence[Mapping[str, Any]]:
        """Newest first: by the bank's date, then by id."""
        ...

    def summarize(self, user_id: UUID, query: TransactionQuery, by: Grouping) -> Sequence[Mapping[str, Any]]:
        """The sums of all rows that pass the query's filters; its limit and place do not count.

        Returns: `key`, `label`, `currency_code`, `debit`, `credit` (decimals as text) and `count`, by key, then
            currency; what has no key comes last. A month's key is 2026-01, an account's its id, a merchant's its
            guid; a merchant's label is the first of its descriptions in order of their code points.
        """
        ...

    def show_transactions(self, user_id: UUID, query: TransactionQuery) -> Sequence[Mapping[str, Any]]:
        """The same rows as JSON shows them: ids, dates and times may be text already."""
        ...

    def read_transaction(
        self, user_id: UUID, transaction_id: UUID, *, with_raw: bool = False
    ) -> Mapping[str, Any] | None: ...

    def changes_after(self, user_id: UUID, place: FeedPlace, limit: int) -> Changes:
        """The first rows and the first tombstones of the feed behind a place, in order, up to `limit` of each; all of
        one moment.

        Tombstones of rows that the mirror cannot know are left out: those added after `base` and removed before this
        run began, and those added behind `change`.
        """
        ...

    def list_balances(
        self, user_id: UUID, account_id: UUID, from_date: date | None = None, to_date: date | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """What an account's balances were, one row a day (UTC) on which it was read, newest first."""
        ...
