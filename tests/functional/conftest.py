"""The wheel, built once for all that install it."""

from __future__ import annotations

from pathlib import Path

import pytest

from donkies.testing.wheels import build_wheel

ROOT = Path(__file__).parents[2]
PARTS = ("donkies", "migrations", "setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE",
         "development.ini", "production.ini")  # fmt: skip


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of donkies as it is in this tree."""
    return build_wheel(ROOT, PARTS, tmp_path_factory.mktemp("wheel"))
