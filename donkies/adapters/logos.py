"""Fetching the pictures of banks from hosts that others name: bounded in time and size, from public hosts only.

The address comes from the aggregator, so it is not the caller's to choose, and still it is not trusted: it must be
https, name a host whose every address is public, and is connected to at the very address that was checked (a second
look-up could answer otherwise). Redirects are not followed. What is a picture, its first bytes say, never a header.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Collection
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
import structlog
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout
from urllib3.util.connection import create_connection

from ..domain.logos import LogoUnreachable, LogoUnusable, Picture
from .deadline import DeadlineAdapter, TimedHTTPSConnection, TimedHTTPSPool, ending_at

_log = structlog.get_logger(__name__)

LARGEST = 256 * 1024
SHUN_S = 60.0
_CHUNK = 16_384
_CONNECT_S = 3.05
_ADDRESSES = 2  # of a host that are tried
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: IPv4 for those who have IPv6 only
_NETWORK_ERRORS = (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError)
# no SVG: it is a document that may run scripts, load from elsewhere and bear entities
_PICTURES = (
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")),
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/gif", re.compile(rb"GIF8[79]a")),
    ("image/webp", re.compile(rb"RIFF....WEBPVP8[ LX]", re.DOTALL)),
)


class NotPublic(Exception):
    """The host has an address that is not of the public Internet. No OSError, which urllib3 would wrap."""


def picture_type(body: bytes) -> str | None:
    """The content type that the bytes are of, if it is a raster picture that browsers show."""
    return next((content_type for content_type, start in _PICTURES if start.match(body)), None)


class HttpLogoSource:
    """Port LogoSource over HTTPS. One instance serves all threads.

    Args:
        hosts: where pictures may lie; empty: anywhere public.
        sandbox_origin: of the sandbox in development, such as `http://127.0.0.1:6545`: taken as it is.
        timeout_s: for one picture in all.
        resolve, connect: the look-up of a name and the connection to an address; a test has its own.
        ca_file: certificates to trust instead of the usual ones.
    """

    def __init__(
        self,
        hosts: Collection[str] = (),
        sandbox_origin: str | None = None,
        timeout_s: float = 5.0,
        resolve: Callable[..., Any] = socket.getaddrinfo,
        connect: Callable[..., socket.socket] = create_connection,
        ca_file: str = "",
    ) -> None:
        self._hosts, self._sandbox, self._timeout_s = frozenset(hosts), sandbox_origin, timeout_s
        self._lock, self._shunned = threading.Lock(), dict[str, float]()
        self._public = _session(_PublicHosts(resolve, connect), "https://", ca_file)
        self._near = _session(DeadlineAdapter(pool_connections=1, pool_maxsize=4), f"{sandbox_origin}/")

    def close(self) -> None:
        """Close the pooled connections."""
        self._public.close()
        self._near.close()

    def fetch(self, url: str) -> Picture:
        where, session = self._allowed(url)
        host = where.netloc
        with self._lock:
            if time.monotonic() < self._shunned.get(host, 0):
                raise LogoUnreachable("The host did not answer a moment ago.")
        outcome = self._attempt(session, url)
        picture = outcome if isinstance(outcome, Picture) else None
        _log.debug("logo_fetched", host=where.hostname, outcome=picture.content_type if picture else str(outcome))
        if isinstance(outcome, LogoUnreachable):
            with self._lock:
                if len(self._shunned) > 1_000:
                    self._shunned.clear()
                self._shunned[host] = time.monotonic() + SHUN_S
        if picture is None:
            raise outcome
        return picture

    def _allowed(self, url: str) -> tuple[SplitResult, requests.Session]:
        try:
            where = urlsplit(url)
            is_strange = bool(where.username or where.password) or where.port == 0 or not where.hostname
        except ValueError:
            raise LogoUnusable("The address cannot be read.") from None
        if is_strange or not url.isascii() or not url.isprintable():
            raise LogoUnusable("The address is none of a picture.")
        if self._sandbox is not None and f"{where.scheme}://{where.netloc}" == self._sandbox:
            return where, self._near
        if where.scheme != "https" or where.port not in (None, 443):
            raise LogoUnusable("The address is not https.")
        if self._hosts and where.hostname not in self._hosts:
            raise LogoUnusable("The host is not among donkies.logos.hosts.")
        return where, self._public

    def _attempt(self, session: requests.Session, url: str) -> Picture | LogoUnusable:
        try:
            with ending_at(time.monotonic() + self._timeout_s), session.get(
                url,
                timeout=Timeout(connect=min(_CONNECT_S, self._timeout_s), total=self._timeout_s),  # type: ignore[arg-type]
                allow_redirects=False,
                stream=True,
            ) as response:  # fmt: skip
                return _read(response)
        except NotPublic:
            return LogoUnusable("The host has an address that is not public.")
        except _NETWORK_ERRORS:
            return LogoUnreachable("The host does not answer.")


def _read(response: requests.Response) -> Picture | LogoUnusable:
    """The picture, as it came over the wire: what is compressed might unpack to any size."""
    if response.status_code >= 500 or response.status_code == 429:
        return LogoUnreachable(f"The host answered {response.status_code}.")
    if response.status_code != 200:
        return LogoUnusable(f"The host answered {response.status_code}.")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        return LogoUnusable("The host compressed what it sent.")
    body = bytearray()
    for chunk in response.raw.stream(_CHUNK, decode_content=False):
        body += chunk
        if len(body) > LARGEST:
            return LogoUnusable("The picture is too large.")
    content_type = picture_type(bytes(body))
    return Picture(content_type, bytes(body)) if content_type else LogoUnusable("It is no raster picture.")


class _PublicConnection(TimedHTTPSConnection):
    """Connects to an address that was checked; the certificate is still held against the name."""

    resolve: Callable[..., Any]
    connect_to: Callable[..., socket.socket]

    def _new_conn(self) -> socket.socket:
        addresses = public_addresses(self.host, self.port, type(self).resolve)[:_ADDRESSES]
        for at, address in enumerate(addresses, start=1):
            try:
                return type(self).connect_to(
                    (address, self.port), self.timeout, source_address=self.source_address,
                    socket_options=self.socket_options,
                )  # fmt: skip
            except OSError:
                if at == len(addresses):
                    raise
        raise OSError("the host has no address")


class _PublicHosts(DeadlineAdapter):
    def __init__(self, resolve: Callable[..., Any], connect: Callable[..., socket.socket]) -> None:
        own = {"resolve": staticmethod(resolve), "connect_to": staticmethod(connect)}
        self._pool = type("_Pool", (TimedHTTPSPool,), {"ConnectionCls": type("_Checked", (_PublicConnection,), own)})
        super().__init__(pool_connections=4, pool_maxsize=4)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"https": self._pool}


def public_addresses(host: str, port: int, resolve: Callable[..., Any] = socket.getaddrinfo) -> list[str]:
    """The addresses of a host. Raises: NotPublic if any of them is not public; OSError."""
    found = [str(entry[4][0]) for entry in resolve(host, port, type=socket.SOCK_STREAM)]
    if not all(is_public(address) for address in found):
        raise NotPublic
    return list(dict.fromkeys(found))


def is_public(address: str) -> bool:
    """Whether an IP address is of the public Internet, also one that is wrapped into an IPv6 address."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.sixtofour or ip.teredo:
            return False
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped
        ip = inner or ip
    return ip.is_global and not ip.is_multicast


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never: requests would read the whole body of a redirect, unbounded, only to look where it leads."""


def _session(adapter: DeadlineAdapter, prefix: str, ca_file: str = "") -> requests.Session:
    session = _Session()
    session.trust_env = False  # no proxies and no .netrc from the environment
    session.verify = ca_file or True
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.clear()
    session.headers.update(
        {"Accept": "image/webp,image/png,image/jpeg,image/gif", "Accept-Encoding": "identity", "User-Agent": "donkies"}
    )
    session.adapters.clear()  # nothing but what starts like this can be asked
    session.mount(prefix, adapter)
    return session
