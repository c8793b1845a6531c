"""A page as columns is what its rows are."""

from __future__ import annotations

import pytest

from donkies.domain.transaction_columns import TransactionColumns
from donkies.testing.factories import make_row

ROWS = [make_row(number, description=f"Shop {number}") for number in range(4)]


def test_columns_are_the_rows_that_they_were_made_of() -> None:
    page = TransactionColumns.of(ROWS)
    assert ROWS == list(page)
    assert (4, ROWS[2], ROWS[-1]) == (len(page), page[2], page[-1])
    assert ROWS[1:3] == list(page[1:3])
    assert ["Shop 0", "Shop 1", "Shop 2", "Shop 3"] == list(page.column("description"))
    assert page is TransactionColumns.of(page)


@pytest.mark.parametrize("places", [[], [3], [2, 0], [0, 1, 2, 3]])
def test_rows_are_taken_by_their_places(places: list[int]) -> None:
    assert [ROWS[at] for at in places] == list(TransactionColumns.of(ROWS).take(places))


def test_a_page_without_rows_has_empty_columns() -> None:
    page = TransactionColumns.of(())
    assert not page
    assert [] == list(page) == list(page.column("guid"))


@pytest.mark.parametrize("columns", [[], [()] * 17, [()] * 17 + [("TRN-1",)]])
def test_what_is_no_page_is_refused(columns: list[tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="not the columns"):
        TransactionColumns(columns)
