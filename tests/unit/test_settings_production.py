"""What production refuses, each in one line that names the setting and the mend; and secrets that come from files."""

from __future__ import annotations

import base64
from configparser import ConfigParser
from pathlib import Path

import pytest

from donkies.adapters.sealing import Keyring
from donkies.config.settings import OPTIONS, BadSettings, Settings, examine, parse_settings
from donkies.testing.databases import SEALING_KEY

ROOT = Path(__file__).parents[2]
NAMES = {str(field.alias) for field in Settings.model_fields.values()} - {OPTIONS}
SECRETS = {
    "DONKIES_PUBLIC_URL": "https://money.example",
    "DONKIES_DATABASE_URL": "postgresql://donkies:canary@db.example/donkies",
    "DONKIES_BROKER_URL": "amqp://donkies:c4n4ry-9f2e@mq.example//",
    "DONKIES_SEALING_KEYS": Keyring.new_key(),
    "DONKIES_ATRIUM_API_KEY": "canary-api-key",
    "DONKIES_ATRIUM_CLIENT_ID": "canary-client-id",
    "DONKIES_MAIL_URL": "smtps://donkies:canary@mail.example",
    "DONKIES_MAIL_FROM": "Moneta <no-reply@money.example>",
}


def ini() -> dict[str, str]:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "production.ini")
    return dict(parser["app:main"])


def problems(environ: dict[str, str]) -> list[str]:
    """What is said of production.ini with all secrets there, and this in the environment."""
    return examine(ini(), SECRETS | environ)[1]


