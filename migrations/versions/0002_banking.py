"""Banking: links, downloads, accounts, transactions, tombstones.

Revision 0002, on 0001 (users).
"""

import sqlalchemy as sa
from alembic import op

from donkies.adapters.persistence import types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "member_removals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_guid", types.Sealed(), nullable=False),
        sa.Column("member_guid", types.Sealed(), nullable=True),
        sa.Column("identifier", sa.String(length=60), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("lease_no", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_removals")),
    )
    op.create_index("ix_member_removals_due_at", "member_removals", ["due_at"], unique=False)
    op.create_table(
        "aggregator_users",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("user_guid", types.Sealed(), nullable=False),
        sa.Column("user_guid_index", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_aggregator_users_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_aggregator_users")),
    )
    op.create_index("ix_aggregator_users_guid", "aggregator_users", ["user_guid_index"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_idempotency_keys_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "client_id", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "linked_accounts",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("institution_code", sa.String(length=200), nullable=False),
        sa.Column("institution_name", sa.String(length=400), nullable=False),
        sa.Column("is_oauth", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("member_guid", types.Sealed(), nullable=True),
        sa.Column("member_guid_index", sa.LargeBinary(length=32), nullable=True),
        sa.Column("link_status", types.Word(), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=True),
        sa.Column("act_by", types.Word(), nullable=True),
        sa.Column("retry_with", types.Word(), nullable=True),
        sa.Column("connection_status", sa.String(length=60), nullable=True),
        sa.Column("is_refreshing", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("is_background", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("challenges", types.Challenges(), nullable=False),
        sa.Column("transactions_status", types.Word(), nullable=True),
        sa.Column("transactions_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_synced", types.UtcDateTime(), nullable=True),
        sa.Column("last_attempted_at", types.UtcDateTime(), nullable=True),
        sa.Column("next_attempt_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.Column("lease_no", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", types.UtcDateTime(), nullable=True),
        sa.Column("next_look_at", types.UtcDateTime(), nullable=True),
        sa.Column("looks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("idle_reads", sa.Integer(), server_default="0", nullable=False),
        sa.Column("moving_since", types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_linked_accounts_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_linked_accounts")),
        sa.UniqueConstraint("user_id", "member_guid_index", name="uq_linked_accounts_member"),
    )
    op.create_index("ix_linked_accounts_member", "linked_accounts", ["member_guid_index"], unique=False)
    op.create_index("ix_linked_accounts_next_attempt_at", "linked_accounts", ["next_attempt_at"], unique=False)
    op.create_index("ix_linked_accounts_next_look_at", "linked_accounts", ["next_look_at"], unique=False)
    op.create_table(
        "transaction_feeds",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("last_change", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_transaction_feeds_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_transaction_feeds")),
    )
    op.create_table(
        "transaction_tombstones",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("change_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("removed_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_transaction_tombstones_user", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "change_no", name=op.f("pk_transaction_tombstones")),
    )
    op.create_index("ix_transaction_tombstones_removed_at", "transaction_tombstones", ["removed_at"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("linked_account_id", sa.Uuid(), nullable=False),
        sa.Column("guid", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=400), nullable=False),
        sa.Column("type", sa.String(length=60), nullable=False),
        sa.Column("subtype", sa.String(length=60), nullable=True),
        sa.Column("balance", types.Money(), nullable=True),
        sa.Column("available_balance", types.Money(), nullable=True),
        sa.Column("currency_code", sa.String(length=10), nullable=False),
        sa.Column("masked_number", sa.String(length=60), nullable=True),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.Column("balances", sa.JSON(), nullable=False),
        sa.Column("raw", types.RawJson(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "linked_account_id"],
            ["linked_accounts.user_id", "linked_accounts.id"],
            name="fk_accounts_link",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("user_id", "guid", name="uq_accounts_guid"),
    )
    op.create_index("ix_accounts_link", "accounts", ["user_id", "linked_account_id"], unique=False)
    op.create_table(
        "download_pages",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("linked_account_id", sa.Uuid(), nullable=False),
        sa.Column("page", sa.Integer(), nullable=False),
        sa.Column("digests", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "linked_account_id"],
            ["linked_accounts.user_id", "linked_accounts.id"],
            name="fk_download_pages_link",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "linked_account_id", "page", name=op.f("pk_download_pages")),
    )
    op.create_table(
        "downloads",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("linked_account_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", types.UtcDateTime(), nullable=True),
        sa.Column("is_full", sa.Boolean(), nullable=False),
        sa.Column("from_date", sa.Date(), nullable=True),
        sa.Column("to_date", sa.Date(), nullable=True),
        sa.Column("job_at", types.UtcDateTime(), nullable=True),
        sa.Column("next_page", sa.Integer(), nullable=False),
        sa.Column("total_entries", sa.BigInteger(), nullable=True),
        sa.Column("walks", sa.Integer(), nullable=False),
        sa.Column("bad_answers", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_full_at", types.UtcDateTime(), nullable=True),
        sa.Column("is_wanted_again", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("lease_no", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lease_until", types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "linked_account_id"],
            ["linked_accounts.user_id", "linked_accounts.id"],
            name="fk_downloads_link",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "linked_account_id", name=op.f("pk_downloads")),
    )
    op.create_index("ix_downloads_due_at", "downloads", ["due_at"], unique=False)
    op.create_table(
        "transactions",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("linked_account_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("guid", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("amount", types.Money(), nullable=False),
        sa.Column("currency_code", sa.String(length=10), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("transacted_at", types.UtcDateTime(), nullable=True),
        sa.Column("posted_at", types.UtcDateTime(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("original_description", sa.Text(), nullable=True),
        sa.Column("memo", sa.Text(), nullable=True),
        sa.Column("category", sa.String(length=200), nullable=True),
        sa.Column("top_level_category", sa.String(length=200), nullable=True),
        sa.Column("merchant_guid", sa.String(length=80), nullable=True),
        sa.Column("check_number", sa.String(length=60), nullable=True),
        sa.Column("flags", sa.JSON(), nullable=False),
        sa.Column("own_category", sa.String(length=200), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("is_hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("raw", types.RawJson(), nullable=False),
        sa.Column("raw_digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("change_no", sa.BigInteger(), nullable=False),
        sa.Column("missed_reads", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "linked_account_id"],
            ["linked_accounts.user_id", "linked_accounts.id"],
            name="fk_transactions_link",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_transactions")),
        sa.UniqueConstraint("user_id", "guid", name="uq_transactions_guid"),
    )
    op.create_index("ix_transactions_changes", "transactions", ["user_id", "change_no"], unique=False)
    op.create_index("ix_transactions_newest", "transactions", ["user_id", "date", "id"], unique=False)
    op.create_index("ix_transactions_of_account", "transactions", ["user_id", "account_id", "date", "id"], unique=False)
    op.create_index(
        "ix_transactions_of_link", "transactions", ["user_id", "linked_account_id", "date", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_transactions_of_link", table_name="transactions")
    op.drop_index("ix_transactions_of_account", table_name="transactions")
    op.drop_index("ix_transactions_newest", table_name="transactions")
    op.drop_index("ix_transactions_changes", table_name="transactions")
    op.drop_table("transactions")
    op.drop_index("ix_downloads_due_at", table_name="downloads")
    op.drop_table("downloads")
    op.drop_table("download_pages")
    op.drop_index("ix_accounts_link", table_name="accounts")
    op.drop_table("accounts")
    op.drop_index("ix_transaction_tombstones_removed_at", table_name="transaction_tombstones")
    op.drop_table("transaction_tombstones")
    op.drop_table("transaction_feeds")
    op.drop_index("ix_linked_accounts_next_look_at", table_name="linked_accounts")
    op.drop_index("ix_linked_accounts_next_attempt_at", table_name="linked_accounts")
    op.drop_index("ix_linked_accounts_member", table_name="linked_accounts")
    op.drop_table("linked_accounts")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index("ix_aggregator_users_guid", table_name="aggregator_users")
    op.drop_table("aggregator_users")
    op.drop_index("ix_member_removals_due_at", table_name="member_removals")
    op.drop_table("member_removals")
