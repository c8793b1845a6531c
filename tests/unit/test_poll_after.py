"""How long a front end may wait before it asks again."""

from __future__ import annotations

import pytest

from donkies.domain.linked_accounts import poll_after_ms


@pytest.mark.parametrize(
    ("link_status", "is_refreshing", "transactions_status", "expected"),
    [
        ("processing", False, None, 1_000),
        ("processing", False, "downloading", 1_000),
        ("success", True, "complete", 1_000),
        ("success", False, "downloading", 2_000),
        ("challenged", False, None, 10_000),
        ("success", False, "complete", 60_000),
        ("success", False, "failed", 60_000),
        ("wrong_credentials", False, None, 60_000),
        ("other_error", False, None, 60_000),
    ],
)
def test_a_front_end_asks_often_while_something_moves_and_rarely_when_not(
    link_status: str, is_refreshing: bool, transactions_status: str | None, expected: int
) -> None:
    assert expected == poll_after_ms(link_status, is_refreshing, transactions_status)
