"""Who asks, and whether they may: Pyramid's security policy over Bearer tokens (RFC 6750)."""

from __future__ import annotations

from typing import Any

import svcs
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden
from pyramid.request import Request, RequestLocalCache
from pyramid.response import Response
from pyramid.security import Allowed, Denied

from ..domain.errors import DomainError
from ..domain.granting import GrantService
from ..domain.tokens import CLIENT_SCOPES, AccessTokens, InvalidToken, TokenClaims
from ..domain.unit_of_work import Clock
from .errors import problem

# where a form may carry the token, as OpenID Connect Core 1.0 §5.3.1 wants it
FORM_TOKENS = frozenset({"/oauth/userinfo"})
# what hands on secrets or ends everything: there a token revoked anywhere is refused at once (DESIGN 5)
EXACT_SCOPES = frozenset({"links:credentials", "account:delete"})
NOBODY = "nobody"  # the permission of a view that states none: held by no token


def bearer_token(environ: dict[str, Any]) -> str | None:
    """The request's Bearer token; the header is the only place it is looked for.

    Raises: DomainError `invalid_request` (400) when one is sent in the query, where it ends up in logs.
    Source: RFC 6750 §2.1; RFC 9700 §4.3.2.
    """
    if "access_token=" in environ.get("QUERY_STRING", ""):
        raise DomainError("Send the token in the Authorization header, never in the URL.", code="invalid_request")
    kind, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None


def _form_token(request: Request) -> str | None:
    """A token in a form, at the one address that takes it there.

    Raises: DomainError `invalid_request` (400) when more than one is sent.
    Source: RFC 6750 §2, §2.2.
    """
    path, form = request.environ.get("PATH_INFO"), "application/x-www-form-urlencoded"
    if request.method != "POST" or path not in FORM_TOKENS or request.content_type != form:
        return None
    sent = request.POST.getall("access_token")
    if len(sent) > 1 or (sent and "HTTP_AUTHORIZATION" in request.environ):
        raise DomainError("Send the token once: in the header or in the form.", code="invalid_request")
    return sent[0] if sent else None


class StaleLogIn(DomainError):
    """The token is good, and the log-in behind it too long ago for what is to be done.

    Args:
        max_age: seconds that it may be ago.
    """

    code = "insufficient_user_authentication"

    def __init__(self, max_age: int) -> None:
        super().__init__("This needs a recent log-in: send the person to log in again, with this max_age.")
        self.max_age = max_age


def check_recent(request: Request, action: str) -> None:
    """Refuse what somebody logged in too long ago for, where `donkies.step_up.for` names the action.

    Raises: StaleLogIn.
    Source: RFC 9470 §3.
    """
    settings, claims = request.registry.settings["donkies"], request.identity
    if action not in settings.step_up_for:
        return
    age = request.services.get(Clock).now().timestamp() - (claims.auth_time or 0)
    if age >= settings.step_up_within_s:
        raise StaleLogIn(int(settings.step_up_within_s))


class TokenSecurityPolicy:
    """Permissions are scopes; `request.identity` is the token's TokenClaims, or None."""

    def __init__(self, access_tokens: AccessTokens) -> None:
        self._access_tokens = access_tokens
        self._identities = RequestLocalCache(self._read)

    def identity(self, request: Request) -> TokenClaims | None:
        """Raises: Unavailable when it cannot be known whether the token was revoked."""
        return self._identities.get_or_create(request)

    def authenticated_userid(self, request: Request) -> str | None:
        claims = self.identity(request)
        return claims.sub if claims is not None and claims.is_person else None

    def permits(self, request: Request, context: Any, permission: str) -> Allowed | Denied:
        """Whether the token has the scope and, where the scope is a person's, speaks for one.

        Raises: InvalidToken when the database, asked where it must be exact, says that it was revoked.
        """
        claims = self.identity(request)
        request.needed_scope = permission
        if claims is not None and permission in claims.scopes:
            if claims.is_person != (permission in CLIENT_SCOPES):
                if permission in EXACT_SCOPES or request.method == "DELETE":
                    _ask_database(request, claims)
                return Allowed("the token has the scope")
            return Denied("the wrong kind of token")
        return Denied("no such scope")

    def remember(self, request: Request, userid: str, **kw: Any) -> list[Any]:
        return []

    def forget(self, request: Request, **kw: Any) -> list[Any]:
        return []

    def _read(self, request: Request) -> TokenClaims | None:
        token = _form_token(request) or bearer_token(request.environ)
        if token is None:
            return None
        try:
            return self._access_tokens.verify(token)
        except InvalidToken as error:
            request.token_problem = error.detail
            return None


def demand_scopes(request: Request, *scopes: str) -> None:
    """Beside the view's permission the token must have these scopes, and the database be sure that it is good.

    Raises: HTTPForbidden, which names the first that it lacks; InvalidToken.
    """
    for scope in scopes:
        if scope not in request.identity.scopes:
            request.needed_scope = scope
            raise HTTPForbidden
    _ask_database(request, request.identity)


def _ask_database(request: Request, claims: TokenClaims) -> None:
    """Raises: InvalidToken."""
    if not request.services.get(GrantService).is_token_live(claims):
        raise InvalidToken("The access token was revoked.")


def forbidden(error: HTTPForbidden, request: Request) -> Response:
    """What the policy refused: 401 when a good token may help, 403 when this one cannot do.

    Source: RFC 6750 §3.
    """
    claims = request.identity
    if claims is None:
        return unauthorized(getattr(request, "token_problem", None))
    scope = getattr(request, "needed_scope", NOBODY)
    if scope == NOBODY:
        return problem(403, "forbidden", "Nobody may do this.")
    if scope in claims.scopes:
        detail = f"{scope} is for {'clients' if claims.is_person else 'people'}; this token is the other's."
        return problem(403, "wrong_kind_of_token", detail, scope=scope)
    challenge = f'Bearer error="insufficient_scope", scope="{scope}"'
    detail = f"The token lacks the scope {scope}: ask for it at sign-in."
    return problem(403, "insufficient_scope", detail, {"WWW-Authenticate": challenge}, scope=scope)


def unauthorized(reason: str | None) -> Response:
    """401, saying why.

    Args:
        reason: what is wrong with the token; None when there was none, which the header must not call an error.
    """
    if reason is None:
        return problem(401, "token_required", "Send an access token.", {"WWW-Authenticate": "Bearer"})
    challenge = f'Bearer error="invalid_token", error_description="{reason}"'
    return problem(401, "invalid_token", reason, {"WWW-Authenticate": challenge})


def invalid_token(error: InvalidToken, request: Request) -> Response:
    """For views that check a token themselves."""
    return unauthorized(error.detail)


def stale_log_in(error: StaleLogIn, request: Request) -> Response:
    """401 with what the client is to ask for at the authorization endpoint (RFC 9470 §3, §4)."""
    challenge = f'Bearer error="{error.code}", error_description="{error.detail}", max_age="{error.max_age}"'
    return problem(401, error.code, error.detail, {"WWW-Authenticate": challenge}, max_age=error.max_age)


def includeme(config: Configurator) -> None:
    config.set_security_policy(TokenSecurityPolicy(svcs.Container(config.registry.svcs).get(AccessTokens)))
    config.set_default_permission(NOBODY)
    config.add_forbidden_view(forbidden)
    config.add_exception_view(invalid_token, context=InvalidToken)
    config.add_exception_view(stale_log_in, context=StaleLogIn)
