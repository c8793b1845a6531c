"""The interpreter that everything is measured on, and the WSGI servers to choose from."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

FIGURES_ON = "3.13"
"""The interpreter weighs as much as the code, so service and peers run on one; figures are told of this one."""

THREADS = "4"  # as many as the peers' servers have


def find_python() -> str:
    """A Python 3.13 where there is one that runs, else the one that runs this."""
    tries = [(os.environ.get("BENCH_PYTHON"), {}), (shutil.which(f"python{FIGURES_ON}"), {})]
    tries += [(found, {"PYENV_VERSION": FIGURES_ON}) for found, _ in tries[1:]]
    for candidate, extra in tries:
        if candidate:
            asked = [candidate, "-c", "import sys; print(sys.executable)"]
            told = subprocess.run(asked, env={**os.environ, **extra}, capture_output=True, text=True, check=False)
            if told.returncode == 0:
                return told.stdout.strip()
    return sys.executable


def environment(folder: Path, requirements: Path, *packages: str) -> Path:
    """A virtual environment's Python, made where it is missing or its requirements have changed."""
    python = find_python()
    wanted = hashlib.sha256(f"{python} {packages} {requirements.read_text()}".encode()).hexdigest()
    stamp = folder / ".made-of"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"setting up {folder.name} on {python} (once, a minute)", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([python, "-m", "venv", folder], check=True)
        pip = [folder / "bin/python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", requirements, *packages], check=True)
        stamp.write_text(wanted)
    return folder / "bin/python"


def server_command(name: str, python: Path) -> list[str]:
    """One worker process that serves `bench.app:application` on `{port}`; granian as `donkies web` starts it."""
    app, folder = "bench.app:application", python.parent
    commands = {
        "granian": [
            str(folder / "granian"), "--interface", "rsgi", "--http", "1", "--host", "127.0.0.1", "--port", "{port}",
            "--workers", "1", "--runtime-threads", "1", "--no-ws", "--log-level", "warning",
            "bench.rsgi:application",
        ],
        "gunicorn": [
            str(folder / "gunicorn"), "-b", "127.0.0.1:{port}", "-w", "1", "-k", "gthread", "--threads", THREADS,
            "--keep-alive", "75", "--log-level", "warning", app,
        ],
        "waitress": [str(folder / "waitress-serve"), "--listen=127.0.0.1:{port}", f"--threads={THREADS}", app],
    }  # fmt: skip
    if name not in commands:
        sys.exit(f"bench: SERVER is one of {', '.join(commands)}")
    return commands[name]
