"""Sign-in: its ports and their adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import svcs
from sqlalchemy import Engine

from ..adapters.client_keys import JwkClientKeys
from ..adapters.devices import SealedDevices
from ..adapters.limits import NoLimits, SqlLimitStorage, StoredLimits
from ..adapters.mail import JinjaLetterPress, SmtpPostman
from ..adapters.passwords import Argon2PasswordHasher, GuessedPasswords
from ..adapters.persistence.assertions import SqlUsedAssertions
from ..adapters.persistence.clients import CachedClients, SqlClientStore
from ..adapters.persistence.consents import SqlConsentStore
from ..adapters.persistence.flows import SqlFlowStore
from ..adapters.persistence.grants import SqlGrantStore, SqlRotations
from ..adapters.persistence.identities import SqlIdentityStore
from ..adapters.persistence.mailed_links import SqlMailedLinkStore
from ..adapters.persistence.outbox import SqlOutbox
from ..adapters.persistence.purging import SqlLeftovers
from ..adapters.persistence.sessions import SqlSessionStore
from ..adapters.persistence.squats import SqlSquatStore
from ..adapters.persistence.unit_of_work import ZopeUnitOfWork
from ..adapters.persistence.users import SqlUserStore
from ..adapters.sealing import Keyring
from ..adapters.signing_keys import SigningKeys
from ..adapters.tokens import AccessTokenPolicy, AesTokenSeal, JwtAccessTokens, JwtIdTokens, RevokedGrants
from ..domain.arrivals import ArrivalService
from ..domain.assertions import UsedAssertions
from ..domain.clients import ClientKeys, ClientRules, Clients, ClientService, ClientStore
from ..domain.consents import ConsentService, ConsentStore
from ..domain.emails import EmailService
from ..domain.flows import Flows, FlowStore
from ..domain.forgotten import ForgottenPasswordService
from ..domain.granting import GrantService
from ..domain.grants import FamilyLifetime, GrantStore, Revocations, Rotations, TokenSeal
from ..domain.identities import IdentityService, IdentityStore
from ..domain.limits import Limits
from ..domain.mail import LetterPress, Letters, Outbox, Postman, PostService
from ..domain.mailed_links import MailedLinks, MailedLinkStore
from ..domain.people import AccountService
from ..domain.purging import Leftovers, PurgeService
from ..domain.sessions import SessionService, SessionStore
from ..domain.social import SocialProviders, SocialService
from ..domain.squats import SquatService, SquatStore
from ..domain.tokens import AccessTokens, IdTokens, PublicKeys
from ..domain.unit_of_work import Clock, UnitOfWork
from ..domain.users import KnownDevices, KnownPasswords, LoginService, PasswordHasher, UserService, UserStore
from .settings import Settings
from .social import make_providers
from .wiring import autowired

if TYPE_CHECKING:
    from .binding import Binder


def bind_identity(binder: Binder, settings: Settings, engine: Engine, keyring: Keyring, clock: Clock) -> None:
    """Bind what sign-in needs.

    Roles: password_hasher, known_passwords, devices, limits, clients, client_keys, used_assertions, signing_keys,
    revocations, access_tokens, id_tokens, token_seal, user_store, client_store, session_store, consent_store,
    grant_store, rotations, flow_store, mailed_link_store, squat_store, outbox, letter_press, postman, leftovers,
    identity_store, social_providers.
    """
    binder.single("password_hasher", PasswordHasher, lambda: _hasher(settings))
    binder.single("known_passwords", KnownPasswords, GuessedPasswords)
    binder.single("devices", KnownDevices, lambda: SealedDevices(keyring))
    binder.single("limits", Limits, lambda: _limits(settings, engine, clock))
    binder.single("clients", Clients, lambda: CachedClients(engine))
    binder.single("client_keys", ClientKeys, JwkClientKeys)
    binder.single("used_assertions", UsedAssertions, lambda: SqlUsedAssertions(engine))
    seal, revoked = _bind_tokens(binder, settings, engine, clock)
    binder.port("user_store", UserStore, _user_store)
    binder.port("client_store", ClientStore, _client_store)
    binder.port("session_store", SessionStore, _session_store)
    binder.port("consent_store", ConsentStore, _consent_store)
    binder.port("grant_store", GrantStore, _grant_store)
    rotations = binder.single("rotations", Rotations, lambda: SqlRotations(engine))
    binder.registry.register_value(ClientRules, ClientRules(is_production=settings.is_production))
    binder.service(UserService, LoginService, ClientService, SessionService, ConsentService)
    lifetime = FamilyLifetime(settings.refresh_lifetime_s)

    def grant_service(container: svcs.Container) -> GrantService:
        # by hand: of what sign-in does it is asked for most, and each port looked up costs as much as a cheap query
        stores = container.get(UnitOfWork, GrantStore)
        return GrantService(*stores, rotations, seal, revoked, clock, lifetime)

    binder.registry.register_factory(GrantService, grant_service)
    binder.port("flow_store", FlowStore, autowired(SqlFlowStore))
    binder.port("mailed_link_store", MailedLinkStore, autowired(SqlMailedLinkStore))
    binder.port("squat_store", SquatStore, autowired(SqlSquatStore))
    binder.port("outbox", Outbox, autowired(SqlOutbox))
    binder.single("letter_press", LetterPress, lambda: JinjaLetterPress(settings.name, settings.public_url))
    binder.single("postman", Postman, lambda: SmtpPostman(settings.mail_url.get_secret_value(), settings.mail_from))
    binder.service(ArrivalService, Flows, Letters, PostService)
    binder.service(MailedLinks, SquatService, EmailService, ForgottenPasswordService)
    binder.port("leftovers", Leftovers, autowired(SqlLeftovers))
    binder.service(AccountService, PurgeService)
    binder.port("identity_store", IdentityStore, autowired(SqlIdentityStore))
    binder.single("social_providers", SocialProviders, lambda: make_providers(settings, clock))
    binder.service(IdentityService, SocialService)


def _bind_tokens(binder: Binder, settings: Settings, engine: Engine, clock: Clock) -> tuple[TokenSeal, Revocations]:
    keys = binder.single("signing_keys", PublicKeys, lambda: SigningKeys(engine, clock))
    revoked = binder.single("revocations", Revocations, lambda: RevokedGrants(engine))

    def access_tokens() -> Any:
        # the audience is the API, so that no other service of the same issuer takes the token for its own
        policy = AccessTokenPolicy(keys, clock, issuer=settings.public_url, audience=f"{settings.public_url}/v1")
        return JwtAccessTokens(policy, revoked, clock)

    binder.single("access_tokens", AccessTokens, access_tokens)
    binder.single("id_tokens", IdTokens, lambda: JwtIdTokens(keys, clock, issuer=settings.public_url))
    return binder.single("token_seal", TokenSeal, AesTokenSeal), revoked


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


def _consent_store(container: svcs.Container) -> ConsentStore:
    return SqlConsentStore(container.get(ZopeUnitOfWork))


def _grant_store(container: svcs.Container) -> GrantStore:
    return SqlGrantStore(container.get(ZopeUnitOfWork))
