"""The wheel alone: built, installed beside the packages it asks for, and started in an empty folder."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
import requests

from donkies.testing.ports import PORTS

ROOT = Path(__file__).parents[2]
SOURCES = ("donkies", "migrations")
FILES = ("setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "development.ini",
         "production.ini")  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: `build/` of a tree that is worked on could hold what was deleted since."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in SOURCES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source)
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out), cwd=source)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; the packages that it asks for are those of this one, not downloaded again."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    python = str(folder / "bin" / "python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", str(wheel))
    return folder / "bin"


def run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=environ(), capture_output=True, text=True, timeout=120)
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def environ() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("DONKIES_", "PYTHON"))}


def test_the_wheel_holds_all_that_is_no_module(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    tree = subprocess.check_output(["git", "ls-files", "donkies"], cwd=ROOT, text=True).split()
    assert [] == sorted(set(tree) - held)
    versions = {
        f"donkies/shipped_files/migrations/versions/{one.name}" for one in ROOT.glob("migrations/versions/*.py")
    }
    assert versions | {"donkies/py.typed"} <= held
    assert not [name for name in held if not name.startswith(("donkies/", "donkies-"))]


def test_it_says_what_it_can_do_and_prints_its_ini_files(bin_folder: Path, tmp_path: Path) -> None:
    donkies = str(bin_folder / "donkies")
    where = run(str(bin_folder / "python"), "-c", "import donkies.cli; print(donkies.cli.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(bin_folder.parent), "not the source tree's"
    assert "migrate" in run(donkies, "--help", cwd=tmp_path)
    assert (ROOT / "production.ini").read_text() == run(donkies, "ini", "production", cwd=tmp_path)
    assert [] == list(tmp_path.iterdir())


@pytest.fixture
def demo(bin_folder: Path, tmp_path: Path) -> Iterator[str]:
    """`donkies demo` in an empty folder. Returns: the service's address."""
    port = four_free_ports()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [bin_folder / "donkies", "demo", "money", "--port", str(port)],
            cwd=tmp_path,
            env=environ(),
            # a suite that runs in the background ignores Ctrl-C, and what it starts would do so too
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + 60
    while "Ctrl-C stops everything" not in (said := (tmp_path / "log").read_text()):
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGINT)
    try:
        assert 0 == process.wait(timeout=30)
    finally:
        process.kill()
        process.wait()


def four_free_ports() -> int:
    """The first of four in a row on which nobody listens."""
    for first in random.sample(PORTS, len(PORTS)):
        try:
            with ExitStack() as taken:
                for port in range(first, first + 4):
                    taken.enter_context(socket.create_server(("127.0.0.1", port)))
            return first
        except OSError:
            continue
    raise AssertionError("no four ports in a row are free")


def test_the_embedded_default_runs_from_the_wheel_alone(demo: str, bin_folder: Path, tmp_path: Path) -> None:
    first = int(demo.rpartition(":")[2])
    assert "pages.css" in requests.get(f"{demo}/login", timeout=10).text
    assert 200 == requests.get(f"{demo}/readyz", timeout=10).status_code
    assert "<script" in requests.get(f"http://localhost:{first + 1}/", timeout=10).text
    assert {"development.ini", "var"} == {one.name for one in (tmp_path / "money").iterdir()}
    # the other commands find the ini file that it made
    assert "demo" in run(str(bin_folder / "donkies"), "client", "list", "--json", cwd=tmp_path / "money")
