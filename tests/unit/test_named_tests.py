"""Documents that name a test as proof name one that is there."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
KIT = TESTS.parent / "donkies" / "testing"  # its contracts run in tests/contract
REFERENCE = TESTS.parent / "docs" / "reference"
NAMED = re.compile(r"`([\w/]+\.py)((?:::\w+)+)`")


def names_in(path: Path) -> set[str]:
    """`::test_…` and `::Test…::test_…` of a file."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"::{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            found.add(f"::{node.name}")
    return found


@pytest.mark.parametrize(("document", "folder"), [("conformance.md", "functional"), ("security.md", ".")])
def test_each_test_that_is_named_is_there(document, folder):
    named = NAMED.findall((REFERENCE / document).read_text())
    assert named
    places = [TESTS / folder, KIT]
    missing = [
        file + name
        for file, name in named
        if not any((path := place / file).exists() and name in names_in(path) for place in places)
    ]
    assert [] == missing


def test_each_module_of_the_basic_plan_is_listed_once():
    rows = re.findall(r"^\| `(oidcc-[\w-]+)` \|", (REFERENCE / "conformance.md").read_text(), re.M)
    assert (38, 38) == (len(rows), len(set(rows)))


def test_each_line_of_the_checklist_has_a_row():
    rows = {int(number) for number in re.findall(r"^\| S(\d+) \|", (REFERENCE / "security.md").read_text(), re.M)}
    assert set(range(1, 40)) == rows


def test_each_picture_that_is_shown_is_there():
    shown = re.findall(r'src="([^"]+)"', (REFERENCE / "pages.md").read_text())
    assert shown
    assert [] == [path for path in shown if not (REFERENCE / path).exists()]
