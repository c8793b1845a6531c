"""The command line: `donkies -c development.ini …`."""

from __future__ import annotations

import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Pyramid and Cornice import pkg_resources, which warns; nobody at a command line can do a thing about it
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)

import click  # noqa: E402
import orjson  # noqa: E402
import plaster  # noqa: E402
import svcs  # noqa: E402
from celery import Celery  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402
from rich.table import Table  # noqa: E402
from sqlalchemy import Engine  # noqa: E402

from .adapters.messaging import QUEUES  # noqa: E402
from .adapters.persistence import schema  # noqa: E402
from .adapters.persistence.resealing import Resealing  # noqa: E402
from .adapters.sealing import Keyring, Unsealable  # noqa: E402
from .config import BadSettings, Settings, bind, parse_settings  # noqa: E402
from .config.logs import configure_logs  # noqa: E402
from .config.start import check_database, find_problems  # noqa: E402
from .domain.clients import ClientService, Registration  # noqa: E402
from .domain.downloads import ScheduleService  # noqa: E402
from .domain.errors import DomainError, Invalid  # noqa: E402
from .domain.tokens import SCOPES  # noqa: E402
from .domain.users import Profile, SignUp, UserService  # noqa: E402
from .worker import run_beat, run_worker  # noqa: E402


@click.group()
@click.option(
    "-c",
    "--config",
    "ini",
    default="development.ini",
    show_default=True,
    type=click.Path(path_type=Path),
    help="The ini file with the settings.",
)
@click.pass_context
def main(context: click.Context, ini: Path) -> None:
    """Runs and looks after donkies."""
    context.obj = ini


@contextmanager
def services(ini: Path) -> Iterator[svcs.Container]:
    """The services that an ini file describes; what they refuse becomes one line and exit status 1."""
    try:
        if not ini.exists():
            raise BadSettings(f"{ini}: there is no such file; name one with -c")
        settings = parse_settings(plaster.get_settings(str(ini), "app:main"))
        configure_logs(settings)
        with bind(settings) as registry, svcs.Container(registry) as container:
            yield container
    except BadSettings as error:
        raise click.ClickException(str(error)) from None
    except Invalid as error:
        lines = [f"  {field}: {problem}" for field, problem in error.fields.items()]
        raise click.ClickException("\n".join([error.detail, *lines])) from None
    except DomainError as error:
        raise click.ClickException(error.detail) from None


def show(content: dict[str, Any], as_json: bool) -> None:
    """Print one thing: as one JSON object, or as a table for people."""
    if as_json:
        click.echo(orjson.dumps(content).decode())
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in content.items():
        table.add_row(name, "\n".join(value) if isinstance(value, list) else str(value))
    Console().print(table)


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


@main.command()
@click.pass_obj
def migrate(ini: Path) -> None:
    """Bring the database's schema up to date; doing it again changes nothing."""
    with services(ini) as container:
        schema.upgrade(container.get(Engine))
        click.echo("The database is up to date.", err=True)


@main.group()
def client() -> None:
    """Apps that people may sign in to."""


@client.command("create")
@click.option("--name", required=True, help="What people see.")
@click.option("--type", "type_", required=True, type=click.Choice(["public", "confidential"]))
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Exact; may be repeated.")
@click.option("--origin", "origins", multiple=True, help="Browser origin that calls the API; may be repeated.")
@click.option("--scope", "scopes", multiple=True, help=f"Space-separated, of: {' '.join(SCOPES)}")
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True, help="May be repeated.")
@click.option("--trusted", "is_trusted", is_flag=True, help="A first-party app.")
@click.option("--native", "is_native", is_flag=True, help="An app on a device (RFC 8252).")
@json_option
@click.pass_obj
def create_client(ini: Path, as_json: bool, type_: Any, scopes: tuple[str, ...], **wanted: Any) -> None:
    """Register a client. A secret is printed this once; only its hash is kept."""
    named = [scope for given in scopes for scope in given.split()]
    with services(ini) as container:
        made, secret = container.get(ClientService).register(Registration(type=type_, scopes=named, **wanted))
    content: dict[str, Any] = {"client_id": made.client_id}
    if secret is not None:
        content["client_secret"] = secret
    content |= {
        "name": made.name,
        "type": made.type,
        "redirect_uris": list(made.redirect_uris),
        "post_logout_redirect_uris": list(made.post_logout_redirect_uris),
        "origins": list(made.origins),
        "scopes": list(made.scopes),
        "trusted": made.is_trusted,
        "native": made.is_native,
    }
    show(content, as_json)


@main.group()
def user() -> None:
    """People."""


@user.command("create")
@click.option("--first-name", required=True)
@click.option("--last-name", required=True)
@click.option("--email", required=True)
@click.option("--birthday", required=True, help="As 1990-12-31.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input, not from the terminal.")
@json_option
@click.pass_obj
def create_user(ini: Path, as_json: bool, password_stdin: bool, **fields: str) -> None:
    """Make a local account."""
    # never an option of its own: it would stay in the shell's history and show in `ps`
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    with services(ini) as container:
        service = container.get(UserService)
        show(_person(service.profile(service.sign_up(SignUp(**fields, password=password)))), as_json)


@user.command("show")
@click.argument("email")
@json_option
@click.pass_obj
def show_user(ini: Path, email: str, as_json: bool) -> None:
    """Show a person's profile."""
    with services(ini) as container:
        show(_person(container.get(UserService).profile_by_email(email)), as_json)


def _person(profile: Profile) -> dict[str, Any]:
    return {
        "id": str(profile.id),
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "email": profile.email,
        "email_verified": profile.email_verified,
        "birthday": profile.birthday.isoformat() if profile.birthday else None,
        "created_at": profile.created_at.isoformat(),
    }


@main.command()
@click.pass_obj
def check(ini: Path) -> None:
    """Say everything that would stop a start, a line each; nothing is started or changed."""
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
    arguments = [
        "--interface", "wsgi", "--host", host, "--port", str(port), "--workers", str(workers), "--no-ws",
        "--runtime-threads", "1", "--blocking-threads", str(threads or settings.web_threads),
        "--respawn-failed-workers", "--workers-kill-timeout", "25", "--log-level", "warning",
        "donkies.wsgi:application",
    ]  # fmt: skip
    # this process becomes the server, so that it is the server that gets SIGTERM
    os.execv(sys.executable, [sys.executable, "-m", "granian", *arguments])  # noqa: S606 - our own arguments


@main.group()
def keys() -> None:
    """Keys that encrypt at rest."""


@keys.command("reseal")
@click.pass_obj
def reseal(ini: Path) -> None:
    """Put all that is encrypted under the first of donkies.sealing_keys, while the service runs.

    Afterwards the other keys open nothing that is kept. The order of a rotation: OLD NEW everywhere, then NEW OLD
    everywhere, then this, then NEW alone. Doing it again changes nothing.
    """
    with services(ini) as container:
        resealing = Resealing(container.get(Engine), container.get(Keyring))
        count = 0
        with Progress(console=Console(stderr=True)) as progress:
            bar = progress.add_task("rows", total=resealing.left())
            try:
                for done in resealing.run():
                    count += done
                    progress.update(bar, advance=done)
            except Unsealable as error:
                raise click.ClickException(f"{error}; put the key that sealed it back into the setting") from None
        left = resealing.left()
    click.echo(f"{count} rows are under the newest key now; {left} are not.")
    if left:
        raise click.ClickException("other processes still seal with an older key: put the new one first everywhere")


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


if __name__ == "__main__":
    main()
