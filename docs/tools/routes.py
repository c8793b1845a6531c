"""The pages of routes and scopes: what Pyramid has registered and the OpenAPI document says."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator

from pyramid.registry import Registry

from donkies.domain.tokens import CLIENT_SCOPES, SCOPES, TRUSTED_SCOPES
from donkies.views.oauth.consent import WORDS
from donkies.views.openapi.document import OF_CLIENTS, make_document
from donkies.views.openapi.routes import Served, served

from .tables import table

ABOUT_API = """\
# Routes

`/openapi.json` of a running service has every field, example and refusal, and `/docs` shows it and tries calls. This
page is the overview. Refusals: [errors](errors.md); what a token may do: [scopes](scopes.md); what a link's states
mean: [states](states.md).
"""
ABOUT_PAGES = """\
## Hosted pages and the rest

Pages have a browser's session instead of a token. They are no API: fields and forms change without notice. How they
look: [every hosted page](pages.md).
"""
ABOUT_SCOPES = """\
# Scopes

What an access token may do. A client asks for some of those it was registered with; the person is told, in the words
below, and allows them or not. `links:credentials` and `users:write` only for clients registered with `--trusted`.
"""


def _all(registry: Registry) -> list[Served]:
    return sorted(served(registry), key=lambda one: (one.path, one.method))


def api(registry: Registry) -> Iterator[str]:
    """The lines of the page of routes."""
    yield ABOUT_API
    document = make_document(registry)
    by_tag = defaultdict(list)
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            row = (f"`{method.upper()} {path}`", _asks(one["security"]), one["summary"])
            for tag in one["tags"]:
                by_tag[tag].append(row)
    for tag in document["tags"]:
        yield f"## {tag['name']}\n"
        yield " ".join(tag["description"].split()) + "\n"
        yield from table(("route", "token", "what"), by_tag[tag["name"]])
    yield ABOUT_PAGES
    pages = defaultdict(list)
    for one in _all(registry):
        if not one.is_for_programs:
            pages[one.path, _words(one)].append(one.method)
    rows = [(f"`{' '.join(methods)} {path}`", words) for (path, words), methods in pages.items()]
    yield from table(("route", "what"), rows)


def _words(page: Served) -> str:
    """What a page is for: its own words, else its module's."""
    if not page.view.__module__.startswith("donkies."):
        return "The pages' own files"  # Pyramid's view of files
    own = page.summary or (sys.modules[page.view.__module__].__doc__ or "").partition("\n")[0]
    return own.strip().rstrip(".")


def _asks(security: list[dict[str, list[str]]]) -> str:
    if not security:
        return "none"
    kinds = {name for each in security for name in each}
    scopes = dict.fromkeys(scope for each in security for names in each.values() for scope in names)
    if scopes:
        return " ".join(f"`{one}`" for one in scopes)
    return "the client's own proof" if "client" in kinds else "none"


def scopes(registry: Registry) -> Iterator[str]:
    """The lines of the page of scopes."""
    yield ABOUT_SCOPES
    opens: dict[str, list[str]] = {scope: [] for scope in SCOPES}
    for one in _all(registry):
        for scope in (one.scope, *(one.operation.also if one.operation else ())):
            if scope:
                opens[scope].append(f"`{one.name}`")
    rows = []
    for scope in SCOPES:
        who = ["trusted clients"] if scope in TRUSTED_SCOPES else ["any client"]
        who += ["in their own name (`client_credentials`)"] if scope in CLIENT_SCOPES else []
        said = (WORDS | OF_CLIENTS)[scope]
        rows.append((f"`{scope}`", said, ", ".join(who), "<br>".join(opens[scope]) or "claims in tokens only"))
    yield from table(("scope", "the app will be able to", "for", "opens"), rows)
