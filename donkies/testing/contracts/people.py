"""The stores of people, clients, browser sessions and consents."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from donkies.domain.clients import Client, ClientExists
from donkies.domain.consents import Consent
from donkies.domain.grants import ClientGone, TokenFamily
from donkies.domain.ids import new_id
from donkies.domain.sessions import IDLE, BrowserSession
from donkies.domain.users import EmailTaken, User

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def a_user(**changed):
    fields = {"id": new_id(), "email": "A@b.example", "email_key": "a@b.example", "first_name": "A", "last_name": "B"}
    return User(**fields | {"birthday": date(1990, 12, 31), "created_at": NOW, "updated_at": NOW} | changed)


def a_client(**changed):
    lists = {"redirect_uris": ("https://a.example/",), "origins": ("https://a.example",), "scopes": ("profile",)}
    return Client(**{"client_id": "app", "name": "App", "type": "public", "created_at": NOW} | lists | changed)


def a_session(user, **changed):
    times = {"auth_time": NOW, "created_at": NOW, "seen_at": NOW, "expires_at": NOW + 99 * IDLE}
    return BrowserSession(**{"id_hash": b"h" * 32, "user_id": user.id, "methods": "pwd"} | times | changed)


class SignInContract:
    """Needs the fixture `stores`: a bundle such as `SignInStores`, empty, whose parts work in its unit of work."""

    @pytest.fixture
    def stores(self) -> Any:
        raise NotImplementedError("Give the contract a fixture `stores`.")

    @pytest.fixture
    def user(self, stores):
        user = a_user()
        with stores.unit_of_work:
            stores.users.add(user)
            stores.clients.add(a_client())
        return user

    @pytest.fixture
    def family(self, stores, user):
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


class UserStoreContract(SignInContract):
    """What every `UserStore` does: `stores.users`."""

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

    def test_an_address_that_somebody_has_is_not_given_to_another(self, stores):
        ada, bob = stores.person("a@b.example"), stores.person("b@b.example")
        with pytest.raises(EmailTaken), stores.unit_of_work:
            stores.users.change_email(stores.users.find_locked(ada), "B@b.example", "b@b.example")
        with stores.unit_of_work:
            assert "a@b.example" == stores.users.find(ada).email_key
            stores.users.change_email(stores.users.find_locked(bob), "", "released:b")
            stores.users.change_email(stores.users.find_locked(ada), "B@b.example", "b@b.example")
        with stores.unit_of_work:
            assert (ada, "B@b.example") == ((found := stores.users.find_by_email("b@b.example")).id, found.email)
            assert stores.users.find_locked(new_id()) is None


class ClientStoreContract(SignInContract):
    """What every `ClientStore` does (`stores.clients`), and what `Clients` shows of it (`stores.reader`)."""

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


class SessionStoreContract(SignInContract):
    """What every `SessionStore` does: `stores.sessions`."""

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


class ConsentStoreContract(SignInContract):
    """What every `ConsentStore` does: `stores.consents`."""

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
