"""The kit in suites of others: found by itself, not noticed where it is not used, and as its pages say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "testing.md"
# the other plugins of this environment load a lot; a developer's need not be there
QUIET = ("-q", "-p", "no:cacheprovider", "-p", "no:schemathesis")
HEAVY = (
    "sqlalchemy",
    "pyramid",
    "svcs",
    "webtest",
    "celery",
    "donkies.testing.app",
    "donkies.config",
    "donkies.sandbox",
)
SUITE_OF_OTHERS = f"""
import sys
import pytest

@pytest.fixture
def settings():
    return "mine"

@pytest.fixture(params=[1, 2])
def clock(request):
    return request.param

def test_of_theirs(settings, clock, tmp_path):
    assert settings == "mine"
    assert not [name for name in {HEAVY!r} if name in sys.modules]
"""


def run(folder: Path, *arguments: str) -> str:
    """Run a suite in a process of its own, as its developer does."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *QUIET, *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def test_a_suite_that_uses_none_of_it_does_not_notice_it(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(SUITE_OF_OTHERS)
    assert "2 passed" in run(tmp_path, "-W", "error")


def test_every_name_but_one_begins_with_donkies(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(SUITE_OF_OTHERS)
    shown = run(tmp_path, "--fixtures", "-v")
    (section,) = re.findall(r"fixtures defined from donkies\.testing\.plugin -+\n(.*?)(?:\n-{5}|\Z)", shown, re.S)
    names = set(re.findall(r"^(\w+)(?: \[| --)", section, re.M))
    assert {"make_testapp"} == {name for name in names if not name.startswith("donkies_")}
    assert len(names) >= 12


def test_the_code_of_the_how_to_runs(tmp_path: Path, postgres_database: object) -> None:
    blocks = re.findall(r"```python (\S+)\n(.*?)```", HOW_TO.read_text(), re.S)
    assert len(blocks) >= 5
    for name, code in blocks:
        folder = tmp_path / ("postgres" if name == "conftest.py" else "sqlite")
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(code)
    (tmp_path / "postgres" / "test_statuses.py").write_text((tmp_path / "sqlite" / "test_statuses.py").read_text())
    assert re.search(r"^8 passed", run(tmp_path, "--import-mode=importlib"), re.M)


def test_without_the_extra_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['webtest'] = None\n")
    (tmp_path / "test_theirs.py").write_text("def test_it(make_testapp): ...\n")
    done = subprocess.run([sys.executable, "-m", "pytest", *QUIET], cwd=tmp_path, capture_output=True, text=True)
    assert 1 == done.returncode
    assert "install donkies[testing]" in done.stdout
