"""Clients (RFC 6749 §2): the apps that may send people here. Ports ClientStore and Clients."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, Protocol
from urllib.parse import SplitResult, urlsplit

from .errors import Conflict, Invalid
from .tokens import CLIENT_SCOPES, SCOPES, TRUSTED_SCOPES
from .unit_of_work import Clock, UnitOfWork

ClientType = Literal["public", "confidential"]
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
# RFC 8252 §7.3 wants the literal: `localhost` may be made to resolve to somewhere else
LOOPBACK_LITERALS = ("127.0.0.1", "[::1]")
URI_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")  # RFC 3986, without the fragment's #
PRIVATE_USE_SCHEME = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")  # RFC 8252 §7.1: a reversed domain name
CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class ClientExists(Conflict):
    """The client_id is taken."""

    code = "client_exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registration; replaced as a whole, never changed.

    Args:
        secret_hash: SHA-256 of the secret, which is 256 random bits; None for a public client.
        redirect_uris: compared as exact strings; a native client's loopback port may vary.
        origins: browser origins that may call the API (CORS).
        is_trusted: a first-party client.
        is_native: an app on a device (RFC 8252).
    """

    client_id: str
    name: str
    type: ClientType
    secret_hash: bytes | None = field(default=None, repr=False)
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    is_trusted: bool = False
    is_native: bool = False
    created_at: datetime

    @property
    def is_confidential(self) -> bool:
        return self.type == "confidential"

    def accepts_redirect_uri(self, uri: str) -> bool:
        """Whether people may be sent to this URI: an exact string of those registered.

        Source: RFC 9700 §2.1, §4.1.3; RFC 8252 §7.3 for the loopback port of native clients.
        """
        if uri in self.redirect_uris:
            return True
        if not self.is_native or not (without_port := _loopback_without_port(uri)):
            return False
        return any(_loopback_without_port(known) == without_port for known in self.redirect_uris)

    def has_secret(self, secret: str) -> bool:
        """Whether this is the client's secret, in constant time."""
        presented = hashlib.sha256(secret.encode()).digest()
        return self.secret_hash is not None and hmac.compare_digest(self.secret_hash, presented)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What somebody wants to register; not checked yet."""

    name: str
    type: ClientType
    redirect_uris: Sequence[str] = ()
    origins: Sequence[str] = ()
    scopes: Sequence[str] = ()
    post_logout_redirect_uris: Sequence[str] = ()
    is_trusted: bool = False
    is_native: bool = False


class ClientStore(Protocol):
    """Keeps clients; all within a unit of work."""

    def add(self, client: Client) -> None:
        """Raises: ClientExists."""
        ...

    def replace(self, client: Client) -> None:
        """Put in place of the one with the same client_id, which exists."""
        ...

    def find(self, client_id: str) -> Client | None: ...


class Clients(Protocol):
    """Reads clients outside any unit of work; may be some seconds behind. One object serves all threads."""

    def find(self, client_id: str) -> Client | None: ...

    def knows_origin(self, origin: str) -> bool:
        """Whether some client registered this browser origin."""
        ...

    def forget(self) -> None:
        """Read afresh next time: something was changed in this process."""
        ...


@dataclass(frozen=True, slots=True)
class ClientRules:
    """What depends on where this runs.

    Args:
        is_production: http on loopback is then for native clients only, and these are never trusted:
            what runs on a person's device can be copied (RFC 8252 §8.5).
    """

    is_production: bool


@dataclass
class ClientService:
    """Registers clients."""

    unit_of_work: UnitOfWork
    clients: ClientStore
    reader: Clients
    rules: ClientRules
    clock: Clock

    def register(self, wanted: Registration) -> tuple[Client, str | None]:
        """Register a client under a fresh client_id.

        Returns: the client, and its secret if it is confidential: shown this once, only its hash is kept.
        Raises: Invalid with every bad field.
        """
        client = self._make(wanted, secrets.token_urlsafe(16))
        secret = None
        if client.is_confidential:
            secret = secrets.token_urlsafe(32)
            client = replace(client, secret_hash=hashlib.sha256(secret.encode()).digest())
        with self.unit_of_work:
            self.clients.add(client)
        self.reader.forget()
        return client, secret

    def ensure(self, client_id: str, wanted: Registration) -> Client:
        """Make a public client under a name of one's own, or bring it up to date; doing it again changes nothing.

        Raises: Invalid.
        """
        if not CLIENT_ID.fullmatch(client_id):
            raise Invalid("The client_id cannot be used.", {"client_id": "Use letters, digits, dots, - and _."})
        if wanted.type != "public":
            raise Invalid("Only public clients can be ensured.", {"type": "A secret is shown only by `register`."})
        client = self._make(wanted, client_id)
        with self.unit_of_work:
            known = self.clients.find(client_id)
            if known is None:
                self.clients.add(client)
            elif known != (client := replace(client, created_at=known.created_at)):
                self.clients.replace(client)
        self.reader.forget()
        return client

    def _make(self, wanted: Registration, client_id: str) -> Client:
        if bad := _bad_registration(wanted) | (_bad_in_production(wanted) if self.rules.is_production else {}):
            raise Invalid("The client cannot be registered; see errors.", bad)
        return Client(
            client_id=client_id,
            name=wanted.name.strip(),
            type=wanted.type,
            redirect_uris=tuple(dict.fromkeys(wanted.redirect_uris)),
            post_logout_redirect_uris=tuple(dict.fromkeys(wanted.post_logout_redirect_uris)),
            origins=tuple(dict.fromkeys(wanted.origins)),
            scopes=tuple(scope for scope in SCOPES if scope in wanted.scopes),
            is_trusted=wanted.is_trusted,
            is_native=wanted.is_native,
            created_at=self.clock.now().replace(microsecond=0),
        )


def uri_origin(uri: str) -> str | None:
    """The origin of an http(s) URI, as browsers write it; None for other schemes."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.lower()}" if parts.scheme in ("http", "https") else None


