"""Search: SQLite's index of the words of transactions (FTS5).

Revision 0018, on 0017. PostgreSQL has its own since 0010. The index holds no texts; triggers keep it, by a number for
each row that stays the same: SQLite may give its own anew. A later migration that makes `transactions` anew on SQLite
has to make the triggers anew, too.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TEXTS = ("description", "original_description", "memo", "merchant_guid")
# words are what stands between white space, as domain/searching.py says
WORDS = f"""
CREATE VIRTUAL TABLE transaction_words USING fts5(
    owner, {", ".join(TEXTS)}, content='', detail=column,
    tokenize="unicode61 remove_diacritics 0 categories 'L* M* N* P* S* Cf Cn Co Cs'"
)
"""
ROWS = """
CREATE TABLE transaction_rows (number INTEGER PRIMARY KEY, user_id CHAR(32), id CHAR(32), UNIQUE (user_id, id))
"""
LAST = (("a_link", "linked_accounts"), ("a_person", "users"))


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    columns = f"rowid, owner, {', '.join(TEXTS)}"
    number = "(SELECT number FROM transaction_rows WHERE user_id = {0}.user_id AND id = {0}.id)"
    add = f"INSERT INTO transaction_words ({columns}) SELECT {number.format('new')}, {_texts('new')};"
    take = (
        f"INSERT INTO transaction_words (transaction_words, {columns}) "
        f"SELECT 'delete', {number.format('old')}, {_texts('old')};"
    )
    key = "user_id = old.user_id AND id = old.id"
    moved = " OR ".join(f"old.{name} IS NOT new.{name}" for name in TEXTS)
    op.execute(ROWS)
    op.execute(WORDS)
    op.execute("INSERT INTO transaction_rows (user_id, id) SELECT user_id, id FROM transactions")
    op.execute(
        f"INSERT INTO transaction_words ({columns}) SELECT r.number, {_texts('t')} "
        "FROM transactions t JOIN transaction_rows r ON r.user_id = t.user_id AND r.id = t.id"
    )
    op.execute(
        "CREATE TRIGGER transaction_words_of_new AFTER INSERT ON transactions BEGIN "
        f"INSERT INTO transaction_rows (user_id, id) VALUES (new.user_id, new.id); {add} END"
    )
    op.execute(
        f"CREATE TRIGGER transaction_words_of_gone AFTER DELETE ON transactions BEGIN {take} "
        f"DELETE FROM transaction_rows WHERE {key}; END"
    )
    op.execute(
        f"CREATE TRIGGER transaction_words_of_changed AFTER UPDATE OF {', '.join(TEXTS)} ON transactions "
        f"WHEN {moved} BEGIN {take} {add} END"
    )
    # FTS5 keeps the words of what went until it merges: with a link or a person they go at once
    for name, table in LAST:
        op.execute(
            f"CREATE TRIGGER transaction_words_of_{name} AFTER DELETE ON {table} BEGIN "
            "INSERT INTO transaction_words (transaction_words) VALUES ('optimize'); END"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in ("new", "gone", "changed", *(name for name, _ in LAST)):
        op.execute(f"DROP TRIGGER transaction_words_of_{name}")
    op.execute("DROP TABLE transaction_words")
    op.execute("DROP TABLE transaction_rows")


def _texts(row: str) -> str:
    """Of a row, what is indexed. A dotted capital I is two letters in small, and to FTS5 another one."""
    texts = ", ".join(f"replace(substr({row}.{name}, 1, 500), char(304), 'i' || char(775))" for name in TEXTS)
    return f"{row}.user_id, {texts}"
