"""The whole authorization server: client keys, secrets that overlap, how people logged in, a signer an algorithm."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("clients") as clients:
        clients.add_column(sa.Column("jwks", sa.JSON))
        clients.add_column(sa.Column("old_secret_hash", sa.LargeBinary(32)))
        clients.add_column(sa.Column("old_secret_expires_at", TIME))
        clients.add_column(sa.Column("id_token_alg", sa.String(10), nullable=False, server_default="RS256"))
    with op.batch_alter_table("browser_sessions") as sessions:
        sessions.add_column(sa.Column("login_for", sa.LargeBinary(32)))
    with op.batch_alter_table("authorization_codes") as codes:
        codes.add_column(sa.Column("methods", sa.String(60), nullable=False, server_default="pwd"))
        codes.create_index("ix_authorization_codes_session_hash", ["session_hash"])
    with op.batch_alter_table("signing_keys") as keys:
        keys.drop_constraint("uq_signing_keys_generation", type_="unique")
        keys.create_unique_constraint("uq_signing_keys_algorithm_generation", ["algorithm", "generation"])
    op.create_index("ix_token_families_client_id", "token_families", ["client_id"])
    op.create_table(
        "used_assertions",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("jti_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("client_id", "jti_hash", name="pk_used_assertions"),
    )
    op.create_index("ix_used_assertions_expires_at", "used_assertions", ["expires_at"])


def downgrade() -> None:
    op.drop_table("used_assertions")
    op.drop_index("ix_token_families_client_id", "token_families")
    # only one key a generation fits the old constraint
    op.execute("DELETE FROM signing_keys WHERE algorithm <> 'RS256'")
    with op.batch_alter_table("signing_keys") as keys:
        keys.drop_constraint("uq_signing_keys_algorithm_generation", type_="unique")
        keys.create_unique_constraint("uq_signing_keys_generation", ["generation"])
    with op.batch_alter_table("authorization_codes") as codes:
        codes.drop_index("ix_authorization_codes_session_hash")
        codes.drop_column("methods")
    with op.batch_alter_table("browser_sessions") as sessions:
        sessions.drop_column("login_for")
    with op.batch_alter_table("clients") as clients:
        for name in ("id_token_alg", "old_secret_expires_at", "old_secret_hash", "jwks"):
            clients.drop_column(name)
