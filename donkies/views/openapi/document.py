"""The OpenAPI 3.1 document, made of what is served. It is made once, when it is first asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from pyramid.registry import Registry

from ...domain.tokens import CLIENT_SCOPES, SCOPES
from ..api import shapes
from ..oauth.consent import WORDS
from .links import with_links
from .operation import Media, Operation
from .parameters import HEADERS, IF_NONE_MATCH, PATH
from .problems import refusals, refused_response
from .routes import Served, served
from .schemas import example_of, schemas_of, without_null

FORM = "application/x-www-form-urlencoded"
ABOUT = (
    "Signs people in, links their bank accounts and downloads their transactions.\n\n"
    "Get an access token by the authorization code flow with PKCE (S256), and send it as `Authorization: Bearer …`. "
    "Refusals are problem documents (RFC 9457) with a stable `code`. Ids are UUIDs, amounts decimal strings, times "
    "RFC 3339 in UTC. Lists go on at `next_cursor`."
)
OF_CLIENTS = {"users:write": "register people, in a client's own name"}


class Undeclared(LookupError):
    """A route for programs says nothing of itself."""


def make_document(registry: Registry) -> dict[str, Any]:
    """The document.

    Raises: Undeclared, naming every route that lacks an Operation; LookupError for what is not explained.
    """
    public_url = registry.settings["donkies"].public_url
    operations = _declared(served(registry))
    schemas, components = schemas_of([shapes.Problem, shapes.OAuthError, *_types(operations)])
    maker = _Maker(schemas, components)
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = maker.operation(one)
    with_links(paths)
    for one in operations:  # these are laid out as parameters
        for model in (one.declared.query, one.declared.headers):
            components.pop(model.__name__ if model else "", None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "donkies",
            "version": version("donkies"),
            "summary": "Sign-in, bank links and transactions for a money app",
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": public_url, "description": "This service"}],
        "tags": _tags(operations),
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": maker.responses,
            "headers": {name: HEADERS[name] for name in sorted(maker.headers)},
            "securitySchemes": _security_schemes(public_url),
        },
    }


def _declared(found: Any) -> Sequence[Served]:
    known = sorted((one for one in found if one.operation), key=lambda one: (one.path, one.method))
    names: dict[str, Served] = {}
    for one in known:
        if one.operation_id in names:
            twin = names[one.operation_id]
            raise Undeclared(f"{one.name} and {twin.name} are both called {one.operation_id}: rename a view")
        names[one.operation_id] = one
    return known


def _types(operations: Sequence[Served]) -> list[Any]:
    found: list[Any] = []
    for one in operations:
        operation = one.declared
        if operation.answer is not None and not isinstance(operation.answer, Media):
            found.append(operation.answer)
        found += operation.also_answers.values()
        found += [kind for kind in (operation.body, operation.query, operation.headers) if kind]
    return found


def tag_of(one: Served) -> str:
    """The module of the view, in words."""
    return str(one.view.__module__).rpartition(".")[2].replace("_", " ").capitalize()


def _tags(operations: Sequence[Served]) -> list[dict[str, Any]]:
    """Each concept's module says what it is for."""
    modules = {tag_of(one): one.view.__module__ for one in operations}
    return [
        {"name": name, "description": (sys.modules[module].__doc__ or "").strip().split("\n\n")[0]}
        for name, module in sorted(modules.items())
    ]


def _security_schemes(public_url: str) -> dict[str, Any]:
    words = {scope: (WORDS | OF_CLIENTS)[scope].capitalize() for scope in SCOPES}
    token_url = f"{public_url}/oauth/token"
    return {
        "oauth2": {
            "type": "oauth2",
            "description": "Authorization code with PKCE (S256); client credentials for what clients do themselves.",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": f"{public_url}/oauth/authorize",
                    "tokenUrl": token_url,
                    "refreshUrl": token_url,
                    "scopes": {scope: said for scope, said in words.items() if scope not in CLIENT_SCOPES},
                },
                "clientCredentials": {
                    "tokenUrl": token_url,
                    "scopes": {scope: said for scope, said in words.items() if scope in CLIENT_SCOPES},
                },
            },
        },
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token that is there already (RFC 9068).",
        },
        "client": {"type": "http", "scheme": "basic", "description": "client_id and client_secret (RFC 6749 §2.3.1)."},
    }


