"""Pages of transactions on PostgreSQL, the short way: one lookup, and COPY for the rows that are new.

Written by hand: a history has hundreds of thousands of rows, and this takes a tenth of what executemany does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy.orm import Session

from ...domain.aggregator import AggregatedTransaction
from ...domain.ids import new_id

# One snapshot of both: the person's change number, and what is kept. LATERAL and OFFSET 0 make every guid one look
# into the unique index, whatever the statistics say: they know nothing of a person whose first page this is.
KEPT = """
SELECT NULL, NULL, last_change FROM transaction_feeds WHERE user_id = %(user_id)s
UNION ALL
SELECT kept.guid, kept.raw_digest, kept.missed_reads
FROM json_array_elements_text(%(guids)s::json) AS wanted (guid)
CROSS JOIN LATERAL (
    SELECT guid, raw_digest, missed_reads FROM transactions
    WHERE user_id = %(user_id)s AND guid = wanted.guid OFFSET 0
) AS kept
"""
COPY = """
COPY transactions (
    user_id, linked_account_id, created_at, updated_at, is_hidden, missed_reads,
    id, account_id, guid, status, type, amount, currency_code, date, transacted_at, posted_at, description,
    original_description, memo, category, top_level_category, merchant_guid, check_number, flags, raw, raw_digest,
    change_no, added_no
) FROM STDIN
"""
NULL = "\\N"
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def read_kept(session: Session, user_id: UUID, guids: Iterable[str]) -> tuple[int, dict[str, tuple[bytes, int]]]:
    """The person's last change number, and the digest and missed reads of those of the guids that are kept."""
    given = {"user_id": user_id, "guids": orjson.dumps(list(guids)).decode()}
    last_change, kept = 0, {}
    for guid, digest, number in _driver_cursor(session).execute(KEPT, given).fetchall():
        if guid is None:
            last_change = number
        else:
            kept[guid] = digest, number
    return last_change, kept


def copy_transactions(
    session: Session,
    user_id: UUID,
    link_id: UUID,
    account_ids: Mapping[str, UUID],
    rows: Sequence[tuple[AggregatedTransaction, bytes, int]],
    now: datetime,
) -> None:
    """Write rows that are not there yet, each with its digest and change number."""
    alike = f"{user_id}\t{link_id}\t{now.isoformat()}\t{now.isoformat()}\tf\t0"
    accounts = {guid: str(account_id) for guid, account_id in account_ids.items()}
    lines = [
        f"{alike}\t{new_id().int:032x}\t{accounts[row.account_guid]}\t{_text(row.guid)}\t{row.status}\t{row.type}\t"
        f"{row.amount!s}\t{_text(row.currency_code)}\t{row.date!s}\t{_time(row.transacted_at)}\t{_time(row.posted_at)}\t"
        f"{_text(row.description)}\t{_text(row.original_description)}\t{_text(row.memo)}\t{_text(row.category)}\t"
        f"{_text(row.top_level_category)}\t{_text(row.merchant_guid)}\t{_text(row.check_number)}\t"
        f"{_json(orjson.dumps(row.flags))}\t{_json(row.raw)}\t\\\\x{digest.hex()}\t{change_no}\t{change_no}\n"
        for row, digest, change_no in rows
    ]
    with _driver_cursor(session).copy(COPY) as copy:
        copy.write("".join(lines))


def _driver_cursor(session: Session) -> Any:
    driver: Any = session.connection().connection.driver_connection
    return driver.cursor()


def _text(value: str | None) -> str:
    if value is None:
        return NULL
    return value if value.isprintable() and "\\" not in value else value.translate(ESCAPES)


def _json(value: bytes) -> str:
    text = value.decode()  # control characters are escaped in JSON already
    return text.replace("\\", "\\\\") if "\\" in text else text


def _time(value: datetime | None) -> str:
    return NULL if value is None else value.isoformat()
