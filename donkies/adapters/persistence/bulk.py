"""Pages of transactions on PostgreSQL, the short way: one lookup, and COPY for the rows that are new.

Written by hand, a column at a time: a history has hundreds of thousands of rows, and this takes a twentieth of what
executemany does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import chain, repeat
from typing import Any, cast
from uuid import UUID

import orjson
from sqlalchemy.orm import Session

from ...domain.ids import new_numbers
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
        map("{:032x}".format, new_numbers(len(page))),
        numbers,
        numbers,
        ["\\\\x" + digests[guid].hex() for guid in guids],
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
        _texts(_flags(flags)),
    )
    beginnings = "\n".join(map("\t".join, zip(*columns, strict=False))).encode().split(b"\n")
    if b"\\" in b"".join(raws):  # control characters are escaped in JSON already
        raws = [raw.replace(b"\\", b"\\\\") for raw in raws]
    lines = zip(beginnings, repeat(b"\t"), raws, repeat(b"\n"), strict=False)
    with _driver_cursor(session).copy(COPY) as copy:
        copy.write(b"".join(chain.from_iterable(lines)))


def _driver_cursor(session: Session) -> Any:
    driver: Any = session.connection().connection.driver_connection
    return driver.cursor()


def _texts(column: Sequence[str | None]) -> Sequence[str]:
    """Equal ones are looked at once: a page has few categories, and most descriptions again and again."""
    distinct = set(column)
    there = "".join(filter(None, distinct))
    is_plain = not ("\\" in there or "\t" in there or "\n" in there or "\r" in there)
    if is_plain and None not in distinct:
        return cast(Sequence[str], column)
    written = {text: text if text is None or is_plain else text.translate(ESCAPES) for text in distinct}
    written[None] = NULL
    return cast(Sequence[str], list(map(written.__getitem__, column)))


def _times(column: Sequence[date | None]) -> Sequence[str]:
    """Dates or times: written by orjson all at once, at a fifth of what isoformat() takes for each."""
    return orjson.dumps(column)[1:-1].decode().replace('"', "").replace("null", NULL).split(",")


def _flags(column: Sequence[Mapping[str, bool]]) -> Sequence[str]:
    """As JSON; rows mostly share them."""
    written = {id(flags): orjson.dumps(flags).decode() for flags in column}
    return [written[id(flags)] for flags in column]
