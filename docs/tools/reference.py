"""The reference pages that are made of the code: settings, commands, routes, scopes.

`make reference` writes them; `tests/functional/test_docs_complete.py` says when they are not current. A page says only
what its source says: to mend a line, mend the setting's comment, the command's help or the view's docstring.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import plaster
from pyramid.registry import Registry

from donkies.config import Settings, bind, make_app, parse_settings

from . import routes
from .commands import commands
from .mx import mx_statuses
from .settings import settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Made by `make reference`; to change a line, change what it is made of. -->\n\n"


def make_registry() -> Registry:
    """Everything that the application registers, without a database being asked."""
    raw = plaster.get_settings(str(ROOT / "development.ini"), "app:main")
    parsed: Settings = parse_settings({**raw, "donkies.database_url": "sqlite://"}, {})
    with bind(parsed) as services:
        return make_app(parsed, services).registry


def pages() -> dict[str, str]:
    """Each page's name and what it should hold."""
    registry = make_registry()
    made: dict[str, Callable[[], Iterable[str]]] = {
        "settings.md": lambda: settings((ROOT / "development.ini").read_text()),
        "cli.md": commands,
        "api.md": lambda: routes.api(registry),
        "scopes.md": lambda: routes.scopes(registry),
        "mx-statuses.md": mx_statuses,
    }
    return {name: NOTE + "\n".join(lines()).rstrip() + "\n" for name, lines in made.items()}


def stale() -> Iterator[str]:
    """Names of the pages that are not as they should be."""
    for name, text in pages().items():
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            yield name


def main() -> None:
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
    sys.stdout.write(f"{FOLDER.relative_to(ROOT)} is up to date.\n")


if __name__ == "__main__":
    main()
