"""What every store of sign-in keeps to, in memory, on SQLite and on PostgreSQL."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from donkies.adapters.memory import identity as memory
from donkies.adapters.persistence.clients import CachedClients, SqlClientStore
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.grants import SqlGrantStore, SqlRotations
from donkies.adapters.persistence.sessions import SqlSessionStore
from donkies.adapters.persistence.unit_of_work import ZopeUnitOfWork
from donkies.adapters.persistence.users import SqlUserStore
from donkies.adapters.sealing import Keyring
from donkies.domain.clients import Client, ClientExists
from donkies.domain.grants import AuthorizationCode, TokenFamily
from donkies.domain.ids import new_id
from donkies.domain.sessions import IDLE, BrowserSession
from donkies.domain.users import EmailTaken, User
from donkies.testing.databases import SEALING_KEY

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@dataclass
class Stores:
    unit_of_work: Any
    users: Any
    clients: Any
    reader: Any
    sessions: Any
    grants: Any
    rotations: Any


def sql_stores(engine: Engine) -> Stores:
    work = ZopeUnitOfWork(engine)
    grants = SqlGrantStore(work)
    stores = (SqlUserStore(work), SqlClientStore(work), CachedClients(engine, keep_s=0), SqlSessionStore(work))
    return Stores(work, *stores, grants, SqlRotations(engine))


def memory_stores() -> Stores:
    rows = memory.MemoryIdentity()
    clients, grants = memory.MemoryClientStore(rows), memory.MemoryGrantStore(rows)
    return Stores(rows, memory.MemoryUserStore(rows), clients, clients, memory.MemorySessionStore(rows), grants, grants)


@contextmanager
def opened(url):
    engine = make_engine(url, Keyring(SEALING_KEY))
    try:
        yield sql_stores(engine)
    finally:
        engine.dispose()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def stores(request, tmp_path):
    if request.param == "memory":
        yield memory_stores()
    else:
        fixture = {"sqlite": "sqlite_databases", "postgresql": "postgres_database"}[request.param]
        database = request.getfixturevalue(fixture)
        with opened(database.fresh(tmp_path) if request.param == "sqlite" else database.fresh()) as found:
            yield found


def a_user(**changed):
    fields = {"id": new_id(), "email": "A@b.example", "email_key": "a@b.example", "first_name": "A", "last_name": "B"}
    return User(**fields | {"birthday": date(1990, 12, 31), "created_at": NOW, "updated_at": NOW} | changed)


def a_client(**changed):
    lists = {"redirect_uris": ("https://a.example/",), "origins": ("https://a.example",), "scopes": ("profile",)}
    return Client(**{"client_id": "app", "name": "App", "type": "public", "created_at": NOW} | lists | changed)


@pytest.fixture
def user(stores):
    user = a_user()
    with stores.unit_of_work:
        stores.users.add(user)
        stores.clients.add(a_client())
    return user


@pytest.fixture
def family(stores, user):
    family = TokenFamily(
        id=new_id(),
        user_id=user.id,
        client_id="app",
        scopes=("openid", "profile"),
        auth_time=NOW,
        created_at=NOW,
        expires_at=NOW + MINUTE,
        secret_hash=b"s" * 32,
        current_hash=b"1" * 32,
    )
    with stores.unit_of_work:
        stores.grants.add_family(family)
    return family


class TestUserStore:
    def test_finds_by_id_and_by_address(self, stores, user):
        with stores.unit_of_work:
            assert user.email == stores.users.find(user.id).email
            found = stores.users.find_by_email("a@b.example")
            assert (user.id, date(1990, 12, 31), NOW) == (found.id, found.birthday, found.created_at)
            assert stores.users.find(new_id()) is None
            assert stores.users.find_by_email("A@b.example") is None

    def test_an_address_is_taken_once(self, stores, user):
        with pytest.raises(EmailTaken), stores.unit_of_work:
            stores.users.add(a_user())

    def test_changes_last_and_what_raises_leaves_no_trace(self, stores, user):
        with stores.unit_of_work:
            stores.users.find(user.id).first_name = "Changed"
        with pytest.raises(ZeroDivisionError), stores.unit_of_work:  # noqa: PT012 - the block is what is tested
            stores.users.find(user.id).first_name = "Lost"
            raise ZeroDivisionError
        with stores.unit_of_work:
            assert "Changed" == stores.users.find(user.id).first_name


class TestClientStore:
    def test_a_client_comes_back_as_it_was(self, stores, user):
        with stores.unit_of_work:
            assert a_client() == stores.clients.find("app")
            assert stores.clients.find("other") is None
        assert a_client() == stores.reader.find("app")
        assert stores.reader.find("other") is None
        assert stores.reader.find("\x00") is None

    def test_a_name_is_taken_once(self, stores, user):
        with pytest.raises(ClientExists), stores.unit_of_work:
            stores.clients.add(a_client())

    def test_it_is_replaced_as_a_whole(self, stores, user):
        changed = a_client(origins=("https://b.example",), is_trusted=True, secret_hash=b"x" * 32)
        with stores.unit_of_work:
            stores.clients.replace(changed)
        stores.reader.forget()
        assert changed == stores.reader.find("app")
        assert stores.reader.knows_origin("https://b.example")
        assert not stores.reader.knows_origin("https://a.example")


class TestSessionStore:
    def a_session(self, user, **changed):
        times = {"auth_time": NOW, "created_at": NOW, "seen_at": NOW, "expires_at": NOW + 99 * IDLE}
        return BrowserSession(**{"id_hash": b"h" * 32, "user_id": user.id, "methods": "pwd"} | times | changed)

    def test_it_is_found_until_removed(self, stores, user):
        with stores.unit_of_work:
            stores.sessions.add(self.a_session(user))
        with stores.unit_of_work:
            assert user.id == stores.sessions.find(b"h" * 32).user_id
            assert stores.sessions.find(b"x" * 32) is None
            stores.sessions.remove(b"h" * 32)
        with stores.unit_of_work:
            assert stores.sessions.find(b"h" * 32) is None

    def test_all_of_a_person_go_together(self, stores, user):
        with stores.unit_of_work:
            stores.sessions.add(self.a_session(user))
            stores.sessions.add(self.a_session(user, id_hash=b"i" * 32))
            stores.sessions.remove_all_of(user.id)
            assert stores.sessions.find(b"h" * 32) is None

    def test_of_a_disabled_person_none_is_found(self, stores, user):
        with stores.unit_of_work:
            stores.sessions.add(self.a_session(user))
            stores.users.find(user.id).is_disabled = True
        with stores.unit_of_work:
            assert stores.sessions.find(b"h" * 32) is None

    def test_what_is_over_is_removed(self, stores, user):
        with stores.unit_of_work:
            stores.sessions.add(self.a_session(user))
            stores.sessions.add(self.a_session(user, id_hash=b"i" * 32, seen_at=NOW - 2 * IDLE))
            stores.sessions.add(self.a_session(user, id_hash=b"e" * 32, expires_at=NOW))
            assert 2 == stores.sessions.remove_expired(NOW)
            assert stores.sessions.find(b"h" * 32)


class TestGrantStore:
    @pytest.fixture
    def code(self, stores, user):
        code = AuthorizationCode(
            family_id=new_id(),
            client_id="app",
            user_id=user.id,
            redirect_uri="https://a.example/",
            scopes=("openid", "profile"),
            code_challenge="c" * 43,
            nonce="n",
            auth_time=NOW,
            session_hash=b"s" * 32,
            created_at=NOW,
            expires_at=NOW + MINUTE,
        )
        with stores.unit_of_work:
            stores.grants.add_code(b"c" * 32, code)
        return code

    def test_a_code_is_used_once(self, stores, code):
        with stores.unit_of_work:
            assert stores.grants.family_of_used_code(b"c" * 32, "app") is None
            assert code == stores.grants.use_code(b"c" * 32, "app", NOW)
        with stores.unit_of_work:
            assert stores.grants.use_code(b"c" * 32, "app", NOW) is None
            assert code.family_id == stores.grants.family_of_used_code(b"c" * 32, "app")
            assert stores.grants.family_of_used_code(b"c" * 32, "other") is None

    def test_not_by_another_client_nor_too_late_nor_unknown(self, stores, code):
        with stores.unit_of_work:
            assert stores.grants.use_code(b"c" * 32, "other", NOW) is None
            assert stores.grants.use_code(b"c" * 32, "app", NOW + MINUTE) is None
            assert stores.grants.use_code(b"x" * 32, "app", NOW) is None
            assert code == stores.grants.use_code(b"c" * 32, "app", NOW)

    def test_not_for_a_disabled_person(self, stores, code, user):
        with stores.unit_of_work:
            stores.users.find(user.id).is_disabled = True
        with stores.unit_of_work:
            assert stores.grants.use_code(b"c" * 32, "app", NOW) is None

    def test_a_use_that_is_rolled_back_is_none(self, stores, code):
        with pytest.raises(ZeroDivisionError), stores.unit_of_work:  # noqa: PT012 - the block is what is tested
            stores.grants.use_code(b"c" * 32, "app", NOW)
            raise ZeroDivisionError
        with stores.unit_of_work:
            assert code == stores.grants.use_code(b"c" * 32, "app", NOW)

    def test_consents_add_up(self, stores, user):
        with stores.unit_of_work:
            for scopes in (("profile",), ("openid",), ("openid", "profile")):
                stores.grants.record_consent(user.id, "app", scopes, NOW)

    def test_rotation_puts_the_successor_in_place(self, stores, family):
        rotated = stores.rotations.rotate(family.id, "app", b"1" * 32, b"2" * 32, b"sealed", NOW)
        expected = replace(
            family, current_hash=b"2" * 32, previous_hash=b"1" * 32, superseded_at=NOW, successor_sealed=b"sealed"
        )
        assert expected == rotated
        with stores.unit_of_work:
            assert expected == stores.grants.find_family(family.id)

    @pytest.mark.parametrize(
        ("client_id", "presented", "now"),
        [("other", b"1" * 32, NOW), ("app", b"0" * 32, NOW), ("app", b"1" * 32, NOW + MINUTE)],
    )
    def test_rotation_changes_nothing_where_it_may_not(self, stores, family, client_id, presented, now):
        assert stores.rotations.rotate(family.id, client_id, presented, b"2" * 32, b"sealed", now) is None
        with stores.unit_of_work:
            assert family == stores.grants.find_family(family.id)

    def test_nor_when_the_person_is_disabled(self, stores, family, user):
        with stores.unit_of_work:
            stores.users.find(user.id).is_disabled = True
        assert stores.rotations.rotate(family.id, "app", b"1" * 32, b"2" * 32, b"sealed", NOW) is None

    def test_a_revoked_family_gives_nothing(self, stores, family):
        stores.rotations.rotate(family.id, "app", b"1" * 32, b"2" * 32, b"sealed", NOW)
        with stores.unit_of_work:
            assert stores.grants.revoke_family(family.id, "test") is True
        with stores.unit_of_work:
            assert stores.grants.revoke_family(family.id, "test") is False
            found = stores.grants.find_family(family.id)
            assert found.revoked_at is not None
            assert found.successor_sealed is None
        assert stores.rotations.rotate(family.id, "app", b"2" * 32, b"3" * 32, b"sealed", NOW) is None

    def test_all_families_of_a_person_can_be_revoked(self, stores, family, user):
        with stores.unit_of_work:
            assert 0 == stores.grants.revoke_families_of(new_id(), "test")
            assert 1 == stores.grants.revoke_families_of(user.id, "test")
            assert 0 == stores.grants.revoke_families_of(user.id, "test")

    def test_sealed_successors_are_erased_in_time(self, stores, family):
        stores.rotations.rotate(family.id, "app", b"1" * 32, b"2" * 32, b"sealed", NOW)
        with stores.unit_of_work:
            assert 0 == stores.grants.erase_successors(NOW)
            assert 1 == stores.grants.erase_successors(NOW + MINUTE)
            assert 0 == stores.grants.erase_successors(NOW + MINUTE)

    def test_one_access_token_can_be_revoked_twice(self, stores, user):
        with stores.unit_of_work:
            stores.grants.revoke_access_token("jti", NOW)
            stores.grants.revoke_access_token("jti", NOW)
