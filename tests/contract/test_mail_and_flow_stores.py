"""What people's tables are, so that none is forgotten where an account is stripped of a squatter's ways in."""

from sqlalchemy import Table

from donkies.adapters.persistence.squats import PLANTED
from donkies.adapters.persistence.tables import banking, identity


def test_every_table_of_peoples_is_stripped_or_known_to_stay():
    """S21: a way in that comes later is not forgotten"""
    stay = {"authorization_codes", "token_families"}  # ended by GrantStore
    # the banks' data is no way in
    stay |= {"idempotency_keys", "aggregator_users", "linked_accounts", "downloads", "download_pages", "accounts"}
    stay |= {"account_balances", "adopted_accounts"}
    stay |= {"transactions", "transaction_tombstones", "transaction_feeds", "widget_visits"}
    theirs = {table.name for table in (*vars(identity).values(), *vars(banking).values()) if is_of_people(table)}
    assert stay | {table.name for table in PLANTED} == theirs


def is_of_people(table):
    return isinstance(table, Table) and "user_id" in table.c
