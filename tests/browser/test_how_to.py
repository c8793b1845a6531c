"""The code of the how-tos for front ends, as it stands there, in a real browser."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from .conftest import ROOT, Embedded, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOW_TO = ROOT / "docs" / "how-to"
NAMED = re.compile(r"^```\w+ ([\w.]+)\n(.*?)^```$", re.M | re.S)
COMMAND = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that is served at an address: another site than the service's."""
    with serving(partial(_Quiet, directory=str(tmp_path))) as address:
        yield tmp_path, address


def register(embedded: Embedded, address: str) -> str:
    """What the page tells to do once: its command, with this service's settings."""
    (command,) = COMMAND.findall((HOW_TO / "front-end.md").read_text())
    words = shlex.split(
        command.replace("\\\n", "").replace("http://localhost:8000", address).replace("production.ini", "browser.ini")
    )
    tool = Path(sys.executable).parent / words[0]
    made = subprocess.run([tool, *words[1:]], cwd=embedded.folder, check=True, capture_output=True, text=True)
    return json.loads(made.stdout)["client_id"]


def write(document: str, folder: Path, embedded: Embedded, client_id: str, *only: str) -> None:
    """The files of a document, but for what everybody has to fill in."""
    for name, text in NAMED.findall((HOW_TO / document).read_text()):
        if not only or name in only:
            filled = text.replace("https://donkies.example", embedded.web).replace("your-client-id", client_id)
            (folder / name).write_text(filled)


def bundle(folder: Path, packages: Path) -> None:
    """Do what the page on React says."""
    (command,) = COMMAND.findall((HOW_TO / "react.md").read_text())
    tool = packages / "node_modules" / ".bin" / "esbuild"
    (folder / "node_modules").symlink_to(packages / "node_modules")
    subprocess.run([tool, *shlex.split(command)[1:], "--log-level=error"], cwd=folder, check=True, timeout=60)


@pytest.mark.parametrize("document", ["front-end.md", "react.md"])
def test_a_person_signs_in_links_a_bank_and_sees_transactions(
    browser: Browser, embedded: Embedded, folder: tuple[Path, str], document: str, request: pytest.FixtureRequest
) -> None:
    path, address = folder
    client_id = register(embedded, address)
    write(document, path, embedded, client_id)
    if document == "react.md":
        write("front-end.md", path, embedded, client_id, "donkies.js")
        bundle(path, request.getfixturevalue("oidc_packages"))
    context = browser.new_context(locale="en-US")
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints: list[str] = []
    is_ours = lambda one: one.type in ("error", "warning") and "favicon" not in one.location["url"]  # noqa: E731
    page.on("console", lambda one: complaints.append(one.text) if is_ours(one) else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(address)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Create an account").click()
    person = {"first_name": "Ada", "last_name": "Byron", "email": f"ada.{uuid4().hex[:12]}@example.com"}
    for name, value in (person | {"birthday": "1990-12-10", "password": "analytical engine no 1"}).items():
        page.fill(f"[name={name}]", value)
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Allow").click()
    page.get_by_role("button", name="Link a bank").click()
    modal = page.frame_locator("dialog iframe")
    modal.get_by_label("Name of the bank").fill("MX Bank")
    modal.get_by_role("button", name="MX Bank", exact=True).click()
    modal.get_by_label("Username").fill("test_atrium")
    modal.get_by_label("Password").fill("anything")
    modal.locator("[data-screen] button:not([type=button])").click()
    modal.locator("[data-screen=success] button").last.click()
    page.locator("[role=status]").filter(has_text=re.compile(r"MX Bank: Success, \d+ transactions")).wait_for()
    page.locator("li").nth(19).wait_for()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d .+ [\u2212+][\d.]+ USD", page.locator("li").first.inner_text())

    page.reload()
    page.locator("li").first.wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in").click()
    page.locator("[name=password]").wait_for()
    context.close()
    assert [] == complaints
