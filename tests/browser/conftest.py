"""A real browser, and the whole embedded default as a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

try:
    from playwright.sync_api import Browser, sync_playwright
except ImportError:
    sync_playwright = None

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
START_S = 40


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where the parts of a running embedded default are."""

    web: str
    demo: str
    sandbox: str


@pytest.fixture(scope="session")
def embedded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Everything that `make run` starts, on free ports, with an empty database."""
    folder = tmp_path_factory.mktemp("embedded")
    (folder / "var").mkdir()
    web, demo, sandbox = _free_ports(3)
    ini = (ROOT / "development.ini").read_text().replace("listen = 127.0.0.1:6543", f"listen = 127.0.0.1:{web}")
    (folder / "browser.ini").write_text(ini)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DONKIES_")} | {
        "DONKIES_PUBLIC_URL": f"http://127.0.0.1:{web}",
        "DONKIES_DEMO_PORT": str(demo),
        "DONKIES_SANDBOX_PORT": str(sandbox),
        "DONKIES_ATRIUM_URL": f"http://127.0.0.1:{sandbox}/atrium",
        "DONKIES_DATABASE_URL": "sqlite:///var/donkies.db",
        "DONKIES_LIMITS_ENABLED": "false",
        "DONKIES_LINK_LOOK_S": "0.2",
        "PYTHONWARNINGS": "ignore",
    }
    tools = Path(sys.executable).parent
    log_path = folder / "log.txt"
    with log_path.open("w") as log:
        options: dict[str, Any] = {"cwd": folder, "env": environ, "stdout": log, "stderr": subprocess.STDOUT}
        subprocess.run([tools / "donkies", "-c", "browser.ini", "migrate"], check=True, **options)
        process = subprocess.Popen([tools / "pserve", "browser.ini"], **options)
        try:
            running = Embedded(f"http://127.0.0.1:{web}", f"http://localhost:{demo}", f"http://127.0.0.1:{sandbox}")
            _wait_for(running.web, process, log_path)
            _hurry(running.sandbox)
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without it the tests are skipped, unless DONKIES_REQUIRE says that it must be there."""
    missing = "playwright (pip install playwright)" if sync_playwright is None else "" if CHROMIUM else "chromium"
    if missing:
        if "browser" in os.environ.get("DONKIES_REQUIRE", ""):
            pytest.fail(f"DONKIES_REQUIRE names browser, but {missing} is missing", pytrace=False)
        pytest.skip(f"browser tests need {missing}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield chromium
        chromium.close()


def _hurry(sandbox: str) -> None:
    """Let the pretended banks be quick; they still pass through every state."""
    with requests.Session() as session:
        session.trust_env = False
        session.put(f"{sandbox}/_sandbox/mode", json={"job_s": 0.4}, timeout=5).raise_for_status()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """The web server answers last of all, so when it does, everything is there."""
    end = time.monotonic() + START_S
    with requests.Session() as session:
        session.trust_env = False
        while time.monotonic() < end and process.poll() is None:
            try:
                session.get(f"{url}/.well-known/openid-configuration", timeout=2).raise_for_status()
                return
            except requests.RequestException:
                time.sleep(0.1)
    pytest.fail("the embedded default did not start:\n" + log.read_text()[-2000:], pytrace=False)
