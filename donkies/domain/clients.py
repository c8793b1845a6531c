"""Clients (RFC 6749 §2): the apps that may send people here. Ports ClientStore, Clients and ClientKeys."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, Unpack

from .errors import Conflict, Invalid, NotFound
from .grants import GrantStore, Revocations
from .redirect_uris import Difference, compare, fits
from .registrations import Changes, ClientType, Registration, SigningAlgorithm, find_problems
from .tokens import ACCESS_TOKEN_S, CLIENT_SCOPES, SCOPES, TRUSTED_SCOPES, PublicKeys
from .unit_of_work import Clock, UnitOfWork

CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
KEEP_OLD_SECRET_H = 720  # at most: an old secret that is good for ever was never rotated


class ClientExists(Conflict):
    """The client_id is taken."""

    code = "client_exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A registration; replaced as a whole, never changed.

    Args:
        secret_hash: SHA-256 of the secret, which is 256 random bits; None for a public client.
        redirect_uris: compared as exact strings; a native client's loopback port may vary.
        origins: browser origins that may call the API (CORS).
        is_trusted: a first-party client.
        is_native: an app on a device (RFC 8252).
        jwks: public keys (RFC 7517 §5) of a client that proves itself by `private_key_jwt`, which then has no secret.
        old_secret_hash: of the secret before the last; good until `old_secret_expires_at`.
        id_token_alg: what its ID tokens are signed with.
    """

    client_id: str
    name: str
    type: ClientType
    secret_hash: bytes | None = field(default=None, repr=False)
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    is_trusted: bool = False
    is_native: bool = False
    created_at: datetime
    jwks: Mapping[str, Any] | None = None
    old_secret_hash: bytes | None = field(default=None, repr=False)
    old_secret_expires_at: datetime | None = None
    id_token_alg: SigningAlgorithm = "RS256"  # noqa: S105 - an algorithm

    @property
    def is_confidential(self) -> bool:
        return self.type == "confidential"

    @property
    def personal_scopes(self) -> tuple[str, ...]:
        """What people can grant it; what they granted before it was registered for less is worth no more than this."""
        withheld = CLIENT_SCOPES if self.is_trusted else CLIENT_SCOPES | TRUSTED_SCOPES
        return tuple(scope for scope in self.scopes if scope not in withheld)

    def accepts_redirect_uri(self, uri: str) -> bool:
        """Whether people may be sent to this URI: an exact string of those registered."""
        return fits(uri, self.redirect_uris, is_native=self.is_native)

    def has_secret(self, secret: str, now: datetime) -> bool:
        """Whether this is the client's secret, or the one before while that is good; each compared in constant time."""
        is_old_good = self.old_secret_expires_at is not None and now < self.old_secret_expires_at
        presented = _hash(secret)
        good = [self.secret_hash, self.old_secret_hash if is_old_good else None]
        return any(known is not None and hmac.compare_digest(known, presented) for known in good)


@dataclass(frozen=True, slots=True)
class RedirectCheck:
    """How a redirect URI compares with those that a client registered.

    Args:
        fits: whether people may be sent there.
        registered: each registered URI with the parts that differ, the one that is nearest first.
    """

    fits: bool
    registered: tuple[tuple[str, tuple[Difference, ...]], ...]


class ClientStore(Protocol):
    """Keeps clients; all within a unit of work."""

    def add(self, client: Client) -> None:
        """Raises: ClientExists."""
        ...

    def replace(self, client: Client) -> None:
        """Put in place of the one with the same client_id, which exists."""
        ...

    def find(self, client_id: str) -> Client | None: ...

    def find_locked(self, client_id: str) -> Client | None:
        """The same as it is now, and it stays so for others until the unit of work ends."""
        ...

    def all(self) -> Sequence[Client]:
        """Every client, the oldest first."""
        ...

    def remove(self, client_id: str) -> None:
        """Delete it with its codes, families and consents."""
        ...


class Clients(Protocol):
    """Reads clients outside any unit of work; may be some seconds behind. One object serves all threads."""

    def find(self, client_id: str) -> Client | None: ...

    def knows_origin(self, origin: str) -> bool:
        """Whether some client registered this browser origin."""
        ...

    def forget(self) -> None:
        """Read afresh next time: something was changed in this process."""
        ...


class ClientKeys(Protocol):
    """Reads the keys that clients prove themselves with."""

    def read(self, jwks: Mapping[str, Any]) -> Mapping[str, Any]:
        """The public members of a JWK set, all others left out.

        Raises: Invalid unless it holds 1 to 10 public keys, each RSA of at least 2048 bits or EC on P-256.
        Source: RFC 7517 §5, RFC 7518 §6.
        """
        ...


