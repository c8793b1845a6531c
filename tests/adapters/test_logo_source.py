"""Fetching pictures from addresses that others name: what is asked, what is taken, and what never is (SSRF).

Over real sockets: TLS with a test CA, a look-up and a connection that stand for the Internet's.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from urllib3.util.connection import create_connection

from donkies.adapters.logos import LARGEST, HttpLogoSource, is_public, picture_type
from donkies.domain.logos import LogoUnreachable, LogoUnusable, Picture
from donkies.sandbox.pictures import logo

PNG = logo("bank", "A Bank", 96)
PUBLIC = "93.184.215.14"
Answer = tuple[int, dict[str, str], bytes]


class Host:
    """An https host named `pictures.example`, whose address is a public one, as far as whoever asks can see."""

    def __init__(self, folder: Path) -> None:
        self.answer: Answer | Callable[[BaseHTTPRequestHandler], None] = (200, {}, PNG)
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        self.addresses = [PUBLIC]
        self.connected: list[tuple[str, int]] = []
        authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        handler = type("Handler", (_Handler,), {"host": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("pictures.example").configure_cert(tls)
        self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.server.daemon_threads = True
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def resolve(self, host: str, port: int, **_: Any) -> list[Any]:
        assert "pictures.example" == host
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in self.addresses]

    def connect(self, address: tuple[str, int], timeout: float, **more: Any) -> socket.socket:
        self.connected.append(address)
        if address[0] != PUBLIC:
            raise ConnectionRefusedError
        return create_connection(("127.0.0.1", self.server.server_port), timeout, **more)

    def source(self, **more: Any) -> HttpLogoSource:
        return HttpLogoSource(
            **{"timeout_s": 2.0, "resolve": self.resolve, "connect": self.connect, "ca_file": self.ca_file} | more
        )

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    host: Host

    def do_GET(self) -> None:
        self.host.asked.append(self.path)
        self.host.headers = dict(self.headers)
        if callable(self.host.answer):
            return self.host.answer(self)
        status, headers, body = self.host.answer
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    host = Host(tmp_path)
    yield host
    host.stop()


URL = "https://pictures.example/bank.png"


def refused(source: HttpLogoSource, url: str = URL) -> str:
    with pytest.raises(LogoUnusable) as error:
        source.fetch(url)
    assert not isinstance(error.value, LogoUnreachable)
    return str(error.value)


def test_a_picture_comes_over_tls_from_the_address_that_was_checked(host: Host) -> None:
    assert Picture("image/png", PNG) == host.source().fetch(URL)
    assert [(PUBLIC, 443)] == host.connected
    assert {"Host", "Accept", "Accept-Encoding", "User-Agent"} == host.headers.keys() - {"Connection"}


def test_the_certificate_is_held_against_the_name(host: Host) -> None:
    with pytest.raises(LogoUnreachable):
        host.source(ca_file="").fetch(URL)
    assert [] == host.asked


def test_the_second_address_is_tried_where_the_first_is_dead(host: Host) -> None:
    host.addresses = ["93.184.215.99", PUBLIC]
    assert PNG == host.source().fetch(URL).body


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::",
        "2001:0:0:1::1", "192.0.2.1", "198.18.0.1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_never_connected_to(host: Host, address: str) -> None:
    assert not is_public(address)
    for addresses in ([address], [PUBLIC, address]):  # one bad one among good ones is enough
        host.addresses = addresses
        assert "not public" in refused(host.source())
    assert [] == host.connected


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://pictures.example/bank.png", "https://127.0.0.1/x", "https://[::1]/x", "https://localhost/x",
        "https://2130706433/x", "https://0x7f.1/x", "https://pictures.example:6379/x", "https://pictures.example:0/x",
        "https://u:p@pictures.example/x", "https:///x", "https://", "file:///etc/passwd", "ftp://pictures.example/x",
        "javascript:alert(1)", "//pictures.example/x", "", "https://pictures.example/\r\nX: y", "https://[::1", "gopher://x",
        "https://bücher.example/x",
    ],
)  # fmt: skip
def test_no_other_address_is_asked(host: Host, url: str) -> None:
    own_look_up = host.source(resolve=socket.getaddrinfo)
    with pytest.raises(LogoUnusable):
        own_look_up.fetch(url)
    assert ([], []) == (host.connected, host.asked)


def test_the_sandbox_is_asked_as_it_is_and_only_at_its_own_origin(
    host: Host, sandbox_server: Any, sandbox: Any
) -> None:
    source = host.source(sandbox_origin=sandbox_server.url)
    assert "image/png" == source.fetch(f"{sandbox_server.url}/logos/100x100/mxbank.png").content_type
    assert "not https" in refused(source, f"http://127.0.0.1:{sandbox_server.port + 1}/logos/100x100/mxbank.png")
    assert "not https" in refused(source, f"http://localhost:{sandbox_server.port}/logos/100x100/mxbank.png")
    assert "not https" in refused(host.source(), f"{sandbox_server.url}/logos/100x100/mxbank.png")


def test_where_hosts_are_named_no_other_is_asked(host: Host) -> None:
    assert "donkies.logos.hosts" in refused(host.source(hosts=["other.example"]))
    assert PNG == host.source(hosts=["other.example", "pictures.example"]).fetch(URL).body


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(host: Host, status: int) -> None:
    host.answer = (status, {"Location": "https://pictures.example/other.png"}, PNG)
    assert str(status) in refused(host.source())
    assert ["/bank.png"] == host.asked


@pytest.mark.parametrize("status", [204, 206, 400, 403, 404, 410])
def test_any_other_answer_is_no_picture(host: Host, status: int) -> None:
    host.answer = (status, {}, b"" if status == 204 else PNG)
    assert str(status) in refused(host.source())


def test_what_it_is_its_bytes_say_and_never_a_header(host: Host) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    for body in (svg, b"<!doctype html><script>1</script>", b"", b"GIF", b"\x89PNG", b"RIFF1234WAVEfmt "):
        host.answer = (200, {"Content-Type": "image/png"}, body)
        assert "no raster picture" in refused(host.source())
    host.answer = (200, {"Content-Type": "text/html"}, PNG)
    assert "image/png" == host.source().fetch(URL).content_type


def test_what_browsers_show_is_known_by_its_first_bytes() -> None:
    starts = {b"\xff\xd8\xff\xe0": "image/jpeg", b"GIF89a": "image/gif", b"RIFF\n\0\0\0WEBPVP8 ": "image/webp"}
    assert {start: picture_type(start + b"rest") for start in starts} == starts
    assert [None] * 3 == [picture_type(b" " + PNG), picture_type(b"BM rest"), picture_type(b"\0\0\1\0 an icon")]


def test_too_much_is_cut_off_whatever_the_header_says(host: Host) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + PNG)
        sent = 0
        try:
            while sent < 64 * LARGEST:
                sent += handler.wfile.write(b"\0" * 65_536)
        except OSError:
            pass
        sents.append(sent)

    sents: list[int] = []
    host.answer = endless
    assert "too large" in refused(host.source())
    host.answer = (200, {}, PNG + b"\0" * (LARGEST - len(PNG)))
    assert LARGEST == len(host.source().fetch(URL).body)


def test_what_is_compressed_is_not_unpacked(host: Host) -> None:
    host.answer = (200, {"Content-Encoding": "gzip"}, gzip.compress(PNG + b"\0" * 50_000_000))
    assert "compressed" in refused(host.source())


def test_a_host_that_drips_is_left_in_time_and_then_alone(host: Host) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            for _ in range(100):
                handler.wfile.write(b"x")
                time.sleep(0.1)
        except OSError:
            pass

    host.answer = drip
    source = host.source(timeout_s=0.6)
    began = time.monotonic()
    with pytest.raises(LogoUnreachable):
        source.fetch(URL)
    assert time.monotonic() - began < 3
    with pytest.raises(LogoUnreachable, match="a moment ago"):
        source.fetch("https://pictures.example/another.png")
    assert ["/bank.png"] == host.asked


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_host_that_fails_is_left_alone_and_one_missing_picture_is_no_such_sign(host: Host, status: int) -> None:
    source = host.source()
    host.answer = (404, {}, b"")
    refused(source)
    host.answer = (status, {}, b"")
    for _ in range(3):
        with pytest.raises(LogoUnreachable):
            source.fetch(URL)
    assert 2 == len(host.asked)
