"""The token, revocation, introspection and userinfo endpoints."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import parse_qsl

import structlog
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error
from cornice import Service
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED
from webob.multidict import MultiDict

from ...domain.health import RequestMeter
from ...domain.users import UserService
from ..api import shapes
from ..api.schemas import BODY_LIMIT
from ..openapi.operation import Operation
from .asked import REPEATABLE, Asked, check_resource
from .engine import Server

log = structlog.get_logger(__name__)

FORM = "application/x-www-form-urlencoded"
# by which a client says who it is, where no header does (RFC 6749 §2.3.1, RFC 7523 §2.2)
PROOFS = tuple((name, False) for name in ("client_id", "client_secret", "client_assertion", "client_assertion_type"))
GRANT = tuple((name, False) for name in ("code", "redirect_uri", "code_verifier", "refresh_token", "scope", "resource"))
ABOUT_A_TOKEN = (("token", True), ("token_type_hint", False), *PROOFS)

token_service = Service("oauth_token", "/oauth/token", description="Codes and refresh tokens for access tokens")
revoke_service = Service("oauth_revoke", "/oauth/revoke", description="Ends a token and all of its family")
introspect_service = Service("oauth_introspect", "/oauth/introspect", description="Whether a token is good now")
userinfo_service = Service("oauth_userinfo", "/oauth/userinfo", description="Who the token's person is")


@token_service.post(
    permission=NO_PERMISSION_REQUIRED,
    operation=Operation(shapes.Tokens, form=(("grant_type", True), *GRANT, *PROOFS), is_oauth=True),
)
def token(request: Request) -> Response:
    """Get tokens for a code, for a refresh token, or for a client itself (RFC 6749 §3.2)."""
    server: Server = request.registry.oauth
    form: Any = {}
    grant_type = None
    try:
        form = _read_form(request)
        grant_type = form.get("grant_type")
        if not grant_type:
            raise InvalidRequestError("Send a grant_type: authorization_code, refresh_token or client_credentials.")
        check_resource(form.getall("resource"), server.issuer)
    except OAuth2Error as error:
        return _logged(server.handle_error_response(request, error), request, form, grant_type)
    return _logged(server.create_token_response(Asked(request, form)), request, form, grant_type)


@revoke_service.post(
    permission=NO_PERMISSION_REQUIRED, operation=Operation(dict[str, object], form=ABOUT_A_TOKEN, is_oauth=True)
)
def revoke(request: Request) -> Response:
    """End a token and all of its family (RFC 7009 §2)."""
    response = _about_a_token(request, "revocation")
    log.info("token_revoked" if response.status_int == 200 else "revocation_refused")
    return response


@introspect_service.post(
    permission=NO_PERMISSION_REQUIRED, operation=Operation(shapes.Introspection, form=ABOUT_A_TOKEN, is_oauth=True)
)
def introspect(request: Request) -> Response:
    """Ask whether a token is good now (RFC 7662 §2)."""
    response = _about_a_token(request, "introspection")
    if response.status_int != 200:
        log.info("introspection_refused", status=response.status_int)
    return response


@userinfo_service.post(permission="openid", renderer="json", operation=Operation(shapes.UserInfo))
def userinfo_by_post(request: Request) -> dict[str, Any]:
    """The same by POST, where the token may stand in a form (RFC 6750 §2.2)."""
    return userinfo(request)


@userinfo_service.get(permission="openid", renderer="json", operation=Operation(shapes.UserInfo))
def userinfo(request: Request) -> dict[str, Any]:
    """Read who the token's person is; what is told follows from the scopes (OpenID Connect Core 1.0 §5.3, §5.4)."""
    claims = request.identity
    profile = request.services.get(UserService).profile(claims.user_id)
    request.response.headers["Cache-Control"] = "no-store"
    told: dict[str, Any] = {"sub": claims.sub}
    if "profile" in claims.scopes:
        told |= {
            "name": f"{profile.first_name} {profile.last_name}",
            "given_name": profile.first_name,
            "family_name": profile.last_name,
            "birthdate": profile.birthday.isoformat() if profile.birthday else None,
            "picture": profile.picture,
            "locale": profile.locale,
            "updated_at": int(profile.updated_at.timestamp()),
        }
    if "email" in claims.scopes:
        told |= {"email": profile.email, "email_verified": profile.email_verified}
    return {name: value for name, value in told.items() if value is not None}


def _about_a_token(request: Request, endpoint: str) -> Response:
    server: Server = request.registry.oauth
    try:
        form = _read_form(request)
    except OAuth2Error as error:
        return server.handle_error_response(request, error)
    return server.create_endpoint_response(endpoint, Asked(request, form))


def _read_form(request: Request) -> Any:
    """The parameters: only of a form-encoded body, each once, and nothing in the URL.

    Raises: InvalidRequestError.
    Source: RFC 6749 §3.2, appendix B.
    """
    if request.content_type != FORM:
        raise InvalidRequestError(f"Send the parameters in the body, as {FORM}.")
    if (request.content_length or 0) > BODY_LIMIT:
        raise InvalidRequestError("The body is too long.")
    if request.environ.get("QUERY_STRING"):
        raise InvalidRequestError("Send the parameters in the body, none in the URL: it ends up in logs.")
    try:
        # WebOb's own way, made for files too, takes three times as long
        form = MultiDict(parse_qsl(request.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=50))
    except ValueError:
        raise InvalidRequestError("Send at most 50 parameters, as UTF-8.") from None
    if any("\0" in value for value in form.values()):
        raise InvalidRequestError("Send no NUL.")
    doubled = [name for name, count in Counter(form.keys()).items() if count > 1 and name not in REPEATABLE]
    if doubled:
        raise InvalidRequestError("Send each parameter once: " + ", ".join(filter(str.isidentifier, doubled)))
    return form


def _logged(response: Response, request: Request, form: Any, grant_type: str | None) -> Response:
    known = grant_type if grant_type in ("authorization_code", "refresh_token", "client_credentials") else None
    client_id = form.get("client_id", "")[:64]
    request.services.get(RequestMeter).grant(known or "other", response.status_int == 200)
    if response.status_int == 200:
        log.info("token_issued", grant_type=known, client_id=client_id)
    else:
        log.info("token_refused", grant_type=known, client_id=client_id, status=response.status_int)
    return response
