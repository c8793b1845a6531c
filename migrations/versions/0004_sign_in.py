"""Sign-in in full: what was begun in a browser, mail that waits, mailed links, second factors, erasures."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("external_identities") as identities:
        identities.add_column(sa.Column("label", sa.String(254), nullable=False, server_default=""))
    op.create_table(
        "flows",
        sa.Column("key_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        _user_id("flows", nullable=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False, index=True),
        sa.PrimaryKeyConstraint("key_hash", name="pk_flows"),
    )
    op.create_table(
        "outgoing_mails",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("recipient", sa.LargeBinary, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False, index=True),
        sa.Column("expires_at", TIME, nullable=False, index=True),
        sa.Column("lease_no", sa.Integer, nullable=False),
        sa.Column("lease_until", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_outgoing_mails"),
    )
    op.create_table(
        "mailed_links",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        _user_id("mailed_links"),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False, index=True),
        sa.PrimaryKeyConstraint("token_hash", name="pk_mailed_links"),
    )
    op.create_table(
        "passkeys",
        sa.Column("credential_id", sa.LargeBinary, nullable=False),
        _user_id("passkeys"),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("transports", sa.String(100), nullable=False),
        sa.Column("is_synced", sa.Boolean, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_used_at", TIME),
        sa.PrimaryKeyConstraint("credential_id", name="pk_passkeys"),
    )
    op.create_table(
        "totp_secrets",
        sa.Column(
            "user_id",
            sa.Uuid,
            sa.ForeignKey("users.id", ondelete="CASCADE", name="fk_totp_secrets_user_id"),
        ),
        sa.Column("secret", sa.LargeBinary, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("confirmed_at", TIME),
        sa.PrimaryKeyConstraint("user_id", name="pk_totp_secrets"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column(
            "user_id",
            sa.Uuid,
            sa.ForeignKey("users.id", ondelete="CASCADE", name="fk_recovery_codes_user_id"),
        ),
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name="pk_recovery_codes"),
    )
    op.create_table(
        "erasures",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("user_guid", sa.LargeBinary),
        sa.Column("identifier", sa.String(64), nullable=False),
        sa.Column("requested_at", TIME, nullable=False),
        sa.Column("due_at", TIME, index=True),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("done_at", TIME),
        sa.Column("lease_no", sa.Integer, nullable=False),
        sa.Column("lease_until", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
    )


def downgrade() -> None:
    for table in ("erasures", "recovery_codes", "totp_secrets", "passkeys", "mailed_links", "outgoing_mails", "flows"):
        op.drop_table(table)
    with op.batch_alter_table("external_identities") as identities:
        identities.drop_column("label")


def _user_id(table: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(
        "user_id",
        sa.Uuid,
        sa.ForeignKey("users.id", ondelete="CASCADE", name=f"fk_{table}_user_id"),
        nullable=nullable,
        index=True,
    )
