"""What OpenID Connect lets a client wish for when it sends a person here (Core 1.0 §3.1.2.1, §6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oidc.core.errors import (
    LoginRequiredError,
    RegistrationNotSupportedError,
    RequestNotSupportedError,
    RequestURINotSupportedError,
)
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from webob.multidict import MultiDict

from ...domain.sessions import LoggedIn
from ...domain.tokens import PublicKeys
from .asked import check_resource

ACR_VALUES = ("1", "2")
PROMPTS = ("none", "login", "consent", "select_account", "create")  # the last: Initiating User Registration 1.0
# what would carry parameters around the checks of all others
NOT_SUPPORTED = {
    "request": RequestNotSupportedError,
    "request_uri": RequestURINotSupportedError,
    "registration": RegistrationNotSupportedError,
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """How the client wants the person to be met.

    Args:
        prompts: those of PROMPTS that were sent; others are unknown here and ignored.
        max_age: seconds since the person proved who they are; None for any time.
        hinted: the `sub` that the client expects, by an ID token of ours; None where nothing tells it.
        prefers_two: whether it would rather have two factors than one (`acr_values`, the best first). It is a wish:
            who has no second factor, or may not be asked, goes on with one, and the ID token's `acr` says so.
    """

    prompts: frozenset[str]
    max_age: int | None = None
    hinted: str | None = None
    prefers_two: bool = False

    @classmethod
    def read(cls, parameters: MultiDict, issuer: str, keys: PublicKeys) -> Wishes:
        """Raises: OAuth2Error, of the kinds that Core 1.0 §3.1.2.6 and RFC 8707 §2 name."""
        for name, error in NOT_SUPPORTED.items():
            if parameters.get(name):
                raise error(f"Send the parameters themselves: {name} is not supported.")
        if parameters.get("response_mode", "query") not in ("query", ""):
            raise InvalidRequestError("Answers are sent in the query only: leave response_mode out, or send query.")
        check_resource(parameters.getall("resource"), issuer)
        prompts = frozenset(parameters.get("prompt", "").split()).intersection(PROMPTS)
        if "none" in prompts and len(parameters["prompt"].split()) > 1:
            raise InvalidRequestError("prompt=none stands alone: it forbids to ask what the others want asked.")
        hint = parameters.get("id_token_hint")
        hinted = _subject(hint, issuer, keys) if hint else None
        if hint and hinted is None and "none" in prompts:
            raise LoginRequiredError("The id_token_hint tells nobody here: send the person without prompt=none.")
        known = [value for value in parameters.get("acr_values", "").split() if value in ACR_VALUES]
        return cls(prompts, _max_age(parameters.get("max_age", "")), hinted, known[:1] == ["2"])

    @property
    def is_silent(self) -> bool:
        """Whether nothing may be asked."""
        return "none" in self.prompts

    def why_log_in(self, who: LoggedIn, now: datetime, *, is_answer: bool) -> str | None:
        """Why the person has to log in although somebody is; a key of the log-in page's reasons, or None.

        Args:
            is_answer: whether the log-in answered this very request, so that it need not be asked for again.
        """
        if not is_answer:
            if "login" in self.prompts:
                return "login"
            if self.max_age is not None and (now - who.auth_time).total_seconds() >= self.max_age:
                return "max_age"
            if "select_account" in self.prompts:
                return "account"
        return None if self.expects(who.user_id) else "other"

    def expects(self, user_id: UUID) -> bool:
        """Whether the client has nothing against this person."""
        return self.hinted in (None, str(user_id))


def _max_age(sent: str) -> int | None:
    if not sent:
        return None
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 10):
        raise InvalidRequestError("max_age is a number of seconds, 0 or more.")
    return int(sent)


def _subject(id_token: str, issuer: str, keys: PublicKeys) -> str | None:
    """Whom an ID token of ours names; one that has expired does as well.

    Returns: None where it cannot be told: it is none of ours, or so old that its key is published no more. It is a
        hint and no proof, so who would forge one could as well leave it out; and an app that keeps an old one must
        not be shut out by our rotation of keys. Whether the right person came back is for the app to see by `sub`.

    Source: OpenID Connect Core 1.0 §3.1.2.1.
    """
    try:
        token = jwt.decode(id_token, KeySet.import_key_set(keys.jwks()), algorithms=["RS256", "ES256"])  # type: ignore[arg-type]
        claims: dict[str, Any] = token.claims
        # an access token has the same signer and another typ (RFC 9068 §2.1)
        if token.header.get("typ", "JWT") == "JWT" and claims.get("iss") == issuer:
            return str(claims["sub"])
    except (JoseError, ValueError, KeyError):
        pass  # how it fails tells nobody anything
    return None
