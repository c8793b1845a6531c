"""What is kept of clients, and for how long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, event

from donkies.adapters.persistence import clients
from donkies.adapters.persistence.clients import CachedClients, SqlClientStore
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.mappers import start_mappers
from donkies.adapters.persistence.unit_of_work import ZopeUnitOfWork
from donkies.adapters.sealing import Keyring
from donkies.testing.contracts.people import a_client
from donkies.testing.databases import SEALING_KEY


@pytest.fixture
def engine(database_url: str) -> Any:
    start_mappers()
    made = make_engine(database_url, Keyring(SEALING_KEY))
    yield made
    made.dispose()


def test_who_registers_in_another_process_is_known_a_second_later_and_strangers_cost_little(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, queries = [100.0], list[str]()
    monkeypatch.setattr(clients, "time", SimpleNamespace(monotonic=lambda: now[0]))
    event.listen(engine, "before_cursor_execute", lambda *call: queries.append(call[2]))
    cached = CachedClients(engine)
    assert not cached.knows_origin("https://a.example")
    with ZopeUnitOfWork(engine) as work:
        SqlClientStore(work).add(a_client(origins=("https://a.example",)))
    queries.clear()
    assert [False] * 50 == [cached.knows_origin(f"https://{number}.example") for number in range(50)]
    assert [] == queries
    now[0] += 1
    assert cached.knows_origin("https://a.example")
    now[0] += 4.9
    queries.clear()
    assert cached.knows_origin("https://a.example")
    assert [] == queries, "what is known is kept for longer"
