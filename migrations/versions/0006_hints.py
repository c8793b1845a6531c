"""When a link is woken by a webhook, and of which of the aggregator's jobs its rows are."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("linked_accounts") as links:
        links.add_column(sa.Column("wake_at", sa.DateTime(timezone=True)))
        links.add_column(sa.Column("synced_job_at", sa.DateTime(timezone=True)))
        links.create_index("ix_linked_accounts_wake_at", ["wake_at"])


def downgrade() -> None:
    with op.batch_alter_table("linked_accounts") as links:
        links.drop_index("ix_linked_accounts_wake_at")
        links.drop_column("synced_job_at")
        links.drop_column("wake_at")
