"""Sign-in: its ports and their adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import svcs
from sqlalchemy import Engine

from ..adapters.devices import SealedDevices
from ..adapters.limits import NoLimits, SqlLimitStorage, StoredLimits
from ..adapters.passwords import Argon2PasswordHasher
from ..adapters.persistence.clients import CachedClients, SqlClientStore
from ..adapters.persistence.grants import SqlGrantStore, SqlRotations
from ..adapters.persistence.sessions import SqlSessionStore
from ..adapters.persistence.unit_of_work import ZopeUnitOfWork
from ..adapters.persistence.users import SqlUserStore
from ..adapters.sealing import Keyring
from ..adapters.signing_keys import SigningKeys
from ..adapters.tokens import AccessTokenPolicy, AesTokenSeal, JwtAccessTokens, JwtIdTokens, RevokedGrants
from ..domain.clients import ClientRules, Clients, ClientService, ClientStore
from ..domain.grants import FamilyLifetime, GrantService, GrantStore, Revocations, Rotations, TokenSeal
from ..domain.limits import Limits
from ..domain.sessions import SessionService, SessionStore
from ..domain.tokens import AccessTokens, IdTokens, PublicKeys
from ..domain.unit_of_work import Clock
from ..domain.users import KnownDevices, LoginService, PasswordHasher, UserService, UserStore
from .settings import Settings

if TYPE_CHECKING:
    from .binding import Binder


def bind_identity(binder: Binder, settings: Settings, engine: Engine, keyring: Keyring, clock: Clock) -> None:
    """Bind what sign-in needs.

    Roles: password_hasher, devices, limits, clients, signing_keys, revocations, access_tokens, id_tokens, token_seal,
    user_store, client_store, session_store, grant_store, rotations.
    """
    binder.single("password_hasher", PasswordHasher, lambda: _hasher(settings))
    binder.single("devices", KnownDevices, lambda: SealedDevices(keyring))
    binder.single("limits", Limits, lambda: _limits(settings, engine, clock))
    binder.single("clients", Clients, lambda: CachedClients(engine))
    _bind_tokens(binder, settings, engine, clock)
    binder.port("user_store", UserStore, _user_store)
    binder.port("client_store", ClientStore, _client_store)
    binder.port("session_store", SessionStore, _session_store)
    binder.port("grant_store", GrantStore, _grant_store)
    binder.single("rotations", Rotations, lambda: SqlRotations(engine))
    binder.registry.register_value(ClientRules, ClientRules(is_production=settings.is_production))
    binder.registry.register_value(FamilyLifetime, FamilyLifetime(settings.refresh_lifetime_s))
    binder.service(UserService, LoginService, ClientService, SessionService, GrantService)


def _bind_tokens(binder: Binder, settings: Settings, engine: Engine, clock: Clock) -> None:
    keys = binder.single("signing_keys", PublicKeys, lambda: SigningKeys(engine, clock))
    revoked = binder.single("revocations", Revocations, lambda: RevokedGrants(engine))

    def access_tokens() -> Any:
        # the audience is the API, so that no other service of the same issuer takes the token for its own
        policy = AccessTokenPolicy(keys, clock, issuer=settings.public_url, audience=f"{settings.public_url}/v1")
        return JwtAccessTokens(policy, revoked, clock)

    binder.single("access_tokens", AccessTokens, access_tokens)
    binder.single("id_tokens", IdTokens, lambda: JwtIdTokens(keys, clock, issuer=settings.public_url))
    binder.single("token_seal", TokenSeal, AesTokenSeal)


def _hasher(settings: Settings) -> Argon2PasswordHasher:
    return Argon2PasswordHasher(memory_kib=settings.password_memory_kib, time_cost=settings.password_passes)


def _limits(settings: Settings, engine: Engine, clock: Clock) -> Limits:
    return StoredLimits(SqlLimitStorage(engine, clock), clock) if settings.limits_enabled else NoLimits()


def _user_store(container: svcs.Container) -> UserStore:
    return SqlUserStore(container.get(ZopeUnitOfWork))


def _client_store(container: svcs.Container) -> ClientStore:
    return SqlClientStore(container.get(ZopeUnitOfWork))


def _session_store(container: svcs.Container) -> SessionStore:
    return SqlSessionStore(container.get(ZopeUnitOfWork))


def _grant_store(container: svcs.Container) -> GrantStore:
    return SqlGrantStore(container.get(ZopeUnitOfWork))
