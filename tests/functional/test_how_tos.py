"""How-tos for apps, as they stand there: their commands register the client, their code does what they say."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import plaster
import pytest
from authlib.common.errors import AuthlibBaseError

from donkies.adapters.sealing import Keyring
from donkies.cli import main
from donkies.config.settings import examine
from donkies.testing.app import (
    PASSWORD,
    allow,
    bearer,
    log_in,
    make_person,
    pkce,
    redirect_parameters,
)

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.fixture
def database_url(sqlite_databases, tmp_path) -> str:
    return sqlite_databases.fresh(tmp_path)


def command(document: str) -> list[str]:
    """The arguments of the first `donkies` command of a page."""
    (line, *_) = re.findall(
        r"^```sh\ndonkies -c production\.ini (.*?)^```$", (HOW_TO / document).read_text(), re.M | re.S
    )
    return shlex.split(line.replace("\\\n", ""))


def register(command_line: Any, document: str) -> dict[str, Any]:
    result = command_line(*command(document))
    assert 0 == result.exit_code, result.output
    return json.loads(result.stdout)


def code(document: str, name: str) -> str:
    (text,) = re.findall(rf"^```python {re.escape(name)}\n(.*?)^```$", (HOW_TO / document).read_text(), re.M | re.S)
    return text


class TestMobile:
    SIGNED_IN, LINKED = "com.example.money:/signed-in", "com.example.money:/linked"

    def test_an_app_signs_in_refreshes_and_links_by_its_own_scheme(self, testapp, command_line, user_factory):
        made = register(command_line, "mobile.md")
        assert "client_secret" not in made
        log_in(testapp, user_factory(password=PASSWORD))
        verifier, challenge = pkce()
        query = {
            "response_type": "code", "client_id": made["client_id"], "redirect_uri": self.SIGNED_IN, "state": "s",
            "scope": "openid accounts:read transactions:read links:write",
            "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        back = allow(testapp.get("/oauth/authorize", query))
        assert back.location.startswith(f"{self.SIGNED_IN}?code=")
        form = {
            "grant_type": "authorization_code", "client_id": made["client_id"], "redirect_uri": self.SIGNED_IN,
            "code": redirect_parameters(back)["code"], "code_verifier": verifier,
        }  # fmt: skip
        tokens = testapp.post("/oauth/token", form).json
        again = {
            "grant_type": "refresh_token",
            "client_id": made["client_id"],
            "refresh_token": tokens["refresh_token"],
        }
        tokens = testapp.post("/oauth/token", again).json
        headers = bearer(tokens["access_token"])
        begun = testapp.post_json("/v1/link_sessions", {"return_uri": self.LINKED}, headers=headers, status=201)
        assert begun.json["url"].startswith("http://localhost/link")
        testapp.post_json("/v1/link_sessions", {"return_uri": "com.evil:/linked"}, headers=headers, status=422)
        testapp.post("/oauth/revoke", {"client_id": made["client_id"], "token": tokens["refresh_token"]}, status=200)
        testapp.post("/oauth/token", again | {"refresh_token": tokens["refresh_token"]}, status=400)


class TestOnAServer:
    @pytest.fixture
    def app(self, served_testapp, command_line, tmp_path, monkeypatch) -> ModuleType:
        """The page's module, against this service."""
        made = register(command_line, "server-side.md")
        monkeypatch.setenv("MONEY_CLIENT_ID", made["client_id"])
        monkeypatch.setenv("MONEY_CLIENT_SECRET", made["client_secret"])
        path = tmp_path / "money.py"
        path.write_text(
            code("server-side.md", "money.py").replace("https://donkies.example", served_testapp.settings.public_url)
        )
        spec = importlib.util.spec_from_file_location("money", path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def test_it_signs_in_reads_renews_links_and_signs_out(self, app, served_testapp):
        browser, session = served_testapp, {}
        log_in(browser, make_person(browser, password=PASSWORD))
        back = allow(browser.get(app.sign_in(session).removeprefix(app.API)))
        app.signed_in(session, back.location)
        assert [] == app.call(session, "GET", "/v1/accounts")["data"]
        first = session["token"]["refresh_token"]
        session["token"]["expires_at"] = 1  # as if ten minutes had passed
        assert app.call(session, "GET", "/v1/users/me")["email"]
        assert first != session["token"]["refresh_token"]
        assert app.link_address(session, app.CALLBACK).startswith(app.API)
        token = session["token"]
        left = browser.get(app.sign_out(session).removeprefix(app.API))
        assert "https://money.example/" == left.location.partition("?")[0]
        with pytest.raises(AuthlibBaseError):
            app.call({"token": token | {"expires_at": 1}}, "GET", "/v1/users/me")

    def test_an_answer_to_somebody_elses_request_is_refused(self, app):
        session = {}
        app.sign_in(session)
        with pytest.raises(AuthlibBaseError):
            app.signed_in(session, f"{app.CALLBACK}?code=x&state=another")


class TestFromDjango:
    def test_people_come_over_once(self, served_testapp, command_line, tmp_path):
        made = register(command_line, "from-django.md")
        (tmp_path / "import_people.py").write_text(code("from-django.md", "import_people.py"))
        (tmp_path / "people.csv").write_text(
            "17,ada@people.example,Ada,Byron,1990-12-10\n18,grace@people.example,Grace,Hopper,\n"
        )
        environ = {
            "DONKIES": served_testapp.settings.public_url,
            "IMPORT_CLIENT_ID": made["client_id"],
            "IMPORT_CLIENT_SECRET": made["client_secret"],
        }
        said = [
            subprocess.check_output(
                [sys.executable, "import_people.py"], cwd=tmp_path, env=environ, text=True, timeout=60
            )
            for _ in range(2)
        ]
        assert said[0].startswith("18 invalid")
        assert said[1].startswith("17 email_taken")
        (row,) = csv.reader((tmp_path / "people-map.csv").read_text().splitlines())
        assert "17" == row[0]
        shown = json.loads(command_line("user", "show", "ada@people.example", "--json").stdout)
        assert row[1] == shown["id"]
        assert ["ada@people.example"] == [mail.to for mail in served_testapp.mails()]


class TestOneMachine:
    PAGE = HOW_TO / "one-machine.md"

    def units(self) -> dict[str, str]:
        return dict(re.findall(r"^```ini (\S+\.service)\n(.*?)^```$", self.PAGE.read_text(), re.M | re.S))

    @pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
    def test_systemd_finds_nothing_wrong_in_the_units(self, tmp_path):
        units = self.units()
        assert {"donkies-web.service", "donkies-worker@.service", "donkies-beat.service"} == units.keys()
        (tmp_path / "donkies").write_text("#!/bin/sh\n")
        (tmp_path / "donkies").chmod(0o755)
        for name, text in units.items():
            path = tmp_path / name.replace("@", "@links")
            path.write_text(text.replace("/opt/donkies/venv/bin/donkies", f"{tmp_path}/donkies"))
            verify = ["systemd-analyze", "verify", "--man=no", "--generators=no", "--recursive-errors=no", str(path)]
            done = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)
            said = [line for line in done.stderr.splitlines() if name.partition(".")[0].rstrip("@") in line]
            assert (0, []) == (done.returncode, said), done.stderr

    def test_what_they_start_exists(self):
        for text in self.units().values():
            (words,) = re.findall(r"^ExecStart=\S+/donkies -c production\.ini (.*)$", text, re.M)
            name, *rest = words.replace("%i", "links").split()
            main.commands[name].make_context(name, rest)

    def test_its_settings_are_fit_for_production(self):
        (text,) = re.findall(r"<<EOF\n(.*?)^EOF$", self.PAGE.read_text(), re.M | re.S)
        given = {
            "DATABASE_PASSWORD": "d" * 48, "BROKER_PASSWORD": "b" * 48, "openssl rand -base64 32": Keyring.new_key(),
            "openssl rand -hex 24": "m" * 48,
        }  # fmt: skip
        filled = re.sub(r"\$\(?([\w -]+)\)?", lambda found: given[found[1]], text)
        environ = dict(line.split("=", 1) for line in filled.splitlines())
        environ |= {"DONKIES_ATRIUM_API_KEY": "key", "DONKIES_ATRIUM_CLIENT_ID": "id"}
        raw = plaster.get_settings(str(HOW_TO.parents[1] / "production.ini"), "app:main")
        assert [] == examine(raw, environ)[1]
