"""/link/widget…: the aggregator's own widget inside the page of a link session, mode `mx_connect` (DESIGN 6).

The page passes on what the widget says; nothing of it is believed before it was read at the aggregator.
"""

from __future__ import annotations

from pydantic import Field
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ...domain.adopting import AdoptingService
from ...domain.errors import NotFound
from ...domain.link_sessions import LinkSession, LinkSessionService
from ..api.answers import answer
from ..api.schemas import Body, read_body
from .link_data import View, add_views, shown_link


class WidgetIn(Body):
    """A widget to open.

    Args:
        is_anew: at a search, whatever the session was about until now.
    """

    is_anew: bool = False


class MemberIn(Body):
    """What the widget said.

    Args:
        is_deleted: that the person deleted the member there.
    """

    member_guid: str = Field(min_length=1, max_length=200)
    is_deleted: bool = False


def open_widget(request: Request, session: LinkSession) -> Response:
    """A fresh address of the widget: it opens once, so each view of the page asks for its own."""
    sessions = request.services.get(LinkSessionService)
    body = read_body(request, WidgetIn)
    sessions.spend(session)
    about = {} if body.is_anew else {"institution_code": session.institution_code, "link_id": session.linked_account_id}
    url = request.services.get(AdoptingService).open(session.user_id, session.expires_at, **about)
    return answer({"url": url, "expires_in_s": sessions.seconds_left(session)})


def seen(request: Request, session: LinkSession) -> Response:
    """Something happened to a member: its link, made now if need be."""
    body, adopting = read_body(request, MemberIn), request.services.get(AdoptingService)
    sessions = request.services.get(LinkSessionService)
    sessions.spend_hint(session)
    if body.is_deleted:
        link_id = adopting.deleted(session.user_id, body.member_guid)
        return answer({} if link_id is None else shown_link(request, session.user_id, link_id) | {"is_known": True})
    link_id, created_at = adopting.seen(session.user_id, body.member_guid)
    sessions.follow(session, link_id)
    shown = shown_link(request, session.user_id, link_id)
    return answer(shown | {"is_known": created_at < session.started_at})


def left(request: Request, session: LinkSession) -> Response:
    """The page went away without a word, perhaps to come back: the session goes on."""
    request.services.get(AdoptingService).left(session.user_id)
    return Response(status=204, headers={"Cache-Control": "no-store"})


def _in_widget_mode(view: View) -> View:
    def checked(request: Request, session: LinkSession) -> Response:
        if not session.is_widget:
            raise NotFound("This session has no widget.")
        return view(request, session)

    return checked


ROUTES: dict[str, tuple[str, dict[str, View]]] = {
    "link_widget": ("/link/widget", {"POST": _in_widget_mode(open_widget)}),
    "link_widget_member": ("/link/widget/member", {"POST": _in_widget_mode(seen)}),
    "link_widget_left": ("/link/widget/left", {"POST": _in_widget_mode(left)}),
}


def includeme(config: Configurator) -> None:
    add_views(config, ROUTES)
