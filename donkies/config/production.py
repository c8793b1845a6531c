"""What production refuses: each problem is one line that names the setting and says how to mend it."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from .settings import Settings

# of 32 random bytes about 30 differ, and so do their steps; fewer than this comes by chance once in 10^15 keys
LEAST_DIFFERENT = 16
NEW_KEY = "make one with `openssl rand -base64 32`"
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
    if (password or "").lower() in GUESSED:
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
    if _is_local(settings.atrium_url):
        yield "donkies.atrium.url: a sandbox's or loopback address is refused in production; use MX's https:// address"
    elif not settings.atrium_url.startswith("https://"):
        yield "donkies.atrium.url: http is refused in production, bank passwords go there; use MX's https:// address"
    for name, secret in (("api_key", settings.atrium_api_key), ("client_id", settings.atrium_client_id)):
        if not secret.get_secret_value().strip() or secret.get_secret_value().startswith("sandbox"):
            yield f"donkies.atrium.{name}: empty or the sandbox's; use the one that MX gave you"


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
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith((".localhost", ".local")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified or address.is_link_local
