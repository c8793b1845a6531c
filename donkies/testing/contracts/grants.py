"""The store of codes and refresh tokens, and the quick way to rotate them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from donkies.domain.grants import AuthorizationCode, ClientGone
from donkies.domain.ids import new_id

from .people import MINUTE, NOW, SignInContract, a_client, a_session, a_user


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


class GrantStoreContract(SignInContract):
    """What every `GrantStore` (`stores.grants`) and `Rotations` (`stores.rotations`) do."""

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
            assert not stores.grants.is_client_token_live("app", stores.sid_as_kept(fresh[0].id))

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
