"""Authlib's authorization server on Pyramid and on our own services: the binding that Authlib lacks.

Authlib saves a new token *before* it deletes the code or revokes the old one. Here the services consume first
(one conditional UPDATE each), so that what Authlib would save or delete afterwards is done already.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any

import orjson
import structlog
import svcs
from authlib.oauth2 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749 import (
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    OAuth2Payload,
    grants,
)
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9207 import IssuerParameter
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from ...domain.clients import Client, Clients
from ...domain.grants import GrantService, InvalidGrant, InvalidScope, Issued
from ...domain.tokens import CLIENT_SCOPES, AccessTokens, IdTokens, InvalidToken, TokenClaims
from .client import AUTH_METHODS, OAuthClient

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


class Payload(OAuth2Payload):
    """The parameters of a request, of the one place where they belong."""

    def __init__(self, parameters: Any) -> None:
        self._data = parameters
        self._datalist: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in parameters.items():
            self._datalist[name].append(value)

    @property
    def data(self) -> Any:
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return self._datalist


class Asked(OAuth2Request):
    """A Pyramid request as Authlib sees it."""

    def __init__(self, request: Request) -> None:
        # Authlib would refuse plain http here; whether that is allowed is for `donkies.public_url` to say
        super().__init__(request.method, "https://localhost", headers=request.headers)
        self.pyramid = request
        # the token endpoint takes its parameters from the body only (RFC 6749 §3.2)
        self.payload = Payload(request.POST if request.method == "POST" else request.GET)

    @property
    def args(self) -> Any:
        return self.pyramid.GET

    @property
    def form(self) -> Any:
        return self.pyramid.POST

    @property
    def grant_service(self) -> GrantService:
        return self.pyramid.services.get(GrantService)


class Server(AuthorizationServer):
    """One per process."""

    def __init__(self, issuer: str, clients: Clients, access_tokens: AccessTokens, id_tokens: IdTokens) -> None:
        super().__init__()
        self.issuer = issuer
        self.clients = clients
        self.access_tokens = access_tokens
        self.id_tokens = id_tokens
        self.register_grant(CodeGrant, [S256(required=True)])
        self.register_grant(RefreshGrant)
        self.register_grant(ClientCredentialsGrant)
        self.register_endpoint(Revocation)
        self.register_extension(Issuer)
        self.register_token_generator("default", self.generate)

    def query_client(self, client_id: str) -> OAuthClient | None:
        client = self.clients.find(client_id)
        return None if client is None else OAuthClient(client)

    def authenticate_client(self, request: Asked, methods: list[str], endpoint: str = "token") -> OAuthClient:
        """Who asks, proved.

        Raises: InvalidClientError, alike for strangers and wrong secrets; InvalidRequestError when two
            proofs were sent, or a proof for one client and the name of another.
        Source: RFC 6749 §2.3, §5.2.
        """
        has_header = "Authorization" in request.headers
        if has_header and "client_secret" in request.form:
            raise InvalidRequestError("Send the client secret once: in the header or in the body.")
        # who sends the header is judged by it alone, not by the name of some public client in the body
        methods = ["client_secret_basic"] if has_header else ["none", "client_secret_post"]
        try:
            client = super().authenticate_client(request, methods, endpoint)
        except (InvalidClientError, ValueError):  # ValueError: the header could not be read
            # a Basic challenge only to who tried Basic: browsers would ask people for a password
            raise WrongClient(challenge=has_header) from None
        if request.payload.client_id not in (None, client.client_id):
            raise InvalidRequestError("The client_id in the body is not that of the Authorization header.")
        return client

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
            answer["id_token"] = self._id_token(user, token)
        return answer

    def _bearer(self, token: str) -> dict[str, Any]:
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.access_tokens.expires_in_s}

    def _id_token(self, issued: Issued, access_token: str) -> str:
        claims: dict[str, Any] = {
            "sub": str(issued.user_id),
            "aud": issued.client_id,
            "auth_time": int(issued.auth_time.timestamp()),
            "sid": str(issued.sid),
        }
        if issued.code is not None and issued.code.nonce:
            claims["nonce"] = issued.code.nonce
        return self.id_tokens.mint(claims, access_token=access_token)

    def save_token(self, token: Any, request: Any) -> None:
        """Nothing: the services saved its hash when they issued it."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None: ...

    def create_oauth2_request(self, request: Any) -> Asked:
        return request if isinstance(request, Asked) else Asked(request)

    def handle_error_response(self, request: Any, error: OAuth2Error) -> Response:
        error.description = error.description or ADVICE.get(error.error, "")
        return super().handle_error_response(request, error)

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Response:
        response = Response(status=status, headerlist=list(headers))
        if body != "":
            response.body = body.encode() if isinstance(body, str) else orjson.dumps(body)
        response.headers["Cache-Control"] = "no-store"
        return response


class WrongClient(InvalidClientError):
    """The client is not known or has not proved who it is; always 401."""

    def __init__(self, *, challenge: bool) -> None:
        super().__init__("The client_id is unknown, or its secret is wrong or missing.", status_code=401)
        self._challenge = challenge

    def get_headers(self) -> list[tuple[str, str]]:
        headers = super().get_headers()
        return headers if self._challenge else [(name, value) for name, value in headers if name != "WWW-Authenticate"]


