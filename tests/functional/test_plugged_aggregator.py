"""Aggregators of other packages, by entry point: what start-up says when one cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from donkies.adapters.memory.aggregator import MemoryAggregator
from donkies.config import main
from donkies.domain.aggregator import Aggregator
from donkies.testing.links import PersonAtTheApi

MODULE = """
from donkies.adapters.memory.aggregator import MemoryAggregator

class Mine(MemoryAggregator):
    def __init__(self, options):
        super().__init__(transactions=int(options.get("transactions", "7")))

def leaky(options):
    raise RuntimeError(options["key"])

def nothing(options):
    return object()
"""


@pytest.fixture
def database_url(sqlite_databases: Any, tmp_path: Path) -> str:
    return sqlite_databases.fresh(tmp_path)  # no adapter of an aggregator knows the database


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put packages on the path as an installer would: `install(mine="module:object")`."""

    def put(package: str = "shop-of-mine", **entries: str) -> None:
        site = tmp_path / f"site-{package}"
        info = site / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {value}" for name, value in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[donkies.aggregators]", *lines]))
        (site / "shop_of_mine.py").write_text(MODULE)
        (site / "shop_that_is_broken.py").write_text("import no_such_module\n")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, "shop_of_mine", raising=False)

    return put


def said(settings: dict[str, Any]) -> str:
    """The one line with which it does not start."""
    with pytest.raises(SystemExit) as refused:
        main({}, **settings)
    line = str(refused.value)
    assert line.startswith("donkies: donkies.aggregator")
    assert "\n" not in line
    return line


def test_it_is_chosen_by_name_and_gets_its_options(settings, make_testapp, install) -> None:
    install(mine="shop_of_mine:Mine")
    settings |= {"donkies.aggregator": "mine", "donkies.aggregator.options.transactions": "12"}
    settings |= {"donkies.link.look_s": 0.02, "donkies.sync.retry_s": 0.02}
    for name in ("url", "api_key", "client_id"):
        del settings[f"donkies.atrium.{name}"]
    person = PersonAtTheApi(make_testapp())
    assert "success" == person.settled(person.link())["link_status"]
    assert 12 == len(person.transactions())


def test_a_name_that_nobody_offers_is_told_with_those_that_there_are(settings, install) -> None:
    install(mine="shop_of_mine:Mine", other="shop_of_mine:nothing")
    line = said(settings | {"donkies.aggregator": "yours"})
    assert "there are atrium, memory, mine, other" in line


def test_one_that_cannot_be_imported_is_named_with_its_package_and_the_reason(settings, install) -> None:
    install(broken="shop_that_is_broken:Mine", lost="shop_of_mine:NoSuchThing")
    line = said(settings | {"donkies.aggregator": "broken"})
    assert "of the package shop-of-mine" in line
    assert "No module named 'no_such_module'" in line
    assert "NoSuchThing" in said(settings | {"donkies.aggregator": "lost"})


def test_options_that_it_refuses_are_told_in_its_words(settings, install) -> None:
    install(mine="shop_of_mine:Mine")
    settings |= {"donkies.aggregator": "mine", "donkies.aggregator.options.transactions": "many"}
    assert "donkies.aggregator.options: mine refused them: invalid literal for int()" in said(settings)


def test_a_failure_is_told_by_kind_and_place_for_its_text_could_be_a_secret(settings, install) -> None:
    install(leaky="shop_of_mine:leaky")
    line = said(settings | {"donkies.aggregator": "leaky", "donkies.aggregator.options.key": "canary"})
    assert "leaky could not be made: RuntimeError at shop_of_mine.py, line" in line
    assert "canary" not in line


def test_what_lacks_methods_of_the_port_is_refused_with_their_names(settings, install) -> None:
    install(nothing="shop_of_mine:nothing")
    line = said(settings | {"donkies.aggregator": "nothing"})
    assert "it has no aggregate_member, create_member" in line


def test_a_name_that_two_packages_offer_is_refused_with_both(settings, install) -> None:
    install(mine="shop_of_mine:Mine")
    install("shop-of-another", mine="shop_of_mine:nothing")
    assert "shop-of-another and shop-of-mine both offer" in said(settings | {"donkies.aggregator": "mine"})


def test_nobody_takes_the_place_of_a_built_in_one(settings, make_testapp, install) -> None:
    install(memory="shop_that_is_broken:Mine")
    with make_testapp().service(Aggregator) as aggregator:
        assert isinstance(aggregator, MemoryAggregator)


def test_check_and_the_command_line_say_the_same(settings, request) -> None:
    settings["donkies.aggregator"] = "yours"
    command_line = request.getfixturevalue("command_line")  # which writes the settings down
    for command in (["check"], ["client", "list"]):
        result = command_line(*command)
        assert 1 == result.exit_code
        assert "donkies.aggregator: no installed package offers one of this name" in result.output
