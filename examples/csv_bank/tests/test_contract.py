"""The adapter does what donkies asks of any aggregator, and tells what is wrong with the files as the port does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from csv_bank.aggregator import CsvAggregator

from donkies.domain.aggregator import AggregatorDown, AggregatorMisbehaved, Credential, MemberRef
from donkies.testing.contracts.aggregator import WINDOW, AggregatorContract, BankUnderTest

BANKS = Path(__file__).parents[1] / "banks"


def login(user_name: str, pin: str) -> list[Credential]:
    return [Credential("user_name", user_name), Credential("pin", pin)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the banks, which a test may spoil."""
    return Path(shutil.copytree(BANKS, tmp_path / "banks"))


class TestCsvAggregator(AggregatorContract):
    # no questions, no sign-in at the bank, no widget: what is left out here, the contract wants refused
    bank = BankUnderTest(
        code="village_bank",
        search="ILLAGE",
        login=login("ada", "1815"),
        refused_login=login("ada", "1816"),
        least_rows=5,
    )

    @pytest.fixture
    def aggregator(self, folder: Path) -> CsvAggregator:
        aggregator = CsvAggregator({"folder": str(folder)})
        aggregator.per_page = 2  # so that there are several pages
        return aggregator


def test_a_user_name_is_no_path_and_a_name_without_a_login_is_nobody(folder: Path) -> None:
    aggregator = CsvAggregator({"folder": str(folder)})
    user = aggregator.ensure_user("me")
    for name in ("..", "../village_bank/ada", "", "bob"):
        made = aggregator.create_member(user, "village_bank", login(name, ""), "link")
        assert "DENIED" == made.connection_status
        assert () == aggregator.list_accounts(made.ref)


def test_another_process_knows_the_same_links(folder: Path) -> None:
    first, second = (CsvAggregator({"folder": str(folder)}) for _ in range(2))
    made = first.create_member(first.ensure_user("me"), "village_bank", login("ada", "1815"), "link")
    assert first.read_member_status(made.ref) == second.read_member_status(made.ref)


def read(aggregator: CsvAggregator, ref: MemberRef) -> object:
    return aggregator.read_transactions_page(ref, *WINDOW, 1)


def mend(aggregator: CsvAggregator, ref: MemberRef) -> object:
    return aggregator.update_member_credentials(ref, login("ada", "1815"))


@pytest.mark.parametrize(
    ("ask", "name", "text", "error"),
    [
        (read, "ada/checking.csv", "date,amount,description,currency_code\ntoday,1,x,EUR\n", AggregatorMisbehaved),
        (
            read,
            "ada/checking.csv",
            "date,amount,description,currency_code\n2026-01-01,much,x,EUR\n",
            AggregatorMisbehaved,
        ),
        (read, "ada/checking.csv", "date,amount\n2026-01-01,1\n", AggregatorMisbehaved),
        (mend, "logins.csv", None, AggregatorDown),
    ],
)
def test_a_spoilt_file_raises_what_the_port_knows(
    folder: Path, ask: Callable[..., object], name: str, text: str | None, error: type
) -> None:
    aggregator = CsvAggregator({"folder": str(folder)})
    user = aggregator.ensure_user("me")
    ref = aggregator.create_member(user, "village_bank", login("ada", "1815"), "link").ref
    path = folder / "village_bank" / name
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(error):
        ask(aggregator, ref)


@pytest.mark.parametrize("options", [{}, {"folder": "/nowhere"}, {"folder": str(BANKS), "delay": "1"}])
def test_wrong_options_are_told_when_it_is_made(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^(folder: give|there is no option delay)"):
        CsvAggregator(options)
