"""Accounts that a link has from one that was disconnected."""

import sqlalchemy as sa
from alembic import op

from donkies.adapters.persistence import types

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "adopted_accounts",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("linked_account_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("former_link_id", sa.Uuid(), nullable=False),
        sa.Column("change_no", sa.BigInteger(), nullable=False),
        sa.Column("adopted_at", types.UtcDateTime(), nullable=False),
        sa.Column("moved_at", types.UtcDateTime(), nullable=True),
        sa.Column("undone_at", types.UtcDateTime(), nullable=True),
        sa.Column("returned_at", types.UtcDateTime(), nullable=True),
        sa.Column("own_account_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "linked_account_id"],
            ["linked_accounts.user_id", "linked_accounts.id"],
            name="fk_adopted_accounts_link",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "linked_account_id", "account_id", name=op.f("pk_adopted_accounts")),
    )


def downgrade() -> None:
    op.drop_table("adopted_accounts")
