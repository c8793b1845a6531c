"""Ids are UUIDs of version 7."""

from __future__ import annotations

import time
from uuid import UUID

from donkies.domain.ids import new_hexes, new_id


def test_an_id_is_a_uuid_of_version_7() -> None:
    for _ in range(200):
        one = new_id()
        assert (7, "specified in RFC 4122") == (one.version, one.variant)


def test_ids_sort_by_the_time_they_were_made() -> None:
    first = new_id()
    time.sleep(0.002)
    assert first < new_id()
    assert abs((first.int >> 80) / 1000 - time.time()) < 5


def test_ids_of_one_moment_differ() -> None:
    assert 1_000 == len({new_id() for _ in range(1_000)})


def test_many_ids_at_once_are_what_single_ones_are() -> None:
    many = [UUID(one) for one in new_hexes(1_000)]
    assert {(7, "specified in RFC 4122")} == {(one.version, one.variant) for one in many}
    assert 1_000 == len(set(many))
    assert [] == new_hexes(0)
    assert abs((many[0].int >> 80) / 1000 - time.time()) < 5
