"""The adapter on real sockets: servers that cut, drip, flood, redirect or never answer, and how long that takes."""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from donkies.adapters.mx.atrium import AtriumAggregator
from donkies.domain.aggregator import AggregatorDown, AggregatorMisbehaved, Credential, MemberRef

REF = MemberRef("USR-1", "MBR-1")
TYPED = [Credential("CRD-1", "name")]
BANK = json.dumps({"institution": {"code": "mxbank", "name": "MX Bank"}}).encode()
LONG_S = 30


class RawServer:
    """Reads each request whole, then lets `behave` write to the socket; closes it afterwards unless told not to."""

    def __init__(self, behave: Callable[[socket.socket, int], bool | None], tls: ssl.SSLContext | None = None) -> None:
        self._behave, self._tls = behave, tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._go(self._accept)

    def _go(self, target: Callable[..., None], *args: socket.socket) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._go(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(LONG_S)
        with suppress(OSError), connection, self._secured(connection) as peer:
            while request := self._request(peer):
                self.requests.append(request)
                if not self._behave(peer, len(self.requests)):
                    return

    def _secured(self, connection: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(connection, server_side=True) if self._tls else connection

    def _request(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            data += (got := connection.recv(65_536))
            if not got:
                return b""
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += connection.recv(65_536)
        return head + b"\r\n\r\n" + body

    def stop(self) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(LONG_S)


Serve = Callable[..., RawServer]
Connect = Callable[..., AtriumAggregator]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(behave: Callable[[socket.socket, int], bool | None]) -> RawServer:
        servers.append(RawServer(behave))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def connect() -> Iterator[Connect]:
    made = []

    def start(url: str, **options: float) -> AtriumAggregator:
        made.append(AtriumAggregator(url, "key", "client", sleep=lambda seconds: None, **options))
        return made[-1]

    yield start
    for atrium in made:
        atrium.close()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_connections_are_used_again(serve: Serve, connect: Connect) -> None:
    def behave(peer: socket.socket, number: int) -> bool:
        peer.sendall(answer(b"oops", "404 Not Found") if number % 3 == 0 else answer(BANK))
        return True

    server = serve(behave)
    atrium = connect(server.url)
    for number in range(1, 10):
        with suppress(Exception):
            assert "MX Bank" == atrium.read_institution("mxbank").name
        assert number == len(server.requests)
    assert 1 == server.connections
    atrium.close()


def test_a_compressed_answer_is_read(serve: Serve, connect: Connect) -> None:
    def behave(peer: socket.socket, number: int) -> None:
        peer.sendall(answer(gzip.compress(BANK), "200 OK", "Content-Encoding: gzip"))

    assert "MX Bank" == connect(serve(behave).url).read_institution("mxbank").name


def test_a_chunked_answer_is_read(serve: Serve, connect: Connect) -> None:
    def behave(peer: socket.socket, number: int) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in BANK:
            peer.sendall(b"1\r\n%c\r\n" % byte)
        peer.sendall(b"0\r\n\r\n")

    assert "MX Bank" == connect(serve(behave).url).read_institution("mxbank").name


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nConte", answer(BANK)[:-5], b"\x16\x03\x01 not http\r\n\r\n"]
)
def test_a_cut_read_is_repeated_and_a_cut_command_is_not(serve: Serve, connect: Connect, sent: bytes) -> None:
    server = serve(lambda peer, number: peer.sendall(sent))
    atrium = connect(server.url)
    with pytest.raises(AggregatorDown) as caught:
        atrium.read_institution("mxbank")
    assert (3, False) == (len(server.requests), caught.value.outcome_unknown)
    with pytest.raises(AggregatorDown) as caught:
        atrium.update_member_credentials(REF, TYPED)
    assert (4, True) == (len(server.requests), caught.value.outcome_unknown)


def test_a_read_that_was_cut_works_the_second_time(serve: Serve, connect: Connect) -> None:
    server = serve(lambda peer, number: peer.sendall(answer(BANK)[: 40 if number == 1 else None]))
    assert "MX Bank" == connect(server.url).read_institution("mxbank").name
    assert 2 == len(server.requests)


def test_nobody_listens(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(AggregatorDown) as caught:
        connect(f"http://127.0.0.1:{port}").create_member("USR-1", "mxbank", TYPED, "link")
    assert caught.value.outcome_unknown is False


def test_a_name_that_nobody_has(connect: Connect) -> None:
    with pytest.raises(AggregatorDown) as caught:
        connect("http://nobody.invalid").create_member("USR-1", "mxbank", TYPED, "link")
    assert caught.value.outcome_unknown is False


def _silent(server: list[RawServer]) -> Callable[[socket.socket, int], None]:
    return lambda peer, number: server[0].stopping.wait(LONG_S) and None


def _dripping(head: bytes, pause_s: float = 0.1) -> Callable[[list[RawServer]], Callable[[socket.socket, int], None]]:
    def made(server: list[RawServer]) -> Callable[[socket.socket, int], None]:
        def behave(peer: socket.socket, number: int) -> None:
            peer.sendall(head)
            while not server[0].stopping.wait(pause_s):
                peer.sendall(b"x")

        return behave

    return made


@pytest.mark.parametrize(
    "kind",
    [
        _silent,
        _dripping(b"HTTP/1.1 200 OK\r\nX-Slow: "),
        _dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
        _dripping(b"HTTP/1.1 200 OK\r\n\r\n"),
        _dripping(b"HTTP/1.1 500 Oh\r\nContent-Length: 100000\r\n\r\n"),
    ],
    ids=["silent", "drips a header", "drips a body", "drips without a length", "drips an error"],
)
def test_no_call_outlives_its_time(serve: Serve, connect: Connect, kind: Callable[..., object]) -> None:
    holder: list[RawServer] = []
    holder.append(serve(kind(holder)))
    atrium = connect(holder[0].url, read_timeout_s=5, total_timeout_s=0.6)
    for call, unknown in (
        (lambda: atrium.read_institution("mxbank"), False),
        (lambda: atrium.resume_aggregation(REF, TYPED), True),
    ):
        started = time.monotonic()
        with pytest.raises(AggregatorDown) as caught:
            call()
        assert 0.5 < time.monotonic() - started < 2
        assert unknown is caught.value.outcome_unknown


def test_a_silent_server_is_left_after_the_read_time_out(serve: Serve, connect: Connect) -> None:
    holder: list[RawServer] = []
    holder.append(serve(_silent(holder)))
    started = time.monotonic()
    with pytest.raises(AggregatorDown, match="in time"):
        connect(holder[0].url, read_timeout_s=0.3, total_timeout_s=9).aggregate_member(REF)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "sent",
    [
        answer(b" " * 300_000),
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 300_000,
        # read to its end, so the connection would be kept: it says that it is not
        answer(gzip.compress(b" " * 50_000_000), "200 OK", "Content-Encoding: gzip", "Connection: close"),
    ],
    ids=["long", "without a length", "bomb"],
)
def test_an_answer_that_is_too_large_is_refused(serve: Serve, connect: Connect, sent: bytes) -> None:
    def behave(peer: socket.socket, number: int) -> None:
        peer.sendall(sent)

    server = serve(behave)
    atrium = connect(server.url, max_body_bytes=200_000)
    with pytest.raises(AggregatorMisbehaved, match="too large"):
        atrium.read_institution("mxbank")
    assert 1 == len(server.requests)
    with pytest.raises(AggregatorDown, match="too large") as caught:
        atrium.aggregate_member(REF)
    assert caught.value.outcome_unknown is True


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
def test_no_redirect_is_followed(serve: Serve, connect: Connect, status: str) -> None:
    thief = serve(lambda peer, number: peer.sendall(answer(BANK)))
    huge = answer(b"x" * 1_000_000, status, f"Location: {thief.url}/steal")
    server = serve(lambda peer, number: peer.sendall(huge))
    atrium = connect(server.url)
    with pytest.raises(AggregatorMisbehaved, match="redirect"):
        atrium.read_institution("mxbank")
    with pytest.raises(AggregatorMisbehaved, match="redirect"):
        atrium.update_member_credentials(REF, TYPED)
    assert ([], 2) == (thief.requests, len(server.requests))


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of its own for 127.0.0.1, with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


def _over_tls(certificate: Path, behave: Callable[[socket.socket, int], bool | None]) -> RawServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return RawServer(behave, context)


def test_tls_keeps_the_same_deadline(certificate: Path, connect: Connect) -> None:
    def behave(peer: socket.socket, number: int) -> bool:
        if number == 1:
            peer.sendall(answer(BANK))
            return True
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not server.stopping.wait(0.1):
            peer.sendall(b"x")
        return False

    server = _over_tls(certificate, behave)
    atrium = connect(server.url, total_timeout_s=0.6)
    atrium.transport.session.verify = str(certificate)
    assert "MX Bank" == atrium.read_institution("mxbank").name
    started = time.monotonic()
    with pytest.raises(AggregatorDown):
        atrium.read_institution("mxbank")
    assert 0.5 < time.monotonic() - started < 2
    assert 1 == server.connections
    server.stop()


def test_a_certificate_that_nobody_vouches_for_gets_no_request(certificate: Path, connect: Connect) -> None:
    server = _over_tls(certificate, lambda peer, number: peer.sendall(answer(BANK)))
    with pytest.raises(AggregatorDown) as caught:
        connect(server.url).update_member_credentials(REF, TYPED)
    assert caught.value.outcome_unknown is False
    assert [] == server.requests
    server.stop()


def test_no_cookie_passes_from_one_person_to_another(serve: Serve, connect: Connect) -> None:
    server = serve(lambda peer, number: peer.sendall(answer(BANK, "200 OK", "Set-Cookie: who=first; Path=/")))
    atrium = connect(server.url)
    for _ in range(2):
        atrium.read_institution("mxbank")
    assert not any(b"cookie" in request.lower() for request in server.requests)


def test_a_proxy_of_the_environment_is_not_used(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(lambda peer, number: peer.sendall(answer(BANK)))
    proxy = serve(lambda peer, number: peer.sendall(answer(b"{}")))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    assert "MX Bank" == connect(server.url).read_institution("mxbank").name
    assert [] == proxy.requests


def test_threads_share_one_instance(serve: Serve, connect: Connect) -> None:
    def behave(peer: socket.socket, number: int) -> bool:
        time.sleep(0.01)
        peer.sendall(answer(BANK))
        return True

    server = serve(behave)
    atrium = connect(server.url, pool_size=4)
    names: list[str] = []
    threads = [
        threading.Thread(target=lambda: names.extend(atrium.read_institution("mxbank").name for _ in range(5)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ["MX Bank"] * 40 == names
    atrium.close()
