"""Searching transactions by words: what is a word, and which rows have it.

A word is what stands between white space, in any case, punctuation included; a row has it when one of its texts has a
word that is equal to it or begins with it. Of each text the first 500 characters are searched. PostgreSQL's index does
the same in SQL (migration 0010); what is said here is what it has to give.
"""

from __future__ import annotations

from collections.abc import Iterable

SEARCHED = 500  # characters: no lexeme of PostgreSQL may be longer than 2,046 bytes


def folded(text: str) -> str:
    """Text in the one case that is compared. A sigma is one letter, at the end of a word too."""
    return text.lower().replace("\N{GREEK SMALL LETTER FINAL SIGMA}", "\N{GREEK SMALL LETTER SIGMA}")


def words_of(text: str | None) -> list[str]:
    """The words of a text that can be found, folded."""
    return folded(text[:SEARCHED]).split() if text else []


def have_words(texts: Iterable[str | None], wanted: Iterable[str]) -> bool:
    """Whether every wanted word is in one of the texts, whole or as a beginning."""
    found = [word for text in texts for word in words_of(text)]
    return all(any(word.startswith(one) for word in found) for one in map(folded, wanted))
