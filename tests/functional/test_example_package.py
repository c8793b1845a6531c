"""examples/csv_bank, installed beside the wheel: its own tests pass, and the service runs with it, over real HTTP."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from donkies.testing.app import DonkiesTestApp, sign_in
from donkies.testing.databases import SEALING_KEY
from donkies.testing.demo import demo_running, four_free_ports
from donkies.testing.plugin import development_settings
from donkies.testing.wheels import build_wheel, make_environment, run

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "csv_bank"
HOW_TO = ROOT / "docs" / "how-to" / "adapter.md"


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("csv_bank", "setup.cfg", "pyproject.toml", "README.md")
    example = build_wheel(EXAMPLE, names, tmp_path_factory.mktemp("example"))
    return make_environment(tmp_path_factory.mktemp("environment"), wheel, example)


def test_the_how_to_shows_the_code_that_runs() -> None:
    blocks = re.findall(r"```(?:python|ini) (\S+)\n(.*?)```", HOW_TO.read_text(), re.S)
    assert len(blocks) >= 9
    for name, code in blocks:
        # a page's methods stand at the margin, with a formatter's own blank lines
        assert _lines(code) in _lines((EXAMPLE / name).read_text()), f"{name} is otherwise now:\n{code}"


def _lines(code: str) -> str:
    return "\n".join(line.strip() for line in code.splitlines() if line.strip())


def test_its_own_tests_pass_where_it_is_installed(bin_folder: Path, tmp_path: Path) -> None:
    for name in ("tests", "banks"):
        shutil.copytree(EXAMPLE / name, tmp_path / name)
    shutil.copy(EXAMPLE / "setup.cfg", tmp_path)
    python = str(bin_folder / "python")
    where = run(python, "-c", "import csv_bank, donkies; print(csv_bank.__file__, donkies.__file__)", cwd=tmp_path)
    assert all(Path(path).is_relative_to(bin_folder.parent) for path in where.split()), "not the source tree's"
    quiet = ("-p", "no:cacheprovider", "-p", "no:schemathesis", "-W", "ignore")
    strict = ("-W", "error::pytest.PytestAssertRewriteWarning")  # the plugin comes from a wheel here
    said = run(python, "-m", "pytest", *quiet, *strict, cwd=tmp_path)
    assert "skipped" not in said


@pytest.fixture
def service(bin_folder: Path, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """`donkies demo` with one line of its ini file changed, and a line for the option. Returns: address, headers."""
    port = four_free_ports()
    shutil.copytree(EXAMPLE / "banks", tmp_path / "banks")
    donkies = str(bin_folder / "donkies")
    ini = run(donkies, "ini", "development")
    for number, name in enumerate(("6543", "6544", "6545", "6546")):
        ini = ini.replace(name, str(port + number))
    ini = ini.replace("donkies.sealing_keys =\n", f"donkies.sealing_keys = {SEALING_KEY}\n")
    ini = ini.replace("donkies.aggregator = atrium", "donkies.aggregator = csv")
    ini = ini.replace("# donkies.aggregator.options.NAME = VALUE", "donkies.aggregator.options.folder = banks")
    (tmp_path / "development.ini").write_text(ini)
    address = f"http://127.0.0.1:{port}"
    with demo_running(bin_folder, tmp_path):
        # somebody's token, minted here: it is the bank that is tried
        settings = development_settings(f"sqlite:///{tmp_path}/var/donkies.db") | {"donkies.public_url": address}
        app = DonkiesTestApp(settings)
        yield address, sign_in(app)
        app.close()


def test_the_service_links_and_downloads_by_one_line_of_the_ini_file(service: tuple[str, dict[str, str]]) -> None:
    address, headers = service
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update(headers)

        def get(path: str) -> Any:
            answer = session.get(f"{address}/v1{path}", timeout=10)
            assert 200 == answer.status_code, answer.text
            return answer.json()

        assert ["village_bank"] == [one["code"] for one in get("/institutions?search=village")["data"]]
        form = get("/institutions/village_bank/credentials")["data"]
        typed = [{"guid": field["guid"], "value": value} for field, value in zip(form, ("ada", "1815"), strict=True)]
        body = {"institution_code": "village_bank", "credentials": typed}
        made = session.post(f"{address}/v1/linked_accounts", json=body, timeout=10)
        assert 201 == made.status_code, made.text
        deadline = time.monotonic() + 30
        while "complete" != (state := get(f"/linked_accounts/{made.json()['id']}"))["transactions_status"]:
            assert time.monotonic() < deadline, state
            time.sleep(0.1)
        assert ("success", 5) == (state["link_status"], state["transactions_count"])
        rows = get("/transactions")["data"]
    assert {"Salary", "Bakery", "Rent", "From checking"} == {row["description"] for row in rows}
