"""Which accounts of a bank that is linked anew are those of the former link."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from donkies.domain.relinking import FormerAccount, pair_accounts
from donkies.testing.factories import make_account

FORMER = FormerAccount(UUID(int=1), UUID(int=9), "ACT-1", "Everyday checking", "CHECKING", "USD", "XXXX0001")


@pytest.mark.parametrize(
    ("changes", "is_it"),
    [
        ({}, True),
        ({"masked_number": "****0001"}, True),
        ({"name": " Everyday  Checking"}, True),
        ({"masked_number": "XXXX0002"}, False),
        ({"masked_number": None}, False),
        ({"masked_number": "XXXX"}, False),
        ({"name": "Joint checking"}, False),
        ({"type": "SAVINGS"}, False),
        ({"currency_code": "CAD"}, False),
        ({"guid": "ACT-1", "name": "Renamed", "masked_number": None}, True),
    ],
)
def test_an_account_is_known_by_its_guid_or_by_all_its_looks(changes: dict[str, Any], is_it: bool) -> None:
    named = make_account(**{"guid": "ACT-anew"} | changes)
    assert ([(FORMER, named)] if is_it else []) == pair_accounts([FORMER], [named])


def test_two_of_the_same_looks_are_nobody() -> None:
    twin = replace(FORMER, id=UUID(int=2), guid="ACT-2")
    one, other = make_account("ACT-3"), make_account("ACT-4")
    assert [] == pair_accounts([FORMER, twin], [one])
    assert [] == pair_accounts([FORMER], [one, other])
    assert [] == pair_accounts([FORMER, replace(twin, is_free=False)], [one])
    assert [] == pair_accounts([replace(FORMER, is_free=False)], [one])
    known = make_account("ACT-2", name="Renamed")
    assert [(twin, known), (FORMER, one)] == pair_accounts([FORMER, twin], [one, known])
