"""Facebook, pretended: its login dialog, token exchange and the profile of the Graph API, under `/facebook`.

Source: https://developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow
https://developers.facebook.com/docs/graph-api/guides/secure-requests
"""

import hashlib
import hmac
import re
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ..wire import JSON_CONTENT_TYPE, json_response, route
from .callers import fits, presented_keys, presented_token
from .dialog import BadDialog, chosen, read_question, refusal_page, show_people
from .personas import Persona
from .portraits import portrait_url
from .state import AccessToken, BadCode, Grant

TOKEN_LIFETIME_S = 60 * 24 * 3600
_PICTURE_SIDE = 50
_FIELDS = {
    "id", "name", "first_name", "last_name", "middle_name", "email", "birthday", "picture", "locale", "gender", "link",
}  # fmt: skip
# What is told only to an app that the person allowed it to.
_SCOPES = {"email": "email", "birthday": "user_birthday", "gender": "user_gender", "link": "user_link"}
_MODIFIERS = re.compile(r"\{[^{}]*\}|\.\w+\([^()]*\)")
_BAD_CODES = {
    "unknown": ("Invalid verification code format.", None),
    "used": ("This authorization code has been used.", 36009),
    "expired": ("This authorization code has expired.", 36007),
    "client": ("Error validating verification code. The code was issued to another app.", None),
    "redirect_uri": (
        "Error validating verification code. Please make sure your redirect_uri is identical to the one you used "
        "in the OAuth dialog request",
        36008,
    ),
    "no_verifier": ("Missing code_verifier.", None),
    "verifier": ("Invalid code_verifier.", None),
}


def includeme(config: Configurator) -> None:
    """Bind Facebook's paths, of every version of its API; the caller sets the prefix."""
    version = r"/{version:v\d+\.\d+}"
    route(config, f"{version}/dialog/oauth", GET=ask, POST=answer)
    route(config, f"{version}/oauth/access_token", GET=give_token, POST=give_token)
    route(config, f"{version}/me", GET=show_me)


# -- the dialog


def ask(request: Request) -> Response:
    """Show the people to be, or say why not."""
    try:
        question = read_question(request.GET, request.world.limits.facebook_client)
    except BadDialog as error:
        return refusal_page("Facebook", error)
    return show_people(request, "Facebook", question)


def answer(request: Request) -> Response:
    """Send the person back; the fragment `#_=_` is Facebook's own, so that none is inherited."""
    social = request.world.social
    try:
        question = read_question(request.GET, request.world.limits.facebook_client)
        persona = chosen(request, social.personas())
    except BadDialog as error:
        return refusal_page("Facebook", error)
    if persona is None:
        return question.way_back(
            "#_=_",
            error="access_denied",
            error_code="200",
            error_description="Permissions error",
            error_reason="user_denied",
        )
    code = social.facebook.new_code(question.grant(persona), request.world.now())
    return question.way_back("#_=_", code=code)


# -- the access token


def give_token(request: Request) -> Response:
    """Exchange a code; the app's secret comes in the query or the form."""
    world, given = request.world, request.params
    keys = presented_keys(request, given)
    if not keys.client_id:
        return _refused("Missing client_id parameter.", 101)
    if not fits(keys, world.limits.facebook_client):
        return _refused("Error validating client secret.", 1)
    try:
        grant = world.social.facebook.redeem(
            given.get("code", ""),
            keys.client_id,
            given.get("redirect_uri", ""),
            given.get("code_verifier", ""),
            world.now(),
        )
    except BadCode as error:
        message, subcode = _BAD_CODES[error.reason]
        return _refused(message, 100, subcode=subcode)
    token = world.social.facebook.new_token(grant, keys.client_secret, TOKEN_LIFETIME_S, world.now())
    return _answer({"access_token": token, "token_type": "bearer", "expires_in": TOKEN_LIFETIME_S})


def _answer(body: dict[str, Any], status: int = 200) -> Response:
    response = json_response(body, status, JSON_CONTENT_TYPE)
    response.headers["Cache-Control"] = "private, no-cache, no-store, must-revalidate"
    return response


def _refused(message: str, code: int, kind: str = "OAuthException", subcode: int | None = None) -> Response:
    """Answer with Facebook's error shape. Source: Graph API, "Handling errors"."""
    error: dict[str, Any] = {"message": message, "type": kind, "code": code}
    if subcode is not None:
        error["error_subcode"] = subcode
    return _answer({"error": error}, 400)


# -- the profile


def show_me(request: Request) -> Response:
    """Tell about the person whom an access token stands for: the fields that are asked for, and the id."""
    presented = presented_token(request)
    token = request.world.social.facebook.find(presented, request.world.now())
    if token is None:
        return _refused("Invalid OAuth access token - Cannot parse access token", 190)
    proof = request.GET.get("appsecret_proof", "")
    if not proof:
        message = "API calls from the server require an appsecret_proof argument"
        return _refused(message, 100, "GraphMethodException")
    if not hmac.compare_digest(_proof(token, presented).encode(), proof.encode()):
        return _refused("Invalid appsecret_proof provided in the API argument", 100, "GraphMethodException")
    wanted = _MODIFIERS.sub("", request.GET.get("fields") or "id,name").replace(" ", "").split(",")
    unknown = [name for name in wanted if name not in _FIELDS]
    if unknown:
        return _refused(f"(#100) Tried accessing nonexisting field ({unknown[0]}) on node type (User)", 100)
    known = _profile(request, token.grant)
    return _answer({name: known[name] for name in dict.fromkeys([*wanted, "id"]) if name in known})


def _proof(token: AccessToken, presented: str) -> str:
    """Build the proof that the caller knows the secret of the app that the token was given to."""
    return hmac.digest(token.client_secret.encode(), presented.encode(), hashlib.sha256).hex()


def _profile(request: Request, grant: Grant) -> dict[str, Any]:
    """Build everything that the app may know; what there is none of is left out."""
    persona = grant.persona
    known: dict[str, Any] = {"id": persona.facebook_id, "name": persona.name}
    if not persona.is_minimal:
        known |= {
            "first_name": persona.first_name,
            "middle_name": persona.middle_name,
            "last_name": persona.last_name,
            "email": persona.email,
            "birthday": persona.birthday and f"{persona.birthday:%m/%d/%Y}",
            "gender": persona.gender,
            "locale": persona.locale.replace("-", "_"),
            "link": f"https://facebook.example/{persona.facebook_id}",
            "picture": _picture(request, persona),
        }
    return {
        name: value
        for name, value in known.items()
        if value is not None and (name not in _SCOPES or _SCOPES[name] in grant.scopes)
    }


def _picture(request: Request, persona: Persona) -> dict[str, Any]:
    """Build a picture's description; somebody without one has Facebook's silhouette."""
    shown = {"url": portrait_url(request, persona), "is_silhouette": not persona.has_picture}
    return {"data": {"height": _PICTURE_SIDE, **shown, "width": _PICTURE_SIDE}}
