"""Aggregators from other packages: found by entry point, chosen by name, given options of their own."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from ..domain.aggregator import Aggregator
from .settings import BUILT_IN, BadSettings

GROUP = "donkies.aggregators"
METHODS = sorted(name for name in vars(Aggregator) if not name.startswith("_"))


def load_aggregator(name: str, options: Mapping[str, str]) -> Aggregator:
    """Make the aggregator that a package offers under this name.

    Its entry point names something to call with the options, by their names: a class, or a function. A ValueError
    says what is wrong with an option, in one line without its value.

    Raises: BadSettings, one line: no such name, twice the same, cannot be imported, cannot be made, or is none.
    """
    factory = _factory(name)
    try:
        made = factory(options)
    except ValueError as error:
        raise BadSettings(f"donkies.aggregator.options: {name} refused them: {_line(error)}") from error
    except Exception as error:  # its text is not told, for it may quote an option, which may be a secret
        raise BadSettings(
            f"donkies.aggregator: {name} could not be made: {type(error).__name__} at {_place(error)}"
        ) from error
    if missing := [method for method in METHODS if not callable(getattr(made, method, None))]:
        raise BadSettings(f"donkies.aggregator: what {name} makes is no Aggregator: it has no {', '.join(missing)}")
    return made  # type: ignore[no-any-return]


def _factory(name: str) -> Any:
    entry = _find(name)
    try:
        return entry.load()
    except Exception as error:
        raise BadSettings(
            f"donkies.aggregator: {name} ({entry.value}, of the package {_package(entry)}) cannot be imported: "
            f"{type(error).__name__}: {_line(error)}"
        ) from error


def _find(name: str) -> EntryPoint:
    found = entry_points(group=GROUP)
    mine = {entry.value: entry for entry in found if entry.name == name}  # a path searched twice finds it twice
    if not mine:
        known = ", ".join([*BUILT_IN, *sorted({entry.name for entry in found} - set(BUILT_IN))])
        raise BadSettings(
            f"donkies.aggregator: no installed package offers one of this name; there are {known} "
            f"(others come by the entry point {GROUP})"
        )
    if len(mine) > 1:
        both = " and ".join(sorted(_package(entry) for entry in mine.values()))
        raise BadSettings(f"donkies.aggregator: {both} both offer one of this name; uninstall one")
    return next(iter(mine.values()))


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "?"


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}"
