"""What clients and resource servers read about us: RFC 8414, OpenID Connect Discovery 1.0, RFC 7517."""

from __future__ import annotations

from typing import Any

import orjson
from cornice import Service
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ...domain.assertions import ALGORITHMS
from ...domain.tokens import JWKS_MAX_AGE_S, SCOPES, PublicKeys
from ..api import shapes
from ..openapi.operation import Operation
from .client import AUTH_METHODS
from .wishes import ACR_VALUES, PROMPTS

# of assertions by which clients prove themselves
ASSERTION_ALGORITHMS = [algorithm for algorithms in ALGORITHMS.values() for algorithm in algorithms]

openid_service = Service("openid_configuration", "/.well-known/openid-configuration")
server_service = Service("oauth_authorization_server", "/.well-known/oauth-authorization-server")
jwks_service = Service("jwks", "/.well-known/jwks.json")


@openid_service.get(permission=NO_PERMISSION_REQUIRED, operation=Operation(shapes.ServerMetadata))
def openid_configuration(request: Request) -> Response:
    """What OpenID Connect clients discover (OpenID Connect Discovery 1.0 §3)."""
    issuer = request.registry.settings["donkies"].public_url
    return _document(
        {
            **_server_metadata(issuer),
            "userinfo_endpoint": f"{issuer}/oauth/userinfo",
            "end_session_endpoint": f"{issuer}/oauth/logout",
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "claim_types_supported": ["normal"],
            "claims_supported": [
                *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "acr", "amr", "sid"),
                *("name", "given_name", "family_name", "birthdate", "picture", "locale", "updated_at"),
                *("email", "email_verified"),
            ],
            "acr_values_supported": list(ACR_VALUES),
            "prompt_values_supported": list(PROMPTS),
            "display_values_supported": ["page"],
            "ui_locales_supported": ["en"],
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "require_request_uri_registration": False,
        }
    )


@server_service.get(permission=NO_PERMISSION_REQUIRED, operation=Operation(shapes.ServerMetadata))
def authorization_server(request: Request) -> Response:
    """What OAuth clients discover (RFC 8414 §2)."""
    return _document(_server_metadata(request.registry.settings["donkies"].public_url))


@jwks_service.get(permission=NO_PERMISSION_REQUIRED, operation=Operation(shapes.Jwks))
def jwks(request: Request) -> Response:
    """The public keys (RFC 7517 §5). Kept for a short time only, so that a new key is seen before it signs."""
    return _document(request.services.get(PublicKeys).jwks())


def _server_metadata(issuer: str) -> dict[str, Any]:
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": [method for method in AUTH_METHODS if method != "none"],
        "introspection_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
    }


def _document(content: dict[str, Any]) -> Response:
    response = Response(orjson.dumps(content), content_type="application/json")
    response.headers["Cache-Control"] = f"public, max-age={JWKS_MAX_AGE_S}"
    response.headers["Vary"] = "Origin"  # a copy fetched without one lacks the CORS headers
    return response
