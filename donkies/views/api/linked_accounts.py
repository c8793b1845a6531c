"""/v1/linked_accounts: link, poll, mend, refresh, disconnect, delete."""

from __future__ import annotations

import hashlib

import orjson
from cornice import Service
from pydantic import Field
from pyramid.request import Request
from pyramid.response import Response

from ...domain.aggregator import AggregatorError, CallsExhausted, Credential
from ...domain.errors import NotFound, TooMany
from ...domain.limits import Limits
from ...domain.link_store import IdempotencyKey
from ...domain.linked_accounts import IllegalTransition
from ...domain.linking import LinkService
from ...domain.transactions import LedgerReader
from ..openapi.operation import Operation
from ..security import check_recent
from . import shapes
from .answers import PRIVATE, REVALIDATE, answer, etag_of, id_in_path, json_bytes, json_response, listing
from .schemas import Body, check, read_body

links = Service("linked_accounts", "/v1/linked_accounts", description="A person's links to banks")
link = Service("linked_account", "/v1/linked_accounts/{id}", description="One link: this is what is polled")
credentials = Service(
    "linked_account_credentials", "/v1/linked_accounts/{id}/credentials", description="New credentials for a link"
)
authorize = Service(
    "linked_account_authorize", "/v1/linked_accounts/{id}/authorize", description="The bank's own sign-in page"
)
refresh = Service("linked_account_refresh", "/v1/linked_accounts/{id}/refresh", description="Ask for fresh data")
disconnect = Service(
    "linked_account_disconnect", "/v1/linked_accounts/{id}/disconnect", description="Keep history, fetch no more"
)


sync_report = Service(
    "linked_account_sync_report", "/v1/linked_accounts/{id}/sync_report", description="What downloads did"
)


class CredentialIn(Body):
    """What a person typed into one field of the bank's form."""

    guid: str = Field(min_length=1, max_length=100)
    value: str = Field(max_length=1_000, repr=False)


class LinkIn(Body):
    """A new link; without credentials for a bank with its own sign-in."""

    institution_code: str = Field(min_length=1, max_length=200)
    credentials: list[CredentialIn] = Field(default=[], max_length=20)


class CredentialsIn(Body):
    """New credentials for a link."""

    credentials: list[CredentialIn] = Field(min_length=1, max_length=20)


