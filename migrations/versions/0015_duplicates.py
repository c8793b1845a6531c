"""Links that turned out to be of a login that was linked already.

Revision 0015, on 0014. No foreign key: who erases a link erases what points to it, and SQLite adds none to a table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("linked_accounts", sa.Column("duplicate_of", sa.Uuid(), nullable=True))


def downgrade() -> None:
    op.drop_column("linked_accounts", "duplicate_of")
