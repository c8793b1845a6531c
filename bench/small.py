"""Rows in the shape of the peers' `data.py export`, for when the peers are not there, and for tests."""

from __future__ import annotations

import csv
import json
import random
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

COLUMNS = {
    "users": "id email password is_active created_at",
    "linked_bank_account": "id user_id institution_code link_status transactions_status last_synced "
    "created_at updated_at",
    "account": "id linked_bank_account_id guid name type balance currency",
    "transaction": "account_id user_id guid amount currency description original_description category type status "
    "transacted_on posted_on merchant_guid raw created_at updated_at",
}
TODAY = date(2026, 11, 1)


def write(folder: Path, *, users: int, heavy: int, others: int, ingest: int, page: int) -> None:
    """Write the tables as CSV, and MX's pages.

    Args:
        heavy, others: how many transactions the first person and each other one has.
        ingest: how many transactions the pages hold; they are the second person's.
        page: transactions on each page.
    """
    rng = random.Random("small")
    people = [(n, f"user{n}@example.com", "!", True, "2025-01-01 00:00:00+00:00") for n in range(1, users + 1)]
    links, accounts, transactions = [], [], []
    for person in range(1, users + 1):
        for status, downloaded in (("CONNECTED", "COMPLETE"), ("CHALLENGED", "IN_PROGRESS")):
            link, moment = _uuid(rng), "2026-11-01 08:00:00+00:00"
            links.append((link, person, "mxbank", status, downloaded, moment, "2026-01-01 00:00:00+00:00", moment))
            for name in ("CHECKING", "SAVINGS"):
                number = len(accounts) + 1
                accounts.append((number, link, f"ACT-{_uuid(rng)}", name.title(), name, "12.50", "USD"))
        mine = accounts[-4:]
        for _ in range(heavy if person == 1 else others):
            account = rng.choice(mine)
            mx = _transaction(rng, account[2], f"USR-{person}")
            kept = (mx["guid"], mx["amount"], "USD", mx["description"], mx["original_description"], mx["category"])
            dates = (mx["type"], mx["status"], mx["date"], mx["posted_at"][:10], mx["merchant_guid"], json.dumps(mx))
            transactions.append((account[0], person, *kept, *dates, mx["created_at"], mx["updated_at"]))
    for (name, columns), rows in zip(COLUMNS.items(), (people, links, accounts, transactions), strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns.split())
            writer.writerows(rows)
    _write_pages(folder / "pages", [_transaction(rng, accounts[4][2], "USR-2") for _ in range(ingest)], page)


def _write_pages(folder: Path, rows: list[dict[str, Any]], page: int) -> None:
    folder.mkdir(exist_ok=True)
    pages = -(-len(rows) // page)
    for number in range(pages):
        said = {"current_page": number + 1, "per_page": page, "total_entries": len(rows), "total_pages": pages}
        content = {"transactions": rows[number * page : (number + 1) * page], "pagination": said}
        (folder / f"{number:04d}.json").write_text(json.dumps(content))


def _transaction(rng: random.Random, account_guid: str, user_guid: str) -> dict[str, Any]:
    day = TODAY - timedelta(days=rng.randrange(2, 700))
    moment = datetime(day.year, day.month, day.day, rng.randrange(24), tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "account_guid": account_guid,
        "amount": rng.randrange(100, 50_000) / 100,
        "category": rng.choice(["Groceries", "Gas", "Utilities"]),
        "created_at": moment,
        "currency_code": "USD",
        "date": day.isoformat(),
        "description": rng.choice(["Acme", "Shell", "Whole Foods"]),
        "guid": f"TRN-{_uuid(rng)}",
        "is_expense": True,
        "memo": None,
        "merchant_guid": f"MCH-{rng.randrange(97)}",
        "original_description": f"ACME #{rng.randrange(10_000):04d} SAN FRANCISCO CA",
        "posted_at": moment,
        "status": "POSTED",
        "top_level_category": "Food & Dining",
        "transacted_at": moment,
        "type": "DEBIT",
        "updated_at": moment,
        "user_guid": user_guid,
    }


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
