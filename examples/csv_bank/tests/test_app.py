"""donkies with this aggregator, chosen by one line of the ini file: what a person at the API sees."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from donkies.testing.links import PersonAtTheApi

BANKS = Path(__file__).parents[1] / "banks"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BANKS, tmp_path / "banks"))


@pytest.fixture
def donkies_settings(donkies_settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    return donkies_settings | {"donkies.aggregator": "csv", "donkies.aggregator.options.folder": str(folder)}


def link(person: PersonAtTheApi, pin: str) -> str:
    return person.link_at("village_bank", login(pin))


def login(pin: str) -> list[dict[str, str]]:
    return [{"guid": "user_name", "value": "ada"}, {"guid": "pin", "value": pin}]


def test_a_person_finds_the_bank_links_it_and_sees_every_row(donkies_person: PersonAtTheApi) -> None:
    (bank,) = donkies_person.get("/institutions", search="village").json["data"]
    assert "village_bank" == bank["code"]
    state = donkies_person.settled(link(donkies_person, "1815"))
    assert ("success", "complete", 5) == tuple(
        state[name] for name in ("link_status", "transactions_status", "transactions_count")
    )
    rows = donkies_person.transactions()
    assert 2 == [row["description"] for row in rows].count("Bakery")
    balances = {one["name"]: one["balance"] for one in donkies_person.get("/accounts").json["data"]}
    assert {"Checking": "1581.10", "Savings": "500.00"} == balances


def test_a_wrong_pin_is_told_and_mended(donkies_person: PersonAtTheApi) -> None:
    made = link(donkies_person, "1816")
    assert "wrong_credentials" == donkies_person.settled(made)["link_status"]
    donkies_person.put(f"/linked_accounts/{made}/credentials", {"credentials": login("1815")}, status=202)
    assert "success" == donkies_person.settled(made)["link_status"]


def test_a_refresh_brings_what_is_new_and_keeps_the_rest(donkies_person: PersonAtTheApi, folder: Path) -> None:
    made = link(donkies_person, "1815")
    donkies_person.settled(made)
    before = {row["id"] for row in donkies_person.transactions()}
    with (folder / "village_bank" / "ada" / "checking.csv").open("a") as file:
        file.write(f"{datetime.now(UTC).date()},-3.20,Bakery,EUR\n")  # a refresh asks for the newest days only
    donkies_person.post(f"/linked_accounts/{made}/refresh", status=202)
    assert 6 == donkies_person.settled(made)["transactions_count"]
    assert before < {row["id"] for row in donkies_person.transactions()}


def test_what_files_cannot_do_is_refused_before_they_are_asked(donkies_person: PersonAtTheApi) -> None:
    answer = donkies_person.post("/link_sessions", {"mode": "mx_connect"}, status=422)
    assert ["mode"] == [one["field"] for one in answer.json["errors"]]


def test_a_spoilt_file_leaves_the_link_to_be_tried_again(donkies_person: PersonAtTheApi, folder: Path) -> None:
    path = folder / "village_bank" / "logins.csv"
    path.rename(folder / "elsewhere")
    made = link(donkies_person, "1815")
    state = donkies_person.settled(made)
    assert ("other_error", "aggregator_down") == (state["link_status"], state["reason"])
    assert "up" == donkies_person.app.get("/readyz").json["aggregator"]  # one failure is no outage
    (folder / "elsewhere").rename(path)
    donkies_person.put(f"/linked_accounts/{made}/credentials", {"credentials": login("1815")}, status=202)
    assert "success" == donkies_person.settled(made)["link_status"]
