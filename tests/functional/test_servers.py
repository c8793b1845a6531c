"""The servers themselves, waitress of the embedded default and granian of production, and clients that misbehave."""

from __future__ import annotations

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass

import pytest
import requests
from requests.adapters import HTTPAdapter
from waitress import wasyncore

from donkies.config import parse_settings
from donkies.embedded import _Kept, _web
from donkies.testing.app import DonkiesTestApp
from donkies.testing.links import PersonAtTheApi
from donkies.testing.plugin import development_settings
from donkies.testing.processes import Installation, free_port
from donkies.testing.server import Wire
from donkies.views.api.schemas import BODY_LIMIT

THREADS, READ_S = 2, 1
# all of 127/8 is this machine, so that two peers are at hand of which one is trusted
TRUSTED, STRANGER = "127.0.0.9", "127.0.0.8"
HEAD = b"Host: x\r\nContent-Type: application/json\r\n"
POST = b"POST /v1/linked_accounts HTTP/1.1\r\n" + HEAD
HALF = {
    "silence": b"",
    "half a line": b"POST /v1/linked_acc",
    "half its headers": POST,
    "half a body": POST + b"Content-Length: 900\r\n\r\n{",
    "a body that does not begin": POST + b"Content-Length: 900\r\n\r\n",
    "half a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n400\r\n{",
    "a body where none belongs": b"GET /v1/users/me HTTP/1.1\r\n" + HEAD + b"Content-Length: 9\r\n\r\n{",
}


@dataclass
class Server:
    url: str
    app: DonkiesTestApp
    person: PersonAtTheApi
    link: str

    def poll(self) -> requests.Response:
        path = f"{self.url}/v1/linked_accounts/{self.link}"
        return requests.get(path, headers=self.person.headers, timeout=5)

    def post(self, body, path="/v1/linked_accounts", **more):
        headers = self.person.headers | {"Content-Type": "application/json"}
        return requests.post(self.url + path, data=body, headers=headers | more, timeout=10)


