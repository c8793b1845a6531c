"""Reading request bodies: one way for every resource, and every bad field named at once."""

from __future__ import annotations

from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from pyramid.httpexceptions import HTTPRequestEntityTooLarge, HTTPUnsupportedMediaType
from pyramid.request import Request

from ...domain.errors import DomainError, Invalid

BODY_LIMIT = 1024 * 1024


class Body(BaseModel):
    """Base of request schemas: fields that are not in the schema are refused, and no input is echoed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


AnyBody = TypeVar("AnyBody", bound=BaseModel)


def read_body(request: Request, schema: type[AnyBody]) -> AnyBody:
    """The request's JSON body, checked against a schema.

    Args:
        schema: derive it from `Body`.
    Returns: the schema's object; `model_fields_set` tells which fields were sent.
    Raises: Invalid (422) with every bad field; DomainError `malformed_json` (400);
        HTTPUnsupportedMediaType (415); HTTPRequestEntityTooLarge (413) above 1 MiB.
    """
    if request.content_type != "application/json":
        raise HTTPUnsupportedMediaType("Send the body as application/json.")
    if (request.content_length or 0) > BODY_LIMIT:
        raise HTTPRequestEntityTooLarge(f"The body may have at most {BODY_LIMIT} bytes.")
    try:
        content = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise DomainError("The body is not valid JSON.", code="malformed_json") from None
    return check(schema, content)


def check(schema: type[AnyBody], content: object) -> AnyBody:
    """Input from elsewhere (a query string's dict) against a schema.

    Raises: Invalid with every bad field; nested ones as `credentials.0.guid`.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise Invalid("Some fields cannot be used; see errors.", _by_field(error)) from None


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
