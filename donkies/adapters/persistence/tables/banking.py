"""Links, accounts, transactions, and the state of the work on them.

The person's id is in every primary and unique key, so that the tables can be parted by person one day.
Only what belongs to work (`lease_no`, `due_at`, …) is looked for across people, through partial indexes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)

from ..types import Challenges, Money, RawJson, Sealed, UtcDateTime, Word
from . import metadata


def _link_key(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["user_id", "linked_account_id"],
        ["linked_accounts.user_id", "linked_accounts.id"],
        ondelete="CASCADE",
        name=f"fk_{table}_link",
    )


def _lease() -> tuple[Column[Any], ...]:
    return (
        Column("lease_no", BigInteger, nullable=False, server_default="0"),
        Column("lease_until", UtcDateTime),
    )


aggregator_users = Table(
    "aggregator_users",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("user_guid", Sealed, nullable=False),
    Column("user_guid_index", LargeBinary(32), nullable=False),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_aggregator_users_user"),
    Index("ix_aggregator_users_guid", "user_guid_index"),
)

linked_accounts = Table(
    "linked_accounts",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("institution_code", String(200), nullable=False),
    Column("institution_name", String(400), nullable=False),
    Column("is_oauth", Boolean, nullable=False, server_default=text("false")),
    Column("member_guid", Sealed),
    Column("member_guid_index", LargeBinary(32)),
    Column("link_status", Word, nullable=False),
    Column("reason", String(60)),
    Column("act_by", Word),
    Column("retry_with", Word),
    Column("connection_status", String(60)),
    Column("is_refreshing", Boolean, nullable=False, server_default=text("false")),
    Column("is_background", Boolean, nullable=False, server_default=text("false")),
    Column("challenges", Challenges, nullable=False),
    Column("transactions_status", Word),
    Column("transactions_count", BigInteger, nullable=False, server_default="0"),
    Column("last_synced", UtcDateTime),
    Column("last_attempted_at", UtcDateTime),
    Column("next_attempt_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    *_lease(),
    Column("next_look_at", UtcDateTime),
    Column("looks", Integer, nullable=False, server_default="0"),
    Column("idle_reads", Integer, nullable=False, server_default="0"),
    Column("moving_since", UtcDateTime),
    Column("wake_at", UtcDateTime),
    Column("synced_job_at", UtcDateTime),
    Column("fresh_until", UtcDateTime),
    Column("duplicate_of", Uuid),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_linked_accounts_user"),
    UniqueConstraint("user_id", "member_guid_index", name="uq_linked_accounts_member"),
    Index("ix_linked_accounts_next_look_at", "next_look_at"),
    Index("ix_linked_accounts_next_attempt_at", "next_attempt_at"),
    Index("ix_linked_accounts_member", "member_guid_index"),
    Index("ix_linked_accounts_wake_at", "wake_at"),
)

downloads = Table(
    "downloads",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("linked_account_id", Uuid, primary_key=True),
    Column("due_at", UtcDateTime),
    Column("is_full", Boolean, nullable=False),
    Column("from_date", Date),
    Column("to_date", Date),
    Column("job_at", UtcDateTime),
    Column("next_page", Integer, nullable=False),
    Column("total_entries", BigInteger),
    Column("walks", Integer, nullable=False),
    Column("bad_answers", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("last_full_at", UtcDateTime),
    Column("proved_change", BigInteger, nullable=False, server_default="0"),
    Column("is_wanted_again", Boolean, nullable=False, server_default=text("false")),
    Column("began_at", UtcDateTime),
    Column("began_change", BigInteger),
    Column("doubt", String(40)),
    Column("report", JSON),
    *_lease(),
    _link_key("downloads"),
    Index("ix_downloads_due_at", "due_at"),
)

download_pages = Table(
    "download_pages",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("linked_account_id", Uuid, primary_key=True),
    Column("page", Integer, primary_key=True),
    Column("digests", LargeBinary, nullable=False),
    _link_key("download_pages"),
)

member_removals = Table(
    # no foreign key to users: a removal outlives the person whose member it deletes
    "member_removals",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("user_guid", Sealed, nullable=False),
    Column("member_guid", Sealed),
    Column("member_guid_index", LargeBinary(32)),
    Column("identifier", String(60), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    *_lease(),
    Index("ix_member_removals_due_at", "due_at"),
    Index("ix_member_removals_member", "member_guid_index"),
)

widget_visits = Table(
    # who was let into the aggregator's own widget, and may have linked there what no row here knows yet
    "widget_visits",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("until", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("looks", Integer, nullable=False, server_default="0"),
    *_lease(),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_widget_visits_user"),
    Index("ix_widget_visits_due_at", "due_at"),
)

institution_logos = Table(
    "institution_logos",
    metadata,
    Column("code", String(200), primary_key=True),
    Column("source_url", String(2_000), nullable=False),
    Column("content_type", String(40)),
    Column("body", LargeBinary),
    Column("etag", String(40)),
    Column("fresh_until", UtcDateTime),
)

accounts = Table(
    "accounts",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("linked_account_id", Uuid, nullable=False),
    Column("guid", String(80), nullable=False),
    Column("name", String(400), nullable=False),
    Column("type", String(60), nullable=False),
    Column("subtype", String(60)),
    Column("balance", Money),
    Column("available_balance", Money),
    Column("currency_code", String(10), nullable=False),
    Column("masked_number", String(60)),
    Column("is_closed", Boolean, nullable=False),
    Column("is_listed", Boolean, nullable=False, server_default=text("true")),
    Column("balances", JSON, nullable=False),
    Column("raw", RawJson, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    _link_key("accounts"),
    UniqueConstraint("user_id", "guid", name="uq_accounts_guid"),
    Index("ix_accounts_link", "user_id", "linked_account_id"),
)

account_balances = Table(
    # what balances were: the last that was read on each day (UTC)
    "account_balances",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("account_id", Uuid, primary_key=True),
    Column("date", Date, primary_key=True),
    Column("balance", Money),
    Column("available_balance", Money),
    Column("currency_code", String(10), nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(
        ["user_id", "account_id"],
        ["accounts.user_id", "accounts.id"],
        ondelete="CASCADE",
        name="fk_account_balances_account",
    ),
)

transactions = Table(
    "transactions",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("linked_account_id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("guid", String(80), nullable=False),
    Column("status", String(20), nullable=False),
    Column("type", String(20), nullable=False),
    Column("amount", Money, nullable=False),
    Column("currency_code", String(10), nullable=False),
    Column("date", Date, nullable=False),
    Column("transacted_at", UtcDateTime),
    Column("posted_at", UtcDateTime),
    Column("description", Text, nullable=False),
    Column("original_description", Text),
    Column("memo", Text),
    Column("category", String(200)),
    Column("top_level_category", String(200)),
    Column("merchant_guid", String(80)),
    Column("check_number", String(60)),
    Column("flags", JSON, nullable=False),
    Column("own_category", String(200)),
    Column("note", Text),
    Column("is_hidden", Boolean, nullable=False, server_default=text("false")),
    Column("raw", RawJson, nullable=False),
    Column("raw_digest", LargeBinary(16), nullable=False),
    Column("change_no", BigInteger, nullable=False),
    Column("added_no", BigInteger, nullable=False, server_default="0"),
    Column("missed_reads", Integer, nullable=False, server_default="0"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    _link_key("transactions"),
    UniqueConstraint("user_id", "guid", name="uq_transactions_guid"),
    Index("ix_transactions_newest", "user_id", "date", "id"),
    Index("ix_transactions_of_account", "user_id", "account_id", "date", "id"),
    Index("ix_transactions_of_link", "user_id", "linked_account_id", "date", "id"),
    Index("ix_transactions_changes", "user_id", "change_no"),
)

_t = transactions.c
# a function of migration 0010, on PostgreSQL only; its index is why a search reads no other row
transaction_words = func.transaction_words(
    _t.user_id, _t.description, _t.original_description, _t.memo, _t.merchant_guid
)
Index("ix_transactions_words", transaction_words, postgresql_using="gin").ddl_if(dialect="postgresql")

adopted_accounts = Table(
    # accounts that a link has, or had, from one that was disconnected
    "adopted_accounts",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("linked_account_id", Uuid, primary_key=True),
    Column("account_id", Uuid, primary_key=True),
    Column("former_link_id", Uuid, nullable=False),
    Column("change_no", BigInteger, nullable=False),  # the person's last before: rows added later are the link's own
    Column("adopted_at", UtcDateTime, nullable=False),
    Column("moved_at", UtcDateTime),
    Column("undone_at", UtcDateTime),
    Column("returned_at", UtcDateTime),
    Column("own_account_id", Uuid),  # what the link has in its place since it was undone
    _link_key("adopted_accounts"),
)

transaction_tombstones = Table(
    "transaction_tombstones",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("change_no", BigInteger, primary_key=True, autoincrement=False),
    Column("transaction_id", Uuid, nullable=False),
    Column("added_no", BigInteger, nullable=False, server_default="0"),
    Column("removed_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_transaction_tombstones_user"),
    Index("ix_transaction_tombstones_removed_at", "removed_at"),
)

transaction_feeds = Table(
    # one row a person: its lock is what puts the changes of a person's transactions in order
    "transaction_feeds",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("last_change", BigInteger, nullable=False),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_transaction_feeds_user"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("user_id", Uuid, primary_key=True),
    Column("client_id", String(100), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("fingerprint", LargeBinary(32), nullable=False),
    Column("made_id", Uuid),
    Column("created_at", UtcDateTime, nullable=False),
    ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE", name="fk_idempotency_keys_user"),
    Index("ix_idempotency_keys_created_at", "created_at"),
)
