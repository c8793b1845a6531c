"""An export as a ZIP file, written as it is sent. Its files and columns: docs/reference/export.md."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import orjson
from pyramid.response import Response

from ..domain.exporting import Export
from ..domain.identities import ExternalIdentity

ACCOUNT_COLUMNS = (
    "id", "linked_account_id", "name", "type", "subtype", "balance", "available_balance", "currency_code",
    "masked_number", "is_closed", "updated_at",
)  # fmt: skip
TRANSACTION_COLUMNS = (
    "id", "account_id", "linked_account_id", "status", "type", "amount", "currency_code", "date", "transacted_at",
    "posted_at", "description", "original_description", "memo", "category", "original_category",
    "top_level_category", "merchant_guid", "check_number", "note", "hidden",
    "is_bill_pay", "is_direct_deposit", "is_expense", "is_fee", "is_income", "is_international",
    "is_overdraft_fee", "is_payroll_advance", "is_subscription", "created_at", "updated_at",
)  # fmt: skip
BALANCE_COLUMNS = ("account_id", "date", "balance", "available_balance", "currency_code", "updated_at")
# what spreadsheets take for the beginning of a formula (OWASP, CSV Injection)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
MARK = "\ufeff"  # by which spreadsheets know UTF-8
CHUNK = 64 * 1024
MANY = 500_000  # rows that could be longer than 2 GiB
JSON = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


def export_response(export: Export, now: datetime) -> Response:
    """The ZIP as a download. It is made while it is sent; where that breaks off, it is no whole ZIP."""
    response = Response(app_iter=zipped(files(export), now), content_type="application/zip")
    response.headers["Content-Disposition"] = f'attachment; filename="export-{now:%Y-%m-%d}.zip"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


@dataclass(frozen=True)
class File:
    """One file of an export.

    Args:
        pieces: its content, made as it is asked for.
        is_large: it may be longer than 2 GiB.
    """

    name: str
    pieces: Iterable[bytes]
    is_large: bool = False


def files(export: Export) -> Iterator[File]:
    """All of them; those of banks are read only when their turn comes."""
    yield File("profile.json", [_json(_plain(export.profile))])
    yield File("identities.json", [_json([_identity(one) for one in export.identities])])
    yield File("sessions.json", [_json([_plain(one, but=("handle", "is_here")) for one in export.sessions])])
    yield File("consents.json", [_json([_plain(one) for one in export.consents])])
    links, accounts = export.links(), export.accounts()
    yield File("linked_accounts.json", [_json(links)])
    yield File("accounts.json", [_json(accounts)])
    balances = sorted({name for account in accounts for name in account} - set(ACCOUNT_COLUMNS))
    numbers = {"balance", "available_balance", *balances}
    yield File("accounts.csv", csv_pieces((*ACCOUNT_COLUMNS, *balances), [accounts], numbers))
    yield File("balances.csv", csv_pieces(BALANCE_COLUMNS, export.balances(), {"balance", "available_balance"}))
    is_large = sum(link["transactions_count"] for link in links) > MANY
    lines = (orjson.dumps(row, option=JSON) for page in export.transactions() for row in page)
    yield File("transactions.ndjson", lines, is_large)
    rows = csv_pieces(TRANSACTION_COLUMNS, export.transactions(), {"amount"})
    yield File("transactions.csv", rows, is_large)


def zipped(contents: Iterable[File], now: datetime) -> Iterator[bytes]:
    """A ZIP in chunks: nothing of it is kept longer than until it is sent."""
    outlet = _Outlet()
    with ZipFile(outlet, "w", ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for content in contents:
            entry = ZipInfo(content.name, now.timetuple()[:6])
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            # ZIP64 has to be said before the length is known; not every old program reads it, so only where needed
            with archive.open(entry, "w", force_zip64=content.is_large) as file:
                for piece in content.pieces:
                    file.write(piece)
                    if outlet.size >= CHUNK:
                        yield outlet.take()
    yield outlet.take()


def csv_pieces(
    columns: Sequence[str], pages: Iterable[Sequence[Mapping[str, Any]]], numbers: set[str]
) -> Iterator[bytes]:
    """Rows as CSV (RFC 4180) that a spreadsheet runs nothing of.

    Args:
        numbers: columns that may begin with a minus.
    """
    text = io.StringIO()
    text.write(MARK)
    writer = csv.writer(text)
    writer.writerow(columns)
    for page in pages:
        for row in page:
            writer.writerow([_cell(row.get(name), is_number=name in numbers) for name in columns])
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


class _Outlet(io.RawIOBase):
    """A file that can only be written to, and not gone back in; what was written is taken away."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self._pieces.append(bytes(piece))
        self.size += len(self._pieces[-1])
        return len(self._pieces[-1])

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return taken


def _cell(value: Any, *, is_number: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    return f"'{text}" if text.startswith(FORMULAS) and not is_number else text


def _json(content: Any) -> bytes:
    return orjson.dumps(content, option=JSON | orjson.OPT_INDENT_2)


def _profile(export: Export) -> dict[str, Any]:
    return _plain(export.profile)


def _identity(identity: ExternalIdentity) -> dict[str, Any]:
    names = ("provider", "subject", "label", "created_at", "updated_at")
    told = orjson.loads(identity.answer) if identity.answer else None
    return {name: getattr(identity, name) for name in names} | {"answer": told}


def _plain(value: Any, but: tuple[str, ...] = ()) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__ if name not in but}
