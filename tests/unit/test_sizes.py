"""No module is so long, and no function, that a reader loses the thread: about 400 lines, and about a screen."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for top in ("donkies", "bench", "tests") for path in (ROOT / top).rglob("*.py"))
LINES, SCREEN = {"donkies": 450, "bench": 450, "tests": 500}, 66


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_longer_than_one_can_read(path: Path) -> None:
    source = path.read_text()
    assert len(source.splitlines()) <= LINES[path.relative_to(ROOT).parts[0]], "split it by what its parts are about"
    long = {
        one.name: one.end_lineno - one.lineno
        for one in ast.walk(ast.parse(source))
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        and one.end_lineno is not None
        and one.end_lineno - one.lineno > SCREEN
    }
    assert {} == long
