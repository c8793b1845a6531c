"""Tries each thing outside that the service needs, and says in plain words what is wrong and what to do about it.

`find_problems` (start.py) says what would stop a start; this goes out to the others too: MX, mail, Google and Facebook,
and the service's own public address.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
import svcs
from pydantic import SecretStr
from sqlalchemy import Engine

from ..adapters.mail import SmtpPostman
from ..adapters.persistence import schema
from ..adapters.sealing import Keyring
from ..adapters.social.calls import ProviderCalls
from ..adapters.social.trial import are_keys_known
from ..domain.aggregator import (
    Aggregator,
    AggregatorError,
    AggregatorMisbehaved,
    AggregatorRefusedUs,
    AggregatorThrottled,
)
from ..domain.social import ProviderFailed
from .binding import bind
from .logs import configure_logs
from .settings import BadSettings, Settings, examine
from .start import check_broker, check_database

TIMEOUT_S = 10
WHY_NOT_SOCIAL = {
    "unreachable": "cannot be reached: see that this machine may call out, and donkies.social.ca_file",
    "not_https": "has an address without TLS: use https://",
}
WRONG_AT_ATRIUM = {
    "refused": "see donkies.atrium.api_key and .client_id, and that MX lets this machine's address in",
    "misbehaved": "is not MX Atrium: mend donkies.atrium.url",
    "down": "see donkies.atrium.url, and that this machine may call out; proxies of the environment are not used",
}
WRONG_ELSEWHERE = {
    "refused": "see donkies.aggregator.options, and its package's documentation",
    "misbehaved": "makes no sense: see donkies.aggregator.options, or tell its package's makers",
    "down": "see donkies.aggregator.options, and whether what its package calls is there",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried.

    Args:
        said: what was found; where it is wrong, also what to do. Holds no secret.
    """

    thing: str
    state: Literal["ok", "wrong", "not used"]
    said: str


def examine_all(raw: Mapping[str, Any]) -> Iterator[Finding]:
    """Try everything, one after another; each takes some seconds at most, and nothing is changed.

    Args:
        raw: the ini file's mapping.
    """
    settings, problems = examine(raw)
    for problem in problems:
        yield Finding("settings", "wrong", problem)
    if settings is None:
        yield Finding("all else", "not used", "was not tried: the settings cannot be read")
        return
    if not problems:
        yield Finding("settings", "ok", f"can be used ({settings.env})")
    # the keys have been judged; nothing that is sealed is read
    whole = settings.model_copy(update={"sealing_keys": SecretStr(Keyring.new_key())})
    configure_logs(whole.model_copy(update={"log_level": "ERROR"}))  # what went wrong is said here
    unmade = None
    try:
        registry = bind(whole)
    except BadSettings as error:  # an aggregator of another package; the rest is tried without it
        unmade = Finding("aggregator", "wrong", str(error))
        registry = bind(whole.model_copy(update={"aggregator": "memory"}))
    with registry:
        yield _database(whole, registry)
        yield _broker(whole, registry)
        yield unmade or _aggregator(whole, registry)
    yield _mail(settings)
    yield from _social(settings)
    yield _public_url(settings)


def _database(settings: Settings, registry: svcs.Registry) -> Finding:
    try:
        check_database(settings, registry, is_changed=False)
    except BadSettings as error:
        return Finding("database", "wrong", str(error))
    if not settings.is_production and schema.is_empty(svcs.Container(registry).get(Engine)):
        return Finding("database", "ok", "is empty; the first start sets it up")
    return Finding("database", "ok", "is reached, and its schema is this release's")


def _broker(settings: Settings, registry: svcs.Registry) -> Finding:
    if settings.broker_url.startswith("memory:"):
        return Finding("broker", "not used", "the queue is inside the process")
    try:
        check_broker(registry)
    except BadSettings as error:
        return Finding("broker", "wrong", str(error))
    return Finding("broker", "ok", "is reached, and lets us in")


def _aggregator(settings: Settings, registry: svcs.Registry) -> Finding:
    if settings.aggregator == "memory":
        return Finding("aggregator", "not used", "the twin in memory calls nobody")
    is_atrium = settings.aggregator == "atrium"
    name = urlsplit(settings.atrium_url).netloc if is_atrium else settings.aggregator
    wrong = WRONG_AT_ATRIUM if is_atrium else WRONG_ELSEWHERE
    try:
        svcs.Container(registry).get(Aggregator).search_institutions("bank", 1, 1)
    except AggregatorThrottled:
        return Finding("aggregator", "ok", f"{name} answers, and asks for a pause (429)")
    except AggregatorRefusedUs:
        return Finding("aggregator", "wrong", f"{name} refuses us: {wrong['refused']}")
    except AggregatorMisbehaved:
        return Finding("aggregator", "wrong", f"what answers at {name} {wrong['misbehaved']}")
    except AggregatorError as error:
        detail = error.detail.rstrip(".")
        return Finding("aggregator", "wrong", f"{name} cannot be used: {detail}; {wrong['down']}")
    return Finding("aggregator", "ok", f"{name} answers, and takes our keys" if is_atrium else f"{name} answers")


