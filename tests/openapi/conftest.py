"""The application over real HTTP with the sandbox bank behind it, and what npm has to read its document with."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from donkies.testing.npm import npm_packages

ROOT = Path(__file__).parents[2]
TOOLS = Path(__file__).parent / "tools"


@pytest.fixture
def database_url(sqlite_databases: Any, tmp_path: Path) -> str:
    return sqlite_databases.fresh(tmp_path)


@pytest.fixture
def settings(settings, sandbox_server, sandbox):
    sandbox.history(250, 60)
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
        "donkies.limits.enabled": False,
    }


@pytest.fixture
def npx(tmp_path: Path) -> Callable[..., str]:
    """Runs a program of the packages' in the test's folder, where `node_modules` is. Fails with what it said."""
    (tmp_path / "node_modules").symlink_to(npm_packages(TOOLS, ROOT / "var" / "openapi-tools") / "node_modules")

    def run(name: str, *arguments: str) -> str:
        command = ["node", str(tmp_path / "node_modules" / ".bin" / name), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run
