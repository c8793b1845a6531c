"""Tables of sign-in: people, clients, sessions, codes, token families, signing keys, limits."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)

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
    Column("label", String(254), nullable=False, server_default=""),  # what the person knows it by: an address or name
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
    Column("jwks", JSON(none_as_null=True)),
    Column("old_secret_hash", LargeBinary(32)),  # good until old_secret_expires_at
    Column("old_secret_expires_at", UtcDateTime),
    Column("id_token_alg", String(10), nullable=False, server_default="RS256"),
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
    Column("login_for", LargeBinary(32)),
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
    Column("session_hash", LargeBinary(32), index=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("used_at", UtcDateTime),
    Column("methods", String(60), nullable=False, server_default="pwd"),
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
Index("ix_token_families_client_id", token_families.c.client_id)

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
    Column("generation", Integer, nullable=False),
    Column("algorithm", String(10), nullable=False),
    Column("private_key", Sealed, nullable=False),  # PEM, PKCS #8
    Column("created_at", UtcDateTime, nullable=False),
    Column("active_from", UtcDateTime, nullable=False),  # published before it signs
    Column("retired_at", UtcDateTime),  # published no more from then on
    UniqueConstraint("algorithm", "generation"),
)

# what a client proved itself with, so that it cannot do so again (RFC 7523 §3)
used_assertions = Table(
    "used_assertions",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("jti_hash", LargeBinary(32), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("key_hash", LargeBinary(32), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

# what was begun in a browser and is finished by it soon: see domain/flows.py
flows = Table(
    "flows",
    metadata,
    Column("key_hash", LargeBinary(32), primary_key=True),
    Column("kind", String(30), nullable=False),
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), index=True),
    Column("content", Sealed, nullable=False),  # JSON text
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

# mail that waits to be sent; its text may hold a one-time link
outgoing_mails = Table(
    "outgoing_mails",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("recipient", Sealed, nullable=False),
    Column("content", Sealed, nullable=False),  # JSON text
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("lease_no", Integer, nullable=False),
    Column("lease_until", UtcDateTime),
)

mailed_links = Table(
    "mailed_links",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    _user_id(),
    Column("purpose", String(20), nullable=False),
    Column("email", String(254), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("credential_id", LargeBinary, primary_key=True),
    _user_id(),
    Column("public_key", LargeBinary, nullable=False),  # COSE
    Column("sign_count", BigInteger, nullable=False),
    Column("name", String(60), nullable=False),
    Column("transports", String(100), nullable=False),  # space-separated
    Column("is_synced", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_used_at", UtcDateTime),
)

totp_secrets = Table(
    "totp_secrets",
    metadata,
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("secret", Sealed, nullable=False),  # base32
    Column("last_step", BigInteger, nullable=False),  # of the last code that was taken: no code counts twice
    Column("created_at", UtcDateTime, nullable=False),
    Column("confirmed_at", UtcDateTime),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", Uuid, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("code_hash", LargeBinary(32), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
)

# receipts of deleted people; what is to be deleted at the aggregator is forgotten once that is done
erasures = Table(
    "erasures",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_guid", Sealed),
    Column("identifier", String(64), nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, index=True),
    Column("attempts", Integer, nullable=False),
    Column("done_at", UtcDateTime),
    Column("lease_no", Integer, nullable=False),
    Column("lease_until", UtcDateTime),
)
