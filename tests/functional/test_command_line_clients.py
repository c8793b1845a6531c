"""`donkies client …`: what an operator and an integrator do with registrations."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from joserfc.jwk import ECKey

from donkies.adapters.persistence.tables.identity import clients
from donkies.domain.clients import ClientService
from donkies.testing.app import PASSWORD, get_tokens, log_in, make_client, refresh
from donkies.testing.processes import wait_until

REDIRECT_URI = "https://app.example/callback"


@pytest.fixture
def client(testapp):
    return make_client(testapp, type="confidential", scopes="openid profile users:write")


def own_token(app, client_id, secret):
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    return app.post("/oauth/token", form, status="*").status_int == 200


def test_clients_are_listed_and_shown_without_secrets(command_line, client):
    (listed,) = json.loads(command_line("client", "list", "--json").stdout)["data"]
    assert listed == json.loads(command_line("client", "show", client.id, "--json").stdout)
    assert ("client_secret", "RS256") == (listed["authentication"], listed["id_token_alg"])
    table = command_line("client", "list").stdout
    assert client.id in table
    assert client.secret not in table + json.dumps(listed)
    unknown = command_line("client", "show", "nobody")
    assert (1, "Error: There is no client with this client_id.\n") == (unknown.exit_code, unknown.stderr)


def test_only_what_is_given_is_updated(command_line, client):
    before = json.loads(command_line("client", "show", client.id, "--json").stdout)
    new = ("--redirect-uri", "https://a.example/", "--redirect-uri", "https://b.example/", "--origin", "")
    result = command_line("client", "update", client.id, "--name", "New", *new, "--json")
    changed = {"name": "New", "redirect_uris": ["https://a.example/", "https://b.example/"], "origins": []}
    assert before | changed == json.loads(result.stdout)
    assert "within 5 seconds" in result.stderr
    assert "sign in to it again" not in result.stderr
    assert "sign in to it again" in command_line("client", "update", client.id, "--scope", "openid").stderr
    assert 2 == command_line("client", "update", client.id).exit_code
    bad = command_line("client", "update", client.id, "--redirect-uri", "http://a.example/")
    assert 1 == bad.exit_code
    assert "redirect_uris: http://a.example/" in bad.stderr


@pytest.mark.parametrize(
    "change",
    [lambda service, id: service.update(id, name="New"), lambda service, id: service.rotate_secret(id)],
)
def test_what_two_operators_change_at_once_is_all_changed(testapp, client, change):
    """The second waits for the first, and changes what that left behind"""
    with ThreadPoolExecutor() as pool, testapp.engine().connect() as connection:
        with connection.begin(), testapp.service(ClientService) as service:
            connection.execute(clients.update().values(scopes=["openid"], is_trusted=False))
            done = pool.submit(change, service, client.id)
            with pytest.raises(TimeoutError):
                done.result(timeout=0.5)
        done.result()
    with testapp.service(ClientService) as service:
        found = service.show(client.id)
    assert (("openid",), False) == (found.scopes, found.is_trusted)


def test_a_secret_is_rotated_with_or_without_the_old_one(command_line, client, testapp, make_testapp, clock):
    kept = json.loads(command_line("client", "rotate-secret", client.id, "--keep-old-h", "1", "--json").stdout)
    app = make_testapp(clock=clock)
    for secret in (client.secret, kept["client_secret"]):
        assert own_token(app, client.id, secret)
    clock.advance(hours=1, minutes=1)
    assert not own_token(app, client.id, client.secret)
    result = command_line("client", "rotate-secret", client.id, "--json")
    app = make_testapp(clock=clock)
    assert [False, True] == [
        own_token(app, client.id, secret)
        for secret in (kept["client_secret"], json.loads(result.stdout)["client_secret"])
    ]
    assert "worth nothing" in result.stderr
    assert 1 == command_line("client", "rotate-secret", client.id, "--keep-old-h", "1000").exit_code


def test_a_deleted_clients_tokens_end(command_line, client, testapp, user_factory):
    log_in(testapp, user_factory(password=PASSWORD))
    tokens = get_tokens(testapp, client)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    testapp.get("/v1/users/me", headers=headers, status=200)
    asked = command_line("client", "delete", client.id, input="n\n")
    assert 1 == asked.exit_code
    assert client.client.name in asked.stderr
    testapp.get("/v1/users/me", headers=headers, status=200)
    result = command_line("client", "delete", client.id, "--yes", "--json")
    assert {"client_id": client.id, "deleted": True} == json.loads(result.stdout)
    assert "invalid_grant" == refresh(testapp, client, tokens["refresh_token"], status=400).json["error"]
    wait_until(lambda: testapp.get("/v1/users/me", headers=headers, status="*").status_int == 401, 2, "refused")
    assert 1 == command_line("client", "delete", client.id, "--yes").exit_code


def test_keys_are_registered_from_a_file(command_line, tmp_path):
    key, file = ECKey.generate_key("P-256"), tmp_path / "keys.json"
    create = ("client", "create", "--name", "App", "--type", "confidential", "--redirect-uri", REDIRECT_URI)
    create = (*create, "--jwks", str(file), "--id-token-alg", "ES256", "--json")
    file.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    made = json.loads(command_line(*create).stdout)
    assert "client_secret" not in made
    assert ("private_key_jwt", "ES256") == (made["authentication"], made["id_token_alg"])
    for content in (json.dumps({"keys": [key.as_dict(private=True)]}), "-----BEGIN PRIVATE KEY-----\nMIIsecret"):
        file.write_text(content)
        result = command_line(*create)
        assert 1 == result.exit_code
        assert "secret" not in result.output
        assert key.as_dict(private=True)["d"] not in result.output


def test_who_gets_keys_is_told_that_the_secret_ends(command_line, client, tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}))
    assert "secret is worth nothing" in command_line("client", "update", client.id, "--jwks", str(file)).stderr
    assert 1 == command_line("client", "rotate-secret", client.id).exit_code


def test_check_names_the_part_that_differs(command_line, client):
    """D7"""
    fine = command_line("client", "check", client.id, "--redirect-uri", REDIRECT_URI)
    assert (0, "It fits: people are sent there.\n") == (fine.exit_code, fine.stdout)
    bad = command_line("client", "check", client.id, "--redirect-uri", "https://app.example/Callback/\x1b[2J#")
    assert 1 == bad.exit_code
    assert f"Registered: {REDIRECT_URI}\n  path: sent '/Callback/\\x1b[2J', registered '/callback': " in bad.stdout
    assert "\n  fragment: sent '', registered none: " in bad.stdout
    assert "\x1b" not in bad.stdout


def test_check_tells_programs_too_the_nearest_first(command_line, client):
    command_line("client", "update", client.id, "--redirect-uri", "https://x.example/y", "--redirect-uri", REDIRECT_URI)
    result = command_line("client", "check", client.id, "--redirect-uri", f"{REDIRECT_URI}/", "--json")
    told = json.loads(result.stdout)
    assert (1, False) == (result.exit_code, told["fits"])
    assert [REDIRECT_URI, "https://x.example/y"] == [one["uri"] for one in told["registered"]]
    (difference,) = told["registered"][0]["differences"]
    assert ("path", "/callback/", "/callback") == (difference["part"], difference["sent"], difference["registered"])
