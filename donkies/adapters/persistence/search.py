"""Words of transactions in SQL (`domain/searching.py`): by an index of PostgreSQL's, or by SQLite's FTS5."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Uuid, and_, cast, func, literal_column, text
from sqlalchemy.dialects.postgresql import TSQUERY

from ...domain.searching import folded, have_words
from .tables import banking

t = banking.transactions.c
TEXTS = (t.description, t.original_description, t.memo, t.merchant_guid)
# which rows may have the words: an index of no texts, so that each is read once more
INDEXED = (
    "SELECT r.id FROM transaction_words w JOIN transaction_rows r ON r.number = w.rowid "
    "WHERE transaction_words MATCH :fts_query"
)


def with_words(user_id: UUID, words: Sequence[str], dialect: str) -> ColumnElement[bool]:
    """Every word is in one of the texts, whole or as a beginning."""
    if dialect != "postgresql":
        return _with_words_in_sqlite(user_id, words)
    # the person's id is the beginning of each word in the index, so that nobody's search reads through all people's
    query = " & ".join(f"'{user_id}{_escaped(folded(word))}':*" for word in words)
    return banking.transaction_words.bool_op("@@")(cast(query, TSQUERY))


def _with_words_in_sqlite(user_id: UUID, words: Sequence[str]) -> ColumnElement[bool]:
    has_words: ColumnElement[bool] = func.have_words(" ".join(words), *TEXTS)
    # FTS5 makes letters small as Unicode 6.1 said, and splits at control characters
    sure = [folded(word).replace('"', '""') for word in words if word.isascii() and word.isprintable()]
    if not sure:
        return has_words
    columns = " ".join(column.name for column in TEXTS)
    query = " AND ".join([f'owner:"{user_id.hex}"', *(f'{{{columns}}}:"{word}"*' for word in sure)])
    indexed = text(INDEXED).bindparams(fts_query=query).columns(literal_column("id", Uuid()))
    return and_(t.id.in_(indexed), has_words)


def add_functions(connection: sqlite3.Connection) -> None:
    """What SQLite lacks."""
    connection.create_function(
        "have_words", -1, lambda words, *texts: have_words(texts, words.split()), deterministic=True
    )


def _escaped(word: str) -> str:
    """Source: PostgreSQL 8.11.2: in a quoted lexeme, quotes and backslashes are doubled."""
    return word.replace("\\", "\\\\").replace("'", "''")
