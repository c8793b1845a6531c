"""A page of transactions, kept as columns.

A history has hundreds of thousands of rows, and whoever checks or writes them does so for a whole page at once. An
aggregator that has columns hands them on as `TransactionColumns`; any other gives plain rows in a list. Both are
sequences of `AggregatedTransaction`, and `TransactionColumns.of` makes the one of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, overload

from .aggregator import AggregatedTransaction

PLACES = {name: at for at, name in enumerate(AggregatedTransaction._fields)}


class TransactionColumns(Sequence[AggregatedTransaction]):
    """A sequence of rows, each made only when it is asked for.

    Args:
        columns: one for each field of `AggregatedTransaction`, in their order, all of one length.
    """

    def __init__(self, columns: Iterable[Sequence[Any]]) -> None:
        self.columns = tuple(columns)
        if len(self.columns) != len(PLACES) or len(set(map(len, self.columns))) != 1:
            raise ValueError("these are not the columns of a page of transactions")

    @classmethod
    def of(cls, rows: Sequence[AggregatedTransaction]) -> TransactionColumns:
        """The columns of rows, whichever way they are kept."""
        if isinstance(rows, TransactionColumns):
            return rows
        return cls(zip(*rows, strict=True) if rows else [()] * len(PLACES))

    def column(self, name: str) -> Sequence[Any]:
        """All rows' values of one field."""
        return self.columns[PLACES[name]]

    def take(self, places: Sequence[int]) -> TransactionColumns:
        """The rows at these places."""
        if len(places) < 2:  # of a single one itemgetter makes no tuple
            return TransactionColumns([column[at] for at in places] for column in self.columns)
        return TransactionColumns(map(itemgetter(*places), self.columns))

    def __len__(self) -> int:
        return len(self.columns[0])

    def __iter__(self) -> Iterator[AggregatedTransaction]:
        return map(AggregatedTransaction._make, zip(*self.columns, strict=True))

    @overload
    def __getitem__(self, at: int) -> AggregatedTransaction: ...

    @overload
    def __getitem__(self, at: slice) -> TransactionColumns: ...

    def __getitem__(self, at: int | slice) -> Any:
        found = [column[at] for column in self.columns]
        return TransactionColumns(found) if isinstance(at, slice) else AggregatedTransaction._make(found)
