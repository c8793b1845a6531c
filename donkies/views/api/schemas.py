"""Reading request bodies: one way for every resource, and every bad field named at once."""

from __future__ import annotations

import json
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from pyramid.httpexceptions import HTTPUnsupportedMediaType
from pyramid.request import Request

from ...domain.errors import DomainError, Invalid

BODY_LIMIT = 1024 * 1024  # bytes of any request; guard.py refuses more


class Body(BaseModel):
    """Base of request schemas: fields that are not in the schema are refused, and no input is echoed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="after")
    @classmethod
    def _no_nul(cls, value: object) -> object:
        if isinstance(value, str) and "\0" in value:  # PostgreSQL keeps none, and no bank's form wants one
            raise PydanticCustomError("nul", "Characters of code 0 cannot be used")
        return value


AnyBody = TypeVar("AnyBody", bound=BaseModel)


def read_body(request: Request, schema: type[AnyBody]) -> AnyBody:
    """The request's JSON body, checked against a schema.

    Args:
        schema: derive it from `Body`.
    Returns: the schema's object; `model_fields_set` tells which fields were sent.
    Raises: Invalid (422) with every bad field; DomainError `malformed_json` (400), also for a name that an
        object holds twice; HTTPUnsupportedMediaType (415).
    Source: RFC 8259 §4 and RFC 8725 §3.9: of two readers of a doubled name each may take another.
    """
    if request.content_type != "application/json":
        raise HTTPUnsupportedMediaType("Send the body as application/json.")
    return check(schema, _json(request.body))


def _json(body: bytes) -> Any:
    # raised outside of `except`: the errors of both readers hold the body, which may hold a password
    trouble = "The body is not valid JSON."
    try:
        content = orjson.loads(body)  # strict: UTF-8, no NaN, no lone surrogates, bounded depth
        json.loads(body, object_pairs_hook=_once)
        return content
    except _Doubled:
        trouble = "An object of the body holds a name twice."
    except (ValueError, RecursionError):
        pass
    raise DomainError(trouble, code="malformed_json")


class _Doubled(Exception):
    """A name stands twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise _Doubled


def check(schema: type[AnyBody], content: object) -> AnyBody:
    """Input from elsewhere (a query string's dict) against a schema.

    Raises: Invalid with every bad field; nested ones as `credentials.0.guid`.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        fields = _by_field(error)  # the error itself holds the input, and would hang on ours as its context
    raise Invalid("Some fields cannot be used; see errors.", fields)


def _by_field(error: ValidationError) -> dict[str, str]:
    fields: dict[str, str] = {}
    for wrong in error.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(map(str, wrong["loc"])) or "body"
        fields.setdefault(field, _explain(wrong))
    return fields


def _explain(wrong: Any) -> str:
    if wrong["type"] == "extra_forbidden":
        return "There is no such field."
    if wrong["type"] == "missing":
        return "This field is required."
    return str(wrong["msg"]).removeprefix("Value error, ").rstrip(".") + "."
