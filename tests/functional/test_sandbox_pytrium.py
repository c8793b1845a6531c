"""pytrium 0.1.2, the Python client of 2016, unmodified, against the sandbox. Source: ATRIUM.md 8.2.

Its pins (requests 2.11.1, future 0.15.2) do not run on a Python of today, so the client is installed
without them, into an environment of its own, which is made once and kept under `var/`.
"""

import fcntl
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WALK = ROOT / "tests" / "pytrium" / "walk.py"
CLIENT = "pytrium==0.1.2"
WHAT_IT_NEEDS = ("future>=1.0", "requests>=2.32")

# What the published wheel holds; a changed client would prove nothing.
PUBLISHED_API_SHA256 = "a0ced7ec9be80f04086af8a43187e4267a883f5dcee71c54bced506c731782af"


@pytest.fixture(scope="session")
def pytrium_python():
    folder = ROOT / "var" / f"pytrium-env-{sys.version_info.major}.{sys.version_info.minor}"
    folder.parent.mkdir(exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:  # tests may run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        return make_environment(folder)


def make_environment(folder):
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        venv.create(folder, clear=True, with_pip=True)
        for packages in (["--no-deps", CLIENT], WHAT_IT_NEEDS):
            command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                pytest.skip(f"pip cannot install {CLIENT}: {reason}")
        ready.touch()
    return python


def run(python, *arguments):
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [python, *arguments], capture_output=True, text=True, timeout=120, check=False, env=environment
    )


def test_the_client_is_the_published_one(pytrium_python):
    code = "import atrium.api, hashlib; print(hashlib.sha256(open(atrium.api.__file__, 'rb').read()).hexdigest())"
    assert PUBLISHED_API_SHA256 == run(pytrium_python, "-c", code).stdout.strip()


@pytest.mark.parametrize("vocabulary", ["both", "2016"])
def test_the_client_of_2016_walks_from_user_to_transactions(pytrium_python, sandbox, vocabulary):
    sandbox.mode(vocabulary=vocabulary, job_s=0.2)
    done = run(pytrium_python, WALK, sandbox.atrium_url)
    assert 0 == done.returncode, done.stderr
    assert {
        "version": "0.1.2",
        "user": ["walker", True],
        "metadata": "changed",
        "conflict": True,
        "institution": ["mxbank", ["LOGIN", "PASSWORD"]],
        "status": "COMPLETED",
        "members": 1,
        "accounts": ["CHECKING", "CREDIT_CARD", "INVESTMENT", "LOAN", "MORTGAGE", "SAVINGS"],
        "account": "CHECKING",
        "transactions": [100, 910],
        "transaction": True,
        "of_account": True,
        "aggregate": True,
        "challenge": ["CHALLENGED", "TEXT", "KeyError", "COMPLETED"],
        "deleted": True,
    } == json.loads(done.stdout)
    assert [] == [entry for entry in sandbox.requests() if entry["status"] >= 500]
