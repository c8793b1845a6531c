"""The feed of changes: with which number a row was added, and how far each link was proved."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger


def upgrade() -> None:
    # by default 0: a worker of the release before this one knows nothing of them
    with op.batch_alter_table("transactions") as transactions:
        transactions.add_column(sa.Column("added_no", NUMBER, nullable=False, server_default="0"))
    with op.batch_alter_table("downloads") as downloads:
        downloads.add_column(sa.Column("proved_change", NUMBER, nullable=False, server_default="0"))
    op.execute("UPDATE transactions SET added_no = change_no")
    op.execute(  # what was there at a link's last proof is not new to it
        "UPDATE downloads SET proved_change = coalesce((SELECT last_change FROM transaction_feeds "
        "WHERE transaction_feeds.user_id = downloads.user_id), 0) WHERE last_full_at IS NOT NULL"
    )


def downgrade() -> None:
    with op.batch_alter_table("downloads") as downloads:
        downloads.drop_column("proved_change")
    with op.batch_alter_table("transactions") as transactions:
        transactions.drop_column("added_no")
