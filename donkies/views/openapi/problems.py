"""What an operation may be refused with: statuses and codes, from the refusals it declares and what it is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from ...domain import errors
from ..errors import STATUSES
from ..security import StaleLogIn
from .operation import Error, Operation

# what each operation may be refused with before its view is asked
OF_ALL = ("400 malformed_path", "400 malformed_query", "400 malformed_length", "500 internal_error")
# what only a body that is there all the same brings about; not documented where none is wanted
OF_ANY_BODY = (
    "400 incomplete_body",
    "408 body_too_slow",
    "413 request_entity_too_large",
    "415 unsupported_media_type",
)
OF_TOKENS: tuple[Error, ...] = (
    "400 invalid_request",
    "401 token_required",
    "401 invalid_token",
    "403 insufficient_scope",
    "403 wrong_kind_of_token",
    errors.Unavailable,
)
OF_LOG_INS = (f"401 {StaleLogIn.code}",)
OF_BODIES: tuple[Error, ...] = ("400 malformed_json", errors.Invalid, *OF_ANY_BODY)
OF_QUERIES: tuple[Error, ...] = (errors.Invalid,)
OF_PATHS: tuple[Error, ...] = (errors.NotFound,)

HEADERS_AT = {401: ("WWW-Authenticate",), 403: (), 429: ("Retry-After",), 503: ("Retry-After",)}
CONTRACT = re.compile(r" \((DESIGN|ATRIUM)[^)]*\)|^[^.]*: ", re.S)

# codes that no class stands for
SAID = {
    "adopted_further": "A link that was made later has this history now; undo that one's adoption first.",
    "already_linked": "This login at this bank is linked already.",
    "bad_answers": "The answers do not fit the questions that are open.",
    "bad_credentials_form": "The credentials do not fit the institution's form.",
    "bad_cursor": "The cursor was not given out as one; use an earlier next_cursor unchanged.",
    "body_too_slow": "The body did not come in time; send it faster.",
    "email_unverified": "The person has to verify their e-mail address first.",
    "former_link_gone": "The link that this history came from was deleted.",
    "idempotency_key_reused": "This Idempotency-Key was used for another request; use a fresh one.",
    "incomplete_body": "The body is shorter than its Content-Length says.",
    "insufficient_scope": "The token lacks the scope that the operation needs.",
    "insufficient_user_authentication": "This needs a recent log-in: send the person to log in again (RFC 9470).",
    "internal_error": "Something went wrong on our side; it has been logged.",
    "invalid_request": "The token stands in the URL, or was sent twice.",
    "malformed_json": "The body is not valid JSON, or an object of it holds a name twice.",
    "malformed_length": "Content-Length is not a number.",
    "malformed_path": "The path is not UTF-8, or holds NUL.",
    "malformed_query": "The query is not UTF-8, or holds NUL.",
    "nothing_adopted": "This link has adopted nothing that could be given back.",
    "request_entity_too_large": "The body is too long.",
    "token_required": "Send an access token.",
    "unknown_institution": "There is no institution with this code.",
    "unsupported_media_type": "The body is of another type than the operation takes.",
    "wrong_kind_of_token": "The scope is for clients and the token a person's, or the other way round.",
}


def refusals(operation: Operation, *, path: str, needs_token: bool, is_persons: bool) -> dict[int, dict[str, str]]:
    """The codes that may come with each status, and what each says.

    Raises: LookupError for a code that nothing explains.
    """
    declared: list[Error] = [*OF_ALL, *operation.errors]
    if needs_token:
        declared += OF_TOKENS + (OF_LOG_INS if is_persons else ())
    if "{" in path:
        declared += OF_PATHS
    if operation.query or operation.headers:
        declared += OF_QUERIES
    if operation.body:
        declared += OF_BODIES
    if operation.form:
        declared += OF_ANY_BODY
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    for error in declared:
        for status, code, said in _named(error):
            found[status][code] = said
    return {status: dict(sorted(codes.items())) for status, codes in sorted(found.items())}


def refused_response(status: int, codes: dict[str, str], *, is_oauth: bool) -> dict[str, Any]:
    """A response object for all that one status may mean; example and codes are the operation's own."""
    lines = [f"- `{code}`: {said}" for code, said in codes.items()]
    content: dict[str, Any] = {}
    if codes:
        examples = {code: {"summary": code, "value": _example(status, code, said)} for code, said in codes.items()}
        narrowed = {"properties": {"status": {"const": status}, "code": {"enum": list(codes)}}}
        schema = {"allOf": [{"$ref": "#/components/schemas/Problem"}, narrowed]}
        content["application/problem+json"] = {"schema": schema, "examples": examples}
    if is_oauth and status in (400, 401):
        lines.append("- else, in OAuth's own shape, what RFC 6749 §5.2 says.")
        content["application/json"] = {
            "schema": {"$ref": "#/components/schemas/OAuthError"},
            "example": {"error": "invalid_request", "error_description": "Send the parameters in the body."},
        }
    names = (*(() if is_oauth else HEADERS_AT.get(status, ())), "X-Request-Id")
    return {
        "description": "\n".join([f"{HTTPStatus(status).phrase}:", "", *lines]),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": content,
    }


def _example(status: int, code: str, said: str) -> dict[str, Any]:
    return {"type": f"urn:donkies:error:{code}", "status": status, "code": code, "detail": said}


def _named(error: Error) -> Iterator[tuple[int, str, str]]:
    if isinstance(error, str):
        status, _, code = error.partition(" ")
        yield int(status), code, SAID.get(code) or _of_class(code)
        return
    for family in {error, *_below(error)} if error.__subclasses__() and error not in PLAIN else {error}:
        status = next((status for known, status in STATUSES if issubclass(family, known)), 400)
        yield status, family.code, _first_line(family)


# families whose members are declared one by one
PLAIN = (
    errors.DomainError, errors.NotFound, errors.Invalid, errors.Conflict, errors.Forbidden, errors.TooMany,
    errors.Unavailable,
)  # fmt: skip


def _below(family: type[errors.DomainError]) -> Iterable[type[errors.DomainError]]:
    for one in family.__subclasses__():
        yield one
        yield from _below(one)


def _first_line(family: type[errors.DomainError]) -> str:
    said = CONTRACT.sub("", (family.__doc__ or "").strip().split("\n\n")[0])
    return " ".join(said.split())


def _of_class(code: str) -> str:
    for family in _below(errors.DomainError):
        if family.code == code:
            return _first_line(family)
    raise LookupError(f"say in {__name__}.SAID what the code {code} means")
