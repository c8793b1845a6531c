"""`donkies client create`, `donkies user …`, `donkies migrate`."""

import json

import pytest
from click.testing import CliRunner

from donkies.cli import main
from donkies.testing.app import PASSWORD


@pytest.fixture
def run(settings, tmp_path):
    ini = tmp_path / "test.ini"
    lines = [f"{name} = {str(value).replace('%', '%%')}" for name, value in settings.items()]
    ini.write_text("\n".join(["[app:main]", "use = egg:donkies#main", *lines]))

    def call(*arguments, **kw):
        return CliRunner().invoke(main, ["-c", str(ini), *arguments], **kw)

    return call


CREATE = ("client", "create", "--name", "App", "--json")
PUBLIC = ("--type", "public", "--redirect-uri", "https://app.example/cb", "--origin", "https://app.example")


def test_a_public_client(run):
    result = run(*CREATE, *PUBLIC, "--scope", "openid profile", "--scope", "accounts:read")
    assert 0 == result.exit_code, result.output
    made = json.loads(result.stdout)
    assert made["client_id"]
    assert "client_secret" not in made
    assert ["openid", "profile", "accounts:read"] == made["scopes"]


def test_a_confidential_client_shows_its_secret_once(run, testapp):
    made = json.loads(run(*CREATE, "--type", "confidential", "--scope", "users:write", "--trusted").stdout)
    form = {"grant_type": "client_credentials", "client_id": made["client_id"], "client_secret": made["client_secret"]}
    assert testapp.post("/oauth/token", form).json["access_token"]


def test_what_cannot_be_registered_is_named_and_fails(run):
    result = run(*CREATE, "--type", "public", "--redirect-uri", "http://app.example/", "--scope", "all")
    assert 1 == result.exit_code
    assert "redirect_uris: http://app.example/" in result.stderr
    assert "scopes: all" in result.stderr


def test_people(run):
    given = ("--first-name", "A", "--last-name", "B", "--email", "a@b.example", "--birthday", "1990-12-31")
    result = run("user", "create", *given, "--password-stdin", "--json", input=f"{PASSWORD}\n")
    assert "a@b.example" == json.loads(result.stdout)["email"]
    assert "1990-12-31" == json.loads(run("user", "show", "a@b.example", "--json").stdout)["birthday"]
    assert 1 == run("user", "show", "nobody@b.example").exit_code


def test_migrating_again_changes_nothing(run):
    assert 0 == run("migrate").exit_code


def test_a_missing_ini_file_is_one_clear_line():
    result = CliRunner().invoke(main, ["-c", "nowhere.ini", "migrate"])
    assert 1 == result.exit_code
    assert "Error: nowhere.ini: there is no such file; name one with -c\n" == result.stderr
