"""The port `LedgerReader`."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest

from donkies.domain.aggregator import ActBy, LinkStatus, RetryWith
from donkies.domain.ids import new_id
from donkies.domain.linked_accounts import LinkedAccount, TransactionsStatus
from donkies.domain.transactions import TransactionQuery
from donkies.testing.banking import Stores, World
from donkies.testing.factories import NOON, make_account, make_link, make_row

LINK_KEYS = {
    "id", "institution_code", "institution_name", "link_status", "link_status_label", "reason", "act_by", "retry_with",
    "connection_status", "is_refreshing", "transactions_status", "transactions_count", "last_synced",
    "stale_since", "last_attempted_at", "next_attempt_at", "poll_after_ms", "created_at", "updated_at",
}  # fmt: skip
TRANSACTION_KEYS = {
    "id", "account_id", "linked_account_id", "status", "type", "amount", "currency_code", "date", "transacted_at",
    "posted_at", "description", "original_description", "memo", "category", "original_category",
    "top_level_category", "merchant_guid", "check_number", "note", "hidden", "created_at", "updated_at",
    "is_bill_pay", "is_direct_deposit", "is_expense", "is_fee",
    "is_income", "is_international", "is_overdraft_fee", "is_payroll_advance", "is_subscription",
}  # fmt: skip
ROWS = [
    make_row(1, date(2026, 1, 3), amount=Decimal("10"), type="debit", description="Corner Shop", memo="gift"),
    make_row(2, date(2026, 1, 3), amount=Decimal("20.50"), type="credit", description="Salary", category="Income"),
    make_row(3, date(2026, 1, 2), amount=Decimal("30"), type="debit", description="corner 100% shop_x"),
    make_row(4, date(2026, 1, 1), amount=Decimal("40"), type="debit", status="pending", description="Unicorner"),
    make_row(5, date(2025, 12, 31), amount=Decimal("50"), type="debit", account_guid="ACT-2", description="Rent"),
]
ROWS = [row._replace(original_description=None) for row in ROWS]


class LedgerReaderContract:
    """What every `LedgerReader` does. Needs the fixture `world`, as `MemoryWorld` is one."""

    @pytest.fixture
    def stores(self, world: World) -> Stores:
        return world.stores()

    @pytest.fixture
    def link(self, world: World, stores: Stores) -> LinkedAccount:
        """A link with two accounts and five transactions; somebody else has the same."""
        self.fill(world, stores)
        return self.fill(world, stores)

    def fill(self, world: World, stores: Stores) -> LinkedAccount:
        link = make_link(
            world.person(), link_status=LinkStatus.SUCCESS, reason="needs_user", act_by=ActBy.USER,
            retry_with=RetryWith.CHALLENGE, connection_status="CHALLENGED", last_synced=NOON, member_guid="MBR-1",
        )  # fmt: skip
        with stores.unit_of_work:
            stores.links.add(link)
        with stores.unit_of_work:
            card = make_account(
                "ACT-2", name="Card", balance=None, available_balance=Decimal("0.005"),
                balances={"credit_limit": Decimal("5000")}, raw={"limit": 5000},
            )  # fmt: skip
            stores.ledger.write_accounts(link.user_id, link.id, [make_account(), card], NOON)
            ids = stores.ledger.account_ids(link.user_id, link.id)
            stores.ledger.write_page(link.user_id, link.id, ids, ROWS, NOON)
        return link

    def found(self, world: World, link: LinkedAccount, **query: Any) -> list[int]:
        """Which of ROWS, by number."""
        numbers = {row.description: number for number, row in enumerate(ROWS, 1)}
        shown = world.reader.list_transactions(link.user_id, TransactionQuery(**query))
        return [numbers[row["description"]] for row in shown]

    # links

    def test_a_link_is_shown_with_all_that_a_front_end_polls(self, world: World, link: LinkedAccount) -> None:
        shown = world.reader.poll_link(link.user_id, link.id)
        assert shown is not None
        assert LINK_KEYS == set(shown)
        assert ("success", "Success", "needs_user", "user", "challenge") == tuple(
            shown[name] for name in ("link_status", "link_status_label", "reason", "act_by", "retry_with")
        )
        assert (link.id, 5, NOON, 60_000, False) == tuple(
            shown[name] for name in ("id", "transactions_count", "last_synced", "poll_after_ms", "is_refreshing")
        )
        assert b"MBR-1" not in orjson.dumps(dict(shown))

    def test_data_is_stale_since_the_next_sync_was_due(self, world: World, stores: Stores) -> None:
        user_id = world.person()
        with stores.unit_of_work:
            now = stores.unit_of_work.now()
            due = {late: now - timedelta(minutes=late) for late in (-5, 5)}
            links = {late: make_link(user_id, fresh_until=at, last_synced=NOON) for late, at in due.items()}
            for link in [never := make_link(user_id), *links.values()]:
                stores.links.add(link)
        shown = {link["id"]: link["stale_since"] for link in world.reader.list_links(user_id)}
        assert {links[-5].id: None, links[5].id: due[5], never.id: None} == shown
        assert due[5] == (world.reader.poll_link(user_id, links[5].id) or {})["stale_since"]

    @pytest.mark.parametrize(
        ("state", "is_promised"),
        [
            ({"link_status": LinkStatus.SUCCESS}, True),
            ({"link_status": LinkStatus.SUCCESS, "is_refreshing": True}, False),
            ({"link_status": LinkStatus.SUCCESS, "retry_with": RetryWith.CHALLENGE}, False),
            ({"link_status": LinkStatus.WRONG_CREDENTIALS}, False),
            ({"link_status": LinkStatus.OTHER_ERROR, "transactions_status": TransactionsStatus.FAILED}, True),
        ],
    )
    def test_the_next_attempt_is_shown_only_where_there_will_be_one(
        self, world: World, stores: Stores, state: dict[str, Any], is_promised: bool
    ) -> None:
        link = make_link(world.person(), next_attempt_at=NOON, **state)
        with stores.unit_of_work:
            stores.links.add(link)
        shown = world.reader.poll_link(link.user_id, link.id) or {}
        assert (NOON if is_promised else None) == shown["next_attempt_at"]

    def test_a_link_of_somebody_else_is_not_shown(self, world: World, link: LinkedAccount) -> None:
        assert world.reader.poll_link(world.person(), link.id) is None
        assert world.reader.poll_link(link.user_id, new_id()) is None

    def test_links_are_listed_newest_first(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        with stores.unit_of_work:
            newer = make_link(link.user_id)
            stores.links.add(newer)
        newest_first = sorted([newer.id, link.id], reverse=True)  # made in one millisecond, either may be first
        assert newest_first == [shown["id"] for shown in world.reader.list_links(link.user_id)]
        assert [] == list(world.reader.list_links(world.person()))

    def test_what_is_not_committed_is_not_seen(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        with stores.unit_of_work:
            stores.links.lock(link.user_id, link.id).reason = "not yet"
            shown = world.reader.poll_link(link.user_id, link.id)
            assert shown is not None
            assert "needs_user" == shown["reason"]

    # accounts

    def test_accounts_show_money_as_text_and_other_balances_by_their_names(
        self, world: World, link: LinkedAccount
    ) -> None:
        shown = {account["name"]: account for account in world.reader.list_accounts(link.user_id)}
        checking, card = shown["Everyday checking"], shown["Card"]
        assert ("1250.75", "1200.00") == (checking["balance"], checking["available_balance"])
        assert (None, "0.005", "5000.00") == (card["balance"], card["available_balance"], card["credit_limit"])
        assert {"credit_limit"} == set(card) - set(checking)
        assert card == world.reader.read_account(link.user_id, card["id"])
        assert world.reader.read_account(world.person(), card["id"]) is None

    def test_accounts_are_listed_by_link_and_name(self, world: World, link: LinkedAccount) -> None:
        assert ["Card", "Everyday checking"] == [one["name"] for one in world.reader.list_accounts(link.user_id)]

    # transactions

    def test_a_transaction_has_the_names_of_the_api(self, world: World, link: LinkedAccount) -> None:
        (shown,) = world.reader.list_transactions(link.user_id, TransactionQuery(words=("salary",)))
        assert TRANSACTION_KEYS == set(shown)
        assert (date(2026, 1, 3), "20.50", "credit", True, None) == tuple(
            shown[name] for name in ("date", "amount", "type", "is_expense", "is_fee")
        )
        assert shown == world.reader.read_transaction(link.user_id, shown["id"])
        with_raw = world.reader.read_transaction(link.user_id, shown["id"], with_raw=True)
        assert with_raw is not None
        assert {"raw"} == set(with_raw) - set(shown)
        assert "TRN-2" == with_raw["raw"]["guid"]
        assert world.reader.read_transaction(world.person(), shown["id"]) is None

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"from_date": date(2026, 1, 2)}, {1, 2, 3}),
            ({"to_date": date(2026, 1, 1)}, {4, 5}),
            ({"from_date": date(2026, 1, 1), "to_date": date(2026, 1, 2)}, {3, 4}),
            ({"type": "credit"}, {2}),
            ({"status": "pending"}, {4}),
            ({"category": "Income"}, {2}),
            ({"min_amount": Decimal("20.50")}, {2, 3, 4, 5}),
            ({"max_amount": Decimal("20.50")}, {1, 2}),
            ({"min_amount": Decimal("20.51"), "max_amount": Decimal("40")}, {3, 4}),
            ({"words": ("CORNER",)}, {1, 3}),
            ({"words": ("shop",)}, {1, 3}),
            ({"words": ("corner", "gift")}, {1}),
            ({"words": ("sho",)}, {1, 3}),
            ({"words": ("orner",)}, set()),
            ({"words": ("100%",)}, {3}),
            ({"words": ("shop_",)}, {3}),
            ({"words": ("%",)}, set()),
            ({"words": ("_",)}, set()),
            ({"words": ("nothing",)}, set()),
            ({"type": "debit", "words": ("rent",)}, {5}),
        ],
    )
    def test_filters_are_inclusive_and_hold_together(
        self, world: World, link: LinkedAccount, query: dict[str, Any], expected: set[int]
    ) -> None:
        assert expected == set(self.found(world, link, **query))

    def test_one_account_or_one_link_can_be_asked_for(self, world: World, link: LinkedAccount) -> None:
        ids: dict[str, UUID] = {one["name"]: one["id"] for one in world.reader.list_accounts(link.user_id)}
        assert [5] == self.found(world, link, account_id=ids["Card"])
        assert 5 == len(self.found(world, link, linked_account_id=link.id))
        assert [] == self.found(world, link, linked_account_id=new_id())
        assert [] == self.found(world, link, account_id=new_id())

    def test_the_newest_come_first_and_pages_neither_repeat_nor_skip(self, world: World, link: LinkedAccount) -> None:
        whole = list(world.reader.list_transactions(link.user_id, TransactionQuery()))
        order = [(row["date"], row["id"]) for row in whole]
        assert sorted(order, reverse=True) == order
        paged: list[Any] = []
        after = None
        while page := world.reader.list_transactions(link.user_id, TransactionQuery(limit=2, after=after)):
            assert 2 >= len(page)
            paged += page
            after = page[-1]["date"], page[-1]["id"]
        assert whole == paged

    def test_the_quick_way_shows_the_same(self, world: World, link: LinkedAccount) -> None:
        def as_json(rows: Any) -> Any:
            return orjson.loads(orjson.dumps([dict(row) for row in rows], default=str))

        def moments(rows: Any) -> Any:
            names = ("transacted_at", "posted_at", "created_at", "updated_at")
            return [
                {**row, **{name: row[name] and datetime.fromisoformat(row[name]) for name in names}} for row in rows
            ]

        newest = world.reader.list_transactions(link.user_id, TransactionQuery())
        after = newest[1]["date"], newest[1]["id"]
        for query in (TransactionQuery(), TransactionQuery(limit=2), TransactionQuery(after=after),
                      TransactionQuery(type="debit")):  # fmt: skip
            plain = world.reader.list_transactions(link.user_id, query)
            quick = world.reader.show_transactions(link.user_id, query)
            assert moments(as_json(plain)) == moments(as_json(quick))
