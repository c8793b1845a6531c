"""What lies in the folder: banks, who may log in, accounts and their rows."""

from __future__ import annotations

import csv
import hmac
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from decimal import Decimal, DecimalException
from pathlib import Path
from uuid import UUID, uuid5

from donkies.domain.aggregator import (
    AggregatedAccount,
    AggregatedTransaction,
    AggregatorDown,
    AggregatorMisbehaved,
    Institution,
)


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a file becomes the port's own errors, which quote nothing of it."""
    try:
        yield
    except OSError as error:
        raise AggregatorDown(f"{Path(error.filename).name} cannot be read: {error.strerror}.") from error
    except (csv.Error, KeyError, TypeError, ValueError, DecimalException) as error:
        raise AggregatorMisbehaved("A file lacks a column, or has what is no date or no number.") from error


class BankFiles:
    """The folder, only read; each call reads it anew.

    Args: folder, as the README draws it.
    Every method raises AggregatorDown or AggregatorMisbehaved, and nothing else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @_told()
    def banks(self) -> dict[str, Institution]:
        """Every bank, by its code."""
        rows = _read(self.folder / "banks.csv")
        return {one["code"]: Institution(one["code"], one["name"], None, None, False) for one in rows}

    @_told()
    def accepts(self, bank: str, user_name: str, pin: str) -> bool:
        """Whether somebody may log in; a wrong PIN takes as long as a right one."""
        pins = {one["user_name"]: one["pin"] for one in _read(self.folder / bank / "logins.csv")}
        right = hmac.compare_digest(pins.get(user_name, "").encode(), pin.encode())
        return right and user_name in pins

    @_told()
    def accounts(self, bank: str, user_name: str, member_guid: str) -> list[AggregatedAccount]:
        """Somebody's accounts, a file each; its balance is the sum of its rows."""
        return [
            AggregatedAccount(
                guid=_guid(member_guid, "ACT", path.stem),
                name=path.stem.capitalize(),
                type=path.stem.upper(),
                subtype=None,
                balance=sum((Decimal(row["amount"]) for row in rows), Decimal()),
                available_balance=None,
                currency_code=rows[0]["currency_code"] if rows else "EUR",
                masked_number=None,
                is_closed=False,
                balances={},
                raw={"file": path.name},
            )
            for path, rows in self._files(bank, user_name)
        ]

    @_told()
    def transactions(self, bank: str, user_name: str, member_guid: str) -> list[AggregatedTransaction]:
        """All of somebody's rows, the newest first."""
        found = []
        for path, rows in self._files(bank, user_name):
            seen: Counter[str] = Counter()  # two equal rows are two purchases
            for row in rows:
                raw = json.dumps(row, sort_keys=True)
                seen[raw] += 1
                guid = _guid(member_guid, "TRN", path.stem, raw, str(seen[raw]))
                found.append(_transaction(guid, _guid(member_guid, "ACT", path.stem), row, raw.encode()))
        return sorted(found, key=lambda one: (one.date, one.guid), reverse=True)

    def _files(self, bank: str, user_name: str) -> list[tuple[Path, list[dict[str, str]]]]:
        return [(path, _read(path)) for path in sorted((self.folder / bank / user_name).glob("*.csv"))]


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _guid(member_guid: str, prefix: str, *parts: str) -> str:
    """The same for the same parts, and another for every member."""
    return f"{prefix}-{uuid5(UUID(member_guid.removeprefix('MBR-')), chr(10).join(parts))}"


def _transaction(guid: str, account_guid: str, row: Mapping[str, str], raw: bytes) -> AggregatedTransaction:
    amount = Decimal(row["amount"])
    return AggregatedTransaction(
        guid=guid,
        account_guid=account_guid,
        status="posted",
        type="debit" if amount < 0 else "credit",
        amount=abs(amount),
        currency_code=row["currency_code"],
        date=date.fromisoformat(row["date"]),
        transacted_at=None,
        posted_at=None,
        description=row["description"],
        original_description=row["description"],
        memo=None,
        category=None,
        top_level_category=None,
        merchant_guid=None,
        check_number=None,
        flags={},
        raw=raw,
    )
