"""The demo front end's server: known files only, strict headers, no trace of it after its end."""

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import donkies.demo
from donkies.demo import Demo

API = "http://127.0.0.1:6543"
STATIC = Path(donkies.demo.__file__).parent / "static"


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with Demo(port=0, api_url=API + "/", client_id="some-client") as running:
        yield running


def ask(demo: Demo, path: str, method: str = "GET", host: str = "127.0.0.1") -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(host, demo.port, timeout=5)
    try:
        connection.putrequest(method, path)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/", *(f"/{file.name}" for file in sorted(STATIC.iterdir()))])
def test_every_file_is_served_with_its_type_and_strict_headers(demo: Demo, path: str) -> None:
    status, headers, body = ask(demo, path)
    types = {
        "html": "text/html; charset=utf-8",
        "js": "text/javascript; charset=utf-8",
        "css": "text/css; charset=utf-8",
    }
    assert 200 == status
    assert types.get(path.rpartition(".")[2], types["html"]) == headers["Content-Type"]
    assert "nosniff" == headers["X-Content-Type-Options"]
    assert "no-cache" == headers["Cache-Control"]
    assert body


def test_a_code_in_the_query_of_the_redirect_uri_changes_nothing(demo: Demo) -> None:
    assert ask(demo, "/")[2] == ask(demo, "/?code=abc&state=def&iss=http%3A%2F%2F127.0.0.1%3A6543")[2]


def test_the_policy_lets_scripts_talk_to_the_backend_only(demo: Demo) -> None:
    policy = dict(part.split(" ", 1) for part in ask(demo, "/")[1]["Content-Security-Policy"].split("; "))
    assert "'none'" == policy["default-src"]
    assert f"'self' {API}" == policy["connect-src"]
    assert f"'self' {API}/link.js" == policy["script-src"]
    assert API == policy["frame-src"]
    assert "'self'" == policy["style-src"]
    assert "'none'" == policy["form-action"]
    assert "'none'" == policy["frame-ancestors"]
    assert "'script'" == policy["require-trusted-types-for"]


def test_the_page_loads_link_js_from_the_backend_that_is_configured() -> None:
    assert f'src="{API}/link.js"' in (STATIC / "index.html").read_text()
    with Demo(port=0, api_url="https://donkies.example") as demo:
        page = ask(demo, "/")[2].decode()
    assert 'src="https://donkies.example/link.js"' in page
    assert API not in page


def test_the_configuration_names_backend_client_and_redirect_uri_and_is_never_kept(demo: Demo) -> None:
    status, headers, body = ask(demo, "/config.json")
    expected = {"api_url": API, "client_id": "some-client", "redirect_uri": f"http://localhost:{demo.port}/"}
    assert 200 == status
    assert "application/json" == headers["Content-Type"]
    assert "no-store" == headers["Cache-Control"]
    assert expected == json.loads(body)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing", "/index.html/", "/static/index.html", "/../server.py", "/..%2fserver.py",
        "/%2e%2e/server.py", "/..\\server.py", "/./../files.py", "/index.html%00.js", "/etc/passwd", "/app.js~",
    ],
)  # fmt: skip
def test_everything_else_is_not_found_and_as_strict(demo: Demo, path: str) -> None:
    status, headers, body = ask(demo, path)
    assert 404 == status
    assert b"There is no such page.\n" == body
    assert "Content-Security-Policy" in headers


def test_only_get_and_head_are_answered(demo: Demo) -> None:
    status, headers, body = ask(demo, "/", "HEAD")
    assert (200, b"") == (status, body)
    status, headers, _ = ask(demo, "/", "POST")
    assert (405, "GET, HEAD") == (status, headers["Allow"])


def test_no_page_holds_inline_code_markup_made_of_data_or_a_foreign_host() -> None:
    html = (STATIC / "index.html").read_text()
    assert [] == re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", html)
    for file in STATIC.iterdir():
        text = file.read_text()
        assert [] == re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), file.name
        hosts = set(re.findall(r"https?://([\w.\-]+)", text.replace(f"{API}/link.js", ""))) - {"www.w3.org"}  # SVG's
        assert set() == hosts, file.name


def test_every_module_that_is_imported_exists() -> None:
    for file in STATIC.glob("*.js"):
        for name in re.findall(r"from \"\./([\w.]+)\"", file.read_text()):
            assert (STATIC / name).is_file(), f"{file.name} imports {name}"


def test_a_taken_port_is_an_os_error_and_leaves_nothing_open(demo: Demo) -> None:
    with pytest.raises(OSError, match="in use"):
        Demo(port=demo.port).start()


def test_it_ends_within_a_second_also_with_clients_connected_and_can_start_again() -> None:
    threads = threading.active_count()
    demo = Demo(host="localhost", port=0).start()
    port = demo.port
    with socket.create_connection(("127.0.0.1", port)) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\n")  # and never ends its request
        ask(demo, "/")
        began = time.monotonic()
        demo.stop()
        assert time.monotonic() - began < 1
    demo.stop()
    assert threads == threading.active_count()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    with demo:
        assert port == demo.port
        assert 200 == ask(demo, "/")[0]


def test_by_name_it_listens_on_both_loopbacks() -> None:
    try:
        probe = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    probe.close()
    with Demo(host="localhost", port=0) as demo:
        assert 200 == ask(demo, "/")[0]
        assert 200 == ask(demo, "/", host="::1")[0]


def test_it_listens_on_loopback_only_and_once() -> None:
    with pytest.raises(ValueError, match="loopback"):
        Demo(host="0.0.0.0")  # noqa: S104 - refused
    with Demo(port=0) as demo, pytest.raises(RuntimeError):
        demo.start()
