"""Encryption at rest: rotation, and what a wrong key or a changed byte does."""

from __future__ import annotations

import base64

import pytest

from donkies.adapters.devices import SealedDevices
from donkies.adapters.sealing import Keyring, Unsealable

OLD, NEW = Keyring.new_key(), Keyring.new_key()


def test_what_was_sealed_is_opened_again_and_shows_nothing_of_itself() -> None:
    sealed = Keyring(OLD).seal(b"MBR-canary")
    assert b"MBR-canary" == Keyring(OLD).unseal(sealed)
    assert b"canary" not in sealed


def test_sealing_twice_gives_different_bytes() -> None:
    ring = Keyring(OLD)
    assert ring.seal(b"x") != ring.seal(b"x")


def test_after_a_rotation_old_values_open_and_new_ones_use_the_new_key() -> None:
    rotated = Keyring(NEW, OLD)
    assert b"x" == rotated.unseal(Keyring(OLD).seal(b"x"))
    assert b"y" == Keyring(NEW).unseal(rotated.seal(b"y"))


def test_the_blind_index_is_under_the_newest_key_and_found_under_any() -> None:
    rotated = Keyring(NEW, OLD)
    assert Keyring(NEW).index("MBR-1") == rotated.index("MBR-1")
    assert (Keyring(NEW).index("MBR-1"), Keyring(OLD).index("MBR-1")) == rotated.indexes("MBR-1")
    assert rotated.index("MBR-1") != rotated.index("MBR-2")


def test_a_known_browser_stays_known_while_its_key_is_in_the_ring() -> None:
    mark = SealedDevices(Keyring(OLD)).mark("ada@people.example")
    assert SealedDevices(Keyring(NEW, OLD)).knows(mark, "ada@people.example")
    assert not SealedDevices(Keyring(NEW, OLD)).knows(mark, "eve@people.example")
    assert not SealedDevices(Keyring(NEW)).knows(mark, "ada@people.example")
    assert not SealedDevices(Keyring(NEW)).knows("\u00e9", "ada@people.example")


def test_a_key_that_is_not_in_the_ring_opens_nothing() -> None:
    with pytest.raises(Unsealable):
        Keyring(NEW).unseal(Keyring(OLD).seal(b"x"))


@pytest.mark.parametrize("at", [0, 4, 16, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    sealed = bytearray(Keyring(OLD).seal(b"some value"))
    sealed[at] ^= 1
    with pytest.raises(Unsealable):
        Keyring(OLD).unseal(bytes(sealed))


@pytest.mark.parametrize("rest", [b"", b"abc", b"a" * 16])
def test_what_is_too_short_to_be_sealed_is_refused(rest: bytes) -> None:
    with pytest.raises(Unsealable):
        Keyring(OLD).unseal(rest)


@pytest.mark.parametrize("key", ["", "short", "canary-not-base64!", base64.urlsafe_b64encode(b"x" * 31).decode()])
def test_a_bad_key_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValueError, match="sealing key") as refused:
        Keyring(key)
    assert "canary" not in str(refused.value)


def test_a_ring_needs_a_key_and_shows_none() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Keyring()
    assert "Keyring(2 keys)" == repr(Keyring(NEW, OLD))
