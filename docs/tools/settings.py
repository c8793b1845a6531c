"""The page of settings: words from development.ini, kinds and defaults from the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from donkies.config import Settings

from .tables import table

ABOUT = """\
# Settings

Each line of an ini file can be overridden by an environment variable: `donkies.link.look_s` is `DONKIES_LINK_LOOK_S`.
`DONKIES_LINK_LOOK_S_FILE` names a file whose content is the value, as container platforms mount secrets; both at once
is refused. What is misspelt or unknown stops the start, in one line that names it.

*Here* is what `development.ini` sets, where that differs from the default. What [production](../how-to/production.md)
refuses, `donkies check` lists. Names that end in `_s` are seconds.
"""


class Unexplained(LookupError):
    """A setting has no comment in development.ini."""


@dataclass
class Section:
    """Settings under one heading; those that share a comment stand together.

    Args:
        groups: a comment, with the settings it is about and their values in the file.
    """

    title: str
    groups: list[tuple[str, dict[str, str]]] = field(default_factory=list)


def read_sections(ini: str) -> Iterator[Section]:
    """The sections of the `[app:main]` part of an ini file. Raises: Unexplained."""
    section, comment = Section("Settings"), ""
    for line in ini.partition("[app:main]")[2].partition("\n[")[0].splitlines():
        if line.startswith("# == "):
            if section.groups:
                yield section
            section = Section(line.removeprefix("# == "))
        elif line.startswith("#") and not line.startswith("# donkies."):
            comment += line.removeprefix("#")
        elif line.removeprefix("# ").startswith("donkies."):  # one that is left out has its line all the same
            name, _, value = line.removeprefix("# ").partition("=")
            if comment:
                section.groups.append((comment, {}))
            elif not section.groups:
                raise Unexplained(f"{name.strip()} has no comment in development.ini")
            section.groups[-1][1][name.strip()] = value.strip()
            comment = ""
    yield section


def settings(ini: str) -> Iterator[str]:
    """The page's lines. Raises: Unexplained, also for a setting that the file does not hold."""
    yield ABOUT
    fields = {str(one.alias): one for one in Settings.model_fields.values()}
    told = set()
    for section in read_sections(ini):
        yield f"## {section.title}\n"
        rows = []
        for comment, group in section.groups:
            told |= set(map(field_of, group))
            names = "<br>".join(f"`{name}`" for name in group)
            kinds = "<br>".join(_kind(fields[field_of(name)]) for name in group)
            defaults = "<br>".join(_default(fields[field_of(name)], here) for name, here in group.items())
            rows.append((names, kinds, defaults, comment.strip()))
        yield from table(("setting", "kind", "default", "what"), rows)
    if missing := sorted(fields.keys() - told):
        raise Unexplained(f"{', '.join(missing)}: not in development.ini")


def field_of(name: str) -> str:
    """A setting's own name: of one that holds many, `donkies.it.NAME`, without the last part."""
    return name.removesuffix(".NAME")


def _kind(setting: FieldInfo) -> str:
    annotation: Any = setting.annotation
    if get_origin(annotation) is Literal:
        return " ".join(f"`{one}`" for one in get_args(annotation))
    name = {bool: "yes or no", int: "whole number", float: "number", SecretStr: "secret"}.get(annotation, "text")
    signs = {"gt": "above", "ge": "at least", "le": "at most"}
    bounds = [
        f"{said} {getattr(one, sign)}" for one in setting.metadata for sign, said in signs.items() if hasattr(one, sign)
    ]
    return ", ".join([name, *bounds])


def _default(setting: FieldInfo, here: str) -> str:
    default = setting.get_default(call_default_factory=True, validated_data={})
    if not isinstance(default, (str, int, float, SecretStr)) and default is not PydanticUndefined:
        return "none"
    if default is PydanticUndefined:
        return f"none: must be set; here `{here}`"
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    text = (
        str(default).lower()
        if isinstance(default, bool)
        else f"{default:g}"
        if type(default) is float
        else str(default)
    )
    said = f"`{text}`" if text else "empty"
    return said if here == text else f"{said}; here `{here}`"
