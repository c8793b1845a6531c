"""Sign-in: people, clients, sessions, codes, token families, signing keys, limits."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _people()
    _clients()
    _grants()
    _housekeeping()


def _people() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("email_key", sa.String(254), nullable=False),
        sa.Column("email_verified", sa.Boolean, nullable=False),
        sa.Column("first_name", sa.String(100), nullable=False),
        sa.Column("last_name", sa.String(100), nullable=False),
        sa.Column("birthday", sa.Date),
        sa.Column("picture", sa.Text),
        sa.Column("locale", sa.String(35)),
        sa.Column("password_hash", sa.Text),
        sa.Column("is_disabled", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email_key", name="uq_users_email_key"),
    )
    op.create_table(
        "external_identities",
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        _user_id("external_identities"),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("provider", "subject", name="pk_external_identities"),
    )
    op.create_index("ix_external_identities_user_id", "external_identities", ["user_id"])
    op.create_table(
        "browser_sessions",
        sa.Column("id_hash", sa.LargeBinary(32), nullable=False),
        _user_id("browser_sessions"),
        sa.Column("auth_time", TIME, nullable=False),
        sa.Column("methods", sa.String(60), nullable=False),
        sa.Column("user_agent", sa.String(200), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name="pk_browser_sessions"),
    )
    op.create_index("ix_browser_sessions_user_id", "browser_sessions", ["user_id"])
    op.create_index("ix_browser_sessions_expires_at", "browser_sessions", ["expires_at"])


def _clients() -> None:
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("type", sa.String(12), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(32)),
        sa.Column("redirect_uris", sa.JSON, nullable=False),
        sa.Column("post_logout_redirect_uris", sa.JSON, nullable=False),
        sa.Column("origins", sa.JSON, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("is_trusted", sa.Boolean, nullable=False),
        sa.Column("is_native", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("client_id", name="pk_clients"),
    )


def _grants() -> None:
    op.create_table(
        "consents",
        _user_id("consents"),
        _client_id("consents"),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "client_id", name="pk_consents"),
    )
    op.create_table(
        "authorization_codes",
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("family_id", sa.Uuid, nullable=False),
        _client_id("authorization_codes"),
        _user_id("authorization_codes"),
        sa.Column("redirect_uri", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("code_challenge", sa.String(128), nullable=False),
        sa.Column("nonce", sa.Text),
        sa.Column("auth_time", TIME, nullable=False),
        sa.Column("session_hash", sa.LargeBinary(32)),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("used_at", TIME),
        sa.PrimaryKeyConstraint("code_hash", name="pk_authorization_codes"),
    )
    op.create_index("ix_authorization_codes_user_id", "authorization_codes", ["user_id"])
    op.create_index("ix_authorization_codes_expires_at", "authorization_codes", ["expires_at"])
    op.create_table(
        "token_families",
        sa.Column("id", sa.Uuid, nullable=False),
        _user_id("token_families"),
        _client_id("token_families"),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("auth_time", TIME, nullable=False),
        sa.Column("session_hash", sa.LargeBinary(32)),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("current_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(32)),
        sa.Column("superseded_at", TIME),
        sa.Column("successor_sealed", sa.LargeBinary),
        sa.Column("revoked_at", TIME),
        sa.Column("revoked_reason", sa.String(40)),
        sa.PrimaryKeyConstraint("id", name="pk_token_families"),
    )
    for column in ("user_id", "session_hash", "expires_at", "revoked_at"):
        op.create_index(f"ix_token_families_{column}", "token_families", [column])
    if op.get_bind().dialect.name == "postgresql":
        # room in each page for the row's next version: a rotation touches no index then
        op.execute("ALTER TABLE token_families SET (fillfactor = 70)")


def _housekeeping() -> None:
    op.create_table(
        "revoked_access_tokens",
        sa.Column("jti", sa.String(64), nullable=False),
        sa.Column("revoked_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("jti", name="pk_revoked_access_tokens"),
    )
    op.create_index("ix_revoked_access_tokens_revoked_at", "revoked_access_tokens", ["revoked_at"])
    op.create_table(
        "signing_keys",
        sa.Column("kid", sa.String(43), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("algorithm", sa.String(10), nullable=False),
        sa.Column("private_key", sa.LargeBinary, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("active_from", TIME, nullable=False),
        sa.Column("retired_at", TIME),
        sa.PrimaryKeyConstraint("kid", name="pk_signing_keys"),
        sa.UniqueConstraint("generation", name="uq_signing_keys_generation"),
    )
    op.create_table(
        "rate_limits",
        sa.Column("key_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name="pk_rate_limits"),
    )
    op.create_index("ix_rate_limits_expires_at", "rate_limits", ["expires_at"])


def _user_id(table: str) -> sa.Column:
    reference = sa.ForeignKey("users.id", name=f"fk_{table}_user_id", ondelete="CASCADE")
    return sa.Column("user_id", sa.Uuid, reference, nullable=False)


def _client_id(table: str) -> sa.Column:
    reference = sa.ForeignKey("clients.client_id", name=f"fk_{table}_client_id", ondelete="CASCADE")
    return sa.Column("client_id", sa.String(64), reference, nullable=False)


def downgrade() -> None:
    for table in (
        "rate_limits",
        "signing_keys",
        "revoked_access_tokens",
        "token_families",
        "authorization_codes",
        "consents",
        "browser_sessions",
        "external_identities",
        "clients",
        "users",
    ):
        op.drop_table(table)
