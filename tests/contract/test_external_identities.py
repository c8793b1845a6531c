"""What the store of external identities keeps to, and what a squat loses: in memory, on SQLite and on PostgreSQL."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from donkies.adapters.memory import identity as memory
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.flows import SqlFlowStore
from donkies.adapters.persistence.identities import SqlIdentityStore
from donkies.adapters.persistence.mappers import start_mappers
from donkies.adapters.persistence.sessions import SqlSessionStore
from donkies.adapters.persistence.squats import SqlSquatStore
from donkies.adapters.persistence.unit_of_work import ZopeUnitOfWork
from donkies.adapters.persistence.users import SqlUserStore
from donkies.adapters.sealing import Keyring
from donkies.domain.flows import Flow
from donkies.domain.identities import ExternalIdentity, IdentityTaken
from donkies.domain.ids import new_id
from donkies.domain.sessions import BrowserSession
from donkies.domain.users import User
from donkies.testing.databases import SEALING_KEY

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@dataclass
class Stores:
    unit_of_work: Any
    users: Any
    sessions: Any
    flows: Any
    identities: Any
    squats: Any


def sql_stores(engine):
    work = ZopeUnitOfWork(engine)

    stores = (kind(work) for kind in (SqlUserStore, SqlSessionStore, SqlFlowStore, SqlIdentityStore, SqlSquatStore))
    return Stores(work, *stores)


@contextmanager
def on_sql(url):
    start_mappers()
    engine = make_engine(url, Keyring(SEALING_KEY))
    try:
        yield sql_stores(engine)
    finally:
        engine.dispose()


def memory_stores(rows):
    kinds = (
        memory.MemoryUserStore, memory.MemorySessionStore, memory.MemoryFlowStore, memory.MemoryIdentityStore,
        memory.MemorySquatStore,
    )  # fmt: skip
    stores = (kind(rows) for kind in kinds)
    return Stores(rows, *stores)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def stores(request, tmp_path):
    if request.param == "memory":
        yield memory_stores(memory.MemoryIdentity())
        return
    database = request.getfixturevalue({"sqlite": "sqlite_databases", "postgresql": "postgres_database"}[request.param])
    with on_sql(database.fresh(tmp_path) if request.param == "sqlite" else database.fresh()) as found:
        yield found


def a_user(stores, email="a@b.example"):
    names = {"email": email, "email_key": email, "first_name": "A", "last_name": "B"}
    user = User(id=new_id(), **names, created_at=NOW, updated_at=NOW)
    with stores.unit_of_work:
        stores.users.add(user)
    return user.id


def an_identity(user_id, **changed):
    identity = ExternalIdentity(
        provider="google", subject="110", user_id=user_id, label="a@b.example", answer='{"ä":1}',
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return replace(identity, **changed)


def test_an_identity_is_found_by_provider_and_subject_and_by_nothing_else(stores):
    identity = an_identity(a_user(stores))
    with stores.unit_of_work:
        stores.identities.add(identity)
    with stores.unit_of_work:
        assert identity == stores.identities.find("google", "110")
        assert stores.identities.find("facebook", "110") is None
        assert stores.identities.find("google", "a@b.example") is None


def test_it_can_be_added_with_its_person_and_only_once(stores):
    user = User(
        id=new_id(), email="n@b.example", email_key="n@b.example", first_name="N", last_name="B",
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    with stores.unit_of_work:
        stores.users.add(user)
        stores.identities.add(an_identity(user.id))
    other = a_user(stores)
    with pytest.raises(IdentityTaken), stores.unit_of_work:
        stores.identities.add(an_identity(other))
    with stores.unit_of_work:
        assert user.id == stores.identities.find("google", "110").user_id


def test_what_it_tells_is_written_anew(stores):
    identity = an_identity(a_user(stores))
    with stores.unit_of_work:
        stores.identities.add(identity)
        renewed = replace(identity, label="new", answer="{}", updated_at=LATER)
        stores.identities.update(renewed)
        stores.identities.update(replace(renewed, subject="unknown"))
    with stores.unit_of_work:
        assert renewed == stores.identities.find("google", "110")
        assert stores.identities.find("google", "unknown") is None


def test_a_persons_come_the_oldest_first_and_go_one_by_one(stores):
    user_id, other = a_user(stores), a_user(stores, "c@d.example")
    with stores.unit_of_work:
        stores.identities.add(an_identity(user_id, created_at=LATER))
        stores.identities.add(an_identity(user_id, provider="facebook"))
        stores.identities.add(an_identity(other, subject="111"))
    with stores.unit_of_work:
        assert ["facebook", "google"] == [one.provider for one in stores.identities.of_user(user_id)]
        stores.identities.remove("facebook", "110")
    with stores.unit_of_work:
        assert ["google"] == [one.provider for one in stores.identities.of_user(user_id)]
        assert 1 == len(stores.identities.of_user(other))


def test_a_squat_keeps_no_way_in_and_others_keep_theirs(stores):
    user_id, other = a_user(stores), a_user(stores, "c@d.example")
    with stores.unit_of_work:
        for key, whose in ((b"s" * 32, user_id), (b"o" * 32, other)):
            stores.identities.add(an_identity(whose, subject=key.decode()))
            stores.flows.put(key, Flow("kind", {}, LATER, whose), NOW)
            stores.sessions.add(
                BrowserSession(
                    id_hash=key, user_id=whose, auth_time=NOW, methods="pwd", created_at=NOW, seen_at=NOW,
                    expires_at=LATER,
                )
            )  # fmt: skip
    with stores.unit_of_work:
        stores.squats.strip(user_id)
    with stores.unit_of_work:
        for key, is_there in ((b"s" * 32, False), (b"o" * 32, True)):
            assert is_there == (stores.sessions.find(key) is not None)
            assert is_there == (stores.flows.find(key) is not None)
            assert is_there == (stores.identities.find("google", key.decode()) is not None)
