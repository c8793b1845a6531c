"""Users, and the address of their Connect widget. Source: ATRIUM.md 2.1, 2.9."""

import secrets
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ..institutions import INSTITUTIONS
from ..members import User
from ..wire import Refusal, listed, new_guid, no_content, not_found, read_envelope, read_object, read_paging, route
from ..world import WINDOW_LIFETIME_S


def includeme(config: Configurator) -> None:
    route(config, "/users", GET=list_users, POST=create_user)
    route(config, "/users/{user}", GET=read_user, PUT=update_user, DELETE=delete_user)
    route(config, "/users/{user}/connect_widget_url", POST=create_widget_url)


def list_users(request: Request) -> dict[str, Any]:
    world = request.world
    users = [user.to_wire() for user in world.users.values()]
    return listed("users", users, read_paging(request, world.limits.max_per_page))


def create_user(request: Request) -> dict[str, Any]:
    user = User(guid=new_guid("USR"))
    _change(request, user)
    request.world.add_user(user)
    return {"user": user.to_wire()}


def read_user(request: Request) -> dict[str, Any]:
    return {"user": request.world.user(request.matchdict["user"]).to_wire()}


def update_user(request: Request) -> dict[str, Any]:
    user = request.world.user(request.matchdict["user"])
    _change(request, user)
    request.world.save_user(user)
    return {"user": user.to_wire()}


def delete_user(request: Request) -> Response:
    world = request.world
    world.remove_user(world.user(request.matchdict["user"]))
    return no_content()


def create_widget_url(request: Request) -> dict[str, Any]:
    """Give a one-time address of the widget; the body is flat in Atrium, and may be empty."""
    world = request.world
    user = world.user(request.matchdict["user"])
    options = read_object(request, optional=True)
    code, member_guid = options.get("current_institution_code"), options.get("current_member_guid")
    if member_guid is not None:
        code = world.member_of(user, str(member_guid)).institution_code
    if code is not None and str(code) not in INSTITUTIONS:
        raise not_found("Institution")
    token = secrets.token_urlsafe(32)
    wanted = {
        "user_guid": user.guid,
        "institution_code": code,
        "member_guid": member_guid,
        "update_credentials": bool(options.get("update_credentials")),
    }
    world.widget_urls[token] = (world.now() + WINDOW_LIFETIME_S, wanted)
    return {"user": {"connect_widget_url": f"{request.host_url}/connect/{token}", "guid": user.guid}}


def _change(request: Request, user: User) -> None:
    given = read_envelope(request, "user")
    identifier = given.get("identifier", user.identifier)
    if not isinstance(identifier, str | None):
        raise Refusal(400, "identifier must be text")
    if not isinstance(given.get("metadata"), str | None):
        raise Refusal(400, "metadata must be text")
    if not isinstance(given.get("is_disabled", False), bool):
        raise Refusal(400, "is_disabled must be true or false")
    others = (u for u in request.world.users.values() if u.guid != user.guid)
    if identifier is not None and any(u.identifier == identifier for u in others):
        raise Refusal(409, "A user with this identifier exists")
    user.identifier = identifier
    user.metadata = given.get("metadata", user.metadata)
    user.is_disabled = given.get("is_disabled", user.is_disabled)
