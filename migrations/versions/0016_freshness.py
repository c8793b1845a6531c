"""Until when a link's data is fresh, and whether the aggregator still names an account."""

import sqlalchemy as sa
from alembic import op

from donkies.adapters.persistence import types

revision = "0016"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("linked_accounts", sa.Column("fresh_until", types.UtcDateTime(), nullable=True))
    op.add_column("accounts", sa.Column("is_listed", sa.Boolean(), nullable=False, server_default=sa.text("true")))
    # where the last attempt failed nothing kept says what was promised before it: the last good one is near enough
    op.execute(
        "UPDATE linked_accounts SET fresh_until = CASE WHEN transactions_status = 'complete' "
        "THEN coalesce(next_attempt_at, last_synced) ELSE last_synced END WHERE last_synced IS NOT NULL"
    )


def downgrade() -> None:
    with op.batch_alter_table("accounts") as accounts:
        accounts.drop_column("is_listed")
    with op.batch_alter_table("linked_accounts") as links:
        links.drop_column("fresh_until")
