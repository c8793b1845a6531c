"""The aggregator's own widget: who was let in, and which members are being deleted, so that none is taken in anew."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "widget_visits",
        sa.Column("user_id", sa.Uuid, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.Column("looks", sa.Integer, nullable=False, server_default="0"),
        sa.Column("lease_no", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("lease_until", TIME),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_widget_visits_user"),
        sa.PrimaryKeyConstraint("user_id", name="pk_widget_visits"),
    )
    op.create_index("ix_widget_visits_due_at", "widget_visits", ["due_at"])
    op.add_column("member_removals", sa.Column("member_guid_index", sa.LargeBinary(32)))
    op.create_index("ix_member_removals_member", "member_removals", ["member_guid_index"])


def downgrade() -> None:
    op.drop_index("ix_member_removals_member", table_name="member_removals")
    op.drop_column("member_removals", "member_guid_index")
    op.drop_table("widget_visits")
