"""Statements as OFX 2.1.1, for accounting programs: one for each account, written as they are sent.

Source: OFX 2.1.1 §2.5 (messages), §11.4 (bank and card statements).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any
from xml.sax.saxutils import escape

from ..domain.transaction_export import TransactionExport

HEADER = (
    '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n'
    '<?OFX OFXHEADER="200" VERSION="211" SECURITY="NONE" OLDFILEUID="NONE" NEWFILEUID="NONE"?>\n<OFX>\n'
)
STATUS = "<STATUS><CODE>0</CODE><SEVERITY>INFO</SEVERITY></STATUS>"
CARDS = ("CREDIT_CARD",)
# whose balances are debts; there a file has a minus, where the API has none
DEBTS = (*CARDS, "LINE_OF_CREDIT", "LOAN", "MORTGAGE")
TYPES = {"SAVINGS": "SAVINGS", "INVESTMENT": "SAVINGS"} | dict.fromkeys(DEBTS, "CREDITLINE")
BANK_ID = "DONKIES"  # there has to be one, and none is known to us
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def ofx_pieces(export: TransactionExport, now: datetime) -> Iterator[bytes]:
    """The file, piece by piece."""
    signed_on = f"<SONRS>{STATUS}<DTSERVER>{now:%Y%m%d%H%M%S}</DTSERVER><LANGUAGE>ENG</LANGUAGE></SONRS>"
    yield f"{HEADER}<SIGNONMSGSRSV1>{signed_on}</SIGNONMSGSRSV1>\n".encode()
    accounts = export.accounts()
    for name, is_card in (("BANKMSGSRSV1", False), ("CREDITCARDMSGSRSV1", True)):
        its = [account for account in accounts if (account["type"] in CARDS) == is_card]
        if its:
            yield f"<{name}>\n".encode()
            for account in its:
                yield from _statement(export, account, now.date(), is_card=is_card)
            yield f"</{name}>\n".encode()
    yield b"</OFX>\n"


def _statement(export: TransactionExport, account: Mapping[str, Any], today: date, *, is_card: bool) -> Iterator[bytes]:
    kind = "CCSTMT" if is_card else "STMT"
    first, last = export.span(account["id"], today)
    currency = account["currency_code"]
    yield (
        f"<{kind}TRNRS><TRNUID>{account['id']}</TRNUID>{STATUS}<{kind}RS><CURDEF>{_text(currency, 3)}</CURDEF>"
        f"{_account(account, is_card)}<BANKTRANLIST><DTSTART>{_day(first)}</DTSTART><DTEND>{_day(last)}</DTEND>\n"
    ).encode()
    for page in export.posted(account["id"]):
        yield "".join(_transactions(page, currency)).encode()
    yield f"</BANKTRANLIST>{_balances(account)}</{kind}RS></{kind}TRNRS>\n".encode()


def _account(account: Mapping[str, Any], is_card: bool) -> str:
    own = f"<ACCTID>{account_id(account)}</ACCTID>"
    if is_card:
        return f"<CCACCTFROM>{own}</CCACCTFROM>"
    kind = TYPES.get(account["type"], "CHECKING")
    return f"<BANKACCTFROM><BANKID>{BANK_ID}</BANKID>{own}<ACCTTYPE>{kind}</ACCTTYPE></BANKACCTFROM>"


def account_id(account: Mapping[str, Any]) -> str:
    """What a program knows the account by: at most 22 characters, the same each time, the number's end for people."""
    digits = "".join(c for c in account["masked_number"] or "" if c.isascii() and c.isdigit())[-4:]
    return f"{digits}-{str(account['id'])[-12:]}" if digits else str(account["id"])[-12:]


def _balances(account: Mapping[str, Any]) -> str:
    at = f"{account['updated_at']:%Y%m%d%H%M%S}"
    ledger = f"<LEDGERBAL><BALAMT>{signed_balance(account)}</BALAMT><DTASOF>{at}</DTASOF></LEDGERBAL>"
    available = account["available_balance"]
    if available is None:
        return ledger
    return f"{ledger}<AVAILBAL><BALAMT>{available}</BALAMT><DTASOF>{at}</DTASOF></AVAILBAL>"


def signed_balance(account: Mapping[str, Any]) -> str:
    """What is owed with a minus. A balance that is not known is written as zero, for there has to be one."""
    balance: str = account["balance"] or "0.00"
    return negative(balance) if account["type"] in DEBTS else balance


def negative(amount: str) -> str:
    """The amount with its sign turned."""
    if amount.startswith("-"):
        return amount[1:]
    return f"-{amount}" if amount.strip("0.") else amount


def _transactions(rows: Iterable[Mapping[str, Any]], currency: str) -> Iterator[str]:
    for row in rows:
        amount = negative(row["amount"]) if row["type"] == "debit" else row["amount"]
        check = row["check_number"]
        memo = row["note"] or row["memo"] or row["original_description"]
        yield (
            f"<STMTTRN><TRNTYPE>{'CHECK' if check else row['type'].upper()}</TRNTYPE>"
            f"<DTPOSTED>{_day(row['date'])}</DTPOSTED><TRNAMT>{amount}</TRNAMT><FITID>{row['id']}</FITID>"
            + (f"<CHECKNUM>{_text(check, 12)}</CHECKNUM>" if check else "")
            + f"<NAME>{_text(row['description'], 32) or '-'}</NAME>"
            + (f"<MEMO>{_text(memo, 255)}</MEMO>" if memo and memo.strip() else "")
            + ("" if row["currency_code"] == currency else _currency(row["currency_code"]))
            + "</STMTTRN>\n"
        )


def _currency(code: str) -> str:
    """Of a row in another currency than its account's. The rate has to be there, and is not known to us."""
    return f"<CURRENCY><CURRATE>1</CURRATE><CURSYM>{_text(code, 3)}</CURSYM></CURRENCY>"


def _day(day: date | str) -> str:
    """The bank's date, at noon: at midnight it would be another day west of Greenwich."""
    return str(day).replace("-", "") + "120000"


def _text(text: str, length: int) -> str:
    return escape(" ".join(NOT_IN_XML.sub("", text).split())[:length])
