"""Packages from npm for tests, by a lock file, kept in var/ from the first time on."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def npm_packages(folder: Path, cache: Path) -> Path:
    """The folder with `node_modules` that a package-lock.json names, and what else lies beside that; skips without npm.

    Args:
        folder: where package.json and package-lock.json are.
        cache: where what npm brings is kept, by the lock's hash.
    """
    npm = shutil.which("npm")
    if npm is None:
        if "browser" in os.environ.get("DONKIES_REQUIRE", ""):
            pytest.fail("DONKIES_REQUIRE names browser, but npm is missing", pytrace=False)
        pytest.skip("this needs npm")
    lock = (folder / "package-lock.json").read_bytes()
    made = cache / hashlib.sha256(lock).hexdigest()[:16]
    if not made.exists():
        making = made.with_name(f"{made.name}.{os.getpid()}")
        making.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, making)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=making, check=True, timeout=120)  # noqa: S603 - our own lock file
        try:
            making.rename(made)
        except OSError:  # another process of the tests was first
            shutil.rmtree(making)
    return made
