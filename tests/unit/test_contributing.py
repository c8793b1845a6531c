"""CONTRIBUTING.md names files, folders, targets and commits that are there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def test_files_and_folders_are_there() -> None:
    named = re.findall(r"\b((?:donkies|tests|docs|migrations)/[\w./-]+\w)", TEXT)
    assert len(named) > 30
    assert [] == [path for path in named if not (ROOT / path).exists() and "NNNN" not in path]


def test_targets_of_make_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert [] == [name for name in re.findall(r"`make (\w+)`", TEXT) if f"\n{name}:" not in makefile]


@pytest.mark.parametrize("recipe", re.findall(r"^### (.+)$", TEXT, re.M))
def test_each_recipe_is_numbered_and_has_an_example_that_is_there(recipe: str) -> None:
    text = TEXT.partition(f"### {recipe}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    steps = [int(number) for number in re.findall(r"^(\d+)\. ", text, re.M)]
    assert list(range(1, len(steps) + 1)) == steps
    (commit,) = re.findall(r"^Example: `([0-9a-f]{7})`", text, re.M)
    if not (ROOT / ".git").exists():
        pytest.skip("no history: not a clone")
    shallow = ["git", "rev-parse", "--is-shallow-repository"]
    if "true" in subprocess.check_output(shallow, cwd=ROOT, text=True):
        pytest.skip("no history: a shallow clone")
    subprocess.run(["git", "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, check=True)
