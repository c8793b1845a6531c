"""What every store of sign-in keeps to, in memory, on SQLite and on PostgreSQL."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from donkies.adapters.memory import identity as memory
from donkies.adapters.memory.grants import MemoryGrantStore
from donkies.adapters.persistence.clients import CachedClients, SqlClientStore
from donkies.adapters.persistence.consents import SqlConsentStore
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.persistence.grants import SqlGrantStore, SqlRotations
from donkies.adapters.persistence.sessions import SqlSessionStore
from donkies.adapters.persistence.unit_of_work import ZopeUnitOfWork
from donkies.adapters.persistence.users import SqlUserStore
from donkies.adapters.sealing import Keyring
from donkies.domain.clients import Client, ClientExists
from donkies.domain.consents import Consent
from donkies.domain.grants import AuthorizationCode, ClientGone, TokenFamily
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
    consents: Any
    grants: Any
    rotations: Any


def sql_stores(engine: Engine) -> Stores:
    work = ZopeUnitOfWork(engine)
    grants = SqlGrantStore(work)
    stores = (SqlUserStore(work), SqlClientStore(work), CachedClients(engine, keep_s=0), SqlSessionStore(work))
    return Stores(work, *stores, SqlConsentStore(work), grants, SqlRotations(engine))


def memory_stores() -> Stores:
    rows = memory.MemoryIdentity()
    clients, grants = memory.MemoryClientStore(rows), MemoryGrantStore(rows)
    users, sessions = memory.MemoryUserStore(rows), memory.MemorySessionStore(rows)
    return Stores(rows, users, clients, clients, sessions, memory.MemoryConsentStore(rows), grants, grants)


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


def sid_as_kept(stores, family_id):
    """SQLite writes a UUID without its hyphens."""
    is_sqlite = isinstance(stores.unit_of_work, ZopeUnitOfWork) and "sqlite" in str(stores.unit_of_work.engine.url)
    return family_id.hex if is_sqlite else str(family_id)


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

    def test_a_password_is_replaced_only_where_it_is_the_known_one(self, stores, user):
        with stores.unit_of_work:
            stores.users.find(user.id).password_hash = "first"
        with stores.unit_of_work:
            assert not stores.users.replace_password(user.id, "other", "second")
            assert not stores.users.replace_password(new_id(), "first", "second")
            assert stores.users.replace_password(user.id, "first", "second")
        with stores.unit_of_work:
            assert "second" == stores.users.find(user.id).password_hash

    def test_changes_last_and_what_raises_leaves_no_trace(self, stores, user):
        with stores.unit_of_work:
            stores.users.find(user.id).first_name = "Changed"
        with pytest.raises(ZeroDivisionError), stores.unit_of_work:  # noqa: PT012 - the block is what is tested
            stores.users.find(user.id).first_name = "Lost"
            raise ZeroDivisionError
        with stores.unit_of_work:
            assert "Changed" == stores.users.find(user.id).first_name

    def test_who_is_removed_takes_along_what_is_theirs(self, stores, user, family):
        other = a_user(email_key="other@b.example")
        with stores.unit_of_work:
            stores.users.add(other)
            stores.consents.record(user.id, "app", ("openid",), NOW)
        with stores.unit_of_work:
            assert user.email == stores.users.find_for_removal(user.id).email
            stores.users.remove(user.id)
        with stores.unit_of_work:
            assert stores.users.find_for_removal(user.id) is None
            assert stores.grants.find_family(family.id) is None
            assert [] == stores.consents.of_user(user.id)
            assert stores.users.find(other.id) is not None


class TestClientStore:
    def test_a_client_comes_back_as_it_was(self, stores, user):
        with stores.unit_of_work:
            assert a_client() == stores.clients.find("app") == stores.clients.find_locked("app")
            assert stores.clients.find("other") is None
            assert stores.clients.find_locked("other") is None
        assert a_client() == stores.reader.find("app")
        assert stores.reader.find("other") is None
        assert stores.reader.find("\x00") is None

    def test_a_name_is_taken_once(self, stores, user):
        with pytest.raises(ClientExists), stores.unit_of_work:
            stores.clients.add(a_client())

    def test_it_is_replaced_as_a_whole(self, stores, user):
        changed = a_client(
            origins=("https://b.example",),
            is_trusted=True,
            secret_hash=b"x" * 32,
            jwks={"keys": [{"kty": "EC"}]},
            old_secret_hash=b"o" * 32,
            old_secret_expires_at=NOW,
            id_token_alg="ES256",
        )
        with stores.unit_of_work:
            stores.clients.replace(changed)
        stores.reader.forget()
        assert changed == stores.reader.find("app")
        assert stores.reader.knows_origin("https://b.example")
        assert not stores.reader.knows_origin("https://a.example")

    def test_all_are_listed_the_oldest_first(self, stores, user):
        with stores.unit_of_work:
            stores.clients.add(a_client(client_id="older", created_at=NOW - MINUTE))
            stores.clients.add(a_client(client_id="newer", created_at=NOW + MINUTE))
            assert ["older", "app", "newer"] == [client.client_id for client in stores.clients.all()]


def a_session(user, **changed):
    times = {"auth_time": NOW, "created_at": NOW, "seen_at": NOW, "expires_at": NOW + 99 * IDLE}
    return BrowserSession(**{"id_hash": b"h" * 32, "user_id": user.id, "methods": "pwd"} | times | changed)


class TestSessionStore:
    def test_it_is_found_until_removed(self, stores, user):
        with stores.unit_of_work:
            stores.sessions.add(a_session(user))
        with stores.unit_of_work:
            assert user.id == stores.sessions.find(b"h" * 32).user_id
            assert stores.sessions.find(b"x" * 32) is None
            stores.sessions.remove(b"h" * 32)
        with stores.unit_of_work:
            assert stores.sessions.find(b"h" * 32) is None

    def test_all_of_a_person_go_together(self, stores, user):
        with stores.unit_of_work:
            stores.sessions.add(a_session(user))
            stores.sessions.add(a_session(user, id_hash=b"i" * 32))
            stores.sessions.remove_all_of(user.id, but=b"i" * 32)
            assert stores.sessions.find(b"h" * 32) is None
            assert stores.sessions.find(b"i" * 32)
            stores.sessions.remove_all_of(user.id)
            assert stores.sessions.find(b"i" * 32) is None

    def test_a_persons_are_listed_the_last_used_first(self, stores, user):
        with stores.unit_of_work:
            assert [] == stores.sessions.of_user(user.id)
            for key, minutes in ((b"a", 1), (b"b", 3), (b"c", 2)):
                stores.sessions.add(a_session(user, id_hash=key * 32, seen_at=NOW + minutes * MINUTE))
        with stores.unit_of_work:
            assert [b"b" * 32, b"c" * 32, b"a" * 32] == [one.id_hash for one in stores.sessions.of_user(user.id)]
            assert [] == stores.sessions.of_user(new_id())

    def test_it_knows_which_request_its_login_answered(self, stores, user):
        with stores.unit_of_work:
            stores.sessions.add(a_session(user, login_for=b"r" * 32))
        with stores.unit_of_work:
            assert b"r" * 32 == stores.sessions.find(b"h" * 32).login_for
            stores.sessions.forget_request(b"h" * 32)
            stores.sessions.forget_request(b"x" * 32)
        with stores.unit_of_work:
            assert stores.sessions.find(b"h" * 32).login_for is None

    def test_its_use_is_noted_while_it_is_there(self, stores, user):
        with stores.unit_of_work:
            stores.sessions.add(a_session(user))
        with stores.unit_of_work:
            stores.sessions.touch(b"h" * 32, NOW + MINUTE)
            stores.sessions.touch(b"x" * 32, NOW + MINUTE)
        with stores.unit_of_work:
            assert NOW + MINUTE == stores.sessions.find(b"h" * 32).seen_at

    def test_of_a_disabled_person_none_is_found(self, stores, user):
        with stores.unit_of_work:
            stores.sessions.add(a_session(user))
            stores.users.find(user.id).is_disabled = True
        with stores.unit_of_work:
            assert stores.sessions.find(b"h" * 32) is None

    def test_what_is_over_is_removed(self, stores, user):
        with stores.unit_of_work:
            stores.sessions.add(a_session(user))
            stores.sessions.add(a_session(user, id_hash=b"i" * 32, seen_at=NOW - 2 * IDLE))
            stores.sessions.add(a_session(user, id_hash=b"e" * 32, expires_at=NOW))
            assert 2 == stores.sessions.remove_expired(NOW)
            assert stores.sessions.find(b"h" * 32)


def a_code(user, **changed):
    fields = {
        "family_id": new_id(),
        "client_id": "app",
        "user_id": user.id,
        "redirect_uri": "https://a.example/",
        "scopes": ("openid", "profile"),
        "code_challenge": "c" * 43,
        "nonce": "n",
        "auth_time": NOW,
        "methods": "pwd otp",
        "created_at": NOW,
        "expires_at": NOW + MINUTE,
    }
    return AuthorizationCode(**fields | changed)


class TestConsentStore:
    def test_consents_add_up_and_are_withdrawn(self, stores, user):
        later = NOW + MINUTE
        with stores.unit_of_work:
            assert stores.consents.find(user.id, "app") is None
            stores.consents.record(user.id, "app", ("profile",), NOW)
            stores.consents.record(user.id, "app", ("openid", "profile"), later)
        expected = Consent("app", ("profile", "openid"), NOW, later)
        with stores.unit_of_work:
            assert expected == stores.consents.find(user.id, "app")
            assert [expected] == stores.consents.of_user(user.id)
            assert [] == stores.consents.of_user(new_id())
            assert stores.consents.remove(user.id, "app") is True
            assert stores.consents.remove(user.id, "app") is False
            assert stores.consents.find(user.id, "app") is None

    def test_there_is_none_for_a_client_that_was_deleted(self, stores, user):
        with pytest.raises(ClientGone), stores.unit_of_work:
            stores.consents.record(user.id, "gone", ("profile",), NOW)

    def test_what_was_allowed_already_changes_nothing(self, stores, user):
        with stores.unit_of_work:
            stores.consents.record(user.id, "app", ("openid", "profile"), NOW)
            stores.consents.record(user.id, "app", ("profile",), NOW + MINUTE)
            assert NOW == stores.consents.find(user.id, "app").updated_at


class TestGrantStore:
    @pytest.fixture
    def code(self, stores, user):
        code = a_code(user)
        with stores.unit_of_work:
            stores.grants.add_code(b"c" * 32, code)
        return code

    @pytest.fixture
    def granted_in_session(self, stores, user, family):
        """A code and a family of one browser session."""
        in_session = replace(family, id=new_id(), session_hash=b"h" * 32)
        with stores.unit_of_work:
            stores.sessions.add(a_session(user))
            stores.grants.add_code(b"d" * 32, a_code(user, session_hash=b"h" * 32))
            stores.grants.add_family(in_session)
        return in_session

    def test_a_code_is_used_once(self, stores, code):
        with stores.unit_of_work:
            assert stores.grants.family_of_used_code(b"c" * 32, "app") is None
            assert code == stores.grants.use_code(b"c" * 32, "app", NOW)
        with stores.unit_of_work:
            assert stores.grants.use_code(b"c" * 32, "app", NOW) is None
            assert code.family_id == stores.grants.family_of_used_code(b"c" * 32, "app")
            assert stores.grants.family_of_used_code(b"c" * 32, "other") is None

    def test_there_is_none_for_a_client_that_was_deleted(self, stores, user):
        with pytest.raises(ClientGone), stores.unit_of_work:
            stores.grants.add_code(b"c" * 32, a_code(user, client_id="gone"))

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

    def test_rotation_puts_the_successor_in_place(self, stores, family):
        rotated = stores.rotations.rotate(family.id, "app", b"1" * 32, b"2" * 32, b"sealed", NOW)
        expected = replace(
            family, current_hash=b"2" * 32, previous_hash=b"1" * 32, superseded_at=NOW, successor_sealed=b"sealed"
        )
        assert expected == rotated == stores.rotations.find(family.id)
        assert stores.rotations.find(new_id()) is None
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

    def test_all_families_of_a_person_can_be_revoked_and_codes_with_them(self, stores, family, code, user):
        with stores.unit_of_work:
            assert [] == stores.grants.revoke_families_of(new_id(), "test")
            assert [family.id] == stores.grants.revoke_families_of(user.id, "test")
            assert [] == stores.grants.revoke_families_of(user.id, "test")
            assert stores.grants.use_code(b"c" * 32, "app", NOW) is None

    def test_what_was_granted_in_one_session_can_outlive_all_else(self, stores, user, family, code, granted_in_session):
        with stores.unit_of_work:
            assert [family.id] == stores.grants.revoke_families_of(user.id, "test", but=b"h" * 32)
            assert stores.grants.use_code(b"c" * 32, "app", NOW) is None
            assert stores.grants.use_code(b"d" * 32, "app", NOW)
            assert stores.grants.find_family(granted_in_session.id).revoked_at is None

    def test_what_ends_for_good_are_all_that_may_have_live_tokens(self, stores, user, family):
        """Also one that had ended before: other processes may not have heard of it yet"""
        now = datetime.now(UTC)
        fresh = [replace(family, id=new_id(), created_at=now, expires_at=now + MINUTE) for _ in "ab"]
        with stores.unit_of_work:
            for one in fresh:
                stores.grants.add_family(one)
            stores.grants.revoke_family(fresh[0].id, "before")
        with stores.unit_of_work:
            ended = stores.grants.end_families_for_good(user.id, "test")
            assert {one.id for one in fresh} == set(ended), "of the old one no access token lives"
            assert stores.grants.find_family(family.id).revoked_at is not None
            assert not stores.grants.is_client_token_live("app", sid_as_kept(stores, fresh[0].id))

    def test_what_was_granted_in_a_session_ends_with_it_and_nothing_else(
        self, stores, family, code, granted_in_session
    ):
        with stores.unit_of_work:
            assert [granted_in_session.id] == stores.grants.revoke_families_of_session(b"h" * 32, "test")
            assert stores.grants.use_code(b"d" * 32, "app", NOW) is None
            assert stores.grants.find_family(family.id).revoked_at is None
            assert stores.grants.use_code(b"c" * 32, "app", NOW)

    def test_a_code_is_worth_nothing_once_its_session_is_gone(self, stores, granted_in_session):
        with stores.unit_of_work:
            stores.sessions.remove(b"h" * 32)
        with stores.unit_of_work:
            assert stores.grants.use_code(b"d" * 32, "app", NOW) is None

    def test_what_was_granted_can_move_to_another_session(self, stores, user, granted_in_session):
        with stores.unit_of_work:
            stores.sessions.add(a_session(user, id_hash=b"i" * 32))
            stores.grants.move_session(b"h" * 32, b"i" * 32, new_id())
            stores.grants.move_session(b"h" * 32, b"i" * 32, user.id)
            stores.sessions.remove(b"h" * 32)
        with stores.unit_of_work:
            assert b"i" * 32 == stores.grants.use_code(b"d" * 32, "app", NOW).session_hash
            assert [] == stores.grants.revoke_families_of_session(b"h" * 32, "test")
            assert [granted_in_session.id] == stores.grants.revoke_families_of_session(b"i" * 32, "test")

    def test_but_only_what_this_person_granted(self, stores, user, granted_in_session):
        other = a_user(email_key="other@b.example")
        with stores.unit_of_work:
            stores.users.add(other)
            stores.sessions.add(a_session(other, id_hash=b"i" * 32))
        with stores.unit_of_work:
            stores.grants.move_session(b"h" * 32, b"i" * 32, other.id)
            assert b"h" * 32 == stores.grants.find_family(granted_in_session.id).session_hash
            assert b"h" * 32 == stores.grants.use_code(b"d" * 32, "app", NOW).session_hash

    def test_what_one_person_gave_one_client_is_ended_alone(self, stores, user, family, code):
        with stores.unit_of_work:
            stores.clients.add(a_client(client_id="other"))
            stores.grants.add_family(replace(family, id=new_id(), client_id="other"))
        with stores.unit_of_work:
            assert [] == stores.grants.revoke_families_between(new_id(), "app", "test")
            assert [family.id] == stores.grants.revoke_families_between(user.id, "app", "test")
            assert stores.grants.use_code(b"c" * 32, "app", NOW) is None

    def test_all_that_a_client_holds_is_ended(self, stores, family, code):
        with stores.unit_of_work:
            assert [] == stores.grants.revoke_families_of_client("other", "test")
            assert [family.id] == stores.grants.revoke_families_of_client("app", "test")
            assert stores.grants.use_code(b"c" * 32, "app", NOW) is None

    def test_a_client_that_is_removed_takes_along_what_it_held(self, stores, family, code, user):
        with stores.unit_of_work:
            stores.clients.add(a_client(client_id="other"))
            stores.consents.record(user.id, "app", ("openid",), NOW)
        with stores.unit_of_work:
            stores.clients.remove("app")
        with stores.unit_of_work:
            assert ["other"] == [client.client_id for client in stores.clients.all()]
            assert stores.grants.find_family(family.id) is None
            assert stores.grants.use_code(b"c" * 32, "app", NOW) is None
            assert stores.consents.find(user.id, "app") is None

    def test_it_knows_who_may_get_no_tokens(self, stores, user):
        with stores.unit_of_work:
            assert stores.grants.is_user_disabled(user.id) is False
            assert stores.grants.is_user_disabled(new_id()) is True
            stores.users.find(user.id).is_disabled = True
        with stores.unit_of_work:
            assert stores.grants.is_user_disabled(user.id) is True

    def test_what_is_long_over_is_deleted_and_the_rest_stays(self, stores, family, code):
        with stores.unit_of_work:
            stores.grants.revoke_access_token("jti", NOW)
            assert 0 == stores.grants.purge(NOW)
            assert 1 == stores.grants.purge(NOW + MINUTE)
            assert 2 == stores.grants.purge(NOW + 2 * MINUTE)
            assert stores.grants.find_family(family.id) is None

    def test_revoked_families_are_deleted_before_they_expire(self, stores, family):
        with stores.unit_of_work:
            stores.grants.revoke_family(family.id, "test")
        with stores.unit_of_work:
            revoked_at = stores.grants.find_family(family.id).revoked_at
            lasting = replace(family, id=new_id(), expires_at=revoked_at + 99 * MINUTE)
            stores.grants.add_family(lasting)
            assert 1 == stores.grants.purge(revoked_at + MINUTE)
            assert stores.grants.find_family(family.id) is None
            assert stores.grants.find_family(lasting.id)

    def test_sealed_successors_are_erased_in_time(self, stores, family):
        stores.rotations.rotate(family.id, "app", b"1" * 32, b"2" * 32, b"sealed", NOW)
        with stores.unit_of_work:
            assert 0 == stores.grants.erase_successors(NOW)
            assert 1 == stores.grants.erase_successors(NOW + MINUTE)
            assert 0 == stores.grants.erase_successors(NOW + MINUTE)

    def test_one_access_token_can_be_revoked_twice(self, stores, user):
        with stores.unit_of_work:
            assert stores.grants.is_client_token_live("app", "jti")
            stores.grants.revoke_access_token("jti", NOW)
            stores.grants.revoke_access_token("jti", NOW)
        with stores.unit_of_work:
            assert not stores.grants.is_client_token_live("app", "jti")
            assert stores.grants.is_client_token_live("app", "another")
            assert not stores.grants.is_client_token_live("gone", "another")

    def test_all_of_a_clients_own_tokens_till_now_can_be_revoked_and_later_once_more(self, stores, user):
        now = datetime.now(UTC)
        with stores.unit_of_work:
            stores.grants.revoke_access_token("app", NOW)
        with stores.unit_of_work:
            assert not stores.grants.is_client_token_live("app", "jti")
            assert not stores.grants.is_client_token_live("app", "jti", now - MINUTE)
            assert not stores.grants.is_client_token_live("app", "jti", now + timedelta(seconds=3))
            assert stores.grants.is_client_token_live("app", "jti", now + MINUTE)
            assert 1 == stores.grants.purge(NOW + MINUTE)
        for expires_at in (NOW, NOW + MINUTE):
            with stores.unit_of_work:
                stores.grants.revoke_access_token("app", expires_at)
        with stores.unit_of_work:
            assert 0 == stores.grants.purge(NOW + MINUTE), "the newest counts"
