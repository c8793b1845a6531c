"""Which new row is one that vanished: never too much, and every row once at most."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from donkies.domain.matching import AFTER, BEFORE, Candidate, could_be, match, match_pending

DAY = date(2026, 1, 20)
ACCOUNT, OTHER_ACCOUNT = UUID(int=1), UUID(int=2)


def row(number: int, day: int = 0, **fields: Any) -> Candidate:
    """A pending coffee of 20; ids are in the order of their numbers."""
    values: dict[str, Any] = {
        "account_id": ACCOUNT, "date": DAY + timedelta(days=day), "amount": Decimal(20), "type": "debit",
        "description": "Coffee", "is_pending": True,
    }  # fmt: skip
    return Candidate(UUID(int=100 + number), **values | fields)


def posted(number: int, day: int = 1, **fields: Any) -> Candidate:
    return row(number, day, **{"is_pending": False} | fields)


def numbers(vanished: list[Candidate], fresh: list[Candidate]) -> dict[int, int]:
    """The pairs, as the numbers of their rows."""
    return {old.id.int - 100: new.id.int - 100 for old, new in match(vanished, fresh)}


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"amount": Decimal(26)}, {"amount": Decimal("45.30")}, {"amount": Decimal(3)},
        {"description": "COFFEE HOUSE"}, {"day": 10}, {"day": -1}, {"is_pending": True},
    ],
)  # fmt: skip
def test_a_pending_row_is_known_again(changes: dict[str, Any]) -> None:
    assert {1: 2} == numbers([row(1)], [posted(2, **changes)])


@pytest.mark.parametrize(
    "changes",
    [
        {"day": 11}, {"day": -2}, {"account_id": OTHER_ACCOUNT}, {"type": "credit"},
        {"amount": Decimal("20.01"), "description": "Bakery"},
    ],
)  # fmt: skip
def test_a_row_that_differs_too_much_is_another(changes: dict[str, Any]) -> None:
    assert {} == numbers([row(1)], [posted(2, **changes)])


@pytest.mark.parametrize("changes", [{"day": 1}, {"amount": Decimal(21)}, {"description": "Bakery"}])
def test_a_posted_row_is_known_again_only_when_nothing_changed(changes: dict[str, Any]) -> None:
    assert {1: 2} == numbers([posted(1, 0)], [posted(2, 0)])
    assert {} == numbers([posted(1, 0)], [posted(2, **{"day": 0} | changes)])


def test_equal_rows_are_paired_in_the_order_in_which_they_came() -> None:
    assert {1: 4, 2: 5} == numbers([row(2), row(1)], [row(5), row(4), row(6)])
    assert {1: 4, 2: 5} == numbers([row(1), row(2), row(3)], [posted(5), posted(4)])


def test_where_two_might_fit_none_is_guessed() -> None:
    bakery = {"description": "Bakery"}
    assert {} == numbers([row(1)], [posted(2, **bakery), posted(3, description="Books")])
    assert {} == numbers([row(1), row(2, description="Tea")], [posted(3, **bakery)])
    assert {} == numbers([row(1)], [posted(2, amount=Decimal(50)), posted(3, amount=Decimal(60))])


def test_an_adopted_row_is_known_though_its_words_were_mended_where_it_can_be_no_other() -> None:
    def found(vanished: list[Candidate], fresh: list[Candidate]) -> set[tuple[int, int]]:
        pairs = match(vanished, fresh, adopted={posted(1).id})
        return {(old.id.int - 100, new.id.int - 100) for old, new in pairs}

    mended = posted(9, description="Coffee House")
    assert {(1, 9)} == found([posted(1)], [mended])
    assert set() == found([posted(2)], [mended])  # not adopted
    assert set() == found([posted(1)], [posted(9, 2, description="Coffee House")])
    assert set() == found([posted(1)], [mended, posted(8, description="Tea House")])
    assert set() == found([posted(1), posted(2, description="Tea")], [mended])
    assert {(2, 9)} == found([posted(1), row(2, 1, description="Coffee House")], [mended])  # the surer one


def test_the_surer_pair_is_made_first() -> None:
    tipped, same = posted(3, 1, amount=Decimal(23)), posted(4, 2)
    assert {1: 4} == numbers([row(1)], [tipped, same])
    assert {1: 4, 2: 3} == numbers([row(1), row(2, amount=Decimal(18))], [tipped, same])


def test_a_credit_is_given_no_tip() -> None:
    refund = {"type": "credit"}
    news = [posted(2, amount=Decimal(22), **refund), posted(3, amount=Decimal(24), **refund)]
    assert {} == numbers([row(1, **refund)], news)


candidates = st.builds(
    Candidate,
    id=st.uuids(),
    account_id=st.sampled_from([ACCOUNT, OTHER_ACCOUNT]),
    date=st.integers(0, 14).map(lambda days: DAY + timedelta(days=days)),
    amount=st.sampled_from([Decimal(20), Decimal(22), Decimal(50)]),
    type=st.sampled_from(["debit", "credit"]),
    description=st.sampled_from(["Coffee", "Bakery"]),
    is_pending=st.booleans(),
)
both = st.lists(candidates, max_size=16, unique_by=lambda one: one.id).flatmap(
    lambda rows: st.tuples(st.permutations(rows), st.integers(0, len(rows)))
)


def looks(one: Candidate) -> tuple[Any, ...]:
    return one.account_id, one.date, one.amount, one.type, one.description


@given(both, st.randoms(use_true_random=False))
def test_whatever_vanished_and_came(rows: tuple[list[Candidate], int], random: Any) -> None:
    vanished, fresh = rows[0][: rows[1]], rows[0][rows[1] :]
    pairs = match(vanished, fresh)
    assert {old.id for old, _ in pairs} <= {one.id for one in vanished}
    assert {new.id for _, new in pairs} <= {one.id for one in fresh}
    assert 2 * len(pairs) == len({one.id for pair in pairs for one in pair}), "each is in one pair at most"
    for old, new in pairs:
        assert (old.account_id, old.type) == (new.account_id, new.type)
        assert looks(old) == looks(new) or (old.is_pending and old.date - BEFORE <= new.date <= old.date + AFTER)
        assert looks(old) == looks(new) or old.description == new.description or old.amount == new.amount
    exact = Counter(map(looks, vanished)) & Counter(map(looks, fresh))
    assert exact == Counter(looks(old) for old, new in pairs if looks(old) == looks(new))
    random.shuffle(vanished)
    random.shuffle(fresh)
    assert {(old.id, new.id) for old, new in pairs} == {(old.id, new.id) for old, new in match(vanished, fresh)}


@given(both)
def test_what_the_quick_test_leaves_out_makes_no_difference(rows: tuple[list[Candidate], int]) -> None:
    vanished, fresh = rows[0][: rows[1]], rows[0][rows[1] :]
    some = list(filter(could_be([one for one in vanished if one.is_pending]), fresh))
    assert match_pending(vanished, fresh) == match_pending(vanished, some)
