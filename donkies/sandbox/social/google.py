"""Google, pretended: OpenID Connect's code flow at paths like Google's, under `/google`.

Source: https://developers.google.com/identity/openid-connect/openid-connect
"""

from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ..wire import JSON_CONTENT_TYPE, json_response, route
from . import id_tokens
from .callers import fits, presented_keys, presented_token
from .dialog import BadDialog, Question, chosen, read_question, refusal_page, show_people
from .portraits import portrait_url
from .state import BadCode, Grant

TOKEN_LIFETIME_S = 3599
_CLAIMS = [
    "aud", "azp", "at_hash", "email", "email_verified", "exp", "family_name", "given_name", "iat", "iss", "locale",
    "name", "nonce", "picture", "sub",
]  # fmt: skip
_BAD_CODES = {
    "client": ("unauthorized_client", "Unauthorized"),
    "redirect_uri": ("redirect_uri_mismatch", "Bad Request"),
    "no_verifier": ("invalid_grant", "Missing code verifier."),
    "verifier": ("invalid_grant", "Invalid code verifier."),
}


def includeme(config: Configurator) -> None:
    """Bind Google's paths; the caller sets the prefix."""
    route(config, "/.well-known/openid-configuration", renderer="plain", GET=show_configuration)
    route(config, "/o/oauth2/v2/auth", GET=ask, POST=answer)
    route(config, "/token", POST=give_tokens)
    route(config, "/oauth2/v3/certs", renderer="plain", GET=show_keys)
    route(config, "/v1/userinfo", GET=show_userinfo, POST=show_userinfo)


def _issuer(request: Request) -> str:
    return f"{request.host_url}/google"


def show_configuration(request: Request) -> dict[str, Any]:
    """Describe the provider. Source: OpenID Connect Discovery §3."""
    issuer = _issuer(request)
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/o/oauth2/v2/auth",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/v1/userinfo",
        "jwks_uri": f"{issuer}/oauth2/v3/certs",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "claims_supported": _CLAIMS,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


def show_keys(request: Request) -> dict[str, Any]:
    return id_tokens.public_keys()


# -- the dialog


def ask(request: Request) -> Response:
    """Show the people to be, or say why not."""
    try:
        question = _question(request)
    except BadDialog as error:
        return refusal_page("Google", error)
    if "none" in question.prompts:
        return question.way_back(error="interaction_required", iss=_issuer(request))
    return show_people(request, "Google", question)


def answer(request: Request) -> Response:
    """Send the person back with a code, or with their refusal."""
    social = request.world.social
    try:
        question = _question(request)
        persona = chosen(request, social.personas())
    except BadDialog as error:
        return refusal_page("Google", error)
    if persona is None:
        return question.way_back(error="access_denied", iss=_issuer(request))
    code = social.google.new_code(question.grant(persona), request.world.now())
    return question.way_back(code=code, scope=" ".join(sorted(question.scopes)), iss=_issuer(request))


def _question(request: Request) -> Question:
    if "response_type" not in request.GET:
        raise BadDialog("invalid_request", "Missing required parameter: response_type")
    question = read_question(request.GET, request.world.limits.google_client)
    if "openid" not in question.scopes:
        raise BadDialog("invalid_scope", "scope must contain openid")
    return question


# -- tokens


def give_tokens(request: Request) -> Response:
    """Exchange a code. Source: RFC 6749 §4.1.3, §5."""
    world, form = request.world, request.POST
    keys = presented_keys(request, form)
    if not fits(keys, world.limits.google_client):
        return _refused(401, "invalid_client", "The OAuth client was not found.")
    if form.get("grant_type") != "authorization_code":
        return _refused(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
    try:
        grant = world.social.google.redeem(
            form.get("code", ""),
            keys.client_id,
            form.get("redirect_uri", ""),
            form.get("code_verifier", ""),
            world.now(),
        )
    except BadCode as error:
        return _refused(400, *_BAD_CODES.get(error.reason, ("invalid_grant", "Bad Request")))
    access_token = world.social.google.new_token(grant, keys.client_secret, TOKEN_LIFETIME_S, world.now())
    return _answer(
        {
            "access_token": access_token,
            "expires_in": TOKEN_LIFETIME_S,
            "scope": " ".join(sorted(grant.scopes)),
            "token_type": "Bearer",
            "id_token": _id_token(request, grant, access_token),
        }
    )


def _id_token(request: Request, grant: Grant, access_token: str) -> str:
    claims = {
        "iss": _issuer(request),
        "azp": grant.client_id,
        "aud": grant.client_id,
        **_profile(request, grant),
        "at_hash": id_tokens.at_hash(access_token),
    }
    if grant.nonce is not None:
        claims["nonce"] = grant.nonce
    return id_tokens.sign(claims, request.world.now(), request.world.social.settings.google.fault)


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    response = json_response(body, status, JSON_CONTENT_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def _refused(status: int, error: str, description: str) -> Response:
    return _answer({"error": error, "error_description": description}, status)


# -- the profile


def show_userinfo(request: Request) -> Response:
    """Tell about the person whom an access token stands for. Source: OpenID Connect Core §5.3."""
    token = request.world.social.google.find(presented_token(request), request.world.now())
    if token is None:
        refused = _refused(401, "invalid_request", "Invalid Credentials")
        refused.headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
        return refused
    return _answer(_profile(request, token.grant))


def _profile(request: Request, grant: Grant) -> dict[str, Any]:
    """Build the claims about a person that the app's scopes let it have; what there is none of is left out."""
    persona, claims = grant.persona, {"sub": grant.persona.google_subject}
    if "email" in grant.scopes and persona.email is not None:
        claims |= {"email": persona.email, "email_verified": persona.is_email_verified}
    if "profile" in grant.scopes and not persona.is_minimal:
        claims |= {
            "name": persona.name,
            "given_name": persona.given_names,
            "family_name": persona.last_name,
            "locale": persona.locale,
        }
        if persona.has_picture:
            claims["picture"] = portrait_url(request, persona)
    return claims
