"""What a view declares of itself beside its scope: `@links.get(permission=…, operation=Operation(…))`.

The view is registered with it, so the document is made of Pyramid's own records of what is served; the tests
compare each answer, and each schema that a view reads with, to what it declares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ...domain.errors import DomainError
from ..security import demand_scopes

Error = type[DomainError] | str


@dataclass(frozen=True)
class Media:
    """An answer that is no JSON: the types it may have."""

    types: tuple[str, ...]


@dataclass(frozen=True)
class Operation:
    """One method of one route, beyond what the route itself says.

    Args:
        answer: what a good answer holds: a pydantic model, any type that pydantic can describe, Media, or None.
        status: the good answer's.
        body: the schema that `read_body` is called with.
        form: names of a form's parameters, each with whether it is required (RFC 6749's endpoints).
        query: the schema of the query.
        headers: the schema of the headers that the view looks at, by their aliases.
        gives: headers of the good answer, of `parameters.HEADERS`.
        etag: whether a request with If-None-Match may be answered 304.
        also_answers: what further statuses hold, where that is no problem document.
        errors: refusals beside those that all operations have: classes of the domain's, or "409 its_code".
        is_oauth: refusals have OAuth's shape (RFC 6749 §5.2), and the client proves who it is.
        also: further scopes that the token must have; they are demanded for it, and the database is asked.
    """

    answer: Any
    status: int = 200
    body: type[BaseModel] | None = None
    form: tuple[tuple[str, bool], ...] = ()
    query: type[BaseModel] | None = None
    headers: type[BaseModel] | None = None
    gives: tuple[str, ...] = ()
    etag: bool = False
    also_answers: Mapping[int, Any] = field(default_factory=dict)
    errors: tuple[Error, ...] = ()
    is_oauth: bool = False
    also: tuple[str, ...] = ()


def demanding(view: Callable[..., Response], info: Any) -> Callable[..., Response]:
    """A view deriver: a view that declares further scopes runs only for tokens that have them."""
    operation: Operation | None = info.options.get("operation")
    if operation is None or not operation.also:
        return view

    def demanding_view(context: Any, request: Request) -> Response:
        demand_scopes(request, *operation.also)
        return view(context, request)

    return demanding_view


demanding.options = ("operation",)  # type: ignore[attr-defined]


def includeme(config: Configurator) -> None:
    config.add_view_deriver(demanding)
