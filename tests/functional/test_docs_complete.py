"""What the code has and the documentation lacks: a setting, command, route, scope, code or state without a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.tools import reference, settings, words
from docs.tools.commands import walk
from donkies.cli import main
from donkies.config import Settings
from donkies.domain.aggregator import ActBy, LinkStatus, RetryWith
from donkies.domain.errors import DomainError
from donkies.domain.linked_accounts import LABELS, TransactionsStatus
from donkies.domain.tokens import SCOPES
from donkies.views.errors import STATUSES
from donkies.views.openapi.document import make_document
from donkies.views.openapi.problems import refusals
from donkies.views.openapi.routes import served

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
TARGET = re.compile(r"^([a-z-]+):.*?(?:## (.+))?$", re.M)


def rows(page: str, heading: str | None = None) -> dict[str, str]:
    """The rows of a page's tables, or of the part under one heading, by the word in their first cell."""
    text = (REFERENCE / page).read_text()
    if heading:
        text = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return {name: line for line in lines for name in re.findall(r"`([^`]+)`", line.split(" | ")[0])}


@pytest.fixture(scope="module")
def registry():
    return reference.make_registry()


def test_each_page_that_is_made_is_current():
    assert [] == list(reference.stale()), "run `make reference` and commit what it writes"


def test_each_setting_has_a_line():
    told = set(map(settings.field_of, rows("settings.md")))
    assert {str(one.alias) for one in Settings.model_fields.values()} == told


def test_a_setting_without_a_comment_is_refused():
    ini = "[app:main]\n# == The house\ndonkies.env = development\n"
    with pytest.raises(settings.Unexplained, match=r"donkies\.env"):
        list(settings.settings(ini))
    with pytest.raises(settings.Unexplained, match=r"donkies\.public_url.*not in"):
        list(settings.settings(ini.replace("donkies.env", "# what\ndonkies.env")))


def test_a_setting_that_is_left_out_has_its_line_all_the_same():
    ini = "[app:main]\n# == The house\n# what of it\n# donkies.public_url.NAME = VALUE\n"
    (section,) = settings.read_sections(ini)
    assert [(" what of it", {"donkies.public_url.NAME": "VALUE"})] == section.groups
    assert "donkies.public_url" == settings.field_of("donkies.public_url.NAME")


def test_each_command_and_option_has_a_line():
    page = (REFERENCE / "cli.md").read_text()
    for name, command in walk(main):
        _, found, part = page.partition(f"\n## donkies {name}\n")
        assert found, name
        part = part.partition("\n## ")[0]
        missing = [one for option in command.params for one in option.opts if one.startswith("-") and one not in part]
        assert (name, []) == (name, missing)
        assert command.help, f"say in its docstring what `donkies {name}` does"


def test_each_route_has_a_line_that_says_what_it_does(registry):
    told = {}
    for name, line in rows("api.md").items():
        *methods, path = name.split()
        told |= {f"{method} {path}": line.rstrip("| ").rpartition(" | ")[2] for method in methods}
    assert {one.name for one in served(registry)} == told.keys()
    assert [] == [name for name, words in told.items() if not words.strip()]


def test_each_scope_has_a_line():
    assert set(SCOPES) == rows("scopes.md").keys()


def families(family: type[DomainError]) -> Iterator[type[DomainError]]:
    for one in family.__subclasses__():
        yield one
        yield from families(one)


def status_of(family: type[DomainError]) -> int:
    return next((status for known, status in STATUSES if issubclass(family, known)), 400)


def test_each_code_has_a_line_and_each_line_a_code(registry):
    others, oauths = (REFERENCE / "errors.md").read_text().split("## OAuth's own")
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", others, re.M))
    documented = set()
    for path, methods in make_document(registry)["paths"].items():
        for one in served(registry):
            if one.path == path and one.method.lower() in methods and one.operation:
                codes = refusals(one.operation, path=path, needs_token=bool(one.scope), is_persons=True)
                documented |= {(status, code) for status, found in codes.items() for code in found}
    known = {code for _, code in documented} | words.codes()
    assert len(known) > 70
    # OAuth's own, which the token endpoint says in OAuth's shape
    missing = known - told.keys() - {"invalid_grant", "invalid_scope"}
    assert set() == missing, "add a line to docs/reference/errors.md"
    assert set() == told.keys() - known, "nothing answers with these any more"
    answered = {code for _, code in documented} | {code for code, status in told.items() if status == "none"}
    given = documented | {(status_of(one), one.code) for one in families(DomainError) if one.code not in answered}
    wrong = [(status, code) for status, code in given if code in told and str(status) not in told[code]]
    assert [] == wrong, "the status in docs/reference/errors.md is another"
    assert set() == words.oauth_errors() - set(re.findall(r"^\| `(\w+)` \|", oauths, re.M))


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("link_status", LinkStatus),
        ("act_by", ActBy),
        ("retry_with", RetryWith),
        ("transactions_status", TransactionsStatus),
        ("reason", None),
    ],
)
def test_each_state_has_a_line(heading, known):
    wanted = words.reasons() if known is None else {str(one) for one in known}
    assert wanted
    assert wanted == rows("states.md", heading).keys(), "see docs/reference/states.md"


def test_the_labels_are_those_that_are_sent():
    told = rows("states.md", "link_status")
    assert [] == [label for status, label in LABELS.items() if f"| {label} |" not in told[status]]


def test_each_target_of_make_says_what_it_does():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M)
    assert phony
    said = {name: words for name, words in TARGET.findall(makefile) if words}
    assert set(phony[1].split()) == said.keys()
