"""The page of commands: what `donkies … --help` says, on one page."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from donkies.cli import main

from .tables import table

ABOUT = """\
# The command line

`donkies` is for whoever runs the service; `donkies COMMAND --help` says the same as this page. Which ini file is meant
comes first: `donkies -c production.ini check`. Exit status 0 is success, 1 a refusal that says why in one line, 2 a
command that was typed wrongly.
"""


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Each command that does something, with its full name, as `client create`."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    for name in sorted(command.commands):
        yield from walk(command.commands[name], (*path, name))


def commands() -> Iterator[str]:
    """The page's lines."""
    yield ABOUT
    yield from table(
        ("command", "what"),
        [(f"[`{name}`](#donkies-{name.replace(' ', '-')})", one.get_short_help_str(200)) for name, one in walk(main)],
    )
    for name, command in [("", main), *walk(main)]:
        full = f"donkies {name}".strip()
        context = click.Context(command, info_name=full)
        yield f"## {full}\n"
        usage = " ".join(command.collect_usage_pieces(context))
        yield f"```text\n{full} {usage}\n```\n"
        yield re.sub(r"`([^`]*)`", r"`\1`", inspect.cleandoc(command.help or "")) + "\n"
        if rows := [record for one in command.params if (record := one.get_help_record(context))]:
            yield from table(("option", "what"), [(f"`{names}`", said) for names, said in rows])
