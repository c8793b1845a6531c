"""Holds answers against the OpenAPI document, and what views read with against what they declare."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from threading import local
from typing import Any

import jsonschema_rs
from pyramid.registry import Registry
from webob import Response

from ..views.api.schemas import Body
from ..views.openapi.document import make_document
from ..views.openapi.problems import OF_ANY_BODY
from ..views.openapi.routes import Served, served

JSON = ("application/json", "application/problem+json")
_read = local()


class Undocumented(AssertionError):
    """The document does not say what the application does."""


class Documented:
    """One application's document, compiled: made once for each set of routes, for it is made of nothing else."""

    def __init__(self, registry: Registry) -> None:
        self._served = {(one.method, one.path): one for one in served(registry) if one.is_for_programs or one.operation}
        self.document = make_document(registry)
        self._validators: dict[tuple[str, str, str, str], Any] = {}
        paths = sorted({path for _, path in self._served}, key=lambda path: path.count("{"))
        self._patterns = [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in paths]

    def check(self, method: str, path: str, answer: Response, schemas: list[type]) -> None:
        """Raises: Undocumented, saying what to add where."""
        found = self._find("GET" if method == "HEAD" else method, path)
        if found is None:
            return
        if found.operation is None:
            raise Undocumented(
                f"{found.name} is for programs and is not in the OpenAPI document: give {_where(found)} an operation="
                "Operation(shapes.…) beside its permission (donkies/views/openapi/operation.py)"
            )
        _check_read(found, schemas)
        status = str(answer.status_int)
        operation = self.document["paths"][found.path][found.method.lower()]
        documented = self._resolve(operation["responses"].get(status))
        if documented is None:
            if self._is_of_any_body(answer):
                return
            raise Undocumented(_missing(found, answer))
        for name, header in documented.get("headers", {}).items():
            if name not in answer.headers and not header["$ref"].endswith(OPTIONAL):
                raise Undocumented(f"{found.name} answered {status} without the header {name} that it declares")
        if method != "HEAD" and answer.body:
            self._check_content(found, answer, documented)

    def _check_content(self, found: Served, answer: Response, documented: Mapping[str, Any]) -> None:
        status, kind = str(answer.status_int), answer.content_type
        if kind not in documented.get("content", {}):
            raise Undocumented(f"{found.name} answered {status} with {kind}, which is not in the OpenAPI document")
        if kind not in JSON:
            return
        key = (found.method, found.path, status, kind)
        if key not in self._validators:
            self._validators[key] = self._compile(documented["content"][kind]["schema"])
        wrong = next(self._validators[key].iter_errors(answer.json), None)
        if wrong is None:
            return
        if "code" in answer.json and kind == JSON[1] and list(wrong.instance_path) == ["code"]:
            if not self._is_of_any_body(answer):
                raise Undocumented(_missing(found, answer))
            return
        where = "/".join(map(str, wrong.instance_path)) or "the answer itself"
        raise Undocumented(
            f"{found.name} answered {status} with what its shape in donkies/views/api/shapes does not have: "
            f"{where}: {wrong.message[:500]}"
        )

    def _is_of_any_body(self, answer: Response) -> bool:
        """A body where none is wanted, which the document does not speak of."""
        return answer.content_type == JSON[1] and f"{answer.status_int} {answer.json.get('code')}" in OF_ANY_BODY

    def _find(self, method: str, path: str) -> Served | None:
        if (method, path) in self._served:
            return self._served[method, path]
        for pattern, known in self._patterns:
            if pattern.fullmatch(path):
                return self._served.get((method, known))
        return None

    def _resolve(self, response: Any) -> Any:
        if response and "$ref" in response:
            return self.document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        return response

    def _compile(self, schema: Mapping[str, Any]) -> Any:
        whole = {**closed(schema), "components": {"schemas": self._closed_components}}
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)

    @cached_property
    def _closed_components(self) -> Any:
        return closed(self.document["components"]["schemas"])


# some answers of a kind have them and some have not
OPTIONAL = ("/Retry-After", "/WWW-Authenticate", "/X-Request-Id")


def closed(schema: Any) -> Any:
    """The schema, with no fields but those it has: clients must bear more of them, and we must have told of each."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: one if name in ("examples", "enum", "const") else closed(one) for name, one in schema.items()}
    if made.get("type") == "object" and isinstance(made.get("properties"), dict):
        made.setdefault("additionalProperties", False)
    return made


@contextmanager
def schemas_read() -> Iterator[list[type]]:
    """The request schemas that views check something against meanwhile, in this thread."""
    outer, found = getattr(_read, "schemas", []), []  # a test may ask while it is being answered
    _read.schemas = found
    try:
        yield found
    finally:
        _read.schemas = outer


def _model_validate(cls: type[Body], *arguments: Any, **named: Any) -> Any:
    getattr(_read, "schemas", []).append(cls)
    return super(Body, cls).model_validate(*arguments, **named)


Body.model_validate = classmethod(_model_validate)  # type: ignore[assignment,method-assign]


def _check_read(found: Served, schemas: list[type]) -> None:
    operation = found.declared
    declared = {operation.body, operation.query, operation.headers}
    for schema in schemas:
        if schema not in declared:
            raise Undocumented(
                f"{_where(found)} reads with {schema.__name__}: declare it in its Operation as body, query or headers"
            )


def _missing(found: Served, answer: Response) -> str:
    status = answer.status_int
    if answer.content_type != JSON[1]:
        return f"{found.name} answered {status}: {_where(found)} declares another status, add it to its Operation"
    code = answer.json.get("code")
    return (
        f'{found.name} answered {status} {code}: add "{status} {code}", or the class of the error, to errors= of the '
        f"Operation of {_where(found)}"
    )


def _where(found: Served) -> str:
    return f"{found.view.__module__}.{found.view_name}"


_compiled: dict[Any, Documented] = {}


def documented(registry: Registry) -> Documented:
    """The application's document, compiled once in a process for all applications of one public URL."""
    key = registry.settings["donkies"].public_url
    if key not in _compiled:
        _compiled[key] = Documented(registry)
    return _compiled[key]
