"""The tutorial, as it stands there: its commands in a shell, its file, and a person at the browser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from donkies.testing.ports import free_ports

from .conftest import ROOT, Embedded

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TUTORIAL = ROOT / "docs" / "tutorial.md"
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"^```python spending\.py\n(.*?)^```$", re.M | re.S)


@pytest.fixture
def folder(embedded: Embedded, tmp_path: Path) -> Path:
    """What looks like the source tree after `make run`, with the running service's settings."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    ini = (embedded.folder / "browser.ini").read_text()
    (tmp_path / "development.ini").write_text(ini.replace("sqlite:///var", f"sqlite:///{embedded.folder}/var"))
    (tmp_path / "var").symlink_to(embedded.folder / "var")
    return tmp_path


def addresses(said: list[str], process: subprocess.Popen[str]) -> str:
    """The next address that the script would open."""
    assert process.stdout
    for line in process.stdout:
        said.append(line.strip())
        if line.startswith("Opening "):
            return line.split()[1]
    raise AssertionError(said)


def sign_up(page: Page) -> None:
    page.get_by_role("link", name="Create an account").click()
    person = {"first_name": "Ada", "last_name": "Byron", "email": f"ada.{uuid4().hex[:12]}@example.com"}
    for name, value in (person | {"birthday": "1990-12-10", "password": "analytical engine no 1"}).items():
        page.fill(f"[name={name}]", value)
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Allow").click()
    page.get_by_text("Go back to the terminal").wait_for()


def link(page: Page) -> None:
    page.get_by_label("Name of the bank").fill("MX Bank")
    page.get_by_role("button", name="MX Bank", exact=True).click()
    page.get_by_label("Username").fill("test_atrium")
    page.get_by_label("Password").fill("anything")
    page.locator("[data-screen] button:not([type=button])").click()
    page.locator("[data-screen=success] button").last.click()
    page.get_by_text("Go back to the terminal").wait_for()


def test_it_leads_to_a_chart(browser: Browser, embedded: Embedded, folder: Path) -> None:
    (port,) = free_ports(1)
    moved = (
        TUTORIAL.read_text()
        .replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        .replace("http://127.0.0.1:6543", embedded.web)
    )
    first, *commands = SHELL.findall(moved)
    assert "make run\n" == first
    (folder / "spending.py").write_text("\n\n".join(FILE.findall(moved)))
    process = subprocess.Popen(
        ["bash", "-eu", "-o", "pipefail", "-c", "\n".join(commands)],
        cwd=folder,
        env=os.environ | {"BROWSER": "true", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    said: list[str] = []
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(15_000)
    page = context.new_page()
    try:
        page.goto(addresses(said, process))
        sign_up(page)
        page.goto(addresses(said, process))
        link(page)
        assert process.stdout
        said += process.stdout.read().splitlines()
        assert 0 == process.wait(30), said
        assert "MX Bank Success complete" == said[-2]
        assert re.fullmatch(r"910 transactions, \d+ categories: open spending\.html", said[-1])
        page.goto(f"file://{folder}/spending.html")
        widths = [float(bar.get_attribute("width") or 0) for bar in page.locator("rect").all()]
        assert len(widths) > 3
        assert sorted(widths, reverse=True) == widths
        assert 400 == widths[0]
    finally:
        context.close()
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
