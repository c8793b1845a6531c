"""/link/…: what the page of a link session asks, by the token in its memory. The same services answer as the API's.

A session sees one link, the one that it is about: no id is taken from the page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import orjson
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ...domain.adopting import AdoptingService
from ...domain.challenges import ChallengeAnswer
from ...domain.errors import Conflict, NotFound
from ...domain.institutions import InstitutionService
from ...domain.link_sessions import LinkSession, LinkSessionOver, LinkSessionService
from ...domain.link_store import IdempotencyKey
from ...domain.linking import LinkService
from ...domain.transactions import LedgerReader
from ..api.answers import REVALIDATE, answer, etag_of, json_bytes, json_response, listing
from ..api.challenges import AnswersIn, shown_challenge
from ..api.institutions import search_answer, shown_field, shown_institutions
from ..api.linked_accounts import CredentialsIn, IdempotencyHeader, LinkIn, bank_return_uri, typed
from ..api.schemas import check, read_body
from .browser import add_page
from .link import from_here

View = Callable[[Request, LinkSession], Response]


def search(request: Request, session: LinkSession) -> Response:
    """Institutions by name."""
    return search_answer(request)


def form(request: Request, session: LinkSession) -> Response:
    """An institution and the fields of its login form."""
    found, fields = request.services.get(InstitutionService).form(request.matchdict["code"])
    (institution,) = shown_institutions(request, [found])
    return answer({"institution": institution, "fields": [shown_field(one) for one in fields]})


def make(request: Request, session: LinkSession) -> Response:
    """Link a bank; a login that is linked already leads to its link."""
    body, sessions = read_body(request, LinkIn), request.services.get(LinkSessionService)
    sessions.spend(session)
    try:
        link_id = request.services.get(LinkService).create(
            session.user_id, body.institution_code, typed(body.credentials), bank_return_uri(request),
            _idempotency(request, session, body),
        ).id  # fmt: skip
        known = False
    except Conflict as error:
        if error.code != "already_linked":
            raise
        link_id, known = UUID(str(error.extra["linked_account_id"])), True
    sessions.follow(session, link_id)
    return answer(shown_link(request, session.user_id, link_id) | {"is_known": known}, 200 if known else 201)


def read(request: Request, session: LinkSession) -> Response:
    """The link, to be polled: one indexed read of it, and never a call to the aggregator."""
    body = json_bytes(shown_link(request, session.user_id, _link_id(session)))
    headers = {"ETag": etag_of(body), "Cache-Control": REVALIDATE}
    if headers["ETag"] in request.headers.get("If-None-Match", ""):
        return Response(status=304, headers=headers)
    return json_response(body, headers=headers)


def put_credentials(request: Request, session: LinkSession) -> Response:
    """New credentials for the link."""
    body, link_id = read_body(request, CredentialsIn), _link_id(session)
    request.services.get(LinkSessionService).spend(session)
    request.services.get(LinkService).put_credentials(session.user_id, link_id, typed(body.credentials))
    return answer(shown_link(request, session.user_id, link_id), 202)


def challenges(request: Request, session: LinkSession) -> Response:
    """The questions that are open."""
    asked = request.services.get(LinkService).challenges(session.user_id, _link_id(session))
    return listing([shown_challenge(one) for one in asked])


def answer_challenges(request: Request, session: LinkSession) -> Response:
    """Answer them all at once."""
    body, link_id = read_body(request, AnswersIn), _link_id(session)
    request.services.get(LinkSessionService).spend(session)
    given = [ChallengeAnswer(one.guid, one.value) for one in body.answers]
    request.services.get(LinkService).answer(session.user_id, link_id, given)
    return answer(shown_link(request, session.user_id, link_id), 202)


def authorize(request: Request, session: LinkSession) -> Response:
    """A fresh one-time address of the bank's own sign-in page."""
    request.services.get(LinkSessionService).spend(session)
    links = request.services.get(LinkService)
    return answer({"url": links.authorize(session.user_id, _link_id(session), bank_return_uri(request))})


