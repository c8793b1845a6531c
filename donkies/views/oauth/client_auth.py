"""How clients prove who they are (RFC 6749 §2.3): by a secret, by a signed assertion (RFC 7523), or not at all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc6749.authenticate_client import ClientAuthentication
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from ...domain.assertions import ALGORITHMS, UsedAssertions
from .asked import Asked
from .client import OAuthClient

# an assertion is good for at most this long
ASSERTION_S = 300
# by which clocks may differ (FAPI 2.0 Security Profile §5.3.2.1)
LEEWAY_S = 10


class WrongClient(InvalidClientError):
    """The client is not known or has not proved who it is; always 401.

    Args:
        challenge: only for who tried HTTP Basic: browsers would ask people for a password.
    """

    def __init__(self, description: str, *, challenge: bool = False) -> None:
        super().__init__(description, status_code=401)
        self._challenge = challenge

    def get_headers(self) -> list[tuple[str, str]]:
        headers = super().get_headers()
        return headers if self._challenge else [(name, value) for name, value in headers if name != "WWW-Authenticate"]


class ClientAuth(ClientAuthentication):  # type: ignore[misc]
    """Judges who asks by the one proof that was sent, not by the name of some public client beside it."""

    def __init__(self, query_client: Callable[[str], OAuthClient | None], assertion: PrivateKeyJwt) -> None:
        super().__init__(query_client)
        self.register(assertion.CLIENT_AUTH_METHOD, assertion)

    def authenticate(self, request: Asked, methods: Sequence[str], endpoint: str) -> OAuthClient:
        """Who asks, proved.

        Raises: WrongClient, alike for strangers and wrong secrets; InvalidRequestError when two proofs were sent,
            or a proof for one client and the name of another.
        Source: RFC 6749 §2.3, §5.2.
        """
        has_header = "Authorization" in request.headers
        has_assertion = "client_assertion" in request.form or "client_assertion_type" in request.form
        if has_header + has_assertion + ("client_secret" in request.form) > 1:
            raise InvalidRequestError(
                "Send the client secret once, or one client_assertion instead: the header or the body, not both."
            )
        tried = ["client_secret_basic"] if has_header else ["none", "client_secret_post"]
        tried = ["private_key_jwt"] if has_assertion else tried
        try:
            client = super().authenticate(request, [method for method in tried if method in methods], endpoint)
        except WrongClient:
            raise
        except (InvalidClientError, ValueError):  # ValueError: the header could not be read
            raise WrongClient(
                "The client_id is unknown, or its secret is wrong or missing; "
                "a client that is registered with keys sends a client_assertion instead.",
                challenge=has_header,
            ) from None
        if request.payload.client_id not in (None, client.client_id):
            raise InvalidRequestError("The client_id in the body is not that of the client that proved itself.")
        return client


class PrivateKeyJwt(JWTBearerClientAssertion):  # type: ignore[misc]
    """`private_key_jwt`, by the keys that a client registered; each assertion is good once.

    Source: RFC 7523 §2.2, §3; OpenID Connect Core 1.0 §9.
    """

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, issuer: str, used: UsedAssertions) -> None:
        super().__init__(leeway=LEEWAY_S)
        self._audiences = [issuer, f"{issuer}/oauth/token"]
        self._used = used

    def __call__(self, query_client: Callable[[str], OAuthClient | None], request: Asked) -> OAuthClient:
        if request.form.get("client_assertion_type") != ASSERTION_TYPE or not request.form.get("client_assertion"):
            raise WrongClient(f"Send client_assertion, and with it client_assertion_type={ASSERTION_TYPE}")
        try:
            client: OAuthClient = super().__call__(query_client, request)
        except WrongClient:
            raise
        except InvalidClientError as error:
            raise WrongClient(f"The client_assertion was refused: {error.description}") from None
        except (ValueError, TypeError, OverflowError, RecursionError):  # what is no JWT at all fails in many ways
            raise WrongClient("The client_assertion was refused: it is no signed JWT.") from None
        return client

    def get_audiences(self) -> list[str]:
        return self._audiences

    def resolve_client_public_key(self, client: OAuthClient) -> Mapping[str, Any] | list[Any]:
        if client.client.jwks is None:
            raise WrongClient("No keys (jwks) are registered for this client: it proves itself otherwise.")
        return list(client.client.jwks["keys"])

    def process_assertion_claims(self, assertion: str, resolve_key: Sequence[Mapping[str, Any]]) -> Any:
        """The claims, if a registered key signed them with an algorithm of that key's type.

        Raises: WrongClient.
        Source: RFC 8725 §3.1: never the header's own word.
        """
        header, _ = self.extract_assertion(assertion)
        for key in resolve_key:
            if "kid" in key and header.get("kid") not in (None, key["kid"]):
                continue
            algorithms = [key["alg"]] if "alg" in key else list(ALGORITHMS[key["kty"]])
            try:
                token = jwt.decode(assertion, JWKRegistry.import_key(dict(key)), algorithms=algorithms)
            except (JoseError, ValueError, TypeError):
                continue
            self.verify_claims(token.claims)
            return token.claims
        raise WrongClient(
            "The client_assertion was refused: no key registered for this client fits. "
            "Sign with RS256, PS256 or ES256, and name the key by its registered kid, or by none."
        )

    def verify_claims(self, claims: dict[str, Any]) -> None:
        named = claims.get("aud")
        audiences = named if isinstance(named, list) else [named]
        # all of them: an assertion that others were given too, they could use here
        if not audiences or any(one not in self._audiences for one in audiences):
            raise WrongClient("The client_assertion was refused: aud must be " + " or ".join(self._audiences))
        super().verify_claims(claims)

    def validate_jti(self, claims: dict[str, Any], jti: Any) -> bool:
        """Whether it is the first use. It is the last check, so that what was refused is not used up.

        Many libraries let assertions live for an hour. They count for five minutes from `iat` then, so that a
        stolen one is worth no more than one that says five minutes itself.
        """
        ends = min(claims["exp"], claims.get("iat", math.inf) + ASSERTION_S)
        now = time.time()
        if ends > now + ASSERTION_S + LEEWAY_S:
            raise WrongClient("The client_assertion was refused: exp is over 5 minutes ahead, and there is no iat.")
        if ends <= now - LEEWAY_S:
            raise WrongClient("The client_assertion was refused: it was made more than 5 minutes ago; make a new one.")
        if not isinstance(jti, str) or not jti:
            raise WrongClient("The client_assertion was refused: jti must be a text, a new one each time.")
        return self._used.use(claims["sub"], jti, datetime.fromtimestamp(ends + LEEWAY_S + 1, UTC))