@pytest.fixture(scope="module", params=["waitress", "granian"])
def server(request, sqlite_databases, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    settings = development_settings(sqlite_databases.fresh(folder)) | {
        "donkies.web.threads": THREADS,
        "donkies.web.read_s": READ_S,
        "donkies.web.trusted_proxies": f"{TRUSTED}, 10.0.0.0/8",
    }
    app = DonkiesTestApp(settings)
    person = PersonAtTheApi(app)
    serve = _waitress if request.param == "waitress" else _granian
    with serve(app, settings, folder) as url:
        yield Server(url, app, person, person.link())
    app.close()


class _waitress:  # noqa: N801 - reads as what it starts
    def __init__(self, app, settings, folder):
        self._web = _web(app.app, "127.0.0.1:0", parse_settings(settings, {}))

    def __enter__(self):
        self._server = self._web.__enter__()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return f"http://127.0.0.1:{self._server.effective_port}"

    def _run(self):
        while not self._ending.is_set():
            wasyncore.loop(timeout=0.1, use_poll=True, map=self._web.sockets, count=1)

    def __exit__(self, *error):
        self._ending.set()
        self._thread.join()
        self._server.task_dispatcher.shutdown()
        wasyncore.close_all(self._web.sockets, ignore_all=True)


class _granian:  # noqa: N801 - reads as what it starts
    def __init__(self, app, settings, folder):
        pytest.importorskip("granian", reason="granian is not installed: pip install 'donkies[production]'")
        self._installation, self._port = Installation(folder, settings), free_port()

    def __enter__(self):
        self._installation.__enter__().web(self._port)
        return f"http://127.0.0.1:{self._port}"

    def __exit__(self, *error):
        self._installation.__exit__(*error)


def sent(wire: Wire, piece: bytes, *, times: int, every_s: float = 0) -> int:
    """Send the piece again and again. Returns: how often, before the server hung up."""
    done = 0
    with closing(wire), suppress(OSError):
        while done < times:
            wire.send(piece)
            done += 1
            time.sleep(every_s)
    return done


def test_slow_clients_hold_up_nobody_and_are_given_up(server):
    slow = {what: [Wire(server.url, half) for _ in range(4 * THREADS)] for what, half in HALF.items()}
    began = time.monotonic()
    assert 200 == server.poll().status_code
    assert 422 == server.post(b'{"institution_code": ""}').status_code
    assert time.monotonic() - began < READ_S, "while they still held their connections"
    for what, wires in slow.items():
        answers = {re.sub(rb"^HTTP/1.1 408.*body_too_slow.*", b"408", wire.answer(), flags=re.S) for wire in wires}
        assert answers <= {b"", b"408"}, what
    assert time.monotonic() - began < 4 * READ_S


def test_a_byte_now_and_then_buys_no_time(server):
    wires = [Wire(server.url, half) for half in HALF.values()]
    with ThreadPoolExecutor(len(wires)) as pool:
        done = dict(
            zip(HALF, pool.map(lambda wire: sent(wire, b"a", times=40, every_s=0.1 * READ_S), wires), strict=True)
        )
    assert max(done.values()) < 30, done


def test_idle_connections_leave_room_for_others(server):
    idle = [Wire(server.url) for _ in range(900)]
    began = time.monotonic()
    assert 200 == server.poll().status_code
    assert time.monotonic() - began < READ_S
    for wire in idle:
        wire.close()


def in_pieces(size):
    for _ in range(size // 100_000):
        yield b"x" * 100_000


@pytest.mark.parametrize("path", ["/v1/linked_accounts", "/oauth/token", "/login", "/nowhere"])
@pytest.mark.parametrize("body", [b"x" * (BODY_LIMIT + 1), b"x" * 10_000_000, None], ids=["1 MiB", "10 MB", "chunked"])
def test_a_long_body_gets_a_problem_document(server, path, body):
    answer = server.post(in_pieces(10_000_000) if body is None else body, path)
    assert (413, "request_entity_too_large") == (answer.status_code, answer.json()["code"])
    assert "application/problem+json" == answer.headers["Content-Type"]
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def test_a_body_of_just_the_limit_is_read(server):
    answer = server.post(b" " * (BODY_LIMIT - 2) + b"{}")
    assert (422, ["institution_code"]) == (answer.status_code, [one["field"] for one in answer.json()["errors"]])


def test_of_a_body_without_end_not_all_is_read(server):
    wire = Wire(server.url, POST, b"Transfer-Encoding: chunked\r\n\r\n")
    assert sent(wire, b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n", times=100) < 50
    assert 200 == server.poll().status_code


def test_long_headers_are_refused(server):
    for length, allowed in ((8_000, True), (300_000, False)):
        wire = Wire(server.url, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n", HEAD)
        try:
            wire.send(b"X-Long: ", b"a" * length, b"\r\n\r\n")
        except OSError:  # it hung up before it had all
            assert not allowed
        answer = wire.answer()
        assert answer.startswith(b"HTTP/1.1 200") if allowed else b" 431 " in answer[:20] or not answer


@pytest.mark.parametrize("server", ["waitress"], indirect=True)
@pytest.mark.parametrize("sent", [b"G\0ET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 270_000])
def test_what_waitress_refuses_itself_is_a_problem_document_too(server, sent):
    head, _, body = Wire(server.url, sent).answer().partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] in ("bad_request", "request_header_fields_too_large")


def test_of_a_long_body_waitress_keeps_what_shows_that_it_is_too_long():
    kept = _Kept(4 * BODY_LIMIT)
    for _ in range(20):
        kept.append(b"x" * 100_000)
    assert BODY_LIMIT + 1 == len(kept)


def test_answers_keep_what_http_says_of_them(server):
    """Without a body, with several cookies, and unchanged."""
    head, whole = (requests.request(method, f"{server.url}/login", timeout=5) for method in ("HEAD", "GET"))
    assert (b"", whole.headers["Content-Length"]) == (head.content, head.headers["Content-Length"])
    assert "donkies_form" in whole.cookies
    tag = server.poll().headers["ETag"]
    path = f"{server.url}/v1/linked_accounts/{server.link}"
    kept = requests.get(path, headers=server.person.headers | {"If-None-Match": tag}, timeout=5)
    assert (304, b"") == (kept.status_code, kept.content)
    assert "/caf%C3%A9." in requests.get(f"{server.url}/caf%C3%A9", timeout=5).json()["detail"]


class From(HTTPAdapter):
    """Connects from an address of this machine's."""

    def __init__(self, address):
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args, **more):
        super().init_poolmanager(*args, **more, source_address=(self._address, 0))


class Guesser:
    """Guesses one account's password, from one address."""

    def __init__(self, server, peer, email):
        self._url, self._email = f"{server.url}/login", email
        self._session = requests.Session()
        self._session.mount("http://", From(peer))
        page = self._session.get(self._url, timeout=5).text
        self._form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))

    def guess(self, times=1, **headers):
        """Returns: the last guess's status, 422 for a wrong password or 429 where there were too many."""
        form = self._form | {"email": self._email, "password": "guess"}
        return [self._session.post(self._url, form, headers=headers, timeout=5).status_code for _ in range(times)][-1]


def test_of_a_stranger_no_forwarded_address_is_believed(server):
    guesser = Guesser(server, STRANGER, "stranger@people.example")
    for number in range(10):
        assert 422 == guesser.guess(**{"X-Forwarded-For": f"203.0.113.{number}", "Forwarded": f"for=192.0.2.{number}"})
    for forged in ("203.0.113.99", TRUSTED, f"203.0.113.98, {TRUSTED}", "127.0.0.1"):
        assert 429 == guesser.guess(**{"X-Forwarded-For": forged, "X_Forwarded_For": "203.0.113.97"})


def test_of_a_trusted_proxy_the_last_address_that_is_no_proxys_counts(server):
    guesser = Guesser(server, TRUSTED, "proxied@people.example")
    assert 422 == guesser.guess(10, **{"X-Forwarded-For": "203.0.113.1"})
    for same in (  # what the client wrote stands before what the proxy wrote
        "203.0.113.1", "198.51.100.1, 203.0.113.1", "203.0.113.1, 10.1.2.3", "::1, 203.0.113.1,127.0.0.9 , 10.9.9.9",
    ):  # fmt: skip
        assert 429 == guesser.guess(**{"X-Forwarded-For": same, "X_Forwarded_For": "203.0.113.96"}), same
    for other in ("203.0.113.2", "203.0.113.1, 203.0.113.3", "2001:db8::1", "unknown"):
        assert 422 == guesser.guess(**{"X-Forwarded-For": other}), other
    assert 422 == guesser.guess(), "without the header it is the proxy itself"


def test_a_forged_header_before_the_proxys_own_is_not_the_clients_address(server):
    """Two headers of one name are one with a comma, in their order."""
    guesser = Guesser(server, TRUSTED, "doubled@people.example")
    assert 422 == guesser.guess(10, **{"X-Forwarded-For": "203.0.113.5"})
    page, cookies = guesser._form | {"email": "doubled@people.example", "password": "guess"}, guesser._session.cookies
    body = "&".join(f"{name}={value}" for name, value in page.items()).encode()
    head = (
        b"POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )
    for forged, own, status in ((b"1.2.3.4", b"203.0.113.5", b"429"), (b"203.0.113.5", b"203.0.113.6", b"422")):
        headers = b"X-Forwarded-For: %s\r\nX_Forwarded_For: 9.9.9.9\r\nX-Forwarded-For: %s\r\n" % (forged, own)
        cookie = "; ".join(f"{one.name}={one.value}" for one in cookies).encode()
        tail = b"Cookie: %s\r\nContent-Length: %d\r\n\r\n%s" % (cookie, len(body), body)
        wire = Wire(server.url, head, headers, tail, source=TRUSTED)
        assert status == wire.answer()[9:12]
