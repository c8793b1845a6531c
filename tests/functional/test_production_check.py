"""`donkies check`, and processes that refuse to start: every problem in a line of its own, exit status 1."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from donkies.adapters.persistence import schema
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.sealing import Keyring
from donkies.cli import main
from donkies.testing.broker import RABBITMQ, rabbitmq_or_skip

ROOT = Path(__file__).parents[2]
NO_BROKER = (
    "donkies.broker_url: cannot use the broker at amqp://donkies:**@127.0.0.1:1//: Connection refused; "
    "start it, or mend its address\n"
)


@pytest.fixture
def environ(postgres_database) -> dict[str, str]:
    """All that production.ini asks for, and a database that is migrated; but no broker is there."""
    return {
        "DONKIES_PUBLIC_URL": "https://money.example",
        "DONKIES_DATABASE_URL": postgres_database.fresh(),
        "DONKIES_BROKER_URL": "amqp://donkies:c4n4ry-9f2e@127.0.0.1:1//",
        "DONKIES_SEALING_KEYS": Keyring.new_key(),
        "DONKIES_ATRIUM_API_KEY": "canary-api-key",
        "DONKIES_ATRIUM_CLIENT_ID": "canary-client-id",
        "DONKIES_MAIL_URL": "smtps://donkies:canary@mail.example",
        "DONKIES_MAIL_FROM": "Moneta <no-reply@money.example>",
    }


def check(environ: dict[str, str]):
    return CliRunner(env=environ).invoke(main, ["-c", str(ROOT / "production.ini"), "check"])


def test_it_is_ready_when_nothing_is_wrong(environ):
    rabbitmq_or_skip()
    # in development, where RabbitMQ's guest may come in; the next test shows that production has no more to say
    result = check(environ | {"DONKIES_BROKER_URL": RABBITMQ, "DONKIES_ENV": "development"})
    assert (0, "ready\n", "") == (result.exit_code, result.stdout, result.stderr)


def test_a_broker_that_cannot_be_reached_is_the_only_thing_wrong(environ):
    result = check(environ)
    assert (1, "", NO_BROKER) == (result.exit_code, result.stdout, result.stderr)


@pytest.mark.parametrize(
    ("login", "vhost", "why"),
    [("donkies:canary-9f2e", "/", "Login was refused"), (None, "/no-such-host", "vhost no-such-host not found")],
)
def test_a_broker_that_lets_nobody_in_is_said_without_the_password(environ, login, vhost, why):
    rabbitmq_or_skip()
    broker = urlsplit(RABBITMQ)
    login = login or broker.netloc.rpartition("@")[0]
    address = f"amqp://{login}@{broker.hostname}:{broker.port}{vhost}"
    result = check(environ | {"DONKIES_BROKER_URL": address, "DONKIES_ENV": "development"})
    (line,) = result.stderr.splitlines()
    assert re.fullmatch(rf"donkies\.broker_url: .*{why}.*; mend its user, password or virtual host", line)
    assert ":**@" in line
    assert "canary" not in line


def test_a_broker_that_says_nothing_is_not_waited_for(environ):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"amqp://donkies:c4n4ry-9f2e@127.0.0.1:{silent.getsockname()[1]}//"
        began = time.monotonic()
        result = check(environ | {"DONKIES_BROKER_URL": address})
    assert time.monotonic() - began < 3
    assert "timed out; start it, or mend its address" in result.stderr


@pytest.mark.parametrize("password", ["c4n4ry#9f2e", "c4n4ry/9f2e", "c4n4ry[9f2e"])
def test_a_password_that_cuts_the_address_in_two_is_not_quoted(environ, password):
    result = check(environ | {"DONKIES_BROKER_URL": f"amqp://donkies:{password}@broker.example//"})
    assert "donkies.broker_url: cannot be read; write amqp://" in result.stderr
    assert "Traceback" not in result.output
    assert "c4n4ry" not in result.output


def test_a_password_is_guessed_in_any_spelling(environ):
    result = check(environ | {"DONKIES_BROKER_URL": "amqp://donkies:%67uest@127.0.0.1:1//"})
    assert "donkies.broker_url: the broker's password is missing, its default or guessable" in result.stderr


def test_it_says_everything_at_once_a_line_each(environ, tmp_path):
    wrong = {"DONKIES_DATABASE_URL": f"sqlite:///{tmp_path}/new.db", "DONKIES_BROKER_URL": "memory://"}
    result = check(environ | wrong | {"DONKIES_LOG_LEVEL": "DEBUG", "DONKIES_SEALING_KEYS": ""})
    assert 1 == result.exit_code
    said = [line.partition(":")[0].removeprefix("donkies.") for line in result.stderr.splitlines()]
    assert ["sealing_keys", "database_url", "broker_url", "log_level", "database_url"] == said
    assert "" == result.stdout


def test_an_old_schema_is_said_with_the_mend_and_left_as_it_is(environ, postgres_database):
    engine = make_engine(postgres_database.url, Keyring(Keyring.new_key()))
    schema.downgrade(engine, "-1")
    try:
        result = check(environ)
        assert 1 == result.exit_code
        schema_said = r"donkies\.database_url: the schema at \S+ is not this release's; run `[^`]+`\n"
        assert re.fullmatch(schema_said + re.escape(NO_BROKER), result.stderr), "both are told at once"
        assert schema.pending(engine)
    finally:
        schema.upgrade(engine)
        engine.dispose()


def test_a_database_that_is_not_there_is_said_without_its_password(environ):
    result = check(environ | {"DONKIES_DATABASE_URL": "postgresql://me:canary@127.0.0.1:1/none"})
    assert 1 == result.exit_code
    assert result.stderr.startswith("donkies.database_url: cannot use the database at postgresql+psycopg://me:***@")
    assert "canary" not in result.stderr


def test_development_is_ready_without_a_database_being_made(tmp_path):
    environ = {"DONKIES_DATABASE_URL": f"sqlite:///{tmp_path}/new.db"}
    result = CliRunner(env=environ).invoke(main, ["-c", str(ROOT / "development.ini"), "check"])
    assert (0, "ready\n") == (result.exit_code, result.stdout)


@pytest.mark.parametrize("command", ["web", "worker"])
def test_no_process_starts_with_settings_that_are_unfit(environ, command):
    wrong = environ | {"DONKIES_PUBLIC_URL": "http://money.example"}
    ended = subprocess.run(
        [sys.executable, "-m", "donkies.cli", "-c", "production.ini", command],
        cwd=ROOT, env=os.environ | wrong, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert 1 == ended.returncode
    assert "Error: donkies.public_url: http is refused in production; use the https:// address that people see\n" == (
        ended.stderr
    )
