"""What the pretended providers remember and how they are set: settings, codes, access tokens."""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..faults import Fault
from .personas import Persona, personas

CODE_LIFETIME_S = 60
_REMEMBERED_S = 600  # a used or expired code is told apart from an invented one for this long
DEFAULT_DELAY_S = 30.0
OUTAGES = ("server_error", "html", "slow")
GOOGLE_FAULTS = ("wrong_nonce", "wrong_aud", "wrong_iss", "expired", "alg_none", "bad_signature", *OUTAGES)

# What servers call; the pages that people see stay up, so that a journey gets as far as the callback.
_CALLED_BY_SERVERS = re.compile(
    r"/google/(token|oauth2/v3/certs|v1/userinfo|\.well-known/openid-configuration)"
    r"|/facebook/v\d+\.\d+/(oauth/access_token|me)"
)


class ClientKeys(NamedTuple):
    """What an app must send as its own name and secret."""

    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """How one provider misbehaves; `slow` waits for `delay_s` before it answers."""

    fault: str | None = None
    delay_s: float = DEFAULT_DELAY_S


@dataclass(frozen=True, slots=True)
class SocialSettings:
    """How both providers are set. Args: squatter_email, the address that the persona `squatter` has."""

    squatter_email: str = "ada@example.com"
    squatter_email_verified: bool = True
    google: ProviderSettings = field(default_factory=ProviderSettings)
    facebook: ProviderSettings = field(default_factory=ProviderSettings)


class BadCode(Exception):
    """A code that is refused. Args: reason: unknown, used, expired, client, redirect_uri, no_verifier or verifier."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(eq=False, kw_only=True)
class Grant:
    """What somebody allowed an app, bound to how the app asked for it."""

    client_id: str
    redirect_uri: str
    scopes: frozenset[str]
    persona: Persona
    nonce: str | None = field(default=None, repr=False)
    code_challenge: str | None = field(default=None, repr=False)
    asked_at: float = 0.0
    is_used: bool = False


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What an access token stands for. Args: client_secret, what the app showed when it got the token."""

    grant: Grant
    client_secret: str = field(repr=False)
    expires_at: float


class Grants:
    """The codes and access tokens of one provider. Args: the words they begin with there."""

    def __init__(self, code_prefix: str, token_prefix: str) -> None:
        self._code_prefix = code_prefix
        self._token_prefix = token_prefix
        self._codes: dict[str, Grant] = {}
        self._tokens: dict[str, AccessToken] = {}

    def new_code(self, grant: Grant, now: float) -> str:
        """Make a code for a grant; it works once, for 60 s."""
        self._codes = {code: one for code, one in self._codes.items() if one.asked_at > now - _REMEMBERED_S}
        grant.asked_at = now
        code = self._code_prefix + secrets.token_urlsafe(32)
        self._codes[code] = grant
        return code

    def redeem(self, code: str, client_id: str, redirect_uri: str, code_verifier: str, now: float) -> Grant:
        """Use a code up. Raises: BadCode; whatever is wrong, the code does not work any more."""
        grant = self._codes.get(code)
        if grant is None:
            raise BadCode("unknown")
        was_used, grant.is_used = grant.is_used, True
        if was_used:
            raise BadCode("used")
        if now >= grant.asked_at + CODE_LIFETIME_S:
            raise BadCode("expired")
        if client_id != grant.client_id:
            raise BadCode("client")
        if redirect_uri != grant.redirect_uri:
            raise BadCode("redirect_uri")
        _check_verifier(grant.code_challenge, code_verifier)
        return grant

    def new_token(self, grant: Grant, client_secret: str, lifetime_s: int, now: float) -> str:
        """Make an access token."""
        self._tokens = {token: one for token, one in self._tokens.items() if one.expires_at > now}
        token = self._token_prefix + secrets.token_urlsafe(48)
        self._tokens[token] = AccessToken(grant, client_secret, now + lifetime_s)
        return token

    def find(self, token: str, now: float) -> AccessToken | None:
        """Find what an access token stands for; None for one that is unknown or expired."""
        found = self._tokens.get(token)
        return found if found is not None and now < found.expires_at else None


def _check_verifier(code_challenge: str | None, code_verifier: str) -> None:
    """Check PKCE's S256. Raises: BadCode. Source: RFC 7636 §4.6."""
    if code_challenge is None:
        return
    if not code_verifier:
        raise BadCode("no_verifier")
    digest = hashlib.sha256(code_verifier.encode()).digest()
    expected = base64.urlsafe_b64encode(digest).rstrip(b"=")
    if not hmac.compare_digest(expected, code_challenge.encode()):
        raise BadCode("verifier")


class Social:
    """Both providers' state."""

    def __init__(self) -> None:
        self.settings = SocialSettings()
        self.google = Grants("4/0A", "ya29.")
        self.facebook = Grants("AQ", "EAA")

    def personas(self) -> Sequence[Persona]:
        """List the people to be."""
        return personas(self.settings.squatter_email, self.settings.squatter_email_verified)

    def outage(self, path: str) -> Fault | None:
        """Find what is set to go wrong with a call from a server to a provider."""
        if not _CALLED_BY_SERVERS.fullmatch(path):
            return None
        provider = self.settings.google if path.startswith("/google/") else self.settings.facebook
        kinds: dict[str | None, dict[str, Any]] = {
            "server_error": {"kind": "status", "status": 500},
            "html": {"kind": "html"},
            "slow": {"kind": "slow", "delay_s": provider.delay_s},
        }
        return Fault(**kinds[provider.fault]) if provider.fault in kinds else None
