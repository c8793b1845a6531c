"""Pages of transactions on PostgreSQL, the short way: one lookup, and COPY for the rows that are new.

Written by hand, a column at a time: a history has hundreds of thousands of rows, and this takes a twentieth of what
executemany does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import repeat
from typing import Any, cast
from uuid import UUID

import orjson
from sqlalchemy.orm import Session

from ...domain.ids import new_hexes
from ...domain.transaction_columns import TransactionColumns

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
    id, change_no, added_no, raw_digest, account_id, amount, guid, status, type, currency_code, date, transacted_at,
    posted_at, description, original_description, memo, category, top_level_category, merchant_guid, check_number,
    flags, raw
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
    page: TransactionColumns,
    digests: Mapping[str, bytes],
    first_change: int,
    now: datetime,
) -> None:
    """Write rows that are not there yet.

    Args:
        digests: of each row, by its guid.
        first_change: the first row's change number; the others' follow.
    """
    if not page:
        return
    (
        guids, account_guids, statuses, types, amounts, currencies, dates, transacted_at, posted_at, descriptions,
        originals, memos, categories, top_level_categories, merchants, check_numbers, flags, raws,
    ) = page.columns  # fmt: skip
    accounts = {guid: str(account_id) for guid, account_id in account_ids.items()}
    numbers = list(map(str, range(first_change, first_change + len(page))))
    columns = (
        repeat(f"{user_id}\t{link_id}\t{now.isoformat()}\t{now.isoformat()}\tf\t0"),
        new_hexes(len(page)),
        numbers,
        numbers,
        map("\\\\x".__add__, map(bytes.hex, map(digests.__getitem__, guids))),
        map(accounts.__getitem__, account_guids),
        map(str, amounts),
        _texts(guids),
        statuses,
        types,
        _texts(currencies),
        _times(dates),
        _times(transacted_at),
        _times(posted_at),
        _texts(descriptions),
        _texts(originals),
        _texts(memos),
        _texts(categories),
        _texts(top_level_categories),
        _texts(merchants),
        _texts(check_numbers),
        _flags(flags),
        repeat(""),  # the tab before `raw`
    )
    parts = [b"\n"] * (3 * len(page))
    parts[0::3] = map(str.encode, map("\t".join, zip(*columns, strict=False)))
    parts[1::3] = _raws(raws)
    with _driver_cursor(session).copy(COPY) as copy:
        copy.write(b"".join(parts))


def _driver_cursor(session: Session) -> Any:
    driver: Any = session.connection().connection.driver_connection
    return driver.cursor()


def _texts(column: Sequence[str | None]) -> Iterable[str]:
    if b"\\" in orjson.dumps(column):  # the quickest look at all: it escapes what COPY has escaped, and quotes
        column = [text and _escaped(text) for text in column]
    missing = column.count(None)
    if missing == len(column):
        return repeat(NULL)
    return [NULL if text is None else text for text in column] if missing else cast(Sequence[str], column)


def _escaped(text: str) -> str:
    return text if text.isprintable() and "\\" not in text else text.translate(ESCAPES)


def _raws(column: Sequence[bytes]) -> Sequence[bytes]:
    """JSON has its control characters escaped already; what is left is the backslash."""
    if b"\\" in b"".join(column):  # sooner looked through as one than each by itself
        return [raw.replace(b"\\", b"\\\\") for raw in column]
    return column


def _times(column: Sequence[date | None]) -> Sequence[str]:
    """Dates or times: written by orjson all at once, at a fifth of what isoformat() takes for each."""
    return orjson.dumps(column)[1:-1].decode().replace('"', "").replace("null", NULL).split(",")


def _flags(column: Sequence[Mapping[str, bool]]) -> Sequence[str]:
    """As JSON; rows mostly share them."""
    ids = list(map(id, column))
    distinct = dict(zip(ids, column, strict=True))
    written = {at: _escaped(orjson.dumps(flags).decode()) for at, flags in distinct.items()}
    return list(map(written.__getitem__, ids))
