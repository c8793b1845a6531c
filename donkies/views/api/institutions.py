"""/v1/institutions: banks to link, and what their login forms ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from cornice import Service
from pydantic import Field
from pyramid.request import Request
from pyramid.response import Response

from ...domain.aggregator import AggregatorError, CallsExhausted, CredentialField, Institution
from ...domain.institutions import InstitutionService
from ...domain.logos import LogoService
from ..openapi.operation import Operation
from . import shapes
from .answers import answer, bad_cursor, from_cursor, listing, query_of, to_cursor
from .schemas import Body, check

institutions = Service("institutions", "/v1/institutions", description="Banks that can be linked")
institution = Service("institution", "/v1/institutions/{code}", description="One bank")
credentials = Service(
    "institution_credentials", "/v1/institutions/{code}/credentials", description="What a bank's login form asks for"
)


FORM_ERRORS = ("404 unknown_institution", AggregatorError, CallsExhausted)


class SearchQuery(Body):
    """A search; the aggregator gives at most 100 institutions at a time."""

    search: str = Field("", max_length=200)
    cursor: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=10, le=100)


@institutions.get(
    permission="links:write",
    operation=Operation(
        shapes.Institutions, query=SearchQuery, errors=("422 bad_cursor", AggregatorError, CallsExhausted)
    ),
)
def search_institutions(request: Request) -> Response:
    """Institutions whose name contains the text; without one all, those that the operator calls popular first."""
    return search_answer(request)


def search_answer(request: Request) -> Response:
    """A page of what the query asks for."""
    query = check(SearchQuery, query_of(request))
    page, skip = 1, 0
    if query.cursor is not None:
        page, skip = (*map(_number, from_cursor(query.cursor, 1, 2)), 0)[:2]
    found = request.services.get(InstitutionService).search(query.search.strip(), page, query.limit, skip)
    goes_on_at = found.goes_on_at and (found.goes_on_at if found.goes_on_at[1] else found.goes_on_at[:1])
    return listing(shown_institutions(request, found.rows), to_cursor(*goes_on_at) if goes_on_at else None)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise bad_cursor()
    return int(text)


@institution.get(permission="links:write", operation=Operation(shapes.Institution, errors=FORM_ERRORS))
def read_institution(request: Request) -> Response:
    """One institution."""
    found, _ = request.services.get(InstitutionService).form(request.matchdict["code"])
    (shown,) = shown_institutions(request, [found])
    return answer(shown)


@credentials.get(permission="links:write", operation=Operation(shapes.CredentialFields, errors=FORM_ERRORS))
def list_credentials(request: Request) -> Response:
    """The fields of an institution's login form, in the order to show them."""
    _, fields = request.services.get(InstitutionService).form(request.matchdict["code"])
    return listing([shown_field(one) for one in fields])


def shown_field(one: CredentialField) -> dict[str, Any]:
    """A field of a login form as JSON shows it."""
    return {
        "guid": one.guid,
        "field_name": one.field_name,
        "label": one.label,
        "type": one.type,
        "display_order": one.display_order,
        "options": [{"label": label, "value": value} for label, value in one.options],
    }


def shown_institutions(request: Request, found: Sequence[Institution]) -> list[dict[str, Any]]:
    """Institutions as JSON shows them; their logos are to be had here from now on."""
    request.services.get(LogoService).note(found)
    base = request.registry.settings["donkies"].public_url
    return [
        {
            "code": one.code,
            "name": one.name,
            "url": one.url,
            "logo_url": f"{base}/logos/{quote(one.code, safe='')}" if one.logo_url else None,
            "supports_oauth": one.supports_oauth,
        }
        for one in found
    ]