@dataclass(frozen=True, slots=True)
class ClientRules:
    """What depends on where this runs.

    Args:
        is_production: http on loopback is then for native clients only, and these are never trusted:
            what runs on a person's device can be copied (RFC 8252 §8.5).
    """

    is_production: bool


@dataclass
class ClientService:
    """Registers clients and looks after them."""

    unit_of_work: UnitOfWork
    clients: ClientStore
    reader: Clients
    keys: ClientKeys
    signing_keys: PublicKeys
    grants: GrantStore
    revocations: Revocations
    rules: ClientRules
    clock: Clock

    def register(self, wanted: Registration) -> tuple[Client, str | None]:
        """Register a client under a fresh client_id.

        Returns: the client, and its secret if it is confidential and has no keys: shown this once, only its
            hash is kept.
        Raises: Invalid with every bad field.
        """
        # no id that begins with a hyphen: a command line would take it for an option
        client = self._make(wanted, secrets.token_hex(16))
        secret = None
        if client.is_confidential and client.jwks is None:
            secret = secrets.token_urlsafe(32)
            client = replace(client, secret_hash=_hash(secret))
        with self.unit_of_work:
            self.clients.add(client)
        self._tell(client)
        return client, secret

    def list(self) -> Sequence[Client]:
        """Every client, the oldest first."""
        with self.unit_of_work:
            return self.clients.all()

    def show(self, client_id: str) -> Client:
        """Raises: NotFound."""
        with self.unit_of_work:
            return self._find(client_id)

    def update(self, client_id: str, **changes: Unpack[Changes]) -> Client:
        """Change what is given; the rest stays, and all is checked as at registration.

        Who loses a scope or its trust loses the tokens that were given before: they would still carry it.
        Who gets keys loses its secret.

        Raises: NotFound; Invalid with every bad field.
        """
        with self.unit_of_work:
            known = self._find_locked(client_id)
            client = self._make(replace(_registration(known), **changes), client_id)
            client = replace(client, created_at=known.created_at)
            if client.jwks is None:
                client = replace(
                    client,
                    secret_hash=known.secret_hash,
                    old_secret_hash=known.old_secret_hash,
                    old_secret_expires_at=known.old_secret_expires_at,
                )
            ended = self._replace(known, client)
        self._tell(client, ended)
        return client

    def rotate_secret(self, client_id: str, *, keep_old_h: float = 0) -> tuple[Client, str]:
        """Give a client a new secret.

        Args:
            keep_old_h: hours for which the one before goes on being good, 0 to 720; any older one ends now.
        Returns: the client, and the secret: shown this once.
        Raises: NotFound; Invalid, also for a client that has no secret.
        """
        if not 0 <= keep_old_h <= KEEP_OLD_SECRET_H:
            raise Invalid("The old secret cannot be kept so long.", {"keep_old_h": f"Use 0 to {KEEP_OLD_SECRET_H}."})
        secret = secrets.token_urlsafe(32)
        with self.unit_of_work:
            client = self._find_locked(client_id)
            if client.jwks is not None:
                raise Invalid("This client proves itself by keys: update its jwks instead.")
            if not client.is_confidential:
                raise Invalid("This client is public: it has no secret, for one that is shipped proves nothing.")
            client = replace(
                client,
                secret_hash=_hash(secret),
                old_secret_hash=client.secret_hash if keep_old_h else None,
                old_secret_expires_at=self.clock.now() + timedelta(hours=keep_old_h) if keep_old_h else None,
            )
            self.clients.replace(client)
        self._tell(client)
        return client, secret

    def delete(self, client_id: str) -> Client:
        """Delete a client; what it was given ends first, so that other processes learn of it.

        Raises: NotFound.
        """
        with self.unit_of_work:
            client = self._find(client_id)
            ended = self._end_tokens(client_id, "client_deleted", own=True)
            self.clients.remove(client_id)
        self._tell(client, ended)
        return client

    def check(self, client_id: str, redirect_uri: str) -> RedirectCheck:
        """Whether people may be sent to a redirect URI, and if not, what differs from each that is registered.

        Raises: NotFound.
        """
        client = self.show(client_id)
        compared = [(uri, compare(redirect_uri, uri, is_native=client.is_native)) for uri in client.redirect_uris]
        nearest = sorted(compared, key=lambda one: len(one[1]))
        return RedirectCheck(client.accepts_redirect_uri(redirect_uri), tuple(nearest))

    def ensure(self, client_id: str, wanted: Registration) -> Client:
        """Make a public client under a name of one's own, or bring it up to date; doing it again changes nothing.

        Raises: Invalid, also where the name is a confidential client's: without its secret it would be anybody's.
        """
        if not CLIENT_ID.fullmatch(client_id):
            raise Invalid("The client_id cannot be used.", {"client_id": "Use letters, digits, dots, - and _."})
        if wanted.type != "public":
            raise Invalid("Only public clients can be ensured.", {"type": "A secret is shown only by `register`."})
        client = self._make(wanted, client_id)
        ended: Sequence[Any] = ()
        with self.unit_of_work:
            known = self.clients.find_locked(client_id)
            if known is None:
                self.clients.add(client)
            elif known.type != client.type:
                raise Invalid("The client is confidential.", {"type": "It never changes: delete the client first."})
            elif known != (client := replace(client, created_at=known.created_at)):
                ended = self._replace(known, client)
        self._tell(client, ended)
        return client

    def _find(self, client_id: str) -> Client:
        return _there(self.clients.find(client_id) if CLIENT_ID.fullmatch(client_id) else None)

    def _find_locked(self, client_id: str) -> Client:
        return _there(self.clients.find_locked(client_id) if CLIENT_ID.fullmatch(client_id) else None)

    def _replace(self, known: Client, client: Client) -> Sequence[Any]:
        """Put a registration in place of the known one; who loses a scope or its trust loses what still carries it.

        Returns: what is ended, to be told after the commit.
        """
        self.clients.replace(client)
        if not set(known.scopes) - set(client.scopes) and known.is_trusted <= client.is_trusted:
            return ()
        has_own = bool(CLIENT_SCOPES.intersection(client.scopes))
        return self._end_tokens(client.client_id, "client_restricted", own=not has_own)

    def _end_tokens(self, client_id: str, reason: str, *, own: bool) -> Sequence[Any]:
        """End what people gave the client, and what it holds in its own name.

        Returns: what is ended, to be told after the commit.
        """
        ended: Sequence[Any] = self.grants.revoke_families_of_client(client_id, reason)
        if not own:
            return ended
        # its own tokens have no family: they are known by its id (see JwtAccessTokens.verify)
        self.grants.revoke_access_token(client_id, self.clock.now() + timedelta(seconds=ACCESS_TOKEN_S))
        return [client_id, *ended]

    def _tell(self, client: Client, ended: Sequence[Any] = ()) -> None:
        """What others hold in memory, after the commit."""
        # made before the first sign-in: whoever reads the JWKS from now on has it
        self.signing_keys.prepare(client.id_token_alg)
        self.revocations.add(*map(str, ended))
        self.reader.forget()

    def _make(self, wanted: Registration, client_id: str) -> Client:
        bad, jwks = find_problems(wanted, is_production=self.rules.is_production), None
        if wanted.jwks is not None and "jwks" not in bad:
            try:
                jwks = self.keys.read(wanted.jwks)
            except Invalid as error:
                bad["jwks"] = error.detail
        if bad:
            raise Invalid("The client cannot be registered so; see errors.", bad)
        return Client(
            client_id=client_id,
            name=wanted.name.strip(),
            type=wanted.type,
            redirect_uris=tuple(dict.fromkeys(wanted.redirect_uris)),
            post_logout_redirect_uris=tuple(dict.fromkeys(wanted.post_logout_redirect_uris)),
            origins=tuple(dict.fromkeys(wanted.origins)),
            scopes=tuple(scope for scope in SCOPES if scope in wanted.scopes),
            is_trusted=wanted.is_trusted,
            is_native=wanted.is_native,
            created_at=self.clock.now().replace(microsecond=0),
            jwks=jwks,
            id_token_alg=wanted.id_token_alg,
        )


def _there(client: Client | None) -> Client:
    if client is None:
        raise NotFound("There is no client with this client_id.")
    return client


def _registration(client: Client) -> Registration:
    """What would have to be wanted to get this client."""
    return Registration(
        name=client.name,
        type=client.type,
        redirect_uris=client.redirect_uris,
        origins=client.origins,
        scopes=client.scopes,
        post_logout_redirect_uris=client.post_logout_redirect_uris,
        is_trusted=client.is_trusted,
        is_native=client.is_native,
        jwks=client.jwks,
        id_token_alg=client.id_token_alg,
    )


def _hash(secret: str) -> bytes:
    # a surrogate cannot be encoded plainly, and a stranger may send one
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
