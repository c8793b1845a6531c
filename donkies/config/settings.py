"""Every setting there is, parsed once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from .. import proxies
from ..adapters.mx.atrium import widget_origins_of
from ..adapters.sealing import Keyring
from .production import production_problems

STEP_UP_FOR = r"^((email|password|factors|export|delete|link)( +|$))*$"

# lengths stand beside it: with {0,100} in the pattern, pydantic takes 30 ms to make sense of it at each start
NAME = r"^[A-Za-z0-9_.-]*$"
CODES = r"^[\w. -]*$"
HOSTS = r"^([A-Za-z0-9.-]+( +|$))*$"
# the aggregators that need no other package; any other is found by its entry point (config/aggregators.py)
BUILT_IN = ("atrium", "memory")
OPTIONS = "donkies.aggregator.options"
OF_ATRIUM = ("donkies.atrium.url", "donkies.atrium.api_key", "donkies.atrium.client_id")

WIDGET_ORIGINS = r"^(https?://[A-Za-z0-9.-]+(:\d+)?( +|$))*$"


class BadSettings(Exception):
    """A setting is missing or wrong; the text is one line that names it and says what to do."""


def _key(name: str, default: Any = ..., **bounds: Any) -> Any:
    return Field(default, alias=f"donkies.{name}", **bounds)


def _url(name: str, default: str) -> Any:
    return _key(name, default, pattern=r"^https?://[^\s?#]+$")


class Settings(BaseModel):
    """Every setting there is. Each can be overridden by an environment variable: dots become underscores.

    Durations are seconds and end in `_s`. What each is for stands beside it in `development.ini`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    env: Literal["development", "production"] = _key("env")
    public_url: str = _key("public_url", pattern=r"^https?://[^/]+$")
    database_url: str = _key("database_url", pattern=r"^(postgresql|sqlite)(\+\w+)?://", repr=False)
    broker_url: str = _key("broker_url", "memory://", repr=False)
    queue_prefix: str = _key("queue_prefix", "donkies.", pattern=NAME, max_length=100)
    sealing_keys: SecretStr = _key("sealing_keys", SecretStr(""))
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _key("log_level", "INFO")

    aggregator: str = _key("aggregator", "atrium", pattern=NAME, min_length=1, max_length=64)
    aggregator_options: dict[str, SecretStr] = _key("aggregator.options", {})  # donkies.aggregator.options.NAME
    aggregator_web_calls: int = _key("aggregator.web_calls", 4, ge=1)
    aggregator_timeout_s: float = _key("aggregator.timeout_s", 10, gt=0)
    atrium_url: str = _key("atrium.url", "", pattern=r"^(https?://.*)?$")
    atrium_api_key: SecretStr = _key("atrium.api_key", SecretStr(""))
    atrium_client_id: SecretStr = _key("atrium.client_id", SecretStr(""))
    atrium_widget_origins: str = _key("atrium.widget_origins", "", pattern=WIDGET_ORIGINS)

    logos_hosts: str = _key("logos.hosts", "", pattern=HOSTS)

    popular_institutions: str = _key("popular_institutions", "", pattern=CODES)

    hooks_user: str = _key("hooks.user", "", pattern=r"^[^:]*$")
    hooks_password: SecretStr = _key("hooks.password", SecretStr(""))
    hooks_gather_s: float = _key("hooks.gather_s", 3, gt=0)
    hooks_pause_s: float = _key("hooks.pause_s", 60, ge=0)

    limits_enabled: bool = _key("limits.enabled", True)

    name: str = _key("name", "donkies", min_length=1, max_length=40)
    docs_client_id: str = _key("docs.client_id", "", pattern=NAME, max_length=64)
    brand_colour: str = _key("brand.colour", "", pattern=r"^(#[0-9a-fA-F]{6})?$")
    brand_logo: str = _key("brand.logo", "", pattern=r"^(.+\.(svg|png|webp))?$")
    mail_url: SecretStr = _key("mail.url", SecretStr("smtp://127.0.0.1:6546"))
    mail_from: str = _key("mail.from", "donkies <no-reply@localhost>", pattern=r"^[^\r\n]*@[^\r\n]*$")
    refresh_lifetime_s: float = _key("refresh_lifetime_s", 2_592_000, gt=0)
    password_memory_kib: int = _key("password.memory_kib", 19_456, ge=8)
    password_passes: int = _key("password.passes", 2, ge=1)
    step_up_within_s: float = _key("step_up.within_s", 600, gt=0)
    step_up_for: str = _key("step_up.for", "email password factors export delete", pattern=STEP_UP_FOR)

    google_client_id: str = _key("google.client_id", "")
    google_client_secret: SecretStr = _key("google.client_secret", SecretStr(""))
    google_auth_url: str = _url("google.auth_url", "https://accounts.google.com/o/oauth2/v2/auth")
    google_token_url: str = _url("google.token_url", "https://oauth2.googleapis.com/token")
    google_jwks_url: str = _url("google.jwks_url", "https://www.googleapis.com/oauth2/v3/certs")
    google_issuer: str = _url("google.issuer", "https://accounts.google.com")
    facebook_client_id: str = _key("facebook.client_id", "")
    facebook_client_secret: SecretStr = _key("facebook.client_secret", SecretStr(""))
    facebook_auth_url: str = _url("facebook.auth_url", "https://www.facebook.com/v24.0/dialog/oauth")
    facebook_token_url: str = _url("facebook.token_url", "https://graph.facebook.com/v24.0/oauth/access_token")
    facebook_me_url: str = _url("facebook.me_url", "https://graph.facebook.com/v24.0/me")
    facebook_scopes: str = _key("facebook.scopes", "public_profile email", pattern=r"^[a-z_ ]*$")
    social_timeout_s: float = _key("social.timeout_s", 10, gt=0)
    social_ca_file: str = _key("social.ca_file", "")

    link_verified_email_only: bool = _key("link.verified_email_only", False)
    link_deadline_s: float = _key("link.deadline_s", 900, gt=0)
    link_oauth_deadline_s: float = _key("link.oauth_deadline_s", 900, gt=0)
    link_look_s: float = _key("link.look_s", 3, gt=0)
    link_widget_look_s: float = _key("link.widget_look_s", 30, gt=0)
    link_look_slowest_s: float = _key("link.look_slowest_s", 10, gt=0)

    look_threads: int = _key("look.threads", 64, ge=1)
    breaker_failures: int = _key("breaker.failures", 10, ge=1)
    breaker_open_s: float = _key("breaker.open_s", 10, gt=0)

    sweep_s: float = _key("sweep_s", 30, gt=0)
    purge_every_s: float = _key("purge_every_s", 3600, gt=0)
    lease_s: float = _key("lease_s", 60, gt=0)
    sync_every_s: float = _key("sync.every_s", 86_400, gt=0)
    sync_full_every_s: float = _key("sync.full_every_s", 604_800, gt=0)
    sync_calls_per_minute: int = _key("sync.calls_per_minute", 0, ge=0)
    sync_retry_s: float = _key("sync.retry_s", 2, gt=0)
    sync_give_up_s: float = _key("sync.give_up_s", 300, gt=0)
    download_slice_s: float = _key("download.slice_s", 300, gt=0)

    web_threads: int = _key("web.threads", 16, ge=1)
    web_trusted_proxies: str = _key("web.trusted_proxies", "", pattern=r"^[0-9a-fA-F.:/, ]*$")
    web_read_s: int = _key("web.read_s", 30, ge=1, le=60)
    worker_threads: int = _key("worker.threads", 4, ge=1)
    worker_stop_s: float = _key("worker.stop_s", 25, gt=0)
    metrics_token: SecretStr = _key("metrics.token", SecretStr(""))
    metrics_port: int = _key("metrics.port", 0, ge=0, le=65535)
    sandbox_port: int = _key("sandbox.port", 6545, ge=0, le=65535)
    sandbox_smtp_port: int = _key("sandbox.smtp_port", 6546, ge=0, le=65535)
    demo_port: int = _key("demo.port", 6544, ge=0, le=65535)

    @field_validator("web_trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        proxies.networks(text)
        return text

    @field_validator("brand_logo")
    @classmethod
    def _is_there(cls, path: str) -> str:
        if path and not Path(path).is_file():
            raise ValueError("there is no such file")
        return path

    @property
    def widget_origins(self) -> tuple[str, ...]:
        """Where the aggregator's own widget may lie, which the page of a link session then frames."""
        if self.aggregator != "atrium":
            return ()
        return tuple(self.atrium_widget_origins.split()) or widget_origins_of(self.atrium_url)

    @property
    def sandbox_origin(self) -> str | None:
        """Of the sandbox that plays MX in development; it has no https and is taken for what it is."""
        where = urlsplit(self.atrium_url)
        return f"http://{where.netloc}" if where.scheme == "http" and not self.is_production else None

    @property
    def is_production(self) -> bool:
        return self.env == "production"


def parse_settings(raw: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of an ini file's mapping, with the environment's laid over them.

    A variable `DONKIES_…_FILE` names a file whose content is the setting's value.

    Args:
        raw: keys as in the ini file; those that do not start with `donkies.` belong to others and are left out.
    Raises: BadSettings, one line, naming the setting and never its value.
    """
    settings, problems = examine(raw, environ)
    if problems or settings is None:
        raise BadSettings(problems[0])
    return settings


def examine(raw: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> tuple[Settings | None, list[str]]:
    """The settings, None where they cannot be read, and every problem there is with them, a line each.

    Args:
        raw, environ: as for `parse_settings`.
    """
    given = {key: value for key, value in raw.items() if key.startswith("donkies.")}
    problems: list[str] = []
    options = _option_names(given, environ)
    for name in (*(str(field.alias) for field in Settings.model_fields.values()), *options):
        if name == OPTIONS:
            continue
        try:
            value = _from_environment(name, environ)
        except BadSettings as error:
            problems.append(str(error))
            continue
        if value is not None:
            given[name] = value
    given[OPTIONS] = {name.removeprefix(f"{OPTIONS}."): str(given.pop(name)) for name in options if name in given}
    chosen = given.get("donkies.aggregator", "atrium")
    if chosen in BUILT_IN:
        problems += [f"{OPTIONS}.{name}: {chosen} takes no options; take it out" for name in sorted(given[OPTIONS])]
    if chosen == "atrium":
        unread = {_named(problem) for problem in problems}
        problems += [_explain(name, {"type": "missing"}) for name in OF_ATRIUM if name not in given.keys() | unread]
    unread = {_named(problem) for problem in problems}
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        named = [(str(wrong["loc"][0]) if wrong["loc"] else "settings", wrong) for wrong in error.errors()]
        return None, problems + [_explain(name, wrong) for name, wrong in named if name not in unread]
    if settings.is_production:
        problems += [line for line in production_problems(settings, raw, environ) if _named(line) not in unread]
    return settings, problems


def _named(problem: str) -> str:
    return problem.partition(":")[0]


def _option_names(given: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """The whole names of the options, in the ini file or in the environment, that an aggregator is given."""
    start = f"{OPTIONS}.".upper().replace(".", "_")
    named = {name.removeprefix(start).removesuffix("_FILE") for name in environ if name.startswith(start)}
    in_ini = {name for name in given if name.startswith(f"{OPTIONS}.")}
    return sorted(in_ini | {f"{OPTIONS}.{name.lower()}" for name in named})


def _from_environment(name: str, environ: Mapping[str, str]) -> str | None:
    """Raises: BadSettings."""
    variable = name.upper().replace(".", "_")
    path = environ.get(f"{variable}_FILE")
    if path is None:
        return environ.get(variable)
    if variable in environ:
        raise BadSettings(f"{name}: {variable} and {variable}_FILE are both set; take one away")
    try:
        return Path(path).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise BadSettings(f"{name}: cannot read the file that {variable}_FILE names: {why}") from None


def _explain(name: str, wrong: Any) -> str:
    if wrong["type"] == "extra_forbidden":
        return f"{name}: there is no such setting; see development.ini for all of them"
    if wrong["type"] == "missing":
        variable = name.upper().replace(".", "_")
        return f"{name}: not set; put it in the ini file, or in the environment as {variable} or {variable}_FILE"
    return f"{name}: {wrong['msg'][:1].lower()}{wrong['msg'][1:]}"


def make_keyring(settings: Settings) -> Keyring:
    """The keys that seal what is encrypted at rest.

    In development, with none set, one is made once and kept in `var/sealing.key`.
    """
    keys = settings.sealing_keys.get_secret_value().split()
    if not keys and not settings.is_production:
        keys = [_development_key(Path("var/sealing.key"))]
    try:
        return Keyring(*keys)
    except ValueError as error:
        raise BadSettings(f"donkies.sealing_keys: {error}") from None


@cache
def _development_key(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(Keyring.new_key())
    return path.read_text().strip()
