"""The wheel alone: built, installed beside the packages it asks for, and started in an empty folder."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from donkies.testing.demo import demo_running, four_free_ports
from donkies.testing.wheels import make_environment, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_environment(tmp_path_factory.mktemp("environment"), wheel)


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
    with demo_running(bin_folder, tmp_path, "money", "--port", str(port)):
        yield f"http://127.0.0.1:{port}"


def test_the_embedded_default_runs_from_the_wheel_alone(demo: str, bin_folder: Path, tmp_path: Path) -> None:
    first = int(demo.rpartition(":")[2])
    assert "pages.css" in requests.get(f"{demo}/login", timeout=10).text
    assert 200 == requests.get(f"{demo}/readyz", timeout=10).status_code
    assert "<script" in requests.get(f"http://localhost:{first + 1}/", timeout=10).text
    assert {"development.ini", "var"} == {one.name for one in (tmp_path / "money").iterdir()}
    # the other commands find the ini file that it made
    assert "demo" in run(str(bin_folder / "donkies"), "client", "list", "--json", cwd=tmp_path / "money")
