"""The store of second factors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from donkies.domain.factors import Passkey, PasskeyKnown, PasskeyUse

from .people import MINUTE, NOW, SignInContract

LATER = NOW + MINUTE


def a_passkey(person, **changed):
    passkey = Passkey(
        credential_id=b"id-1", user_id=person, public_key=b"key", sign_count=4, name="Phone",
        transports=("internal", "hybrid"), is_synced=True, created_at=NOW,
    )  # fmt: skip
    return replace(passkey, **changed)


class FactorStoreContract(SignInContract):
    """What every `FactorStore` does: `stores.factors`."""

    @pytest.fixture
    def person(self, stores):
        return stores.person()

    def did(self, stores, name, *arguments):
        """The outcome of one method, in a unit of work of its own."""
        with stores.unit_of_work:
            return getattr(stores.factors, name)(*arguments)

    def test_passkeys_are_found_as_they_were_kept_the_oldest_first(self, stores, person):
        second = a_passkey(person, credential_id=b"id-0", created_at=LATER, transports=())
        self.did(stores, "add_passkey", second)
        self.did(stores, "add_passkey", a_passkey(person))
        assert [a_passkey(person), second] == list(self.did(stores, "passkeys_of", person))
        assert second == self.did(stores, "find_passkey", b"id-0")
        assert self.did(stores, "find_passkey", b"id-2") is None
        assert [] == list(self.did(stores, "passkeys_of", stores.person()))

    def test_a_passkey_is_added_once_whoever_has_it(self, stores, person):
        self.did(stores, "add_passkey", a_passkey(person))
        with pytest.raises(PasskeyKnown):
            self.did(stores, "add_passkey", a_passkey(stores.person()))
        assert person == self.did(stores, "find_passkey", b"id-1").user_id

    def test_a_use_counts_while_the_counter_is_the_one_that_was_read(self, stores, person):
        self.did(stores, "add_passkey", a_passkey(person))
        assert self.did(stores, "note_use", a_passkey(person), PasskeyUse(5, is_synced=False), LATER)
        assert not self.did(stores, "note_use", a_passkey(person), PasskeyUse(6, is_synced=False), LATER)
        assert a_passkey(person, sign_count=5, is_synced=False, last_used_at=LATER) == self.did(
            stores, "find_passkey", b"id-1"
        )

    def test_passkeys_are_changed_by_their_owner_only(self, stores, person):
        self.did(stores, "add_passkey", a_passkey(person))
        stranger = stores.person()
        assert not self.did(stores, "rename_passkey", stranger, b"id-1", "Mine")
        assert not self.did(stores, "remove_passkey", stranger, b"id-1")
        assert self.did(stores, "rename_passkey", person, b"id-1", "Key")
        assert "Key" == self.did(stores, "find_passkey", b"id-1").name
        assert self.did(stores, "remove_passkey", person, b"id-1")
        assert self.did(stores, "find_passkey", b"id-1") is None
        assert not self.did(stores, "remove_passkey", person, b"id-1")

    def test_a_secret_is_replaced_until_it_is_confirmed(self, stores, person):
        assert self.did(stores, "put_secret", person, "FIRST", NOW)
        assert self.did(stores, "put_secret", person, "SECOND", LATER)
        assert not self.did(stores, "confirm_secret", person, NOW, 7, LATER), "that one is forgotten"
        assert self.did(stores, "confirm_secret", person, LATER, 7, LATER)
        assert not self.did(stores, "confirm_secret", person, LATER, 8, LATER)
        assert not self.did(stores, "put_secret", person, "THIRD", LATER)
        kept = self.did(stores, "secret_of", person)
        assert ("SECOND", 7, LATER) == (kept.secret, kept.last_step, kept.confirmed_at)
        assert self.did(stores, "remove_secret", person)
        assert self.did(stores, "secret_of", person) is None
        assert not self.did(stores, "remove_secret", person)

    def test_a_step_is_taken_once_and_none_before_it(self, stores, person):
        self.did(stores, "put_secret", person, "SECRET", NOW)
        assert not self.did(stores, "take_step", person, 7), "it is not confirmed"
        self.did(stores, "confirm_secret", person, NOW, 7, NOW)
        assert [False, True, False, False] == [self.did(stores, "take_step", person, step) for step in (7, 9, 9, 8)]
        assert not self.did(stores, "take_step", stores.person(), 10)

    def test_a_recovery_code_is_taken_once_and_new_ones_replace_all(self, stores, person):
        self.did(stores, "put_recovery_codes", person, [b"a" * 32, b"b" * 32], NOW)
        assert not self.did(stores, "take_recovery_code", stores.person(), b"a" * 32)
        assert [True, False] == [self.did(stores, "take_recovery_code", person, b"a" * 32) for _ in "12"]
        assert 1 == self.did(stores, "count_recovery_codes", person)
        self.did(stores, "put_recovery_codes", person, [b"c" * 32], LATER)
        assert not self.did(stores, "take_recovery_code", person, b"b" * 32)
        self.did(stores, "put_recovery_codes", person, [], LATER)
        assert 0 == self.did(stores, "count_recovery_codes", person)
