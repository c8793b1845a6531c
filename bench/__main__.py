"""`make bench`: this service beside its floors, and beside the peers where their folder is.

PREPARE=1   only write var/bench/service.json
QUICK=1     one round of everything but the ingest
ROUNDS, INGEST_ROUNDS, SECONDS, CONNECTIONS, ITEMS, ONLY, CHECK   the flags of the peers' run.py
PEERS       their folder (default ../shared/bench); PEERS_PYTHON an interpreter that has what they need
SERVER      granian (default), gunicorn or waitress
PEER_DATABASE_URL   a database of a PostgreSQL on which others may be made and dropped
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import psycopg

from . import small
from .prepare import ROOT, Place, prepare, write_service
from .server import environment, server_command

VAR = ROOT / "var/bench"
DATABASE_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
FLAGS = ("ROUNDS", "INGEST_ROUNDS", "SECONDS", "CONNECTIONS", "ITEMS", "ONLY")
SWITCHES = ("QUICK", "CHECK")


def main() -> None:
    admin_url = os.environ.get("PEER_DATABASE_URL") or DATABASE_URL
    try:
        psycopg.connect(admin_url, connect_timeout=5).close()
    except psycopg.OperationalError as error:
        why = str(error).strip().splitlines()[-1]
        sys.exit(f"bench: no PostgreSQL: set PEER_DATABASE_URL to one where databases may be made ({why})")
    peers = Path(os.environ.get("PEERS") or ROOT / "../shared/bench").resolve()
    have_peers = (peers / "run.py").exists()
    if os.environ.get("PEERS") and not have_peers:
        sys.exit(f"bench: there is no run.py in {peers}, which PEERS names")
    python = environment(VAR / "venv", ROOT / "requirements.lock", "granian", "gunicorn")
    data, version = _peers_data(peers, python) if have_peers else _small_data()
    server = server_command(os.environ.get("SERVER") or "granian", python)
    place = Place(admin_url, "donkies_bench", VAR)
    path = write_service(place, prepare(place, data, data_version=version, server=server, python=str(python)))
    if os.environ.get("PREPARE"):
        print(f"written: {path.relative_to(ROOT)}")
        return
    # the log of each request, which is in what they cost, goes to stdout; the figures to stderr
    subprocess.run([python, "-m", "bench.floors", path], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    if not have_peers:
        print("The peers are not here, so this is all: PEERS=FOLDER names theirs.")
        return
    theirs = os.environ.get("PEERS_PYTHON") or environment(VAR / "venv-peers", peers / "requirements.txt")
    env = os.environ | {"PEER_DATABASE_URL": admin_url, "PYTHONDONTWRITEBYTECODE": "1"}
    env.setdefault("BENCH_VAR", str(VAR / "peers"))
    subprocess.run([theirs, "run.py", "--target", path, *_flags()], cwd=peers, env=env, check=True)


def _peers_data(peers: Path, python: Path) -> tuple[Path, str]:
    """The peers' rows, written once for each version of their `data.py`."""
    version = hashlib.sha256((peers / "data.py").read_bytes()).hexdigest()
    folder, stamp = VAR / "data", VAR / "data/.made-of"
    if not stamp.exists() or stamp.read_text() != version:
        print("writing the peers' rows (once, half a minute)", file=sys.stderr)
        env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([python, "data.py", "export", folder], cwd=peers, env=env, check=True)
        stamp.write_text(version)
    return folder, version


def _small_data() -> tuple[Path, str]:
    folder = VAR / "data-small"
    small.write(folder, users=20, heavy=5_000, others=20, ingest=1_000, page=500)
    return folder, "small"


def _flags() -> list[str]:
    given = [(name, os.environ.get(name)) for name in FLAGS]
    flags = [word for name, value in given if value for word in (f"--{name.lower().replace('_', '-')}", value)]
    return flags + [f"--{name.lower()}" for name in SWITCHES if os.environ.get(name)]


if __name__ == "__main__":
    main()
