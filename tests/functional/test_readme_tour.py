"""The tour with curl, word by word: real processes, real HTTP, the commands as they stand there."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from donkies.adapters.persistence import schema
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.sealing import Keyring
from donkies.testing.ports import free_ports

ROOT = Path(__file__).parents[2]
PORTS = {"6543": "web", "6544": "demo", "6545": "sandbox", "6546": "mail"}


class Checkout:
    """A folder that looks like a fresh clone after `make setup`, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = dict(zip(PORTS, map(str, free_ports(len(PORTS))), strict=True))
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "development.ini").write_text(self.moved((ROOT / "development.ini").read_text()))

    def moved(self, text: str) -> str:
        return re.sub("|".join(PORTS), lambda found: self.ports[found[0]], text)

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.ports['6543']}"

    def start(self) -> subprocess.Popen[str]:
        log = (self.folder / "log").open("w")
        with log:
            process = subprocess.Popen(
                [".venv/bin/pserve", "development.ini"],
                cwd=self.folder,
                env={**os.environ, "PYTHONWARNINGS": "ignore", "PYTHONFAULTHANDLER": "1"},
                # a suite that runs in the background ignores Ctrl-C, and what it starts would do so too
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
                stdout=log,
                stderr=log,
                text=True,
            )
        deadline = time.monotonic() + 30
        while "Ctrl-C stops everything" not in self.log():
            assert process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)
        return process

    def donkies(self, *arguments: str) -> dict[str, str]:
        command = [".venv/bin/donkies", "-c", "development.ini", *arguments]
        answer: dict[str, str] = json.loads(subprocess.check_output(command, cwd=self.folder, text=True, timeout=30))
        return answer

    def fails(self, **environ: str) -> str:
        """Start it, which must fail. Returns: the one line that it says."""
        failed = subprocess.run(
            [".venv/bin/pserve", "development.ini"],
            cwd=self.folder,
            env={**os.environ, "PYTHONWARNINGS": "ignore", **environ},
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert 1 == failed.returncode
        said = [line for line in failed.stderr.splitlines() if not line.startswith("Starting server")]
        assert 1 == len(said), failed.stderr
        assert said[0].startswith("donkies: ")
        return said[0]

    def log(self) -> str:
        return (self.folder / "log").read_text()


def stop(process: subprocess.Popen[str], with_signal: int = signal.SIGINT) -> None:
    """Ctrl-C or SIGTERM ends everything at once, and waits for nothing inside (the longest wait is 25 s)."""
    process.send_signal(with_signal)
    try:
        assert 0 == process.wait(timeout=10)
    finally:
        process.send_signal(signal.SIGABRT)  # where it hangs is told in its log
        process.wait()


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path)
    process = checkout.start()
    yield checkout
    stop(process)
    assert "Traceback" not in checkout.log()


def sign_up_in_the_browser(address: str) -> str:
    """Do what the tour says in prose: open the address, create an account, click Allow, copy the code."""
    with requests.Session() as browser:
        page = browser.get(address)
        signup = next(link for link in re.findall(r'href="([^"]+)"', page.text) if "/signup" in link)
        page = browser.get(requests.compat.urljoin(page.url, signup.replace("&amp;", "&")))
        where, form = read_form(page)
        form |= {
            "first_name": "Ada",
            "last_name": "Lovelace",
            "email": "ada@example.com",
            "birthday": "1990-12-10",
            "password": "correct horse battery staple",
        }
        answer = browser.post(where, form, headers={"Origin": origin_of(where)}, allow_redirects=False)
        while answer.status_code in (200, 303):
            if answer.status_code == 200:
                where, form = read_form(answer)
                answer = browser.post(where, form | {"decision": "allow"}, allow_redirects=False)
                continue
            target = requests.compat.urljoin(answer.url, answer.headers["Location"])
            if target.startswith("http://127.0.0.1:8000/callback"):
                return parse_qs(urlsplit(target).query)["code"][0]
            answer = browser.get(target, allow_redirects=False)
        raise AssertionError(f"never came back: {answer.status_code} {answer.url} {answer.text[:500]}")


def read_form(page: requests.Response) -> tuple[str, dict[str, str]]:
    """Where a page's form goes, and what it carries along."""
    action = re.search(r'<form[^>]*action="([^"]*)"', page.text)
    assert action, page.text[:500]
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text)
    return requests.compat.urljoin(page.url, action[1]), {name: html.unescape(value) for name, value in hidden}


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def tour() -> str:
    """The tour's code blocks, one script."""
    _, _, section = (ROOT / "docs/how-to/curl.md").read_text().partition("# The tour, with curl")
    section, _, _ = section.partition("\n## ")
    blocks = re.findall(r"```sh\n(.*?)```", section, re.S)
    assert len(blocks) >= 8
    return "\n".join(blocks)


