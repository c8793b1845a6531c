"""The stable words that the code answers with: codes of refusals, reasons of links. Read from the source itself."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

from authlib.oauth2 import OAuth2Error

from donkies.views import oauth

PACKAGE = Path(__file__).parents[2] / "donkies"
OTHERS = {"demo", "sandbox", "testing"}


def codes() -> set[str]:
    """Each `code` that a problem document may bear: of classes, of calls with `code=`, and of `problem`."""
    found = set()
    for node in _nodes():
        if isinstance(node, ast.ClassDef):
            found |= set(_set_in(node, "code"))
        elif isinstance(node, ast.Call):
            found |= {text for keyword in node.keywords if keyword.arg == "code" for text in _texts(keyword.value)}
            if _name(node) == "problem":
                found |= set(_texts(*node.args[1:2]))
    return found


def reasons() -> set[str]:
    """Each `reason` that a link may bear: of verdicts, of the aggregator's failures, and of downloads given up."""
    found = set()
    for node in _nodes():
        if isinstance(node, ast.ClassDef):
            found |= set(_set_in(node, "reason"))
        elif isinstance(node, ast.Call) and _name(node) in ("Verdict", "_give_up"):
            found |= set(_texts(*node.args[1:2]))
        elif isinstance(node, ast.Call) and _name(node) == "_other":
            found |= set(_texts(*node.args[:1]))
    return found


def oauth_errors() -> set[str]:
    """Each `error` of OAuth's own that the views raise: of Authlib's classes and ours."""
    found = set()
    for module in pkgutil.iter_modules(oauth.__path__, f"{oauth.__name__}."):
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and issubclass(one, OAuth2Error) and one.error:
                found.add(one.error)
    return found


def _nodes() -> Iterator[ast.AST]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.relative_to(PACKAGE).parts[0] not in OTHERS:
            yield from ast.walk(ast.parse(path.read_text()))


def _set_in(node: ast.ClassDef, name: str) -> Iterator[str]:
    for one in node.body:
        if isinstance(one, ast.Assign) and [name] == [getattr(target, "id", None) for target in one.targets]:
            yield from _texts(one.value)


def _texts(*nodes: ast.expr) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.IfExp):
            yield from _texts(node.body, node.orelse)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _name(call: ast.Call) -> str:
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")
