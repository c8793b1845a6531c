"""docs/reference/testing.md lists every fixture and every port, with doubles and contracts that are there."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import donkies.adapters.memory
import donkies.domain
from donkies.config import binding, parse_settings
from donkies.testing import contracts, plugin

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs/reference/testing.md").read_text()
ROWS = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.+?) \| (.+?) \|$", REFERENCE, re.M)
NAME = re.compile(r"`([\w.]+)`")


def classes(package: Any, pattern: str = "*.py") -> dict[str, str]:
    """The module of every class in a package, by the class's name; nothing is imported."""
    found = {}
    for path in Path(package.__path__[0]).glob(pattern):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found[node.name] = path.stem
    return found


def test_every_port_that_can_be_swapped_has_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    ports: dict[str, str] = {}

    class Noting(binding.Binder):
        def port(self, role: str, port: type, factory: Any) -> None:
            ports[role] = port.__name__
            super().port(role, port, factory)

        def single(self, role: str, port: type, *more: Any, **named: Any) -> Any:
            ports[role] = port.__name__
            return super().single(role, port, *more, **named)

    monkeypatch.setattr(binding, "Binder", Noting)
    binding.bind(parse_settings(plugin.development_settings("sqlite://"), {})).close()
    assert ports == {role: port for role, port, _, _ in ROWS}


@pytest.mark.parametrize(("role", "doubles"), [(role, doubles) for role, _, doubles, _ in ROWS])
def test_every_double_is_there(role: str, doubles: str) -> None:
    twins = classes(donkies.adapters.memory)
    named = NAME.findall(doubles)
    assert named or doubles.startswith("none: it computes")
    for name in set(named) - {"DonkiesTestApp"}:
        module, _, kind = name.rpartition(".")
        assert hasattr(importlib.import_module(f"donkies.testing.{module}"), kind) if module else kind in twins, role


def test_every_contract_is_listed_and_kept_by_somebody() -> None:
    listed = {name for _, _, _, column in ROWS for name in NAME.findall(column)}
    base = {"people.SignInContract"}
    assert listed | base == {f"{module}.{name}" for name, module in classes(contracts).items() if "Contract" in name}
    places = (*ROOT.glob("tests/contract/test_*.py"), *ROOT.glob("examples/*/tests/test_*.py"))
    tests = "".join(path.read_text() for path in places)
    assert [] == [name for name in listed if not re.search(rf"\(.*\b{name.rpartition('.')[2]}\)", tests)]


def test_every_fixture_is_listed() -> None:
    section, _, _ = REFERENCE.partition("## Factories")
    listed = {name for row in re.findall(r"^\| (`.+?) \|", section, re.M) for name in NAME.findall(row)}
    tree = ast.parse(Path(plugin.__file__).read_text())
    fixtures = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and any("fixture" in ast.unparse(one) for one in node.decorator_list)
    }
    assert listed == {name for name in fixtures if not name.startswith("_")}


def test_every_module_that_is_named_is_there() -> None:
    section = REFERENCE.partition("## Factories")[2].partition("## Ports")[0]
    rows = re.findall(r"^\| (`.+?) \| (.+) \|$", section, re.M)
    for modules, text in rows:
        found = [importlib.import_module(f"donkies.testing.{name}") for name in NAME.findall(modules)]
        if len(found) == 1:
            assert [] == [name for name in NAME.findall(text) if not hasattr(found[0], name)]