def _bad_registration(wanted: Registration) -> dict[str, str]:
    bad = {}
    if not 1 <= len(wanted.name.strip()) <= 100 or not wanted.name.isprintable():
        bad["name"] = "Give a name of 1 to 100 printable characters; people will see it."
    if wanted.type not in ("public", "confidential"):
        bad["type"] = "Use public or confidential."
    if wanted.is_native and wanted.type != "public":
        bad["type"] = "A native client is public: a secret shipped in an app proves nothing."
    for name in ("redirect_uris", "post_logout_redirect_uris"):
        problems = [f"{uri}: {why}" for uri in getattr(wanted, name) if (why := _bad_uri(uri, wanted.is_native))]
        if problems:
            bad[name] = " ".join(problems)
    if wrong := [origin for origin in wanted.origins if not _is_origin(origin)]:
        bad["origins"] = f"{', '.join(wrong)}: give scheme, host and port only, https or http on loopback."
    bad |= _bad_scopes(wanted)
    personal = set(wanted.scopes) - CLIENT_SCOPES
    if not wanted.redirect_uris and (personal or wanted.type == "public"):
        bad.setdefault("redirect_uris", "Give at least one: people have to be sent back somewhere.")
    return bad


def _bad_in_production(wanted: Registration) -> dict[str, str]:
    bad = {}
    for name in ("redirect_uris", "post_logout_redirect_uris", "origins"):
        hosts = LOOPBACK_LITERALS if wanted.is_native else ()
        plain = [uri for uri in getattr(wanted, name) if (parts := _split(uri)) and parts.scheme == "http"]
        if wrong := [uri for uri in plain if _host(urlsplit(uri)) not in hosts]:
            bad[name] = f"{', '.join(wrong)}: in production only https; native apps may use http://127.0.0.1 too."
    if wanted.is_native and wanted.is_trusted:
        bad["is_trusted"] = "In production a native client is never trusted."
    return bad


def _bad_scopes(wanted: Registration) -> dict[str, str]:
    if unknown := sorted(set(wanted.scopes) - set(SCOPES)):
        return {"scopes": f"{', '.join(unknown)}: there is no such scope; there are {', '.join(SCOPES)}."}
    if not wanted.is_trusted and (needs_trust := sorted(TRUSTED_SCOPES.intersection(wanted.scopes))):
        return {"scopes": f"{', '.join(needs_trust)}: only for trusted clients."}
    if wanted.type == "public" and CLIENT_SCOPES.intersection(wanted.scopes):
        return {"scopes": f"{', '.join(sorted(CLIENT_SCOPES))}: only for confidential clients."}
    return {}


def _bad_uri(uri: str, is_native: bool) -> str | None:
    """What is wrong with a redirect URI, or None.

    Source: RFC 6749 §3.1.2, RFC 9700 §2.6, RFC 8252 §7.
    """
    parts = _split(uri)
    if parts is None or not URI_CHARACTERS.fullmatch(uri) or len(uri) > 2000:
        return "this is no absolute URI without a fragment."
    if parts.scheme == "https" or (parts.scheme == "http" and _host(parts) in LOOPBACK):
        has_dots = any(dots in f"{parts.path}/" for dots in ("/../", "/./"))
        if not parts.hostname or set("@*").intersection(parts.netloc) or has_dots:
            return "give a whole host, no user, no wildcard and no dot segments."
        return None
    if is_native and PRIVATE_USE_SCHEME.fullmatch(parts.scheme):
        return None
    if is_native:
        return "use https, http on a loopback address, or a private-use scheme with a dot (com.example.app:/back)."
    return "use https; http only on loopback (127.0.0.1, [::1], localhost)."


def _is_origin(origin: str) -> bool:
    parts = _split(origin)
    if parts is None or origin != f"{parts.scheme}://{parts.netloc.lower()}" or "@" in parts.netloc:
        return False
    default_port = {"https": 443, "http": 80}.get(parts.scheme)
    if not parts.hostname or parts.port == default_port or "*" in origin:
        return False  # browsers leave the default port out, so it would never match
    return parts.scheme == "https" or (parts.scheme == "http" and _host(parts) in LOOPBACK)


def _loopback_without_port(uri: str) -> str | None:
    parts = _split(uri)
    if parts is None or parts.scheme != "http" or _host(parts) not in LOOPBACK_LITERALS or "@" in parts.netloc:
        return None
    rest = uri.removeprefix("http://").removeprefix(parts.netloc)
    return f"http://{_host(parts)}{rest}"


def _host(parts: SplitResult) -> str:
    return f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        return parts if parts.scheme and parts.port != 0 else None
    except ValueError:
        return None