def key(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def test_production_ini_with_its_secrets_from_the_environment_is_ready() -> None:
    assert "production" == parse_settings(ini(), SECRETS).env


def test_production_ini_names_only_settings_that_there_are_and_holds_no_secret() -> None:
    named = {name for name in ini() if name.startswith("donkies.")}
    assert set() == named - NAMES
    assert set() == {name.upper().replace(".", "_") for name in named} & SECRETS.keys()


@pytest.mark.parametrize("variable", sorted(SECRETS))
def test_without_one_of_them_one_line_names_it(variable: str) -> None:
    said = examine(ini(), {name: value for name, value in SECRETS.items() if name != variable})[1]
    assert 1 == len(said)
    assert variable == said[0].partition(":")[0].upper().replace(".", "_")


@pytest.mark.parametrize(
    "weak",
    [
        SEALING_KEY,
        key(bytes(32)),
        key(b"\xff" * 32),
        key(bytes(range(32))),
        key(bytes(range(0, 256, 8))),
        key(bytes(range(32, 0, -1))),
        key(b"\x12\x9a\xfe\x04" * 8),
        key(b"correct horse battery staple abc"),
        key(b"short"),
        key(bytes(range(33))),
        "neither!base64?nor*a-key",
        f"qL0b3Yx8sUj5TzV2nRk7WcHf1mPaGdEoIi9tNl4JvXQ= {SEALING_KEY}",
    ],
)
def test_a_weak_key_is_refused_with_the_mend(weak: str) -> None:
    said = problems({"DONKIES_SEALING_KEYS": weak})
    assert said
    assert all(line.startswith("donkies.sealing_keys: key ") and "openssl rand -base64 32" in line for line in said)
    assert not any(part in line for line in said for part in weak.split() if len(part) > 5)


def test_random_keys_are_never_taken_for_weak_ones() -> None:
    assert [] == [one for one in (Keyring.new_key() for _ in range(2_000)) if problems({"DONKIES_SEALING_KEYS": one})]


@pytest.mark.parametrize(
    ("variable", "value", "begins"),
    [
        ("DONKIES_DATABASE_URL", "sqlite:///var/donkies.db", "donkies.database_url: SQLite is refused"),
        ("DONKIES_BROKER_URL", "memory://", "donkies.broker_url: the broker in memory is refused"),
        ("DONKIES_BROKER_URL", "redis://mq.example", "donkies.broker_url: this broker is refused"),
        ("DONKIES_BROKER_URL", "amqp://guest:guest@mq.example//", "donkies.broker_url: the broker's password"),
        ("DONKIES_BROKER_URL", "amqp://mq.example//", "donkies.broker_url: the broker's password"),
        ("DONKIES_PUBLIC_URL", "http://money.example", "donkies.public_url: http is refused"),
        ("DONKIES_PUBLIC_URL", "https://localhost", "donkies.public_url: points at this machine"),
        ("DONKIES_AGGREGATOR", "memory", "donkies.aggregator: the in-memory twin is refused"),
        ("DONKIES_ATRIUM_URL", "http://atrium.mx.com", "donkies.atrium.url: http is refused"),
        ("DONKIES_ATRIUM_URL", "http://127.0.0.1:6545/atrium", "donkies.atrium.url: a sandbox's"),
        ("DONKIES_ATRIUM_URL", "https://[::1]/atrium", "donkies.atrium.url: a sandbox's"),
        ("DONKIES_ATRIUM_URL", "https://localhost:6545/atrium", "donkies.atrium.url: a sandbox's"),
        ("DONKIES_ATRIUM_API_KEY", "sandbox-api-key", "donkies.atrium.api_key: empty or the sandbox's"),
        ("DONKIES_ATRIUM_CLIENT_ID", "", "donkies.atrium.client_id: empty or the sandbox's"),
        ("DONKIES_MAIL_URL", "mail.example", "donkies.mail.url: not a mail server's address"),
        ("DONKIES_MAIL_URL", "smtps://c4n4ry[@mail.example", "donkies.mail.url: not a mail server's address"),
        ("DONKIES_MAIL_URL", "smtp://127.0.0.1:6546", "donkies.mail.url: not set, or the sandbox's"),
        ("DONKIES_MAIL_URL", "smtps://localhost:6546", "donkies.mail.url: not set, or the sandbox's"),
        ("DONKIES_MAIL_URL", "smtp://[::1]:6546?starttls", "donkies.mail.url: not set, or the sandbox's"),
        ("DONKIES_MAIL_URL", "smtp://mail.example:587", "donkies.mail.url: mail without TLS is refused"),
        ("DONKIES_MAIL_URL", "smtp://10.0.0.1", "donkies.mail.url: mail without TLS is refused"),
        ("DONKIES_MAIL_URL", "smtp://mail.local", "donkies.mail.url: mail without TLS is refused"),
        ("DONKIES_MAIL_URL", "smtp://127.0.0.1.mail.example", "donkies.mail.url: mail without TLS is refused"),
        ("DONKIES_MAIL_FROM", "donkies <no-reply@localhost>", "donkies.mail.from: not set, or nobody's address"),
        ("DONKIES_LIMITS_ENABLED", "false", "donkies.limits.enabled: limits may not be off"),
        ("DONKIES_LOG_LEVEL", "DEBUG", "donkies.log_level: DEBUG is refused"),
        ("PYRAMID_DEBUG_ALL", "1", "PYRAMID_DEBUG_ALL: refused"),
        ("PYRAMID_RELOAD_TEMPLATES", "true", "PYRAMID_RELOAD_TEMPLATES: refused"),
    ],
)
def test_what_is_not_fit_for_production_is_one_line(variable: str, value: str, begins: str) -> None:
    said = problems({variable: value})
    assert 1 == len(said)
    assert said[0].startswith(begins)
    assert ";" in said[0], "the mend"
    assert "\n" not in said[0]
    with pytest.raises(BadSettings) as refused:
        parse_settings(ini(), SECRETS | {variable: value})
    assert said[0] == str(refused.value)


SOCIAL = {
    "DONKIES_GOOGLE_CLIENT_ID": "google-id",
    "DONKIES_GOOGLE_CLIENT_SECRET": "canary-google",
    "DONKIES_FACEBOOK_CLIENT_ID": "facebook-id",
    "DONKIES_FACEBOOK_CLIENT_SECRET": "canary-facebook",
}


def test_google_and_facebook_need_their_keys_only() -> None:
    assert [] == problems(SOCIAL)


@pytest.mark.parametrize(
    ("variable", "value", "begins"),
    [
        ("DONKIES_GOOGLE_CLIENT_SECRET", "", "donkies.google.client_secret: empty"),
        ("DONKIES_GOOGLE_CLIENT_ID", "", "donkies.google.client_id: not set, but its secret is"),
        ("DONKIES_FACEBOOK_CLIENT_ID", "sandbox-facebook-id", "donkies.facebook.client_id: the sandbox's"),
        ("DONKIES_FACEBOOK_CLIENT_SECRET", "sandbox-secret", "donkies.facebook.client_secret: empty or the sandbox's"),
        ("DONKIES_GOOGLE_AUTH_URL", "http://127.0.0.1:6545/google/o/oauth2/v2/auth", "donkies.google.auth_url: a san"),
        ("DONKIES_GOOGLE_TOKEN_URL", "http://oauth2.googleapis.com/token", "donkies.google.token_url: a sandbox's"),
        ("DONKIES_GOOGLE_JWKS_URL", "https://localhost/certs", "donkies.google.jwks_url: a sandbox's"),
        ("DONKIES_GOOGLE_ISSUER", "http://accounts.google.com", "donkies.google.issuer: a sandbox's"),
        ("DONKIES_FACEBOOK_ME_URL", "https://[::1]/me", "donkies.facebook.me_url: a sandbox's"),
    ],
)
def test_what_is_set_for_google_and_facebook_must_be_real(variable: str, value: str, begins: str) -> None:
    said = problems(SOCIAL | {variable: value})
    assert 1 == len(said)
    assert said[0].startswith(begins)
    assert ";" in said[0], "the mend"
    assert "canary" not in said[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [("pyramid.debug_all", "true"), ("pyramid.reload_templates", "1"), ("pyramid.includes", "a\npyramid_debugtoolbar")],
)
def test_pyramids_own_debugging_is_refused(name: str, value: str) -> None:
    (said,) = examine(ini() | {name: value}, SECRETS)[1]
    assert said.startswith(f"{name}: ")


@pytest.mark.parametrize(
    "url",
    [
        "smtp://donkies:c4n4ry@mail.example:587?starttls",
        "smtps://10.0.0.1:6546",
        # a relay on the machine itself
        "smtp://127.0.0.1",
        "smtp://127.0.0.1:25",
        "smtp://localhost:587",
        "smtp://[::1]",
        "smtps://localhost",
    ],
)
def test_a_mail_server_with_tls_or_on_this_machine_will_do(url: str) -> None:
    assert [] == problems({"DONKIES_MAIL_URL": url})


def test_everything_is_said_at_once_and_no_secret_with_it() -> None:
    said = problems(
        {
            "DONKIES_DATABASE_URL": "sqlite:///canary.db",
            "DONKIES_BROKER_URL": "amqp://canary:guest@mq.example//",
            "DONKIES_PUBLIC_URL": "http://money.example",
            "DONKIES_SEALING_KEYS": "canary-canary",
        }
    )
    assert ["sealing_keys", "database_url", "broker_url", "public_url"] == [
        line.partition(":")[0].removeprefix("donkies.") for line in said
    ]
    assert "canary" not in "".join(said)


def test_development_may_do_all_that() -> None:
    assert [] == problems(
        {"DONKIES_ENV": "development", "DONKIES_LOG_LEVEL": "DEBUG", "DONKIES_BROKER_URL": "memory://"}
    )


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_setting_can_come_from_a_file(name: str, tmp_path: Path) -> None:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "development.ini")
    given = {key: value for key, value in parser["app:main"].items() if key.startswith("donkies.")}
    expected = parse_settings(given, {})
    file = tmp_path / "secret"
    file.write_text(given.pop(name) + "\n")
    assert expected == parse_settings(given, {f"{name.upper().replace('.', '_')}_FILE": str(file)})


