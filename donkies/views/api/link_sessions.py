"""/v1/link_sessions: begin linking a bank on our own page, which the app frames or opens."""

from __future__ import annotations

from uuid import UUID

from cornice import Service
from pydantic import Field
from pyramid.request import Request
from pyramid.response import Response

from ...domain.errors import Invalid, NotFound, TooMany
from ...domain.link_sessions import HOSTED, WIDGET, LinkSessionService
from ..openapi.operation import Operation
from ..security import check_recent
from . import shapes
from .answers import answer
from .schemas import Body, read_body

sessions = Service("link_sessions", "/v1/link_sessions", description="The hosted page on which a bank is linked")


class LinkSessionIn(Body):
    """A session to begin.

    Args:
        institution_code: a bank to begin with; else the person searches.
        linked_account_id: a link to mend; the page opens at what its `retry_with` says.
        mode: `hosted`: our own screens; `mx_connect`: MX's own widget inside our page.
        origin: the client's registered origin whose page frames ours; may be left out by a client that has one.
        return_uri: a redirect URI of the client's, where a page that nobody frames leads back to.
    """

    institution_code: str | None = Field(None, min_length=1, max_length=200)
    linked_account_id: UUID | None = None
    mode: str = Field("hosted", max_length=30)
    origin: str | None = Field(None, max_length=2_000)
    return_uri: str | None = Field(None, max_length=2_000)


@sessions.post(
    permission="links:write",
    operation=Operation(
        shapes.LinkSession, 201, body=LinkSessionIn, errors=(NotFound, TooMany, "403 email_unverified")
    ),
)
def begin_link_session(request: Request) -> Response:
    """Begin a session; its address counts once, and for ten minutes."""
    check_recent(request, "link")
    body = read_body(request, LinkSessionIn)
    settings = request.registry.settings["donkies"]
    if body.mode not in (HOSTED, WIDGET):
        raise Invalid("Some fields cannot be used; see errors.", {"mode": "This is hosted, mx_connect, or left out."})
    if body.mode == WIDGET and not settings.widget_origins:
        raise Invalid("Some fields cannot be used; see errors.", {"mode": "The aggregator here has no widget."})
    if body.institution_code and body.linked_account_id:
        both = {"institution_code": "Leave it out where linked_account_id is given: a link has its institution."}
        raise Invalid("Some fields cannot be used; see errors.", both)
    begun = request.services.get(LinkSessionService).begin(
        request.identity.user_id,
        request.identity.client_id,
        UUID(request.identity.sid),
        origin=body.origin,
        return_uri=body.return_uri,
        institution_code=body.institution_code,
        linked_account_id=body.linked_account_id,
        mode=body.mode,
    )
    url = f"{settings.public_url}/link?s={begun.handle}#{begun.start_token}"
    return answer({"url": url, "expires_at": begun.expires_at}, 201)
