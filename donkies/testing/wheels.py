"""Wheels, and environments that hold them beside the packages of this one: nothing is downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

IGNORED = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")


def build_wheel(root: Path, names: tuple[str, ...], folder: Path) -> Path:
    """Build a wheel from a copy: `build/` of a tree that is worked on could hold what was deleted since.

    Args:
        names: the files and folders of the root that it is made of.
        folder: an empty one, for the copy and the wheel.
    """
    source = folder / "source"
    source.mkdir()
    for name in names:
        path = root / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=IGNORED)
        else:
            shutil.copy(path, source)
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), cwd=source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_environment(folder: Path, *wheels: Path) -> Path:
    """Make an environment with these wheels. Returns: its folder of programs."""
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    python = str(folder / "bin" / "python")
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, *map(str, wheels))
    return folder / "bin"


def run(*command: str, cwd: Path | None = None) -> str:
    """Run a program that must succeed. Returns: what it printed."""
    done = subprocess.run(  # noqa: S603 - our own command
        command, cwd=cwd, env=environ(), capture_output=True, text=True, timeout=120
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def environ() -> dict[str, str]:
    """The environment without what is set for this process."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DONKIES_", "PY"))}
