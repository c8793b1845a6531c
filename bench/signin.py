"""What sign-in costs: polls while people log in, and a refresh token that is replayed. PostgreSQL, on one machine.

python -m bench.signin [--seconds 20] [--polls 200] [--logins 4]

Polls are sent at a fixed rate, and each is timed from the moment when it was due, so that one that waits makes the next
late too. A replay is the refresh of a token two generations old: the first ends its family, the others find it ended.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import svcs

from donkies.config import bind, parse_settings
from donkies.domain.users import SignUp, UserService

from .prepare import CLIENT_ID, ROOT

SERVICE = ROOT / "var/bench/service.json"
PASSWORD = "four quiet words here"  # noqa: S105 - a pretended one
REFRESHES = 400
CORE_S = os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.signin", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20, help="how long each part polls")
    parser.add_argument("--polls", type=float, default=200, help="a second")
    parser.add_argument("--logins", type=float, default=4, help="a second")
    options = parser.parse_args()
    if not SERVICE.exists():
        sys.exit("bench: first PREPARE=1 make bench")
    service = json.loads(SERVICE.read_text())
    email = _add_person(service)
    with _served(service) as (url, pid):
        polls = service["items"]["poll"]["requests"]
        _polls(url, polls, options.polls, 2)  # warm
        alone = _polls(url, polls, options.polls, options.seconds)
        with _every(1 / options.logins, lambda: _log_in(url, email)):
            beside = _polls(url, polls, options.polls, options.seconds)
        print(f"{options.polls:.0f} polls a second, ms:          p50    p99    most")
        for name, times in (("alone", alone), (f"beside {options.logins:g} logins/s", beside)):
            p50, p99 = statistics.median(times) * 1e3, statistics.quantiles(times, n=100)[98] * 1e3
            print(f"  {name:26} {p50:6.1f} {p99:6.1f} {max(times) * 1e3:7.1f}")
        _refreshes(url, pid, service["items"]["token"]["refresh_tokens"])
    return 0


def _add_person(service: dict[str, Any]) -> str:
    email = f"bench.{time.time_ns()}@people.example"
    with bind(parse_settings({}, service["env"])) as registry, svcs.Container(registry) as container:
        users = container.get(UserService)
        users.sign_up(SignUp("Ada", "Byron", email, "1990-12-31", PASSWORD))
    return email


@contextmanager
def _served(service: dict[str, Any]) -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [word.replace("{port}", str(port)) for word in service["command"]]
    process = subprocess.Popen(command, cwd=service["cwd"], env=os.environ | service["env"], stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                requests.get(f"{url}/healthz", timeout=2)
                break
            except requests.RequestException:
                time.sleep(0.1)
        yield url, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _polls(url: str, asked: list[list[str]], rate: float, seconds: float) -> list[float]:
    """Seconds from when each poll was due to its answer."""
    local, begin = threading.local(), time.monotonic() + 0.2

    def poll(number: int) -> float:
        due = begin + number / rate
        time.sleep(max(0.0, due - time.monotonic()))
        path, token = asked[number % len(asked)]
        session = local.__dict__.setdefault("session", requests.Session())
        answer = session.get(url + path, headers={"Authorization": f"Bearer {token}"}, timeout=30)
        answer.raise_for_status()
        return time.monotonic() - due

    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(poll, range(int(rate * seconds))))


@contextmanager
def _every(pause_s: float, call: Callable[[], None]) -> Iterator[None]:
    """Call again and again, each in a thread of its own."""
    stop = threading.Event()

    def go_on() -> None:
        with ThreadPoolExecutor(16) as pool:
            calls = []
            while not stop.wait(pause_s):
                calls.append(pool.submit(call))
        for each in calls:
            each.result()  # what failed is not counted as done
        print(f"  ({len(calls)} logins)")

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _log_in(url: str, email: str) -> None:
    """As a browser that was here before: what it is limited by is its own."""
    with requests.Session() as browser:
        page = browser.get(f"{url}/login", timeout=30)
        # cookies are Secure, and this is http: they are carried by hand
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
        token = page.text.split('name="form_token" value="')[1].split('"')[0]
        form = {"email": email, "password": PASSWORD, "form_token": token}
        answer = requests.post(f"{url}/login", form, headers={"Cookie": cookies}, allow_redirects=False, timeout=30)
        if answer.status_code != 303:
            raise SystemExit(f"bench: a login was answered {answer.status_code}")


def _refreshes(url: str, pid: int, tokens: list[str]) -> None:
    """The server's processor time for refreshes, for replays, and for inventions."""
    with requests.Session() as session:

        def ask(token: str) -> Any:
            form = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": token}
            return session.post(f"{url}/oauth/token", form, timeout=30)

        def timed(name: str, call: Callable[[int], Any]) -> None:
            before = _cpu_s(pid)
            for number in range(REFRESHES):
                call(number)
            print(f"  {name:26} {(_cpu_s(pid) - before) / REFRESHES * 1e6:6.0f}")

        old, current = tokens[0], [tokens[0]]

        def refresh(_: int) -> None:
            current.append(ask(current[-1]).json()["refresh_token"])

        print("a request to the token endpoint, us of the server's processor:")
        timed("refresh", refresh)
        replayed = [ask(old).status_code for _ in range(2)]
        if replayed != [400, 400]:
            raise SystemExit(f"bench: a replay was answered {replayed}")
        timed("replay, family ended", lambda _: ask(old))
        timed("invention", lambda number: ask(f"{number:086d}"))


def _cpu_s(pid: int) -> float:
    """Processor seconds of a process and all below it."""
    pids, total = [pid], 0
    while pids:
        one = pids.pop()
        total += sum(map(int, Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
        for task in Path(f"/proc/{one}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
    return total / CORE_S


if __name__ == "__main__":
    sys.exit(main())
