"""Logos of institutions, kept so that no browser asks another host for them.

Revision 0014, on 0013.
"""

import sqlalchemy as sa
from alembic import op

from donkies.adapters.persistence import types

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "institution_logos",
        sa.Column("code", sa.String(length=200), nullable=False),
        sa.Column("source_url", sa.String(length=2000), nullable=False),
        sa.Column("content_type", sa.String(length=40), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("etag", sa.String(length=40), nullable=True),
        sa.Column("fresh_until", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_institution_logos")),
    )


def downgrade() -> None:
    op.drop_table("institution_logos")
