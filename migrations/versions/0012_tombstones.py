"""Tombstones: the number at which the row had been added, so that a mirror hears only of what it was told of.

Revision 0012, on 0011.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # by default 0, of which every mirror hears: a worker of the release before this one knows nothing of it
    with op.batch_alter_table("transaction_tombstones") as tombstones:
        tombstones.add_column(sa.Column("added_no", sa.BigInteger, nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("transaction_tombstones") as tombstones:
        tombstones.drop_column("added_no")
