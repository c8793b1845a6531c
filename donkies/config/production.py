"""What production refuses: each problem is one line that names the setting and says how to mend it."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Iterator, Mapping
from email.utils import parseaddr
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from .settings import Settings

# of 32 random bytes about 30 differ, and so do their steps; fewer than this comes by chance once in 10^15 keys
LEAST_DIFFERENT = 16
LEAST_HOOK_PASSWORD = 20
NEW_KEY = "make one with `openssl rand -base64 32`"
SANDBOX_MAIL_PORT = 6546
MAIL_SERVER = "smtps://user:password@host or smtp://user:password@host:587?starttls"
GUESSED = frozenset({"", "guest", "rabbitmq", "password", "changeme", "secret", "donkies"})
TRUE = frozenset({"1", "true", "yes", "on", "t", "y"})


def production_problems(settings: Settings, raw: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """Everything in the settings that is not fit for production.

    Args:
        raw: the ini file's mapping, for what belongs to Pyramid.
        environ: the environment, for the same.
    Returns: a line each; none holds a secret.
    """
    return [
        *_keys(settings),
        *_database(settings),
        *_broker(settings),
        *_addresses(settings),
        *_aggregator(settings),
        *_hooks(settings),
        *_mail(settings),
        *_social(settings),
        *_debugging(settings, raw, environ),
    ]


def _keys(settings: Settings) -> Iterator[str]:
    keys = settings.sealing_keys.get_secret_value().split()
    if not keys:
        yield f"donkies.sealing_keys: not set; {NEW_KEY} and give it in a file that DONKIES_SEALING_KEYS_FILE names"
    for number, key in enumerate(keys, 1):
        if why := _weakness(key):
            yield f"donkies.sealing_keys: key {number} {why}; {NEW_KEY}"


def _weakness(key: str) -> str | None:
    try:
        raw = base64.b64decode(key.translate(str.maketrans("-_", "+/")), validate=True)
    except (binascii.Error, ValueError):
        return "is not base64"
    if len(raw) != 32:
        return f"is {len(raw)} bytes long, not 32"
    steps = {(after - before) % 256 for before, after in pairwise(raw)}
    if len(set(raw)) < LEAST_DIFFERENT or len(steps) < LEAST_DIFFERENT or all(32 <= byte < 127 for byte in raw):
        return "is not random: its bytes repeat, follow a pattern or were typed"
    return None


def _database(settings: Settings) -> Iterator[str]:
    if settings.database_url.startswith("sqlite"):
        yield "donkies.database_url: SQLite is refused in production; use postgresql://user:password@host/name"


def _broker(settings: Settings) -> Iterator[str]:
    url = settings.broker_url
    if not url.startswith(("amqp://", "amqps://")):
        kind = "the broker in memory" if url.startswith("memory:") else "this broker"
        yield f"donkies.broker_url: {kind} is refused in production; use RabbitMQ, amqp://user:password@host//"
        return
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    if unquote(password or "").lower() in GUESSED:
        yield (
            "donkies.broker_url: the broker's password is missing, its default or guessable; "
            "make a user of its own with a random password"
        )


def _addresses(settings: Settings) -> Iterator[str]:
    if not settings.public_url.startswith("https://"):
        yield "donkies.public_url: http is refused in production; use the https:// address that people see"
    elif _is_local(settings.public_url):
        yield "donkies.public_url: points at this machine only; use the https:// address that people see"


def _aggregator(settings: Settings) -> Iterator[str]:
    if settings.aggregator == "memory":
        yield "donkies.aggregator: the in-memory twin is refused in production; set it to atrium"
    if settings.aggregator != "atrium":
        return
    if _is_local(settings.atrium_url):
        yield "donkies.atrium.url: a sandbox's or loopback address is refused in production; use MX's https:// address"
    elif not settings.atrium_url.startswith("https://"):
        yield "donkies.atrium.url: http is refused in production, bank passwords go there; use MX's https:// address"
    for name, secret in (("api_key", settings.atrium_api_key), ("client_id", settings.atrium_client_id)):
        if not secret.get_secret_value().strip() or secret.get_secret_value().startswith("sandbox"):
            yield f"donkies.atrium.{name}: empty or the sandbox's; use the one that MX gave you"


def _hooks(settings: Settings) -> Iterator[str]:
    password = settings.hooks_password.get_secret_value()
    if settings.hooks_user and len(password) < LEAST_HOOK_PASSWORD:
        yield f"donkies.hooks.password: shorter than {LEAST_HOOK_PASSWORD} characters; {NEW_KEY} and give it to MX too"
    if password and not settings.hooks_user:
        yield "donkies.hooks.user: not set, but its password is; set both, or neither to take no webhooks"


def _mail(settings: Settings) -> Iterator[str]:
    name, url = "donkies.mail.url", settings.mail_url.get_secret_value()
    try:
        server = urlsplit(url)
        is_server = server.scheme in ("smtp", "smtps") and bool(server.hostname) and server.port != 0
    except ValueError:
        is_server = False
    if not is_server:
        yield f"{name}: not a mail server's address; use {MAIL_SERVER}"
    elif _is_loopback(url) and server.port == SANDBOX_MAIL_PORT:
        yield f"{name}: not set, or the sandbox's inbox; use your mail server's, {MAIL_SERVER}"
    elif server.scheme == "smtps" or _is_loopback(url):
        pass  # a relay on the machine itself: what goes there passes no wire
    elif "starttls" not in parse_qs(server.query, keep_blank_values=True):
        yield f"{name}: mail without TLS is refused in production, one-time links are in it; use {MAIL_SERVER}"
    if _is_local("//" + parseaddr(settings.mail_from)[1].rpartition("@")[2]):
        yield "donkies.mail.from: not set, or nobody's address; use one that your mail server may send from"


def _social(settings: Settings) -> Iterator[str]:
    for provider, name, addresses in (
        ("google", "Google", ("auth_url", "token_url", "jwks_url", "issuer")),
        ("facebook", "Facebook", ("auth_url", "token_url", "me_url")),
    ):
        client_id = getattr(settings, f"{provider}_client_id").strip()
        secret = getattr(settings, f"{provider}_client_secret").get_secret_value().strip()
        if not client_id:
            if secret:
                yield f"donkies.{provider}.client_id: not set, but its secret is; use the one that {name} gave you"
            continue
        if client_id.startswith("sandbox"):
            yield f"donkies.{provider}.client_id: the sandbox's; use the one that {name} gave you, or leave it empty"
        if not secret or secret.startswith("sandbox"):
            yield f"donkies.{provider}.client_secret: empty or the sandbox's; use the one that {name} gave you"
        for address in addresses:
            url = getattr(settings, f"{provider}_{address}")
            if not url.startswith("https://") or _is_local(url):
                yield (
                    f"donkies.{provider}.{address}: a sandbox's, loopback or http address is refused in production; "
                    f"leave it out and {name}'s own is used"
                )


def _debugging(settings: Settings, raw: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    if not settings.limits_enabled:
        yield "donkies.limits.enabled: limits may not be off in production, passwords could be guessed; set it to true"
    if settings.log_level == "DEBUG":
        yield "donkies.log_level: DEBUG is refused in production; use INFO"
    if str(raw.get("debug", "")).lower() in TRUE:
        yield "debug: refused in production; take it out of the ini file"
    for name, value in sorted(raw.items()):
        if name.startswith(("pyramid.debug", "pyramid.reload")) and str(value).lower() in TRUE:
            yield f"{name}: refused in production; take it out of the ini file"
        if name == "pyramid.includes" and "debugtoolbar" in str(value):
            yield "pyramid.includes: the debug toolbar is refused in production; take it out of the ini file"
    for name, value in sorted(environ.items()):
        if name.startswith(("PYRAMID_DEBUG", "PYRAMID_RELOAD")) and value.lower() in TRUE:
            yield f"{name}: refused in production; take it out of the environment"


def _is_local(url: str) -> bool:
    host = _host(url)
    if _is_loopback(url) or host.endswith(".local"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_unspecified or address.is_link_local


def _is_loopback(url: str) -> bool:
    host = _host(url)
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".").lower()
