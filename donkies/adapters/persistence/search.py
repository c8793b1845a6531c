"""Words of transactions in SQL: by an index on PostgreSQL, by a function of ours on SQLite (`domain/searching.py`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, cast, func
from sqlalchemy.dialects.postgresql import TSQUERY

from ...domain.searching import folded, have_words
from .tables import banking

t = banking.transactions.c
TEXTS = (t.description, t.original_description, t.memo, t.merchant_guid)


def with_words(user_id: UUID, words: Sequence[str], dialect: str) -> ColumnElement[bool]:
    """Every word is in one of the texts, whole or as a beginning."""
    if dialect != "postgresql":
        return func.have_words(" ".join(words), *TEXTS)
    # the person's id is the beginning of each word in the index, so that nobody's search reads through all people's
    query = " & ".join(f"'{user_id}{_escaped(folded(word))}':*" for word in words)
    return banking.transaction_words.bool_op("@@")(cast(query, TSQUERY))


def add_functions(connection: sqlite3.Connection) -> None:
    """What SQLite lacks."""
    connection.create_function(
        "have_words", -1, lambda words, *texts: have_words(texts, words.split()), deterministic=True
    )


def _escaped(word: str) -> str:
    """Source: PostgreSQL 8.11.2: in a quoted lexeme, quotes and backslashes are doubled."""
    return word.replace("\\", "\\\\").replace("'", "''")