class CodeGrant(grants.AuthorizationCodeGrant):
    """RFC 6749 §4.1; `request.user` is who is logged in."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def generate_authorization_code(self) -> str:
        asked, who = self.request, self.request.user
        return asked.grant_service.issue_code(
            client_id=asked.client.client_id,
            user_id=who.user_id,
            redirect_uri=asked.payload.redirect_uri,
            scopes=tuple(asked.scope.split()),
            code_challenge=asked.payload.data["code_challenge"],
            nonce=asked.payload.data.get("nonce"),
            auth_time=who.auth_time,
            session_hash=who.session_hash,
        )

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Nothing: issuing saved its hash."""

    def query_authorization_code(self, code: str, client: OAuthClient) -> ExchangedCode:
        verifier = self.request.form.get("code_verifier")
        if not verifier:
            raise InvalidRequestError("Send the code_verifier of PKCE (RFC 7636).")
        with translated():
            issued = self.request.grant_service.exchange(
                code,
                client_id=client.client_id,
                redirect_uri=self.request.payload.redirect_uri,
                code_verifier=verifier,
            )
        return ExchangedCode(issued)

    def authenticate_user(self, authorization_code: ExchangedCode) -> Issued:
        return authorization_code.issued

    def delete_authorization_code(self, authorization_code: Any) -> None:
        """Nothing: it was used up first."""


class ExchangedCode:
    """A code that was exchanged already, in the shape that Authlib looks at once more."""

    code_challenge_method = "S256"

    def __init__(self, issued: Issued) -> None:
        assert issued.code is not None  # noqa: S101 - it was issued for a code
        self.issued = issued
        self.code_challenge = issued.code.code_challenge

    def get_redirect_uri(self) -> str:
        return self.issued.code.redirect_uri  # type: ignore[union-attr]

    def get_scope(self) -> str:
        return " ".join(self.issued.scopes)


class RefreshGrant(grants.RefreshTokenGrant):
    """RFC 6749 §6."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshedToken:
        wanted = self.request.payload.scope
        with translated():
            issued = self.request.grant_service.refresh(
                refresh_token,
                client_id=self.request.client.client_id,
                scopes=frozenset(wanted.split()) if wanted else None,
            )
        return RefreshedToken(issued)

    def authenticate_user(self, refresh_token: RefreshedToken) -> Issued:
        return refresh_token.issued

    def revoke_old_credential(self, refresh_token: Any) -> None:
        """Nothing: it was superseded first."""


class RefreshedToken:
    """A refresh token that was superseded already, in the shape that Authlib looks at once more."""

    def __init__(self, issued: Issued) -> None:
        self.issued = issued

    def check_client(self, client: OAuthClient) -> bool:
        return client.client_id == self.issued.client_id

    def get_scope(self) -> str:
        return " ".join(self.issued.scopes)


class ClientCredentialsGrant(grants.ClientCredentialsGrant):
    """RFC 6749 §4.4: what a client does in its own name, and nothing of a person's."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTH_METHODS

    def validate_requested_scope(self) -> None:
        client: Client = self.request.client.client
        wanted = (self.request.payload.scope or "").split() or CLIENT_SCOPES.intersection(client.scopes)
        if not CLIENT_SCOPES.intersection(client.scopes).issuperset(wanted):
            raise InvalidScopeError("A client can get these scopes of its own: " + " ".join(sorted(CLIENT_SCOPES)))
        self.request.payload = Payload({**self.request.form, "scope": " ".join(sorted(wanted))})


class S256(CodeChallenge):
    """PKCE from every client, S256 only (RFC 9700 §2.1.1)."""

    DEFAULT_CODE_CHALLENGE_METHOD = ""
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("Send a code_challenge of PKCE with code_challenge_method=S256 (RFC 7636).")
        if len(data["code_challenge"]) != 43:
            raise InvalidRequestError("A code_challenge of method S256 has 43 characters (RFC 7636).")
        super().validate_code_challenge(grant, redirect_uri)


class Issuer(IssuerParameter):
    """`iss` in authorization answers, errors too (RFC 9207)."""

    def __init__(self, server: Server) -> None:
        self._issuer = server.issuer
        server.register_hook("after_create_authorization_response", self.add_issuer_parameter)

    def get_issuer(self) -> str:
        return self._issuer


class Revocation(RevocationEndpoint):
    """RFC 7009: either token ends the pair, its whole family."""

    CLIENT_AUTH_METHODS = AUTH_METHODS

    def check_params(self, request: Asked, client: OAuthClient) -> None:
        # the hint is not needed: the two kinds of token look different
        if not request.form.get("token"):
            raise InvalidRequestError("Send the token to revoke as token.")

    def authenticate_token(self, request: Asked, client: OAuthClient) -> TokenClaims | None:
        self.check_params(request, client)
        token = request.form["token"]
        if "." not in token:
            with translated():
                request.grant_service.revoke_refresh_token(token, client_id=client.client_id)
            return None
        try:
            claims = self.server.access_tokens.verify(token)
        except InvalidToken:
            return None  # it does nothing any more, which is what was asked for (§2.2)
        if claims.client_id != client.client_id:
            raise InvalidGrantError("The token belongs to another client.")
        return claims

    def revoke_token(self, token: TokenClaims, request: Asked) -> None:
        request.grant_service.revoke_access_token(token)


class translated:  # noqa: N801 - reads as a phrase: `with translated():`
    """Turns refusals of the domain's into Authlib's errors."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, InvalidGrant):
            raise InvalidGrantError(error.detail) from None
        if isinstance(error, InvalidScope):
            raise InvalidScopeError(error.detail) from None


def includeme(config: Configurator) -> None:
    container = svcs.Container(config.registry.svcs)
    config.registry.oauth = Server(
        config.registry.settings["donkies"].public_url,
        container.get(Clients),
        container.get(AccessTokens),
        container.get(IdTokens),
    )
