"""A ledger's pages against the plain way: build everything, change it, sort it, cut it."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from donkies.sandbox.accounts import account_guids
from donkies.sandbox.history import History
from donkies.sandbox.ledger import Ledger

NOW = datetime(2026, 3, 15, 12, tzinfo=UTC).timestamp()
FIRST, LAST = date(2000, 1, 1), date(2100, 1, 1)


def make_ledger(rows=700, days=60):
    accounts = account_guids("MBR-1")
    history = History(member_guid="MBR-1", user_guid="USR-1", accounts=accounts, rows=rows, days=days, created_at=NOW)
    return Ledger(history)


def change(ledger, seed):
    dice = random.Random(seed)
    for number in dice.sample(range(ledger.history.rows), 120):
        (row,) = ledger.history.build([number])
        if dice.random() < 0.5:
            ledger.remove(row["guid"])
        else:
            moved = date.fromisoformat(row["date"]) + timedelta(days=dice.randint(-9, 9))
            ledger.put({**row, "date": moved.isoformat()})
    for n in range(15):
        (row,) = ledger.history.build([n * 7])
        ledger.put({**row, "guid": f"TRN-{n}", "account_guid": dice.choice(ledger.history.accounts)})


def plain_rows(ledger, account, first, last):
    numbers = [n for n in range(ledger.history.rows) if n not in ledger.gone]
    rows = [*ledger.history.build(numbers), *ledger.added.values()]
    return {
        row["guid"]: row
        for row in rows
        if first.isoformat() <= row["date"] <= last.isoformat()
        if account is None or row["account_guid"] == account
    }


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("which_account", [None, 0, 2, 3])
@pytest.mark.parametrize("window", [(FIRST, LAST), (date(2026, 2, 3), date(2026, 2, 20))])
def test_pages_of_a_changed_ledger_hold_every_row_once_and_in_order(seed, which_account, window):
    ledger = make_ledger()
    change(ledger, seed)
    account = None if which_account is None else ledger.history.accounts[which_account]
    expected = plain_rows(ledger, account, *window)
    selection = ledger.select(account, *window, NOW)
    assert len(expected) == selection.total
    for size in (1, 7, 1000):
        rows = [row for offset in range(0, selection.total, size) for row in selection.page(offset, size)]
        assert len(expected) == len(rows)
        assert expected == {row["guid"]: row for row in rows}
        dates = [row["date"] for row in rows]
        assert sorted(dates, reverse=True) == dates


def test_every_guid_leads_back_to_its_row():
    history = make_ledger().history
    assert list(range(700)) == [history.find(history.guid(number)) for number in range(700)]
    assert history.find(history.guid(700)) is None


def test_a_row_depends_on_the_member_and_its_number_only():
    assert make_ledger().history.build([5]) == make_ledger().history.build([5])


def test_an_accounts_rows_are_found_by_arithmetic():
    history = make_ledger().history
    for account in range(6):
        numbers = [n for n in range(700) if history.account_of(n) == account]
        assert numbers == [history.number(account, rank) for rank in range(history.count(account, 700))]
