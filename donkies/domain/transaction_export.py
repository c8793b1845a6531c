"""A person's transactions as a file: which rows, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from uuid import UUID

from .limits import Limit, Limits
from .link_gate import LinkGate
from .transactions import BEGINNING, LedgerReader, TransactionQuery

FILES_OF_PERSON = Limit("transactions_export", 60, 3600)
PAGE = 500
Rows = Sequence[Mapping[str, Any]]


def pages(reader: LedgerReader, user_id: UUID, query: TransactionQuery) -> Iterator[Rows]:
    """All that pass a query's filters, newest first. Each page is a read of its own, by key: memory stays flat and no
    transaction and no cursor stays open, however long the history and however slow whoever takes it.
    """
    query = replace(query, limit=PAGE, after=None, before=None)
    while True:
        page = reader.show_transactions(user_id, query)
        if page:
            yield page
        if len(page) < PAGE:
            return
        query = replace(query, after=(date.fromisoformat(str(page[-1]["date"])), UUID(str(page[-1]["id"]))))


@dataclass(frozen=True, slots=True)
class TransactionExport:
    """What one file is made of, read as it is sent."""

    user_id: UUID
    query: TransactionQuery
    reader: LedgerReader = field(repr=False)

    def transactions(self) -> Iterator[Rows]:
        return pages(self.reader, self.user_id, self.query)

    def accounts(self) -> Rows:
        """Those that the filters leave, in the list's order."""
        query = self.query
        return [
            account
            for account in self.reader.list_accounts(self.user_id)
            if query.account_id in (None, account["id"])
            and query.linked_account_id in (None, account["linked_account_id"])
        ]

    def posted(self, account_id: UUID) -> Iterator[Rows]:
        """An account's rows that are posted: what is pending is in no bank's statement."""
        if self.query.status == "pending":
            return iter(())
        return pages(self.reader, self.user_id, replace(self.query, account_id=account_id, status="posted"))

    def span(self, account_id: UUID, today: date) -> tuple[date, date]:
        """The first and the last day of an account's statement: those asked for, else those of its rows."""
        query = replace(self.query, account_id=account_id, status="posted", limit=1, after=None, before=None)
        newest = self.reader.list_transactions(self.user_id, query)
        oldest = self.reader.list_transactions(self.user_id, replace(query, before=BEGINNING))
        first = query.from_date or (oldest[0]["date"] if oldest else today)
        return first, query.to_date or (newest[0]["date"] if newest else max(first, today))


@dataclass
class TransactionExportService:
    """Begins files of transactions."""

    reader: LedgerReader
    gate: LinkGate
    limits: Limits

    def begin(self, user_id: UUID, query: TransactionQuery) -> TransactionExport:
        """Raises: Forbidden while the address has to be verified first; TooMany."""
        self.gate.check(user_id)
        self.limits.spend(FILES_OF_PERSON, str(user_id))
        return TransactionExport(user_id, query, self.reader)
