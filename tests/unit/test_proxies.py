"""X-Forwarded-For is believed from trusted proxies only, from its end."""

from __future__ import annotations

import pytest

from donkies.proxies import behind_proxies, networks

PROXIES = "10.0.0.1, 192.168.0.0/16,2001:db8::/32"


def seen(peer: str, forwarded: str | None = None, proto: str | None = None, trusted: str = PROXIES) -> tuple[str, str]:
    """The address and the scheme that the application sees."""
    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http"}
    environ |= {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded is not None else {}
    environ |= {"HTTP_X_FORWARDED_PROTO": proto} if proto is not None else {}
    behind_proxies(lambda environ, start_response: [], trusted)(environ, None)
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "1.1.1.1,203.0.113.1 ,192.168.7.7", "203.0.113.1"),
        ("10.0.0.1", "192.168.1.1, 192.168.7.7", "192.168.1.1"),
        ("10.0.0.1", "2001:DB9::1", "2001:db9::1"),
        ("10.0.0.1", "::ffff:203.0.113.1", "203.0.113.1"),
        ("::ffff:10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("2001:db8::7", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "203.0.113.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1, evil\n", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.2", "203.0.113.1", "10.0.0.2"),
        ("203.0.113.9", "10.0.0.1", "203.0.113.9"),
        ("", "203.0.113.1", ""),
    ],
)
def test_the_address_is_the_last_that_is_no_proxys(peer: str, forwarded: str | None, address: str) -> None:
    assert (address, "http") == seen(peer, forwarded)


def test_the_scheme_is_a_trusted_proxys() -> None:
    assert "https" == seen("10.0.0.1", "203.0.113.1", "https")[1]
    assert "http" == seen("10.0.0.1", "203.0.113.1", "javascript")[1]
    assert "http" == seen("203.0.113.9", "203.0.113.1", "https")[1]


def test_without_proxies_nothing_stands_between() -> None:
    app = object()
    assert app is behind_proxies(app, " ")  # type: ignore[arg-type,comparison-overlap]
    assert ("10.0.0.1", "http") == seen("10.0.0.1", "203.0.113.1", trusted="")


def test_what_is_no_network_is_named() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.300"):
        networks("10.0.0.1, 10.0.0.300")
