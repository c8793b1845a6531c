"""`/v1/users`: people and their profile."""

from __future__ import annotations

from typing import Any

import structlog
from cornice import Service
from pydantic import Field
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ...domain.erasing import LeavingService
from ...domain.erasures import Erasure, ErasureService
from ...domain.errors import NotFound, TooMany
from ...domain.exporting import ExportService
from ...domain.unit_of_work import Clock
from ...domain.users import EmailTaken, Profile, SignUp, UserService
from ..exports import export_response
from ..openapi.operation import Media, Operation
from ..security import check_recent
from . import shapes
from .answers import answer, id_in_path
from .schemas import Body, read_body

log = structlog.get_logger(__name__)

users_service = Service("users", "/v1/users", description="Registers people")
me_service = Service("users_me", "/v1/users/me", description="The token's person")
export_service = Service("users_me_export", "/v1/users/me/export", description="All that is kept of the token's person")
erasure_service = Service("erasure", "/v1/erasures/{receipt}", description="What became of somebody's leaving")


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


@users_service.post(
    permission="users:write",
    renderer="json",
    operation=Operation(shapes.Profile, 201, body=NewUser, errors=(EmailTaken, TooMany)),
)
def register_user(request: Request) -> dict[str, Any]:
    """Register a person: 201, and their profile."""
    body = read_body(request, NewUser)
    service = request.services.get(UserService)
    user_id = service.sign_up(SignUp(**body.model_dump()), mail_link=True)
    log.info("signup", user_id=str(user_id), client_id=request.identity.client_id)
    request.response.status_int = 201
    request.response.headers["Cache-Control"] = "no-store"
    return _shape(service.profile(user_id))


@me_service.get(permission="profile", renderer="json", operation=Operation(shapes.Profile, errors=(NotFound,)))
def read_me(request: Request) -> dict[str, Any]:
    """The person's profile."""
    request.response.headers["Cache-Control"] = "no-store"
    return _shape(request.services.get(UserService).profile(request.identity.user_id))


@me_service.patch(permission="profile:write", renderer="json", operation=Operation(shapes.Profile, body=ProfileChanges))
def change_me(request: Request) -> dict[str, Any]:
    """Change some of the profile; answers with all of it."""
    changes = read_body(request, ProfileChanges).model_dump(exclude_unset=True)
    request.response.headers["Cache-Control"] = "no-store"
    shown = _shape(request.services.get(UserService).change_profile(request.identity.user_id, changes))
    log.info("profile_changed", user_id=shown["id"], client_id=request.identity.client_id, fields=sorted(changes))
    return shown


@me_service.delete(permission="account:delete", operation=Operation(shapes.Erasure, 202, gives=("Location",)))
def delete_me(request: Request) -> Response:
    """Erase the person with all that is theirs: 202 and a receipt. Wants a recent log-in (RFC 9470)."""
    check_recent(request, "delete")
    erasure = request.services.get(LeavingService).leave(request.identity.user_id)
    return answer(_receipt(erasure), 202, {"Location": f"/v1/erasures/{erasure.id}"})


@export_service.get(
    permission="transactions:read",
    operation=Operation(
        Media(("application/zip",)),
        gives=("Content-Disposition",),
        errors=("403 email_unverified", TooMany),
        also=("profile", "accounts:read"),
    ),
)
def export_me(request: Request) -> Response:
    """All that is kept of the person, as a ZIP that is made while it is sent."""
    user_id = request.identity.user_id
    begun = request.services.get(ExportService).begin(user_id)
    log.info("export", user_id=str(user_id), client_id=request.identity.client_id)
    return export_response(begun, request.services.get(Clock).now())


@erasure_service.get(permission=NO_PERMISSION_REQUIRED, operation=Operation(shapes.Erasure))
def read_erasure(request: Request) -> Response:
    """How far an erasure has come; whoever knows the receipt may ask, for the person has no token any more."""
    return answer(_receipt(request.services.get(ErasureService).read(id_in_path(request, "receipt"))))


def _receipt(erasure: Erasure) -> dict[str, Any]:
    return {
        "receipt": erasure.id,
        "status": erasure.status,
        "requested_at": erasure.requested_at,
        "done_at": erasure.done_at,
    }


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
