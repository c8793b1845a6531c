"""`donkies demo` and `donkies ini`: what somebody needs who has the package and nothing else."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click
import plaster

from ..shipped import shipped
from .base import main

FIRST_PORT = 6543  # web; the demo front end, the sandbox and its mail server take the next ones


@main.command()
@click.argument("folder", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--port", type=click.IntRange(1024, 65532), help="First of four ports in a row, for a new ini file.")
def demo(folder: Path, port: int | None) -> None:
    """Start everything in one process: service, worker, sandbox bank and demo front end.

    FOLDER (else this one) keeps its ini file, made if there is none and yours to change, and its data under var.
    """
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # paths in the ini file begin there
    ini = Path("development.ini")
    if not ini.exists():
        ini.write_text(_moved(shipped(ini.name).read_text(), port or FIRST_PORT))
    elif port:
        raise click.UsageError(f"{folder / ini} is there already: change the ports in it.")
    loader = plaster.get_loader(str(ini), protocols=["wsgi"])
    loader.setup_logging({})
    loader.get_wsgi_server()(loader.get_wsgi_app())


@main.command("ini")
@click.argument("kind", type=click.Choice(["development", "production"]))
def show_ini(kind: str) -> None:
    """Print the ini file that comes with this release: every setting, a line on each."""
    click.echo(shipped(f"{kind}.ini").read_text(), nl=False)


def _moved(ini: str, port: int) -> str:
    return re.sub(r"\b654[3-6]\b", lambda found: str(int(found[0]) - FIRST_PORT + port), ini)
