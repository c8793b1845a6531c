"""Doubles of the small ports, each in memory and quick; `make_testapp(role=double)` puts one in.

The stores' twins are in `donkies.adapters.memory`, bundled by `sign_in` and `banking`.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any
from uuid import UUID

from jwt.algorithms import get_default_algorithms

from ..adapters.memory.identity import MemoryLimits as MemoryLimits
from ..adapters.memory.jobs import RecordingJobs as RecordingJobs
from ..adapters.memory.mail import RecordingPostman as RecordingPostman
from ..adapters.signing_keys import MAKE, SigningKey
from ..domain.events import Event
from ..domain.factors import CodePicture, FactorRefused, NewPasskey, Passkey, PasskeyUse
from ..domain.health import Backlog
from ..domain.ids import new_id
from ..domain.logos import LogoUnusable, Picture
from ..domain.mail import Letter, Mail
from ..domain.social import Cancelled, Departure, SocialAnswer
from ..domain.tokens import ACCESS_TOKEN_S, InvalidToken, TokenClaims
from ..domain.unit_of_work import Clock
from .app import MovableClock as MovableClock

# what is looked at from outside


class ScriptedProbe:
    """DatabaseProbe that says what it is told; `is_well` at first."""

    def __init__(self, trouble: str | None = None) -> None:
        self.says = trouble

    def trouble(self) -> str | None:
        return self.says


class ScriptedNeighbours:
    """Neighbours in the states that are given: `ScriptedNeighbours(broker="degraded")`."""

    def __init__(self, **states: str) -> None:
        self._states = {"broker": "up", "aggregator": "up"} | states

    def states(self) -> Mapping[str, str]:
        return self._states


class ScriptedBacklog:
    """BacklogReader of what is given; None as when the database cannot be read."""

    def __init__(self, backlog: Backlog | None = None) -> None:
        self.backlog = backlog

    def read(self) -> Backlog | None:
        return self.backlog


class RecordingEvents:
    """Events that are kept, the oldest first, in `told`."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    def tell(self, event: Event) -> None:
        self.told.append(event)


class ListedLogos:
    """LogoSource of the pictures that are given, by their addresses; there are no others."""

    def __init__(self, pictures: Mapping[str, Picture]) -> None:
        self._pictures = pictures

    def fetch(self, url: str) -> Picture:
        if url not in self._pictures:
            raise LogoUnusable("There is no such picture.")
        return self._pictures[url]


class NoLeftovers:
    """Leftovers of which there are none."""

    def purge(self, now: datetime) -> int:
        return 0


# passwords and devices


class QuickHasher:
    """PasswordHasher without a cost: for tests that log in a thousand times. Outdated is what `outdated` says."""

    outdated = False

    def hash(self, password: str) -> str:
        salt = secrets.token_hex(8)
        return f"{salt}${hashlib.sha256((salt + password).encode()).hexdigest()}"

    def verify(self, password_hash: str | None, password: str) -> bool:
        salt, _, digest = (password_hash or "").partition("$")
        return secrets.compare_digest(digest, hashlib.sha256((salt + password).encode()).hexdigest())

    def is_outdated(self, password_hash: str) -> bool:
        return self.outdated


class ListedPasswords:
    """KnownPasswords that knows those given, in any case."""

    def __init__(self, *passwords: str) -> None:
        self._known = {password.casefold() for password in passwords}

    def holds(self, password: str) -> bool:
        return password.casefold() in self._known


class MemoryDevices:
    """KnownDevices in a dict."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def mark(self, account: str) -> str:
        mark = secrets.token_urlsafe(16)
        self._marks[mark] = account
        return mark

    def knows(self, mark: str, account: str) -> bool:
        return self._marks.get(mark) == account


# tokens


class MemoryRevocations:
    """Revocations in a set, which `MemoryAccessTokens` may look into."""

    def __init__(self) -> None:
        self.revoked: set[str] = set()

    def add(self, *sids_or_jtis: str) -> None:
        self.revoked.update(sids_or_jtis)


class MemoryAccessTokens:
    """AccessTokens that are keys of a dict.

    Args:
        revocations: of the same application.
    """

    expires_in_s = ACCESS_TOKEN_S

    def __init__(self, clock: Clock, revocations: MemoryRevocations | None = None) -> None:
        self._clock, self._revocations = clock, revocations or MemoryRevocations()
        self._claims: dict[str, TokenClaims] = {}

    def mint(
        self,
        *,
        sub: str,
        client_id: str,
        scopes: tuple[str, ...],
        sid: UUID | None = None,
        auth_time: datetime | None = None,
    ) -> str:
        now = int(self._clock.now().timestamp())
        token = secrets.token_urlsafe(16)
        self._claims[token] = TokenClaims(
            sub=sub,
            client_id=client_id,
            scopes=frozenset(scopes),
            jti=str(new_id()),
            sid=str(sid) if sid else None,
            exp=now + self.expires_in_s,
            auth_time=int(auth_time.timestamp()) if auth_time else None,
            iat=now,
        )
        return token

    def verify(self, token: str) -> TokenClaims:
        claims = self._claims.get(token)
        if claims is None:
            raise InvalidToken("This is no access token of this service.")
        if claims.exp <= self._clock.now().timestamp():
            raise InvalidToken("The access token has expired: refresh it.")
        # as the port's adapter: a person's token ends with its family, a client's own by itself or with all of them
        if self._revocations.revoked & ({claims.sid} if claims.sid else {claims.jti, claims.client_id}):
            raise InvalidToken("The access token was revoked.")
        return claims


class MemorySigningKeys:
    """PublicKeys, and the private ones beside them, made when first asked for: one of each algorithm."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[str, SigningKey] = {}

    def current(self, algorithm: str = "RS256") -> SigningKey:
        if algorithm not in self._keys:
            private = MAKE[algorithm]()
            kid, now = secrets.token_urlsafe(8), self._clock.now()
            self._keys[algorithm] = SigningKey(kid, algorithm, now, None, private, private.public_key())
        return self._keys[algorithm]

    def prepare(self, algorithm: str) -> None:
        self.current(algorithm)

    def public(self, kid: str, algorithm: str = "RS256") -> Any:
        found = self._keys.get(algorithm)
        return found.public if found and found.kid == kid else None

    def jwks(self) -> dict[str, Any]:
        self.current()
        return {
            "keys": [
                {**get_default_algorithms()[name].to_jwk(key.public, as_dict=True), "kid": key.kid}
                | {"use": "sig", "alg": name}
                for name, key in self._keys.items()
            ]
        }


