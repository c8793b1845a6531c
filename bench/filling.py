"""Millions of transactions for a few people, made by PostgreSQL itself."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import Connection, sql

from donkies.views.api.answers import to_cursor

PEOPLE = 10
DAYS = 1_460

# the days of a person's rows lie as one pleases, as MX's do; one word in a thousand rows is rare
FILL = """
INSERT INTO transactions (
    user_id, id, linked_account_id, account_id, guid, status, type, amount, currency_code, date, transacted_at,
    posted_at, description, original_description, category, top_level_category, flags, raw, raw_digest, change_no,
    added_no, created_at, updated_at
)
SELECT
    a.user_id,
    (lpad(to_hex(1760000000000 + n), 12, '0') || '7' || substr(md5, 1, 3) || 'a' || substr(md5, 4, 15))::uuid,
    a.linked_account_id, a.id, 'TRN-' || md5, 'posted', 'debit', mod(n, 30000) / 100.0, 'USD',
    date '2026-11-01' - day,
    timestamptz '2026-11-01 12:00Z' - day * interval '1 day', timestamptz '2026-11-02 12:00Z' - day * interval '1 day',
    'Corner Shop ' || mod(n, 5000) || CASE WHEN mod(n, 1000) = 0 THEN ' rare' ELSE '' END,
    'CORNER SHP ' || mod(n, 5000), 'Groceries', 'Food & Dining', '{"is_expense":true,"is_fee":false}'::json,
    ('{"guid":"TRN-' || md5 || '","filler":"' || repeat('x', 300) || '"}')::json, decode(md5, 'hex'), n, n, now(), now()
FROM accounts AS a
CROSS JOIN LATERAL (
    SELECT n, mod(n * 7919, %(days)s)::int AS day, md5(a.user_id::text || n)
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
) AS made
WHERE a.id = (SELECT min(id::text)::uuid FROM accounts AS b WHERE b.user_id = a.user_id)
"""
INDEXES = """
SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'transactions' AND indexname LIKE 'ix%' ORDER BY indexname
"""
FEEDS = """
INSERT INTO transaction_feeds (user_id, last_change)
SELECT user_id, max(change_no) FROM transactions GROUP BY user_id
ON CONFLICT (user_id) DO UPDATE SET last_change = excluded.last_change
"""


def fill(connection: Connection[Any], rows: int) -> None:
    """Let the table have so many rows, a tenth of them each person's. The connection commits by itself."""
    each = rows // PEOPLE
    there = connection.execute("SELECT coalesce(max(last_change), 0) FROM transaction_feeds").fetchone()
    first = (there[0] if there else 0) + 1
    connection.execute("SET synchronous_commit = off")
    connection.execute("SET maintenance_work_mem = '1GB'")
    indexes = connection.execute(INDEXES).fetchall()
    for name, _ in indexes:  # to build them anew takes half the time of filling them
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    connection.execute(FILL, {"days": DAYS, "first": first, "last": each})
    for _, definition in indexes:
        connection.execute(definition)
    connection.execute(FEEDS)
    connection.execute("VACUUM (ANALYZE) transactions")  # else it would be done while something is measured
    connection.execute("CHECKPOINT")


def middle_of(connection: Connection[Any], user_id: UUID) -> str:
    """The cursor behind the first half of a person's rows."""
    query = """
        SELECT date, id FROM transactions WHERE user_id = %(user_id)s ORDER BY date DESC, id DESC LIMIT 1
        OFFSET (SELECT last_change / 2 FROM transaction_feeds WHERE user_id = %(user_id)s)
    """
    found = connection.execute(query, {"user_id": user_id}).fetchone()
    if found is None:
        raise ValueError("the person has no rows")
    return to_cursor(*found)
