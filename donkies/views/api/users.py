"""`/v1/users`: people and their profile."""

from __future__ import annotations

from typing import Any

import structlog
from cornice import Service
from pydantic import Field
from pyramid.request import Request

from ...domain.users import Profile, SignUp, UserService
from .schemas import Body, read_body

log = structlog.get_logger(__name__)

users_service = Service("users", "/v1/users", description="Registers people")
me_service = Service("users_me", "/v1/users/me", description="The token's person")


class NewUser(Body):
    """What a trusted client registers somebody with."""

    first_name: str
    last_name: str
    email: str
    birthday: str
    password: str = Field(repr=False)
    locale: str | None = None


class ProfileChanges(Body):
    """What a person may change of their profile; what is left out stays."""

    first_name: str | None = None
    last_name: str | None = None
    birthday: str | None = None
    locale: str | None = None


@users_service.post(permission="users:write", renderer="json")
def register(request: Request) -> dict[str, Any]:
    """Register a person: 201, and their profile."""
    body = read_body(request, NewUser)
    service = request.services.get(UserService)
    user_id = service.sign_up(SignUp(**body.model_dump()))
    log.info("signup", user_id=str(user_id), client_id=request.identity.client_id)
    request.response.status_int = 201
    request.response.headers["Cache-Control"] = "no-store"
    return _shape(service.profile(user_id))


@me_service.get(permission="profile", renderer="json")
def read(request: Request) -> dict[str, Any]:
    """The person's profile."""
    request.response.headers["Cache-Control"] = "no-store"
    return _shape(request.services.get(UserService).profile(request.identity.user_id))


@me_service.patch(permission="profile:write", renderer="json")
def change(request: Request) -> dict[str, Any]:
    """Change some of the profile; answers with all of it."""
    changes = read_body(request, ProfileChanges).model_dump(exclude_unset=True)
    request.response.headers["Cache-Control"] = "no-store"
    return _shape(request.services.get(UserService).change_profile(request.identity.user_id, changes))


def _shape(profile: Profile) -> dict[str, Any]:
    return {
        "id": str(profile.id),
        "first_name": profile.first_name,
        "last_name": profile.last_name,
        "email": profile.email,
        "email_verified": profile.email_verified,
        "birthday": profile.birthday.isoformat() if profile.birthday else None,
        "picture": profile.picture,
        "locale": profile.locale,
        "created_at": profile.created_at.isoformat().replace("+00:00", "Z"),
    }