def test_a_file_and_a_variable_for_one_setting_are_refused(tmp_path: Path) -> None:
    (said,) = problems({"DONKIES_SEALING_KEYS_FILE": str(tmp_path / "keys")})
    assert (
        "donkies.sealing_keys: DONKIES_SEALING_KEYS and DONKIES_SEALING_KEYS_FILE are both set; take one away" == said
    )


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    environ = {key: value for key, value in SECRETS.items() if key != "DONKIES_SEALING_KEYS"}
    (said,) = examine(ini(), environ | {"DONKIES_SEALING_KEYS_FILE": str(tmp_path / "keys")})[1]
    assert said.startswith("donkies.sealing_keys: cannot read the file that DONKIES_SEALING_KEYS_FILE names: No such")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"DONKIES_HOOKS_USER": "mx", "DONKIES_HOOKS_PASSWORD": "c4n4ry-short"}, ["donkies.hooks.password"]),
        ({"DONKIES_HOOKS_USER": "mx"}, ["donkies.hooks.password"]),
        ({"DONKIES_HOOKS_PASSWORD": Keyring.new_key()}, ["donkies.hooks.user"]),
        ({"DONKIES_HOOKS_USER": "mx", "DONKIES_HOOKS_PASSWORD": Keyring.new_key()}, []),
    ],
)
def test_webhooks_want_a_user_name_and_a_long_password_or_neither(given: dict[str, str], named: list[str]) -> None:
    said = problems(given)
    assert named == [line.partition(":")[0] for line in said]
    assert "c4n4ry" not in "".join(said)


def test_another_aggregator_needs_nothing_of_atriums() -> None:
    of_atrium = {name: "" for name in SECRETS if name.startswith("DONKIES_ATRIUM")}
    assert [] == problems(of_atrium | {"DONKIES_AGGREGATOR": "csv", "DONKIES_ATRIUM_URL": "http://127.0.0.1:6545"})
