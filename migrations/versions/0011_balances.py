"""Balances: what each account's were, day by day.

Revision 0011, on 0010.
"""

import sqlalchemy as sa
from alembic import op

from donkies.adapters.persistence import types

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_balances",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("balance", types.Money(), nullable=True),
        sa.Column("available_balance", types.Money(), nullable=True),
        sa.Column("currency_code", sa.String(length=10), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "account_id"],
            ["accounts.user_id", "accounts.id"],
            name="fk_account_balances_account",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "account_id", "date", name=op.f("pk_account_balances")),
    )


def downgrade() -> None:
    op.drop_table("account_balances")
