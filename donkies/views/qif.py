"""Accounts as QIF, for accounting programs that know no OFX; written as they are sent.

Source: Quicken's "QIF file format" help page: dates are month/day/year, `^` ends a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..domain.transaction_export import TransactionExport
from .ofx import CARDS, DEBTS, negative


def qif_pieces(export: TransactionExport) -> Iterator[bytes]:
    """The file, piece by piece."""
    for account in export.accounts():
        kind = "CCard" if account["type"] in CARDS else "Oth L" if account["type"] in DEBTS else "Bank"
        yield f"!Account\nN{_text(account['name'])}\nT{kind}\n^\n!Type:{kind}\n".encode()
        for page in export.posted(account["id"]):
            yield "".join(_records(page)).encode()


def _records(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for row in rows:
        year, month, day = str(row["date"]).split("-")
        lines = {
            "D": f"{month}/{day}/{year}",
            "T": negative(row["amount"]) if row["type"] == "debit" else row["amount"],
            "N": _text(row["check_number"]),
            "P": _text(row["description"]),
            "M": _text(row["note"] or row["memo"] or row["original_description"]),
            "L": _text(row["category"]).replace(":", "-").replace("/", "-"),  # both mean something there
        }
        yield "".join(f"{letter}{value}\n" for letter, value in lines.items() if value) + "^\n"


def _text(text: str | None) -> str:
    """On one line."""
    return " ".join((text or "").split())