def _mail(settings: Settings) -> Finding:
    url = settings.mail_url.get_secret_value()
    try:
        where = urlsplit(url).hostname or "localhost"
        SmtpPostman(url, settings.mail_from, TIMEOUT_S).try_out()
    except ValueError:
        return Finding("mail", "wrong", "donkies.mail.url cannot be read: write smtps://user:password@host")
    except smtplib.SMTPAuthenticationError:
        return Finding("mail", "wrong", f"{where} refuses the log-in: mend user and password in donkies.mail.url")
    except smtplib.SMTPNotSupportedError:
        said = "leave ?starttls out on loopback, or use smtps://"
        return Finding("mail", "wrong", f"{where} has no STARTTLS, or takes no log-in: {said}")
    except smtplib.SMTPException as error:
        return Finding("mail", "wrong", f"{where} is no mail server that works: {type(error).__name__}")
    except OSError as error:
        return Finding("mail", "wrong", f"{where} cannot be reached: {why(error)}; mend donkies.mail.url or start it")
    return Finding("mail", "ok", f"{where} is reached, and lets us in; whether it delivers, only a mail can show")


def _social(settings: Settings) -> Iterator[Finding]:
    calls = ProviderCalls(settings.social_timeout_s, 1, settings.social_ca_file)
    for name, client_id, secret, token_url in (
        ("google", settings.google_client_id, settings.google_client_secret, settings.google_token_url),
        ("facebook", settings.facebook_client_id, settings.facebook_client_secret, settings.facebook_token_url),
    ):
        key = secret.get_secret_value()
        if not (client_id and key):
            yield Finding(name, "not used", f"donkies.{name}.client_id and .client_secret are not both set")
            continue
        host, callback = urlsplit(token_url).netloc, f"{settings.public_url}/login/{name}/callback"
        try:
            known = are_keys_known(calls, token_url, client_id, key, callback)
        except ProviderFailed as error:
            said = WHY_NOT_SOCIAL.get(error.reason, f"answers what it should not ({error.reason})")
            yield Finding(name, "wrong", f"{host} {said}")
            continue
        if known:
            yield Finding(name, "ok", f"{host} knows our keys; its console must allow {callback}")
        else:
            said = f"mend donkies.{name}.client_id and .client_secret"
            yield Finding(name, "wrong", f"{host} does not know our keys: {said}")
    calls.close()


def _public_url(settings: Settings) -> Finding:
    url = settings.public_url
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.get(f"{url}/.well-known/openid-configuration", timeout=TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as error:
        return Finding(
            "public address", "wrong", f"{url} does not answer: {why(error)}; start `donkies web`, see DNS and proxy"
        )
    if answer.is_redirect:
        where = answer.headers.get("Location", "")[:100]
        return Finding("public address", "wrong", f"{url} leads to {where}: set donkies.public_url to where it ends")
    issuer = None
    with suppress(ValueError, AttributeError):
        issuer = answer.json().get("issuer")
    if issuer == url:
        return Finding("public address", "ok", f"{url} is this service")
    if issuer is None:
        said = f"answers {answer.status_code}, and not as this service: the proxy must lead to `donkies web`"
        return Finding("public address", "wrong", f"{url} {said}")
    return Finding(
        "public address", "wrong", f"{url} says that it is {str(issuer)[:100]}: its web process has other settings"
    )


def why(error: BaseException) -> str:
    """A failure of the network in plain words: what lies at its bottom."""
    seen = {type(one): one for one in _causes(error)}
    for kind, said in (
        (ssl.SSLCertVerificationError, "its certificate is not trusted"),
        (ssl.SSLError, "it does not speak TLS there"),
        (socket.gaierror, "there is no such name"),
        (ConnectionRefusedError, "nothing listens there"),
        (TimeoutError, "it took too long"),
    ):
        for one in seen.values():
            if isinstance(one, kind):
                more = getattr(one, "verify_message", "")
                return f"{said} ({more})" if more else said
    return type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what is wrapped in it; packages differ in how they wrap."""
    while error is not None:
        yield error
        inner = [one for one in error.args if isinstance(one, BaseException)]
        error = next(iter(inner), None) or getattr(error, "reason", None) or error.__cause__ or error.__context__
        if not isinstance(error, BaseException):
            return
