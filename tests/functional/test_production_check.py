"""`donkies check`, and processes that refuse to start: every problem in a line of its own, exit status 1."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from donkies.adapters.persistence import schema
from donkies.adapters.persistence.engine import make_engine
from donkies.adapters.sealing import Keyring
from donkies.cli import main

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environ(postgres_database) -> dict[str, str]:
    """All that production.ini asks for, and a database that is migrated."""
    return {
        "DONKIES_PUBLIC_URL": "https://money.example",
        "DONKIES_DATABASE_URL": postgres_database.fresh(),
        "DONKIES_BROKER_URL": "amqp://donkies:c4n4ry-9f2e@127.0.0.1:1//",
        "DONKIES_SEALING_KEYS": Keyring.new_key(),
        "DONKIES_ATRIUM_API_KEY": "canary-api-key",
        "DONKIES_ATRIUM_CLIENT_ID": "canary-client-id",
    }


def check(environ: dict[str, str]):
    return CliRunner(env=environ).invoke(main, ["-c", str(ROOT / "production.ini"), "check"])


def test_it_is_ready_when_nothing_is_wrong(environ):
    result = check(environ)
    assert (0, "ready\n", "") == (result.exit_code, result.stdout, result.stderr)


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
        assert re.fullmatch(
            r"donkies\.database_url: the schema at \S+ is not this release's; run `[^`]+`\n", result.stderr
        )
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