@pytest.mark.skipif(not shutil.which("curl"), reason="the tour needs curl")
def test_the_tour_of_the_readme_leads_from_nothing_to_transactions(checkout: Checkout) -> None:
    script = checkout.moved(tour()).replace("CODE=paste-it-here", "read -r CODE")
    bash = subprocess.Popen(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=checkout.folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert bash.stdin
    assert bash.stdout
    address = bash.stdout.readline().strip()
    assert address.startswith(checkout.web + "/oauth/authorize?")
    bash.stdin.write(sign_up_in_the_browser(address) + "\n")
    bash.stdin.close()
    out = bash.stdout.read()
    bash.stdout.close()
    assert bash.wait(timeout=60) == 0, out

    answers = read_answers(out)
    me, search, form, refused, mending, asked, answering, done, accounts, transactions = answers
    assert me["first_name"] == "Ada"
    assert "mxbank" in [one["code"] for one in search["data"]]
    assert ["LOGIN", "PASSWORD"] == [one["field_name"] for one in form["data"]]
    assert ("wrong_credentials", "credentials") == (refused["link_status"], refused["retry_with"])
    assert "processing" == mending["link_status"]
    assert ("challenged", "challenge") == (asked["link_status"], asked["retry_with"])
    assert "processing" == answering["link_status"]
    assert ("success", "complete") == (done["link_status"], done["transactions_status"])
    assert done["last_synced"] is not None
    assert 6 == len(accounts["data"])
    assert 910 == done["transactions_count"]
    assert 100 == len(transactions["data"])
    assert {"debit"} == {one["type"] for one in transactions["data"]}


def read_answers(out: str) -> list[dict[str, object]]:
    """The JSON documents that curl printed, one after another."""
    decoder, at, found = json.JSONDecoder(), 0, []
    out = out.strip()
    while at < len(out):
        document, at = decoder.raw_decode(out, at)
        found.append(document)
        while at < len(out) and out[at].isspace():
            at += 1
    return found


def test_a_second_start_keeps_people_clients_and_banks(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    process = checkout.start()
    made = checkout.donkies("client", "create", "--name", "Kept", "--type", "confidential", "--json")
    bank = f"http://127.0.0.1:{checkout.ports['6545']}"
    keys = {"MX-API-Key": "k", "MX-Client-ID": "c", "Accept": "application/vnd.mx.atrium.v1+json"}
    member = requests.post(f"{bank}/atrium/users", json={"user": {"identifier": "kept"}}, headers=keys, timeout=5)
    stop(process, signal.SIGTERM)

    process = checkout.start()
    guid = member.json()["user"]["guid"]
    assert 200 == requests.get(f"{bank}/atrium/users/{guid}", headers=keys, timeout=5).status_code
    form = {"grant_type": "client_credentials"}
    secret = (made["client_id"], made["client_secret"])
    refused = requests.post(f"{checkout.web}/oauth/token", form, auth=(secret[0], "wrong"), timeout=5)
    assert "invalid_client" == refused.json()["error"]
    known = requests.post(f"{checkout.web}/oauth/token", form, auth=secret, timeout=5)
    assert known.json().get("error") != "invalid_client"
    stop(process, signal.SIGTERM)


def test_an_old_schema_is_said_in_one_line_with_what_to_run(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    engine = make_engine(f"sqlite:///{tmp_path}/var/donkies.db", Keyring(Keyring.new_key()))
    schema.upgrade(engine, "0001")
    engine.dispose()
    failed = checkout.fails()
    assert "donkies.database_url" in failed
    assert "migrate" in failed


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(checkout.ports["6545"])))
        taken.listen()
        assert "donkies.sandbox.port" in checkout.fails()


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("DONKIES_LINK_LOOK_S", "soon", "donkies.link.look_s"),
        ("DONKIES_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing", "donkies.database_url"),
        ("DONKIES_ENV", "staging", "donkies.env"),
    ],
)
def test_a_wrong_setting_is_said_in_one_line(tmp_path: Path, variable: str, value: str, named: str) -> None:
    assert named in Checkout(tmp_path).fails(**{variable: value})
