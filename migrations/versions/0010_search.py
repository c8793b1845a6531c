"""Search: PostgreSQL's index of the words of transactions.

Revision 0010, on 0008. SQLite has no such index: there a person's rows are looked through.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

# As domain/searching.py says. The person's id is the beginning of each word. ICU's root locale lowers all letters, as
# Python does, whatever the locale of the database; the white space is what Python's str.split() splits at. Texts of
# plain ASCII, nearly all, go a shorter way to the same, at half the cost.
TEXTS = (
    "(left(description, 500) || coalesce(' ' || left(original_description, 500), '') "
    "|| coalesce(' ' || left(memo, 500), '') || coalesce(' ' || merchant, ''))"
)
FUNCTION = r"""
CREATE FUNCTION transaction_words(user_id uuid, description text, original_description text, memo text, merchant text)
RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE COST 200 AS $$
SELECT array_to_tsvector(array_remove(string_to_array(user_id::text || replace(
    CASE WHEN {texts} COLLATE "C" ~ '[^ -~]' THEN
        translate(lower({texts} COLLATE "und-x-icu"), U&'{spaces}\03C2', repeat(' ', {count}) || U&'\03C3')
            COLLATE "default"
    ELSE lower({texts} COLLATE "C") COLLATE "default" END,
    ' ', ' ' || user_id::text), ' '), user_id::text))
$$
"""
SPACES = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + (
    "\u2028\u2029\u202f\u205f\u3000"
)  # fmt: skip


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    spaces = "".join(f"\\{ord(one):04X}" for one in SPACES)
    function = FUNCTION.format(texts=TEXTS, spaces=spaces, count=len(SPACES))
    op.execute(sa.text(function.replace(":", "\\:")))
    words = sa.text("transaction_words(user_id, description, original_description, memo, merchant_guid)")
    op.create_index("ix_transactions_words", "transactions", [words], postgresql_using="gin")


def downgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.drop_index("ix_transactions_words", table_name="transactions")
    op.execute("DROP FUNCTION transaction_words")
