"""What the store of second factors keeps to, in memory, on SQLite and on PostgreSQL."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from donkies.adapters.memory.factors import MemoryFactorStore
from donkies.adapters.memory.identity import MemoryIdentity, MemoryUserStore
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.factors import SqlFactorStore
from donkies.adapters.persistence.unit_of_work import ZopeUnitOfWork
from donkies.adapters.persistence.users import SqlUserStore
from donkies.adapters.sealing import Keyring
from donkies.domain.factors import Passkey, PasskeyKnown, PasskeyUse
from donkies.domain.ids import new_id
from donkies.domain.users import User
from donkies.testing.databases import SEALING_KEY

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


@dataclass
class Stores:
    unit_of_work: Any
    users: Any
    factors: Any

    def person(self):
        number = new_id()
        email = f"{number}@people.example"
        user = User(
            id=number, email=email, email_key=email, first_name="A", last_name="B", birthday=date(1990, 12, 31),
            created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        with self.unit_of_work:
            self.users.add(user)
        return number

    def did(self, name, *arguments):
        """The outcome of one method, in a unit of work of its own."""
        with self.unit_of_work:
            return getattr(self.factors, name)(*arguments)


@contextmanager
def on_sql(url):
    engine = make_engine(url, Keyring(SEALING_KEY))
    try:
        work = ZopeUnitOfWork(engine)
        yield Stores(work, SqlUserStore(work), SqlFactorStore(work))
    finally:
        engine.dispose()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def stores(request, tmp_path):
    if request.param == "memory":
        rows = MemoryIdentity()
        yield Stores(rows, MemoryUserStore(rows), MemoryFactorStore(rows))
        return
    database = request.getfixturevalue({"sqlite": "sqlite_databases", "postgresql": "postgres_database"}[request.param])
    with on_sql(database.fresh(tmp_path) if request.param == "sqlite" else database.fresh()) as found:
        yield found


@pytest.fixture
def person(stores):
    return stores.person()


def a_passkey(person, **changed):
    passkey = Passkey(
        credential_id=b"id-1", user_id=person, public_key=b"key", sign_count=4, name="Phone",
        transports=("internal", "hybrid"), is_synced=True, created_at=NOW,
    )  # fmt: skip
    return replace(passkey, **changed)


def test_passkeys_are_found_as_they_were_kept_the_oldest_first(stores, person):
    second = a_passkey(person, credential_id=b"id-0", created_at=LATER, transports=())
    stores.did("add_passkey", second)
    stores.did("add_passkey", a_passkey(person))
    assert [a_passkey(person), second] == list(stores.did("passkeys_of", person))
    assert second == stores.did("find_passkey", b"id-0")
    assert stores.did("find_passkey", b"id-2") is None
    assert [] == list(stores.did("passkeys_of", stores.person()))


def test_a_passkey_is_added_once_whoever_has_it(stores, person):
    stores.did("add_passkey", a_passkey(person))
    with pytest.raises(PasskeyKnown):
        stores.did("add_passkey", a_passkey(stores.person()))
    assert person == stores.did("find_passkey", b"id-1").user_id


def test_a_use_counts_while_the_counter_is_the_one_that_was_read(stores, person):
    stores.did("add_passkey", a_passkey(person))
    assert stores.did("note_use", a_passkey(person), PasskeyUse(5, is_synced=False), LATER)
    assert not stores.did("note_use", a_passkey(person), PasskeyUse(6, is_synced=False), LATER)
    assert a_passkey(person, sign_count=5, is_synced=False, last_used_at=LATER) == stores.did("find_passkey", b"id-1")


def test_passkeys_are_changed_by_their_owner_only(stores, person):
    stores.did("add_passkey", a_passkey(person))
    stranger = stores.person()
    assert not stores.did("rename_passkey", stranger, b"id-1", "Mine")
    assert not stores.did("remove_passkey", stranger, b"id-1")
    assert stores.did("rename_passkey", person, b"id-1", "Key")
    assert "Key" == stores.did("find_passkey", b"id-1").name
    assert stores.did("remove_passkey", person, b"id-1")
    assert stores.did("find_passkey", b"id-1") is None
    assert not stores.did("remove_passkey", person, b"id-1")


def test_a_secret_is_replaced_until_it_is_confirmed(stores, person):
    assert stores.did("put_secret", person, "FIRST", NOW)
    assert stores.did("put_secret", person, "SECOND", LATER)
    assert not stores.did("confirm_secret", person, NOW, 7, LATER), "that one is forgotten"
    assert stores.did("confirm_secret", person, LATER, 7, LATER)
    assert not stores.did("confirm_secret", person, LATER, 8, LATER)
    assert not stores.did("put_secret", person, "THIRD", LATER)
    kept = stores.did("secret_of", person)
    assert ("SECOND", 7, LATER) == (kept.secret, kept.last_step, kept.confirmed_at)
    assert stores.did("remove_secret", person)
    assert stores.did("secret_of", person) is None
    assert not stores.did("remove_secret", person)


def test_a_step_is_taken_once_and_none_before_it(stores, person):
    stores.did("put_secret", person, "SECRET", NOW)
    assert not stores.did("take_step", person, 7), "it is not confirmed"
    stores.did("confirm_secret", person, NOW, 7, NOW)
    assert [False, True, False, False] == [stores.did("take_step", person, step) for step in (7, 9, 9, 8)]
    assert not stores.did("take_step", stores.person(), 10)


def test_a_recovery_code_is_taken_once_and_new_ones_replace_all(stores, person):
    stores.did("put_recovery_codes", person, [b"a" * 32, b"b" * 32], NOW)
    assert not stores.did("take_recovery_code", stores.person(), b"a" * 32)
    assert [True, False] == [stores.did("take_recovery_code", person, b"a" * 32) for _ in "12"]
    assert 1 == stores.did("count_recovery_codes", person)
    stores.did("put_recovery_codes", person, [b"c" * 32], LATER)
    assert not stores.did("take_recovery_code", person, b"b" * 32)
    stores.did("put_recovery_codes", person, [], LATER)
    assert 0 == stores.did("count_recovery_codes", person)