class IdempotencyHeader(Body):
    """The header Idempotency-Key."""

    idempotency_key: str = Field(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")


@links.get(permission="accounts:read", operation=Operation(shapes.LinkedAccounts))
def list_links(request: Request) -> Response:
    """All of the person's links, newest first."""
    return listing(request.services.get(LedgerReader).list_links(request.identity.user_id))


@links.post(
    permission="links:credentials",
    operation=Operation(
        shapes.LinkedAccount,
        201,
        body=LinkIn,
        headers=IdempotencyHeader,
        gives=("Location",),
        errors=(
            NotFound, "403 email_unverified", "404 unknown_institution", "409 already_linked",
            "409 idempotency_key_reused", "422 bad_credentials_form", CallsExhausted,
        ),
    ),
)  # fmt: skip
def create_link(request: Request) -> Response:
    """Link a bank."""
    check_recent(request, "link")
    body = read_body(request, LinkIn)
    made = request.services.get(LinkService).create(
        request.identity.user_id,
        body.institution_code,
        typed(body.credentials),
        return_uri=bank_return_uri(request),
        idempotency=_idempotency(request, body),
    )
    shown = _shown(request, made.id)
    return answer(shown, 201, {"Location": f"/v1/linked_accounts/{made.id}"})


@link.get(permission="accounts:read", operation=Operation(shapes.LinkedAccount, etag=True))
def read_link(request: Request) -> Response:
    """One link. Polling it costs one indexed read, and never a call to the aggregator."""
    body = json_bytes(_shown(request, id_in_path(request)))
    tag = etag_of(body)
    headers = {"ETag": tag, "Cache-Control": REVALIDATE}
    if tag in request.headers.get("If-None-Match", ""):
        return Response(status=304, headers=headers)
    return json_response(body, headers=headers)


@link.delete(permission="links:write", operation=Operation(None, 204))
def delete_link(request: Request) -> Response:
    """Erase a link, its accounts and its transactions, here and at the aggregator."""
    request.services.get(LinkService).delete(request.identity.user_id, id_in_path(request))
    return Response(status=204, headers={"Cache-Control": PRIVATE})


@credentials.put(
    permission="links:credentials",
    operation=Operation(
        shapes.LinkedAccount,
        202,
        body=CredentialsIn,
        errors=("409 already_linked", "422 bad_credentials_form", IllegalTransition, AggregatorError, CallsExhausted),
    ),
)
def put_credentials(request: Request) -> Response:
    """Send new credentials."""
    body = read_body(request, CredentialsIn)
    link_id = id_in_path(request)
    request.services.get(LinkService).put_credentials(request.identity.user_id, link_id, typed(body.credentials))
    return answer(_shown(request, link_id), 202)


@authorize.post(
    permission="links:write",
    operation=Operation(
        shapes.AuthorizeUrl, errors=("409 already_linked", IllegalTransition, AggregatorError, CallsExhausted)
    ),
)
def read_authorize_url(request: Request) -> Response:
    """A fresh one-time address of the bank's own sign-in page."""
    service = request.services.get(LinkService)
    url = service.authorize(request.identity.user_id, id_in_path(request), bank_return_uri(request))
    return answer({"url": url})


@refresh.post(
    permission="links:write",
    operation=Operation(
        shapes.LinkedAccount,
        202,
        errors=("409 already_linked", IllegalTransition, TooMany, AggregatorError, CallsExhausted),
    ),
)
def refresh_link(request: Request) -> Response:
    """Ask the bank for fresh data: thirty times an hour at most, while a refresh that runs already does not count."""
    link_id = id_in_path(request)
    service, limits = request.services.get(LinkService, Limits)
    service.refresh(request.identity.user_id, link_id, limits)
    return answer(_shown(request, link_id), 202)


@disconnect.post(permission="links:write", operation=Operation(shapes.LinkedAccount, errors=(IllegalTransition,)))
def disconnect_link(request: Request) -> Response:
    """Keep what was downloaded, and fetch nothing more."""
    link_id = id_in_path(request)
    request.services.get(LinkService).disconnect(request.identity.user_id, link_id)
    return answer(_shown(request, link_id))


@sync_report.get(permission="accounts:read", operation=Operation(shapes.SyncReports))
def read_sync_report(request: Request) -> Response:
    """What the last download did, and what the one under way does."""
    found = request.services.get(LedgerReader).read_sync_report(request.identity.user_id, id_in_path(request))
    if found is None:
        raise NotFound("There is no linked account with this id.")
    return answer(found)


def bank_return_uri(request: Request) -> str:
    """Where a bank's own sign-in page leads back to."""
    return str(request.registry.settings["donkies"].public_url) + "/link/return"


def _shown(request: Request, link_id: object) -> object:
    shown = request.services.get(LedgerReader).poll_link(request.identity.user_id, link_id)
    if shown is None:
        raise NotFound("There is no linked account with this id.")
    return shown


def typed(given: list[CredentialIn]) -> list[Credential]:
    """What was typed, on its way."""
    return [Credential(one.guid, one.value) for one in given]


def _idempotency(request: Request, body: LinkIn) -> IdempotencyKey | None:
    """The request's key; its fingerprint leaves out what was typed, of which not even a hash is kept."""
    if "Idempotency-Key" not in request.headers:
        return None
    header = check(IdempotencyHeader, {"Idempotency-Key": request.headers["Idempotency-Key"]})
    asked = [request.method, request.path, body.institution_code, sorted(one.guid for one in body.credentials)]
    return IdempotencyKey(
        request.identity.client_id, header.idempotency_key, hashlib.sha256(orjson.dumps(asked)).digest()
    )
