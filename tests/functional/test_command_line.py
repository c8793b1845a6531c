"""`donkies client create`, `donkies user …`, `donkies keys rotate`, `donkies migrate`."""

import gc
import json

import pytest
from click.testing import CliRunner

from donkies.cli import main
from donkies.testing.app import PASSWORD, log_in, make_person, sign_in
from donkies.testing.processes import wait_until


@pytest.fixture
def run(command_line):
    return command_line


CREATE = ("client", "create", "--name", "App", "--json")
PUBLIC = ("--type", "public", "--redirect-uri", "https://app.example/cb", "--origin", "https://app.example")


def test_what_it_starts_collects_garbage():
    assert gc.isenabled(), "switched off while modules load, and never on again: a worker would grow without end"


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


def test_somebody_is_shut_out_and_let_in_again(run, testapp):
    person = make_person(testapp, password=PASSWORD)
    headers = sign_in(testapp, "profile", person=person)
    assert 0 == run("user", "disable", person.email).exit_code
    other = testapp.another_browser()
    form = other.get("/login").form
    form["email"], form["password"] = person.email, PASSWORD
    assert 303 != form.submit(status="*").status_int
    wait_until(lambda: testapp.get("/v1/users/me", headers=headers, status="*").status_int == 401, 2, "refused")
    assert 0 == run("user", "enable", person.email).exit_code
    log_in(testapp.another_browser(), person)
    assert 1 == run("user", "disable", "nobody@b.example").exit_code


def test_a_password_is_set_and_ends_sessions(run, testapp):
    person = make_person(testapp, password=PASSWORD)
    log_in(testapp, person)
    result = run("user", "set-password", person.email, "--password-stdin", input="five other quiet words\n")
    assert 0 == result.exit_code, result.output
    assert "has ended" in result.stderr
    person.password = "five other quiet words"
    log_in(testapp.another_browser(), person)
    assert "/login" in testapp.get("/account", status="*").headers.get("Location", "/login")
    refused = run("user", "set-password", person.email, "--password-stdin", input="short\n")
    assert 1 == refused.exit_code
    assert "password:" in refused.stderr


def test_signing_keys_rotate(run, testapp):
    before = testapp.get("/.well-known/jwks.json").json["keys"]
    first = run("keys", "rotate", "--json")
    done = json.loads(first.stdout)
    assert (True, "RS256") == (done["new"], done["algorithm"])
    assert "nothing more to do" in first.stderr
    again = run("keys", "rotate", "--json")
    assert (False, done["kid"]) == (json.loads(again.stdout)["new"], json.loads(again.stdout)["kid"])
    assert "waiting already" in again.stderr

    def published():
        return {key["kid"] for key in testapp.get("/.well-known/jwks.json").json["keys"]}

    both = {before[0]["kid"], done["kid"]}
    wait_until(lambda: published() == both, 2, "the running process publishes both")
    leaked = run("keys", "rotate", "--now")
    assert "within 2 seconds" in leaked.stderr
    wait_until(lambda: not published() & both, 2, "the leaked key is gone")


def test_migrating_again_changes_nothing(run):
    assert 0 == run("migrate").exit_code


def test_a_missing_ini_file_is_one_clear_line():
    result = CliRunner().invoke(main, ["-c", "nowhere.ini", "migrate"])
    assert 1 == result.exit_code
    assert "Error: nowhere.ini: there is no such file; name one with -c\n" == result.stderr
