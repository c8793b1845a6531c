"""What every UsedAssertions keeps to, in memory, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from donkies.adapters.memory.identity import MemoryUsedAssertions
from donkies.adapters.persistence.assertions import SqlUsedAssertions
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.sealing import Keyring
from donkies.testing.databases import SEALING_KEY

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def used(request, tmp_path):
    if request.param == "memory":
        yield MemoryUsedAssertions()
        return
    fixture = {"sqlite": "sqlite_databases", "postgresql": "postgres_database"}[request.param]
    database = request.getfixturevalue(fixture)
    engine = make_engine(
        database.fresh(tmp_path) if request.param == "sqlite" else database.fresh(), Keyring(SEALING_KEY)
    )
    yield SqlUsedAssertions(engine)
    engine.dispose()


def test_an_id_is_good_once_for_each_client(used):
    assert used.use("a", "jti", NOW)
    assert not used.use("a", "jti", NOW + MINUTE)
    assert used.use("b", "jti", NOW)
    assert used.use("a", "JTI", NOW)


@pytest.mark.parametrize("jti", ["x" * 10_000, "\0", "\ud800", "ä", "a b"])
def test_an_id_may_be_any_text(used, jti):
    assert used.use("a", jti, NOW)
    assert not used.use("a", jti, NOW)


def test_of_many_at_once_one_is_first(used):
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: used.use("a", "jti", NOW), range(20)))
    assert 1 == answers.count(True)


def test_what_has_expired_is_forgotten_and_nothing_else(used):
    used.use("a", "old", NOW)
    used.use("a", "new", NOW + MINUTE)
    assert 0 == used.purge(NOW)
    assert 1 == used.purge(NOW + MINUTE)
    assert not used.use("a", "new", NOW)
    assert used.use("a", "old", NOW)
