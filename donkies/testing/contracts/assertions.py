"""What remembers the ids of clients' assertions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from .people import MINUTE, NOW


class UsedAssertionsContract:
    """What every `UsedAssertions` does. Needs the fixture `used`."""

    @pytest.fixture
    def used(self) -> Any:
        raise NotImplementedError("Give the contract a fixture `used`.")

    def test_an_id_is_good_once_for_each_client(self, used):
        assert used.use("a", "jti", NOW)
        assert not used.use("a", "jti", NOW + MINUTE)
        assert used.use("b", "jti", NOW)
        assert used.use("a", "JTI", NOW)

    @pytest.mark.parametrize("jti", ["x" * 10_000, "\0", "\ud800", "ä", "a b"])
    def test_an_id_may_be_any_text(self, used, jti):
        assert used.use("a", jti, NOW)
        assert not used.use("a", jti, NOW)

    def test_of_many_at_once_one_is_first(self, used):
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: used.use("a", "jti", NOW), range(20)))
        assert 1 == answers.count(True)

    def test_what_has_expired_is_forgotten_and_nothing_else(self, used):
        used.use("a", "old", NOW)
        used.use("a", "new", NOW + MINUTE)
        assert 0 == used.purge(NOW)
        assert 1 == used.purge(NOW + MINUTE)
        assert not used.use("a", "new", NOW)
        assert used.use("a", "old", NOW)
