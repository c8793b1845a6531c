"""What all commands share: the ini file, its services, and how things are printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson
import plaster
import svcs
from rich.console import Console
from rich.table import Table

from ..config import BadSettings, bind, parse_settings
from ..config.logs import configure_logs
from ..domain.errors import DomainError, Invalid


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