class _Maker:
    """Makes operations, and keeps what several of them share."""

    def __init__(self, schemas: dict[Any, dict[str, Any]], components: dict[str, Any]) -> None:
        self._schemas, self._components = schemas, components
        self.responses: dict[str, Any] = {}
        self.headers: set[str] = set()

    def operation(self, one: Served) -> dict[str, Any]:
        operation = one.declared
        made: dict[str, Any] = {
            "operationId": one.operation_id,
            "tags": [tag_of(one)],
            "summary": one.summary,
            "description": _description(one),
            "parameters": self._parameters(one, operation),
            "responses": self._responses(one, operation),
            "security": _security(one, operation),
        }
        if operation.body:
            made["requestBody"] = {"required": True, "content": {"application/json": self._content(operation.body)}}
        elif operation.form:
            made["requestBody"] = {"required": True, "content": {FORM: {"schema": _form(operation)}}}
        return made

    def _content(self, kind: Any) -> dict[str, Any]:
        schema = self._schemas[kind]
        return {"schema": schema, "example": example_of(schema, self._components)}

    def _parameters(self, one: Served, operation: Operation) -> list[dict[str, Any]]:
        made = []
        for name in one.parameters:
            if name not in PATH:
                raise LookupError(f"say in donkies.views.openapi.parameters.PATH what {{{name}}} of {one.path} is")
            said, schema = PATH[name]
            made.append({"name": name, "in": "path", "required": True, "description": said, "schema": schema})
        made += self._fields(operation.query, "query") + self._fields(operation.headers, "header")
        return made + ([IF_NONE_MATCH] if operation.etag else [])

    def _fields(self, model: Any, where: str) -> list[dict[str, Any]]:
        if model is None:
            return []
        schema = self._components.get(model.__name__) or self._schemas[model]
        # a header that a view looks at need not be there
        required = () if where == "header" else schema.get("required", ())
        made = []
        for name, field in schema["properties"].items():
            field = without_null(field)
            said = field.pop("description", "") or name.replace("_", " ").capitalize() + "."
            made.append({"name": name, "in": where, "required": name in required, "description": said, "schema": field})
        return made

    def _responses(self, one: Served, operation: Operation) -> dict[str, Any]:
        names = (*operation.gives, *(("ETag",) if operation.etag else ()), "X-Request-Id")
        good: dict[str, Any] = {"description": one.summary or "Done", "headers": self._headers(names)}
        if isinstance(operation.answer, Media):
            good["content"] = {kind: {"schema": {"type": "string"}} for kind in operation.answer.types}
        elif operation.answer is not None:
            good["content"] = {"application/json": self._content(operation.answer)}
        made = {str(operation.status): good}
        if operation.etag:
            made["304"] = {"description": "The answer that is there already is still good.", "headers": good["headers"]}
        for status, kind in operation.also_answers.items():
            made[str(status)] = {
                "description": HTTPStatus(status).phrase,
                "content": {"application/json": self._content(kind)},
            }
        found = refusals(
            operation, path=one.path, needs_token=one.scope is not None, is_persons=one.scope not in CLIENT_SCOPES
        )
        if operation.is_oauth:
            found.setdefault(401, {})
        for status, codes in found.items():
            self._headers(("X-Request-Id", "Retry-After", "WWW-Authenticate"))
            response = refused_response(status, codes, is_oauth=operation.is_oauth)
            made[str(status)] = {"$ref": f"#/components/responses/{self._shared(status, response)}"}
        return dict(sorted(made.items()))

    def _headers(self, names: Sequence[str]) -> dict[str, Any]:
        self.headers.update(names)
        return {name: {"$ref": f"#/components/headers/{name}"} for name in names}

    def _shared(self, status: int, response: dict[str, Any]) -> str:
        at = 1
        while (known := self.responses.setdefault(f"Status{status}_{at}", response)) != response:
            at += 1
        del known
        return f"Status{status}_{at}"


def _description(one: Served) -> str:
    text = (one.view.__doc__ or "").strip()
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n")]
    if one.scope is not None:
        scopes = ", ".join(f"`{scope}`" for scope in (one.scope, *one.declared.also))
        paragraphs.append(f"Needs the scope {scopes}.")
    return "\n\n".join(paragraphs)


def _security(one: Served, operation: Operation) -> list[dict[str, list[str]]]:
    if operation.is_oauth:
        return [{"client": []}, {}]  # other proofs, and none of public clients, stand in the form
    if one.scope is None:
        return []
    scopes = [one.scope, *operation.also]
    return [{"oauth2": scopes}, {"bearer": scopes}]


def _form(operation: Operation) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name: {"type": "string"} for name, _ in operation.form},
        "required": [name for name, is_required in operation.form if is_required],
    }
