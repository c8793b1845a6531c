"""The peers' rows as this service's: the same people, links, accounts and transactions in its own tables."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, groupby
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from psycopg import Connection, sql

from donkies.adapters.mx.transactions import read_transactions
from donkies.adapters.persistence.ledger import digest_of, transaction_row
from donkies.adapters.sealing import Keyring

HEAVY, INGEST = 1, 2
"""The person with the long list, and the one whose transactions are loaded: as in the peers' data."""

LINK_STATUSES = {"CONNECTED": "success", "CHALLENGED": "challenged", "INITIATED": "processing"}
TRANSACTIONS_STATUSES = {"COMPLETE": "complete", "IN_PROGRESS": "downloading"}
RETRY_WITH = {"success": None, "challenged": "challenge", "processing": None}
LIST_SIZE = 100
DEEP = 90_000
BATCH = 5_000


def person_id(number: int) -> UUID:
    """Ids that sort as the peers' numbers do, in the form of a UUIDv7."""
    return _sorted_id(1, number)


def account_id(number: int) -> UUID:
    return _sorted_id(2, number)


def transaction_id(number: int) -> UUID:
    return _sorted_id(3, number)


def _sorted_id(kind: int, number: int) -> UUID:
    return UUID(int=(0x0190_0000_0000 + number) << 80 | 0x7 << 76 | kind << 64 | 0b10 << 62 | number)


@dataclass
class Peers:
    """What `data.py export` wrote into a folder."""

    folder: Path
    accounts: dict[str, tuple[UUID, UUID]] = field(default_factory=dict)
    """guid: our account's id, its link's"""

    def rows(self, table: str) -> Iterator[dict[str, str]]:
        csv.field_size_limit(sys.maxsize)
        with (self.folder / f"{table}.csv").open(newline="") as file:
            yield from csv.DictReader(file)

    def first_links(self) -> dict[int, dict[str, str]]:
        """Each person's first link: the ones that are polled."""
        first: dict[int, dict[str, str]] = {}
        for row in self.rows("linked_bank_account"):
            first.setdefault(int(row["user_id"]), row)
        return first

    def newest(self) -> list[tuple[str, UUID]]:
        """Date and our id of the heavy person's transactions, in the peers' order."""
        numbered = enumerate(self.rows("transaction"), 1)
        mine = [(row["transacted_on"], n) for n, row in numbered if row["user_id"] == str(HEAVY)]
        return [(day, transaction_id(n)) for day, n in sorted(mine, reverse=True)]


def load(connection: Connection[Any], peers: Peers, keyring: Keyring) -> None:
    """Fill an empty database; the caller commits."""
    now = datetime.now(UTC)
    _copy(connection, "users", map(_user, peers.rows("users")))
    links = list(peers.rows("linked_bank_account"))
    _copy(connection, "linked_accounts", (_link(row, keyring) for row in links))
    ingest_link = next(row["id"] for row in links if row["user_id"] == str(INGEST))
    people = {row["id"]: int(row["user_id"]) for row in links}
    accounts = []
    for row in peers.rows("account"):
        person = people[row["linked_bank_account_id"]]
        # MX's pages name all four accounts of their person: a download is one link's, so that has them all
        link = ingest_link if person == INGEST else row["linked_bank_account_id"]
        account = _account(row, person, UUID(link), now)
        peers.accounts[row["guid"]] = account["id"], account["linked_account_id"]
        accounts.append(account)
    _copy(connection, "accounts", accounts)
    _copy(connection, "aggregator_users", [_aggregator_user(keyring)])
    counts: dict[int, int] = {}
    _copy(connection, "transactions", _transactions(peers, counts, now))
    _copy(connection, "transaction_feeds", ({"user_id": person_id(n), "last_change": c} for n, c in counts.items()))


def _transactions(peers: Peers, counts: dict[int, int], now: datetime) -> Iterator[dict[str, Any]]:
    number = 0
    for person, rows in groupby(peers.rows("transaction"), lambda row: int(row["user_id"])):
        for batch in _batches(rows):
            if person == INGEST:  # whose first download it is to be: there is nothing yet
                number += len(batch)
                continue
            raw = [orjson.loads(row["raw"]) for row in batch]
            for read in read_transactions(raw, raw[0]["user_guid"]):
                number += 1
                counts[person] = counts.get(person, 0) + 1
                account, link = peers.accounts[read.account_guid]
                made = transaction_row(person_id(person), link, account, read, digest_of(read.raw), counts[person], now)
                yield made | {"id": transaction_id(number), "raw": read.raw.decode()}


def _batches(rows: Iterable[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    batch: list[dict[str, str]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _user(row: dict[str, str]) -> dict[str, Any]:
    made = datetime.fromisoformat(row["created_at"])
    return {
        "id": person_id(int(row["id"])),
        "email": row["email"],
        "email_key": row["email"],
        "email_verified": True,
        "first_name": "Ada",
        "last_name": f"Nr{row['id']}",
        "is_disabled": False,
        "created_at": made,
        "updated_at": made,
    }


def _link(row: dict[str, str], keyring: Keyring) -> dict[str, Any]:
    status = LINK_STATUSES[row["link_status"]]
    member_guid = f"MBR-{row['id']}"
    return {
        "user_id": person_id(int(row["user_id"])),
        "id": UUID(row["id"]),
        "institution_code": row["institution_code"],
        "institution_name": row["institution_code"],
        "member_guid": keyring.seal(member_guid.encode()),
        "member_guid_index": keyring.index(member_guid),
        "link_status": status,
        "retry_with": RETRY_WITH[status],
        "connection_status": row["link_status"],
        "challenges": "[]",
        "transactions_status": TRANSACTIONS_STATUSES[row["transactions_status"]],
        "last_synced": datetime.fromisoformat(row["last_synced"]),
        "created_at": datetime.fromisoformat(row["created_at"]),
        "updated_at": datetime.fromisoformat(row["updated_at"]),
    }


def _account(row: dict[str, str], person: int, link: UUID, now: datetime) -> dict[str, Any]:
    return {
        "user_id": person_id(person),
        "id": account_id(int(row["id"])),
        "linked_account_id": link,
        "guid": row["guid"],
        "name": row["name"],
        "type": row["type"],
        "balance": row["balance"],
        "currency_code": row["currency"],
        "is_closed": False,
        "balances": "{}",
        "raw": "{}",
        "created_at": now,
        "updated_at": now,
    }


def _aggregator_user(keyring: Keyring) -> dict[str, Any]:
    guid = f"USR-{INGEST}"
    return {
        "user_id": person_id(INGEST),
        "user_guid": keyring.seal(guid.encode()),
        "user_guid_index": keyring.index(guid),
    }


def _copy(connection: Connection[Any], table: str, rows: Iterable[dict[str, Any]]) -> None:
    found = iter(rows)
    first = next(found, None)
    if first is None:
        return
    columns = list(first)
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in chain([first], found):
            copy.write_row([_plain(row[name]) for name in columns])


def _plain(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict) else value
