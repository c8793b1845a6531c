"""Code in the documentation: every block names its language and parses, and every command in it exists."""

from __future__ import annotations

import ast
import configparser
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import click
import pytest

from donkies.cli import main

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
CHECKED_ELSEWHERE = {"html", "jsx", "text", "mermaid", "csv", "http", "{toctree}"}


class Block(NamedTuple):
    where: str
    language: str
    code: str


def blocks() -> Iterator[Block]:
    for path in [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]:
        text = path.read_text()
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(f"{path.relative_to(ROOT)}:{line}", found[1].partition(" ")[0], found[2])


def fault(block: Block) -> str | None:
    """What is wrong with it, None when it can be read."""
    try:
        match block.language:
            case "python":
                ast.parse(dedent(block.code))
            case "json":
                json.loads(block.code)
            case "ini":
                configparser.ConfigParser(strict=False, allow_no_value=True, interpolation=None).read_string(
                    block.code if block.code.startswith("[") else f"[app:main]\n{block.code}"
                )
            case "sh":
                return run(["bash", "-n"], block.code)
            case "js" if shutil.which("node"):
                return run(["node", "--input-type=module", "--check"], block.code)
            case "js" | "nginx" | "caddy":
                return None
            case language if language not in CHECKED_ELSEWHERE:
                return f"nothing here reads {language!r}: name the language, or teach {__name__}"
    except (SyntaxError, ValueError, configparser.Error) as error:
        return str(error)
    return None


def run(command: list[str], code: str) -> str | None:
    done = subprocess.run(command, input=code, capture_output=True, text=True, timeout=30, check=False)
    return done.stderr if done.returncode else None


def test_every_block_can_be_read():
    assert [] == [(block.where, why) for block in blocks() if (why := fault(block))]


@pytest.mark.parametrize(
    ("language", "code"),
    [("python", "def"), ("json", "{,}"), ("sh", "if"), ("", "anything"), ("js", "const ="), ("ini", "[a\nb")],
)
def test_what_cannot_be_read_is_found(language, code):
    if language == "js" and not shutil.which("node"):
        pytest.skip("no node")
    assert fault(Block("here", language, code))


def commands() -> Iterator[tuple[str, list[str]]]:
    """Each `donkies …` of a shell block, with its arguments."""
    for block in blocks():
        if block.language != "sh":
            continue
        for line in block.code.replace("\\\n", " ").splitlines():
            if found := re.search(r"(?:^|^\$ |\$\(|bin/)donkies ((?:-c|[a-z]).*)", line):
                words = shlex.split(re.split(r"[|>)]|&&", found[1])[0], comments=True)
                if "$@" not in words:
                    yield block.where, words


def test_every_command_exists_and_takes_its_options():
    known = list(commands())
    assert len(known) > 15
    assert [] == [(where, words, why) for where, words in known if (why := refusal(words))]


def refusal(words: list[str]) -> str | None:
    command: click.Command = main
    if words[0] == "-c":
        words = words[2:]
    try:
        while isinstance(command, click.Group):
            _, command, words = command.resolve_command(click.Context(command), words)
            assert command
        command.make_context(command.name, list(words))
    except click.UsageError as error:
        is_file = isinstance(error, click.BadParameter) and isinstance(getattr(error.param, "type", None), click.File)
        return None if is_file else error.format_message()  # the reader has it, or makes it
    return None


def test_a_command_that_does_not_exist_is_found():
    assert refusal(["-c", "production.ini", "no-such"])
    assert refusal(["client", "create", "--no-such"])
    assert refusal(["client", "create", "--name", "a"]), "--type is missing"
