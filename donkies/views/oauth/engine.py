"""Authlib's authorization server on Pyramid and on our own services: the binding that Authlib lacks."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import structlog
import svcs
from authlib.oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import OAuth2Error
from authlib.oauth2.rfc9207 import IssuerParameter
from pyramid.config import Configurator
from pyramid.response import Response

from ...domain.assertions import UsedAssertions
from ...domain.clients import Clients
from ...domain.factors import is_strong
from ...domain.grants import AuthorizationCode, Issued
from ...domain.redirect_uris import with_parameters
from ...domain.tokens import AccessTokens, IdTokens
from ...domain.unit_of_work import Clock
from .asked import Asked
from .client import OAuthClient
from .client_auth import ClientAuth, PrivateKeyJwt
from .endpoints import Introspection, Revocation
from .grant_types import S256, ClientCredentialsGrant, CodeGrant, RefreshGrant

# at DEBUG it writes tokens
logging.getLogger("authlib").setLevel(logging.INFO)
log = structlog.get_logger(__name__)


# what to do about errors that Authlib raises without a word
ADVICE = {
    "invalid_scope": "Ask only for scopes that the client is registered with.",
    "unsupported_grant_type": "Use authorization_code, refresh_token or client_credentials.",
    "unsupported_response_type": "Use response_type=code.",
    "unauthorized_client": "The client is not registered for this.",
    "invalid_request": "A parameter is missing or malformed.",
}


class Server(AuthorizationServer):
    """One per process."""

    def __init__(self, issuer: str, services: svcs.Container) -> None:
        super().__init__()
        self.issuer = issuer
        self.clients = services.get(Clients)
        self.access_tokens = services.get(AccessTokens)
        self.id_tokens = services.get(IdTokens)
        self.clock = services.get(Clock)
        self.client_auth = ClientAuth(self.query_client, PrivateKeyJwt(issuer, services.get(UsedAssertions)))
        self.register_grant(CodeGrant, [S256(required=True)])
        self.register_grant(RefreshGrant)
        self.register_grant(ClientCredentialsGrant)
        self.register_endpoint(Revocation)
        self.register_endpoint(Introspection)
        self.register_extension(Issuer)
        self.register_token_generator("default", self.generate)

    def query_client(self, client_id: str) -> OAuthClient | None:
        client = self.clients.find(client_id)
        return None if client is None else OAuthClient(client, self.clock)

    def authenticate_client(self, request: Asked, methods: list[str], endpoint: str = "token") -> OAuthClient:
        return self.client_auth(request, methods, endpoint)

    def generate(
        self,
        grant_type: str,
        client: OAuthClient,
        user: Issued | None = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, Any]:
        """The token answer; `user` is what the grant issued, None for the client itself.

        Source: RFC 6749 §5.1; OpenID Connect Core 1.0 §3.1.3.3.
        """
        if user is None:
            scopes = tuple((scope or "").split())
            token = self.access_tokens.mint(sub=client.client_id, client_id=client.client_id, scopes=scopes)
            return {**self._bearer(token), "scope": " ".join(scopes)}
        token = self.access_tokens.mint(
            sub=str(user.user_id),
            client_id=user.client_id,
            scopes=user.scopes,
            sid=user.sid,
            auth_time=user.auth_time,
        )
        answer = {**self._bearer(token), "refresh_token": user.refresh_token, "scope": " ".join(user.scopes)}
        if user.code is not None and "openid" in user.scopes:
            answer["id_token"] = self._id_token(user, user.code, token, client.client.id_token_alg)
        return answer

    def _bearer(self, token: str) -> dict[str, Any]:
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.access_tokens.expires_in_s}

    def _id_token(self, issued: Issued, code: AuthorizationCode, access_token: str, algorithm: str) -> str:
        claims: dict[str, Any] = {
            "sub": str(issued.user_id),
            "aud": issued.client_id,
            "auth_time": int(issued.auth_time.timestamp()),
            "sid": str(issued.sid),
            "amr": code.methods.split(),
            "acr": "2" if is_strong(code.methods) else "1",
        }
        claims |= {"nonce": code.nonce} if code.nonce else {}
        return self.id_tokens.mint(claims, access_token=access_token, algorithm=algorithm)

    def save_token(self, token: Any, request: Any) -> None:
        """Nothing: the services saved its hash when they issued it."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None: ...

    def create_oauth2_request(self, request: Any) -> Asked:
        return request if isinstance(request, Asked) else Asked(request)

    def handle_error_response(self, request: Any, error: OAuth2Error) -> Response:
        error.description = error.description or ADVICE.get(error.error, "")
        if error.redirect_uri:
            return self.handle_response(302, "", [("Location", with_parameters(error.redirect_uri, error.get_body()))])
        return super().handle_error_response(request, error)

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        response = Response(status=status, headerlist=list(headers))
        if body != "":
            response.body = body.encode() if isinstance(body, str) else orjson.dumps(body)
        response.headers["Cache-Control"] = "no-store"
        return response


class Issuer(IssuerParameter):
    """`iss` in authorization answers, errors too (RFC 9207)."""

    def __init__(self, server: Server) -> None:
        self._issuer = server.issuer
        server.register_hook("after_create_authorization_response", self.add_issuer_parameter)

    def add_issuer_parameter(self, authorization_server: Server, response: Response) -> None:
        if response.location:
            response.location = with_parameters(response.location, [("iss", self._issuer)])

    def get_issuer(self) -> str:
        return self._issuer


def includeme(config: Configurator) -> None:
    container = svcs.Container(config.registry.svcs)
    config.registry.oauth = Server(config.registry.settings["donkies"].public_url, container)
