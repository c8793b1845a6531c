"""Which passwords are refused because they are tried first."""

import pytest

from donkies.adapters.passwords import GuessedPasswords

KNOWN = GuessedPasswords()


@pytest.mark.parametrize(
    "password",
    [
        "password", "Password1!", "iloveyou", "qwertyuiop", "1q2w3e4r5t", "trustno1", "liverpool2", "sunshine99",
        "aaaaaaaaaaaa", "abcabcabc", "12345678910", "31.12.1990", "summer2026", "P@ssw0rd", "drowssap", "fortnite",
        "MyBank12", "password" * 16, "lakeside", "motdepasse",
    ],
)  # fmt: skip
def test_what_is_tried_first_and_what_is_near_to_it_is_known(password):
    """S22"""
    assert KNOWN.holds(password)


@pytest.mark.parametrize(
    "password",
    [
        "four quiet words here", "x7 bcd e", "пароль для меня", "lamp river stone", "Tr0ub4dor&3", "h2k9fq4z",
        "🔑🗝️🔒🔓 keys", "\ufffd" * 3 + "äöü \\'",
    ],
)  # fmt: skip
def test_other_passwords_are_not(password):
    assert not KNOWN.holds(password)
