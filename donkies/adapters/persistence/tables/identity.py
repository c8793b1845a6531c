"""Tables of sign-in: people, clients, sessions, codes, token families, signing keys, limits."""

from sqlalchemy import JSON, Boolean, Column, Date, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, Uuid

from ..types import Sealed, UtcDateTime
from . import metadata

users = Table(
    "users",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("email", String(254), nullable=False),
    Column("email_key", String(254), nullable=False, unique=True),
    Column("email_verified", Boolean, nullable=False),
    Column("first_name", String(100), nullable=False),
    Column("last_name", String(100), nullable=False),
    Column("birthday", Date),
    Column("picture", Text),
    Column("locale", String(35)),
    Column("password_hash", Text),
    Column("is_disabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)


def _user_id() -> Column:
    return Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True)


def _client_id() -> Column:
    return Column("client_id", String(64), ForeignKey("clients.client_id", ondelete="CASCADE"), nullable=False)


external_identities = Table(
    "external_identities",
    metadata,
    Column("provider", String(20), primary_key=True),
    Column("subject", String(255), primary_key=True),
    _user_id(),
    Column("answer", Sealed),  # all that the provider told, as JSON text
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

clients = Table(
    "clients",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("type", String(12), nullable=False),
    Column("secret_hash", LargeBinary(32)),
    Column("redirect_uris", JSON, nullable=False),
    Column("post_logout_redirect_uris", JSON, nullable=False),
    Column("origins", JSON, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("is_trusted", Boolean, nullable=False),
    Column("is_native", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

browser_sessions = Table(
    "browser_sessions",
    metadata,
    Column("id_hash", LargeBinary(32), primary_key=True),
    _user_id(),
    Column("auth_time", UtcDateTime, nullable=False),
    Column("methods", String(60), nullable=False),
    Column("user_agent", String(200), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

consents = Table(
    "consents",
    metadata,
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("client_id", String(64), ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True),
    Column("scopes", Text, nullable=False),  # space-separated
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

authorization_codes = Table(
    "authorization_codes",
    metadata,
    Column("code_hash", LargeBinary(32), primary_key=True),
    Column("family_id", Uuid, nullable=False),
    _client_id(),
    _user_id(),
    Column("redirect_uri", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("code_challenge", String(128), nullable=False),
    Column("nonce", Text),
    Column("auth_time", UtcDateTime, nullable=False),
    Column("session_hash", LargeBinary(32)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("used_at", UtcDateTime),
)

token_families = Table(
    "token_families",
    metadata,
    Column("id", Uuid, primary_key=True),
    _user_id(),
    _client_id(),
    Column("scopes", Text, nullable=False),
    Column("auth_time", UtcDateTime, nullable=False),
    Column("session_hash", LargeBinary(32), index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    # the columns that a rotation writes have no index, so that PostgreSQL updates the row in place (HOT)
    Column("secret_hash", LargeBinary(32), nullable=False),
    Column("current_hash", LargeBinary(32), nullable=False),
    Column("previous_hash", LargeBinary(32)),
    Column("superseded_at", UtcDateTime),
    Column("successor_sealed", LargeBinary),
    Column("revoked_at", UtcDateTime),
    Column("revoked_reason", String(40)),
    # fill factor: see the migration
)
Index("ix_token_families_revoked_at", token_families.c.revoked_at)

revoked_access_tokens = Table(
    "revoked_access_tokens",
    metadata,
    Column("jti", String(64), primary_key=True),
    Column("revoked_at", UtcDateTime, nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(43), primary_key=True),
    # unique, so that of two processes that find no key one makes it and the other takes that
    Column("generation", Integer, nullable=False, unique=True),
    Column("algorithm", String(10), nullable=False),
    Column("private_key", Sealed, nullable=False),  # PEM, PKCS #8
    Column("created_at", UtcDateTime, nullable=False),
    Column("active_from", UtcDateTime, nullable=False),  # published before it signs
    Column("retired_at", UtcDateTime),  # published no more
)

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("key_hash", LargeBinary(32), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)
