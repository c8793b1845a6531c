"""Pydantic's schemas as the document has them: without titles, described by docstrings, each with an example."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

REF = "#/components/schemas/"
EXAMPLES = {
    "uuid": "0199c1a2-7d3e-7c4b-9a51-6f0e2d8b4c17",
    "date-time": "2026-11-25T08:30:00Z",
    "date": "2026-11-25",
    "uri": "https://app.example/",
}


def schemas_of(types: Iterable[Any]) -> tuple[dict[Any, dict[str, Any]], dict[str, Any]]:
    """The schemas of types, and the components that they refer to, by name."""
    wanted = list(dict.fromkeys(types))
    inputs: list[Any] = [(str(at), "validation", TypeAdapter(kind)) for at, kind in enumerate(wanted)]
    found, whole = TypeAdapter.json_schemas(inputs, ref_template=REF + "{model}")
    components = {name: tidy(schema) for name, schema in sorted(whole.get("$defs", {}).items())}
    for kind in _models(wanted):
        if kind.__name__ in components:
            _describe(components[kind.__name__], kind)
    return {kind: tidy(found[str(at), "validation"]) for at, kind in enumerate(wanted)}, components


def tidy(schema: Any) -> Any:
    """Without the titles that pydantic makes of names, and without defaults that say nothing."""
    if isinstance(schema, list):
        return [tidy(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    shown = {}
    for name, value in schema.items():
        if name == "properties":
            shown[name] = {field: tidy(one) for field, one in value.items()}
        elif name == "title" or (name == "default" and value is None):
            continue
        else:
            shown[name] = value if name in ("examples", "default", "const", "enum") else tidy(value)
    return shown


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Of a parameter, which is left out rather than null."""
    kinds = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if not kinds:
        return schema
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return rest | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})


def example_of(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    """A value that fits, made of the examples, defaults and formats of its parts."""
    if "$ref" in schema:
        return example_of(components[schema["$ref"].removeprefix(REF)], components)
    for name in ("examples", "enum"):
        if name in schema:
            return schema[name][0]
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    for name in ("anyOf", "oneOf", "allOf"):
        if name in schema:
            return example_of(schema[name][0], components)
    kind = schema.get("type")
    if kind == "object":
        return {name: example_of(one, components) for name, one in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema["items"], components)]
    if kind == "string":
        return EXAMPLES.get(schema.get("format", ""), "text")
    return {"integer": max(1, schema.get("minimum", 1)), "number": 1, "boolean": True}.get(str(kind))


def _models(types: Iterable[Any]) -> Iterable[type[BaseModel]]:
    """The models among types, and those within their fields."""
    todo, seen = list(types), set[Any]()
    while todo:
        kind = todo.pop()
        todo += getattr(kind, "__args__", ())
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in seen:
            seen.add(kind)
            todo += [field.annotation for field in kind.model_fields.values()]
    return seen


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """What a docstring says under `Args:` is what the fields mean."""
    text, _, arguments = (model.__doc__ or "").partition("Args:")
    schema["description"] = " ".join(text.split())
    for name, said in re.findall(r"^ {4,}(\w+): ((?:.|\n {9,})*)", arguments, re.M):
        for known, field in model.model_fields.items():
            shown = field.alias or known
            if known == name and shown in schema.get("properties", {}):
                schema["properties"][shown]["description"] = " ".join(said.split())
