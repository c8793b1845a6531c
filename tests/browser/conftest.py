"""A real browser, and the whole embedded default as a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from donkies.testing.npm import npm_packages
from donkies.testing.ports import free_ports

try:
    from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, sync_playwright
except ImportError:
    sync_playwright = None

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# the same without windows and settings, which takes half the time; where it is not, Chromium does it all
HEADLESS = shutil.which("chromium-headless-shell") or CHROMIUM
CHROMIUM_ARGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
BLOCKING = (
    "enableThirdPartyCookieRestriction", "disableThirdPartyCookieMetadata", "disableThirdPartyCookieHeuristics",
)  # fmt: skip
START_S = 40
CLIENTS = Path(__file__).parent / "clients"
CLIENTS_CACHE = ROOT / "var" / "oidc-clients"


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where the parts of a running embedded default are; its settings are `browser.ini` in the folder."""

    web: str
    demo: str
    sandbox: str
    folder: Path


@pytest.fixture(scope="session")
def embedded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """Everything that `make run` starts, on free ports, with an empty database."""
    folder = tmp_path_factory.mktemp("embedded")
    (folder / "var").mkdir()
    ports = dict(zip(("6543", "6544", "6545", "6546"), map(str, free_ports(4)), strict=True))
    web, demo, sandbox, _ = ports.values()
    ini = re.sub("|".join(ports), lambda found: ports[found[0]], (ROOT / "development.ini").read_text())
    (folder / "browser.ini").write_text(ini)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DONKIES_")} | {
        "DONKIES_LIMITS_ENABLED": "false",
        "DONKIES_LINK_LOOK_S": "0.2",
        "DONKIES_LOG_LEVEL": "DEBUG",  # what is searched for what was typed, says all that it can
        "PYTHONWARNINGS": "ignore",
    }
    tools = Path(sys.executable).parent
    log_path = folder / "log.txt"
    with log_path.open("w") as log:
        options: dict[str, Any] = {"cwd": folder, "env": environ, "stdout": log, "stderr": subprocess.STDOUT}
        subprocess.run([tools / "donkies", "-c", "browser.ini", "migrate"], check=True, **options)
        process = subprocess.Popen([tools / "pserve", "browser.ini"], **options)
        try:
            places = f"http://127.0.0.1:{web}", f"http://localhost:{demo}", f"http://127.0.0.1:{sandbox}"
            running = Embedded(*places, folder)
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
    need("playwright (pip install playwright)", sync_playwright)
    need("chromium", HEADLESS)
    with sync_playwright() as playwright, launched(playwright.chromium) as chromium:
        yield chromium


@contextmanager
def launched(kind: BrowserType, *more: str) -> Iterator[Browser]:
    """A browser in whose contexts frames of other sites get no cookies, as in many people's."""
    chromium = kind.launch(executable_path=HEADLESS, args=[*CHROMIUM_ARGS, *more])
    new_context = chromium.new_context

    def blocking(**options: Any) -> BrowserContext:
        context = new_context(**options)
        _block_third_party_cookies(context)
        return context

    chromium.new_context = blocking
    yield chromium
    chromium.close()


def _block_third_party_cookies(context: BrowserContext) -> None:
    # by no switch of the command line: the headless shell heeds none

    def block(page: Page) -> None:
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.setCookieControls", dict.fromkeys(BLOCKING, True))

    context.on("page", block)


def need(what: str, found: object) -> None:
    """Skip the test that needs what is not there, or fail where it must be."""
    if not found:
        if "browser" in os.environ.get("DONKIES_REQUIRE", ""):
            pytest.fail(f"DONKIES_REQUIRE names browser, but {what} is missing", pytrace=False)
        pytest.skip(f"browser tests need {what}")


@pytest.fixture(scope="session")
def oidc_packages() -> Path:
    """The folder with what npm brings."""
    return _install_clients()


@pytest.fixture
def app_site(oidc_packages: Path) -> Iterator[str]:
    """An app's own site, with those clients: `localhost` is another site than our 127.0.0.1, as in real life."""
    with serving(partial(_Site, directory=str(oidc_packages))) as address:
        yield address


def _hurry(sandbox: str) -> None:
    """Let the pretended banks be quick; they still pass through every state."""
    with requests.Session() as session:
        session.trust_env = False
        session.put(f"{sandbox}/_sandbox/mode", json={"job_s": 0.4}, timeout=5).raise_for_status()


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


def _install_clients() -> Path:
    folder = npm_packages(CLIENTS, CLIENTS_CACHE)
    for script in CLIENTS.glob("*.mjs"):  # Node looks for packages from where the script lies
        shutil.copy(script, folder)
    return folder


class _Site(SimpleHTTPRequestHandler):
    """One page under every address, and the packages."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path) if path.startswith("/node_modules/") else str(CLIENTS / "index.html")

    def log_message(self, *_: object) -> None: ...


@contextmanager
def serving(handler: Callable[..., SimpleHTTPRequestHandler]) -> Iterator[str]:
    """A site at `localhost`, on any port that is free."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
