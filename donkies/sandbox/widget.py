"""The Connect widget, small: pick an institution, sign in, answer, with MX's version 4 messages.

Source: ATRIUM.md 2.9, 7.
"""

import secrets
from collections.abc import Callable
from typing import Any

import orjson
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from .atrium import institutions, members
from .institutions import INSTITUTIONS
from .pages import page
from .webhooks import STATUS_IDS
from .widget_page import MARKUP, SCRIPT
from .wire import not_found, route


def includeme(config: Configurator) -> None:
    route(config, "/connect/{token}", GET=show_widget)
    inside = "/connect/{session}/api"
    route(config, f"{inside}/institutions", GET=_inside(institutions.list_institutions))
    route(config, f"{inside}/institutions/{{code}}/credentials", GET=_inside(institutions.list_credentials))
    route(config, f"{inside}/members", POST=_inside(members.create_member))
    route(
        config,
        f"{inside}/members/{{member}}",
        PUT=_inside(members.update_member),
        DELETE=_inside(members.delete_member),
    )
    route(config, f"{inside}/members/{{member}}/oauth_window_uri", GET=_inside(members.read_oauth_window_uri))
    route(config, f"{inside}/members/{{member}}/status", GET=_inside(members.read_member_status))
    route(config, f"{inside}/members/{{member}}/resume", PUT=_inside(members.resume_aggregation))


def show_widget(request: Request) -> Response:
    """Show the widget; the address works once and for ten minutes."""
    world = request.world
    expires_at, wanted = world.widget_urls.pop(request.matchdict["token"], (0.0, {}))
    if expires_at <= world.now():
        text = "<p>It was opened already, or is older than ten minutes. The app must ask for a new one.</p>"
        return page("This address does not work any more", text, status=404)
    session = secrets.token_urlsafe(32)
    world.widget_sessions[session] = wanted
    institution = INSTITUTIONS.get(wanted["institution_code"])
    settings = {
        **wanted,
        "institution_name": institution and institution.name,
        "session": session,
        "session_guid": f"SES-{secrets.token_hex(8)}",
        "status_ids": STATUS_IDS,
    }
    # In a script element only this character could end the element early.
    spelt = orjson.dumps(settings).decode().replace("<", "\\u003c")
    script = f"<script>const settings = {spelt};\n{SCRIPT}</script>"
    return page("Connect your bank", MARKUP + script)


def _inside(view: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Let the widget's own script call a view of MX's, as the user whom its address was made for."""

    def as_user(request: Request) -> Any:
        wanted = request.world.widget_sessions.get(request.matchdict["session"])
        if wanted is None:
            raise not_found("Session")
        request.matchdict["user"] = wanted["user_guid"]
        return view(request)

    return as_user
