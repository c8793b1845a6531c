"""Whose address a request has, behind reverse proxies: X-Forwarded-For is believed only from those that are trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def networks(text: str) -> list[Network]:
    """Addresses and networks, separated by commas.

    Raises: ValueError, naming the one that is neither.
    """
    return [ip_network(one.strip(), strict=False) for one in text.split(",") if one.strip()]


def behind_proxies(app: Wsgi, trusted: str) -> Wsgi:
    """A WSGI application that finds in REMOTE_ADDR the address of who asked, not of the proxy that passed it on.

    The header is read from its end, where the nearest proxy writes: what stands before the first address that is not
    trusted can be forged, and so can all of it when the peer is not trusted.

    Args:
        trusted: as for `networks`; empty trusts nobody and costs nothing.
    """
    proxies = networks(trusted)
    if not proxies:
        return app

    def is_trusted(address: Address) -> bool:
        return any(address in network for network in proxies)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        address = _parse(environ.get("REMOTE_ADDR", ""))
        if address is not None and is_trusted(address):
            for hop in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
                before = _parse(hop.strip())
                if before is None:  # "unknown", or nothing: nobody nearer than the last proxy is known
                    break
                address = before
                if not is_trusted(address):
                    break
            environ["REMOTE_ADDR"] = str(address)
            if (scheme := environ.get("HTTP_X_FORWARDED_PROTO")) in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
        return app(environ, start_response)

    return application


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