class OpenSeal:
    """TokenSeal that hides nothing, but opens only under the token it was sealed under."""

    def seal(self, under: str, token: str) -> bytes:
        return json.dumps([under, token]).encode()

    def unseal(self, under: str, sealed: bytes) -> str:
        key, token = json.loads(sealed)
        if key != under:
            raise ValueError("sealed under another token")
        return str(token)


# mail, providers, second factors


class PlainLetterPress:
    """LetterPress without templates: the kind is the subject, the values are the text, a line each."""

    def print(self, letter: Letter) -> Mail:
        text = "".join(f"{name}: {value}\n" for name, value in letter.values.items())
        return Mail(letter.to, letter.kind, text, f"<pre>{escape(text)}</pre>")


class ScriptedProviders:
    """SocialProviders at which everybody is whom the script says: answers, or errors to raise, the last for ever.

    A departure leads straight back to us.
    """

    def __init__(self, *script: SocialAnswer | Exception) -> None:
        self._script = list(script)
        self.offered: Sequence[str] = ("google", "facebook")

    def form_targets(self, provider: str) -> Sequence[str]:
        return ()

    def begin(self, provider: str, callback_url: str) -> Departure:
        state = secrets.token_urlsafe(16)
        return Departure(f"{callback_url}?code=any&state={state}", state, {"state": state})

    def finish(self, provider: str, query: Mapping[str, str], kept: Mapping[str, str]) -> SocialAnswer:
        if "error" in query or not self._script:
            raise Cancelled
        answer = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class ListedCodes:
    """OneTimeCodes of which one is right: `code`, in each step once."""

    def __init__(self, code: str = "123456") -> None:
        self.code = code

    def new_secret(self) -> str:
        return secrets.token_hex(10).upper()

    def step_of(self, secret: str, code: str, now: datetime) -> int | None:
        return int(now.timestamp()) // 30 if code == self.code else None

    def picture(self, secret: str, email: str) -> CodePicture:
        return CodePicture(f"otpauth://totp/{email}?secret={secret}", "data:image/svg+xml,")


class ScriptedCeremony:
    """PasskeyCeremony whose answers are JSON texts that a test writes: `ScriptedCeremony.answer(b"id", challenge)`."""

    is_possible = True

    @staticmethod
    def answer(credential_id: bytes, challenge: str, user_id: UUID | None = None) -> str:
        """What a browser would send."""
        return json.dumps([credential_id.hex(), challenge, user_id.bytes.hex() if user_id else None])

    def creation(self, challenge: str, user_id: UUID, email: str, name: str, known: Sequence[Passkey]) -> str:
        return json.dumps({"challenge": challenge, "known": [one.credential_id.hex() for one in known]})

    def request(self, challenge: str, allowed: Sequence[Passkey]) -> str:
        return json.dumps({"challenge": challenge, "allowed": [one.credential_id.hex() for one in allowed]})

    def read_creation(self, answer: str, challenge: str) -> NewPasskey:
        return NewPasskey(self._read(answer, challenge), b"key", 0, ("internal",), True)

    def whose(self, answer: str) -> tuple[bytes, bytes | None]:
        credential_id, _, user = _parsed(answer)
        return bytes.fromhex(credential_id), bytes.fromhex(user) if user else None

    def read_proof(self, answer: str, challenge: str, passkey: Passkey) -> PasskeyUse:
        if self._read(answer, challenge) != passkey.credential_id:
            raise FactorRefused("That is another passkey.")
        return PasskeyUse(passkey.sign_count + 1, is_synced=passkey.is_synced)

    def _read(self, answer: str, challenge: str) -> bytes:
        credential_id, answered, _ = _parsed(answer)
        if answered != challenge:
            raise FactorRefused("That answers another challenge.")
        return bytes.fromhex(credential_id)


def _parsed(answer: str) -> Any:
    try:
        credential_id, challenge, user = json.loads(answer)
    except (TypeError, ValueError):
        raise FactorRefused("That is no answer.") from None
    return credential_id, challenge, user
