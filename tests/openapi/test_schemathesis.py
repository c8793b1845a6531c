"""The running service, tried by Schemathesis: every operation of the document, alone and along its links."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from donkies.testing.app import sign_in
from donkies.testing.links import PersonAtTheApi, work

EXAMPLES = os.environ.get("DONKIES_SCHEMATHESIS_EXAMPLES", "2")
# what a schema cannot say: whether a cursor was given out, an institution is known, a question is open
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 409, 410, 422, 503]
"""


def test_it_finds_nothing(served_testapp, tmp_path):
    person = PersonAtTheApi(served_testapp, sign_in(served_testapp))
    person.link()
    work(served_testapp)
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    command = [
        Path(sys.executable).parent / "schemathesis", "--config-file", "schemathesis.toml",
        "run", f"{served_testapp.settings.public_url}/openapi.json", "--checks", "all", "--max-examples", EXAMPLES,
        "--generation-deterministic", "--no-color", "--header", f"Authorization:{person.headers['Authorization']}",
        # what ends the person or their tokens, under whom all else is tried
        "--exclude-operation-id", "deleteMe", "--exclude-path-regex", "^/oauth/(token|revoke|introspect)$",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout[-8000:] + done.stderr[-2000:]
