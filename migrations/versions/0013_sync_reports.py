"""Downloads tell what they did: when and at which change they began, what spoke against a proof, and the last report.

Revision 0013, on 0012.
"""

import sqlalchemy as sa
from alembic import op

from donkies.adapters.persistence import types

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # all may be null: a worker of the release before this one knows nothing of them
    with op.batch_alter_table("downloads") as downloads:
        downloads.add_column(sa.Column("began_at", types.UtcDateTime()))
        downloads.add_column(sa.Column("began_change", sa.BigInteger()))
        downloads.add_column(sa.Column("doubt", sa.String(40)))
        downloads.add_column(sa.Column("report", sa.JSON()))


def downgrade() -> None:
    with op.batch_alter_table("downloads") as downloads:
        for name in ("report", "doubt", "began_change", "began_at"):
            downloads.drop_column(name)
