"""A client in TypeScript, made of the document, compiled strictly, and sent on the journey of a front end."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from donkies.testing.app import make_client, make_person, sign_in
from donkies.testing.links import work

TOOLS = Path(__file__).parent / "tools"


def test_the_journey(served_testapp, npx, tmp_path):
    app = served_testapp
    person, client = make_person(app), make_client(app)
    token = sign_in(app, person=person, client=client)["Authorization"].removeprefix("Bearer ")
    (tmp_path / "openapi.json").write_bytes(app.get("/openapi.json").body)
    for name in ("journey.ts", "tsconfig.json"):
        shutil.copy(TOOLS / name, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    npx("openapi-typescript", "openapi.json", "-o", "donkies.d.ts")
    npx("tsc", "-p", ".")
    command = ["node", "journey.js", app.settings.public_url, token]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as node:
        while node.poll() is None:
            work(app)
        said, wrong = node.communicate()
    assert 0 == node.returncode, wrong
    found = json.loads(said)
    assert str(person.id) == found["me"]
    assert "mxbank" in found["banks"]
    assert (250, "invalid", 204) == (found["rows"], found["refused"], found["gone"])