def refresh(request: Request, session: LinkSession) -> Response:
    """Ask the bank once more."""
    link_id = _link_id(session)
    request.services.get(LinkSessionService).spend(session)
    request.services.get(LinkService).refresh(session.user_id, link_id)
    return answer(shown_link(request, session.user_id, link_id), 202)


def found(request: Request, session: LinkSession) -> Response:
    """The accounts that came with the link."""
    link_id = _link_id(session)
    rows = request.services.get(LedgerReader).list_accounts(session.user_id)
    wanted = [row for row in rows if str(row["linked_account_id"]) == str(link_id)]
    return listing([{name: row[name] for name in ("name", "type", "masked_number")} for row in wanted])


def close(request: Request, session: LinkSession) -> Response:
    """The session is over; the link goes on by itself."""
    linked: list[UUID] = []
    if session.is_widget:  # the person may leave before the widget's last word has come
        linked = request.services.get(AdoptingService).last_look(session.user_id)
    request.services.get(LinkSessionService).end(session)
    if linked:
        return answer({"linked_account_id": linked[-1]})
    return Response(status=204, headers={"Cache-Control": "no-store"})


def shown_link(request: Request, user_id: UUID, link_id: UUID) -> dict[str, Any]:
    """What polling shows of it. Raises: NotFound."""
    shown = request.services.get(LedgerReader).poll_link(user_id, link_id)
    if shown is None:
        raise NotFound("The link was deleted.")
    return dict(shown)


def _link_id(session: LinkSession) -> UUID:
    if session.linked_account_id is None:
        raise NotFound("No bank is linked in this session yet.")
    return session.linked_account_id


def _idempotency(request: Request, session: LinkSession, body: LinkIn) -> IdempotencyKey | None:
    """The key of the form, so that a click sent twice makes one link; what was typed is no part of the fingerprint."""
    if "Idempotency-Key" not in request.headers:
        return None
    key = check(IdempotencyHeader, {"Idempotency-Key": request.headers["Idempotency-Key"]}).idempotency_key
    asked = [session.handle, body.institution_code, sorted(one.guid for one in body.credentials)]
    return IdempotencyKey(session.client_id, key, hashlib.sha256(orjson.dumps(asked)).digest())


def _of_the_page(view: View) -> Callable[[Request], Response]:
    """A view for who holds a page token."""

    def checked(request: Request) -> Response:
        from_here(request)
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "link":
            raise LinkSessionOver
        return view(request, request.services.get(LinkSessionService).read(token.strip()))

    checked.__doc__ = view.__doc__
    return checked


ROUTES: dict[str, tuple[str, dict[str, View]]] = {
    "link_institutions": ("/link/institutions", {"GET": search}),
    "link_form": ("/link/institutions/{code}", {"GET": form}),
    "link_account": ("/link/account", {"GET": read, "POST": make}),
    "link_credentials": ("/link/account/credentials", {"PUT": put_credentials}),
    "link_challenges": ("/link/account/challenges", {"GET": challenges, "POST": answer_challenges}),
    "link_authorize": ("/link/account/authorize", {"POST": authorize}),
    "link_refresh": ("/link/account/refresh", {"POST": refresh}),
    "link_found": ("/link/account/found", {"GET": found}),
    "link_close": ("/link/close", {"POST": close}),
}


def add_views(config: Configurator, routes: dict[str, tuple[str, dict[str, View]]]) -> None:
    """Routes for who holds a page token."""
    for name, (path, views) in routes.items():
        add_page(config, name, path, *views, *(["HEAD"] if "GET" in views else []))
        for method, view in views.items():
            config.add_view(
                _of_the_page(view), route_name=name, request_method=method, permission=NO_PERMISSION_REQUIRED
            )


def includeme(config: Configurator) -> None:
    add_views(config, ROUTES)
