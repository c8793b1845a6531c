"""What runs and what prepares it: `donkies migrate`, `check`, `doctor`, `web`, `worker`, `beat`, `sync`."""

from __future__ import annotations

import importlib.util
import os
import resource
import sys
import time
from pathlib import Path

import click
import plaster
from celery import Celery
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import Engine

from ..adapters.messaging import QUEUES
from ..adapters.persistence import schema
from ..config import Settings
from ..config.doctor import examine_all
from ..config.start import check_database, find_problems
from ..domain.schedule import ScheduleService
from ..worker import run_beat, run_worker
from .base import main, services

# of each web process: connections at once, idle ones too, and the bytes of a request's line and headers
CONNECTIONS = 4096
HEADERS_LIMIT = 65_536


@main.command()
@click.pass_obj
def migrate(ini: Path) -> None:
    """Bring the database's schema up to date; doing it again changes nothing."""
    with services(ini) as container:
        schema.upgrade(container.get(Engine))
        click.echo("The database is up to date.", err=True)


@main.command()
@click.pass_obj
def check(ini: Path) -> None:
    """Say everything that would stop a start or the work, a line each; nothing is started or changed.

    It looks at the settings, the database and the broker, and calls nobody else: fit for a script that starts things.
    `donkies doctor` tries all the rest too.
    """
    if not ini.exists():
        problems = [f"{ini}: there is no such file; name one with -c"]
    else:
        problems = find_problems(plaster.get_settings(str(ini), "app:main"))
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        raise SystemExit(1)
    click.echo("ready")


@main.command()
@click.pass_obj
def doctor(ini: Path) -> None:
    """Try everything outside, and say what is wrong and what to do; nothing is changed, nothing is sent.

    Settings, database and schema, broker, aggregator with its keys, mail server with its log-in, Google's and
    Facebook's keys, and whether the public address leads here. Exit status 1 if anything is wrong.
    """
    if not ini.exists():
        raise click.ClickException(f"{ini}: there is no such file; name one with -c")
    sick = False
    for finding in examine_all(plaster.get_settings(str(ini), "app:main")):
        sick |= finding.state == "wrong"
        click.echo(f"{finding.state:<9}{finding.thing:<15} {finding.said}")
    raise SystemExit(1 if sick else 0)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=6543, show_default=True, type=click.IntRange(0, 65535))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Processes; one a core.")
@click.option("--threads", type=click.IntRange(min=1), help="Requests at once in each; else donkies.web.threads.")
@click.pass_obj
def web(ini: Path, host: str, port: int, workers: int, threads: int | None) -> None:
    """Serve the web application with granian until SIGTERM, which lets requests under way end."""
    with services(ini) as container:
        settings = container.get(Settings)
        check_database(settings, container.registry)
    if importlib.util.find_spec("granian") is None:
        raise click.ClickException("the web server is not installed; run: pip install 'donkies[production]'")
    os.environ["DONKIES_INI"] = str(ini)
    if threads:
        os.environ["DONKIES_WEB_THREADS"] = str(threads)
    _allow_files()
    arguments = [
        "--interface", "rsgi", "--http", "1", "--host", host, "--port", str(port), "--workers", str(workers), "--no-ws",
        "--runtime-threads", "1", "--backpressure", str(CONNECTIONS),
        "--http1-header-read-timeout", str(settings.web_read_s * 1_000), "--http1-buffer-size", str(HEADERS_LIMIT),
        "--respawn-failed-workers", "--workers-kill-timeout", "25", "--log-level", "warning",
        "--factory", "donkies.rsgi:make_application",
    ]  # fmt: skip
    # this process becomes the server, so that it is the server that gets SIGTERM
    os.execv(sys.executable, [sys.executable, "-m", "granian", *arguments])  # noqa: S606 - our own arguments


def _allow_files() -> None:
    """As many open files as connections need; often 1024 are allowed at first, and more to those who ask."""
    wanted = CONNECTIONS + 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@main.command()
@click.option("--threads", type=click.IntRange(min=1), help="How many tasks at once; else donkies.worker.threads.")
@click.option("--queue", "queues", multiple=True, type=click.Choice(QUEUES), help="Only this one; may be repeated.")
@click.pass_obj
def worker(ini: Path, threads: int | None, queues: tuple[str, ...]) -> None:
    """Do background work until SIGTERM, which lets what runs end or hands it over."""
    with services(ini) as container:
        settings = container.get(Settings)
        check_database(settings, container.registry)
        run_worker(container.registry, threads or settings.worker_threads, queues)


@main.command()
@click.pass_obj
def beat(ini: Path) -> None:
    """Wake what is due, every donkies.sweep_s; two at once do no harm."""
    with services(ini) as container:
        check_database(container.get(Settings), container.registry)
        run_beat(container.get(Celery))


@main.command()
@click.option("--all", "everyone", is_flag=True, required=True, help="Every healthy link of everybody.")
@click.pass_obj
def sync(ini: Path, everyone: bool) -> None:
    """Ask for fresh data now, instead of when each link's day has come. Workers do it; this watches them."""
    with services(ini) as container:
        service = container.get(ScheduleService)
        wanted = service.hasten()
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("links", total=wanted)
            while left := service.unfinished():
                progress.update(bar, completed=max(0, wanted - left))
                time.sleep(1)
            progress.update(bar, completed=wanted)
    click.echo(f"{wanted} links asked for fresh data; how each went stands in its transactions_status.")
