"""The port `Ledger`."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest

from donkies.domain.aggregator import AggregatedTransaction
from donkies.domain.digests import SeenDigests, page_digest
from donkies.domain.linked_accounts import LinkedAccount
from donkies.domain.transactions import MissingCounts, PageCounts, TransactionQuery
from donkies.testing.banking import Stores, World
from donkies.testing.factories import NOON, make_account, make_link, make_row
from donkies.testing.threads import in_threads

WINDOW = date(2026, 1, 1), date(2026, 1, 31)


class LedgerContract:
    """What every `Ledger` does. Needs the fixture `world`, as `MemoryWorld` is one."""

    @pytest.fixture
    def stores(self, world: World) -> Stores:
        return world.stores()

    @pytest.fixture
    def link(self, world: World, stores: Stores) -> LinkedAccount:
        return self.add_link(stores, world.person())

    def add_link(self, stores: Stores, user_id: UUID, *accounts: str) -> LinkedAccount:
        with stores.unit_of_work:
            link = make_link(user_id)
            stores.links.add(link)
        with stores.unit_of_work:
            named = [make_account(guid) for guid in accounts or ("ACT-1-1",)]
            stores.ledger.write_accounts(user_id, link.id, named, NOON)
        return link

    def write(self, stores: Stores, link: LinkedAccount, *rows: AggregatedTransaction, now: Any = NOON) -> PageCounts:
        with stores.unit_of_work:
            ids = stores.ledger.account_ids(link.user_id, link.id)
            return stores.ledger.write_page(link.user_id, link.id, ids, rows, now)

    def remove(self, stores: Stores, link: LinkedAccount, *seen: AggregatedTransaction) -> int:
        digests = SeenDigests([page_digest(row.guid for row in seen)])
        with stores.unit_of_work:
            return stores.ledger.settle_missing(link.user_id, link.id, WINDOW, digests, 1_000_000, NOON).removed

    def shown(self, world: World, link: LinkedAccount, **query: Any) -> list[Any]:
        return list(world.reader.list_transactions(link.user_id, TransactionQuery(**query), with_raw=True))

    def of_link(self, world: World, link: LinkedAccount) -> LinkedAccount:
        other = world.stores()
        with other.unit_of_work:
            return other.links.get(link.user_id, link.id)

    # accounts

    def test_accounts_are_kept_once_and_keep_their_ids(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        with stores.unit_of_work:
            before = stores.ledger.account_ids(link.user_id, link.id)
            changed = make_account(name="Renamed", balance=Decimal("-0.01"), is_closed=True)
            stores.ledger.write_accounts(link.user_id, link.id, [changed, make_account("ACT-2")], NOON)
            stores.ledger.write_accounts(link.user_id, link.id, [], NOON)
        with stores.unit_of_work:
            after = stores.ledger.account_ids(link.user_id, link.id)
        assert {"ACT-1-1", "ACT-2"} == set(after)
        assert before["ACT-1-1"] == after["ACT-1-1"]
        shown = world.reader.read_account(link.user_id, after["ACT-1-1"])
        assert shown is not None
        assert ("Renamed", "-0.01", True) == (shown["name"], shown["balance"], shown["is_closed"])

    def test_an_account_that_is_named_no_more_is_closed_and_keeps_its_rows(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        self.add_link(stores, link.user_id, "ACT-other")
        with stores.unit_of_work:
            stores.ledger.write_accounts(link.user_id, link.id, [make_account(), make_account("ACT-2")], NOON)
        self.write(stores, link, make_row(1), make_row(2, account_guid="ACT-2", status="pending"))
        for closed in ([], ["ACT-2"]):
            with stores.unit_of_work:
                stores.ledger.close_unlisted(link.user_id, link.id, NOON + timedelta(hours=1))
            accounts = world.reader.list_accounts(link.user_id)
            with stores.unit_of_work:
                ids = stores.ledger.account_ids(link.user_id, link.id)
            assert [ids[guid] for guid in closed] == [one["id"] for one in accounts if one["is_closed"]]
            with stores.unit_of_work:
                stores.ledger.write_accounts(link.user_id, link.id, [make_account()], NOON)
        assert 0 == self.remove(stores, link, make_row(1)) == self.remove(stores, link, make_row(1))
        assert 2 == len(self.shown(world, link))
        with stores.unit_of_work:
            stores.ledger.write_accounts(link.user_id, link.id, [make_account(), make_account("ACT-2")], NOON)
        assert not any(one["is_closed"] for one in world.reader.list_accounts(link.user_id))
        assert 1 == self.remove(stores, link, make_row(1))

    def test_an_answer_without_accounts_closes_none(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        with stores.unit_of_work:
            stores.ledger.write_accounts(link.user_id, link.id, [], NOON)
            stores.ledger.close_unlisted(link.user_id, link.id, NOON)
        assert [False] == [one["is_closed"] for one in world.reader.list_accounts(link.user_id)]

    def test_accounts_of_another_link_are_not_named(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        other = self.add_link(stores, link.user_id, "ACT-other")
        stranger = world.person()
        with stores.unit_of_work:
            assert ["ACT-other"] == list(stores.ledger.account_ids(link.user_id, other.id))
            assert {} == dict(stores.ledger.account_ids(stranger, link.id))

    # pages

    def test_what_tells_accounts_apart_is_told_of_each_link_of_the_person(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        other, stranger = self.add_link(stores, link.user_id), self.add_link(stores, world.person(), "ACT-9")
        with stores.unit_of_work:
            numbered = make_account("ACT-1-1", type="SAVINGS", name="Rainy day", masked_number="XXXX1234")
            bare = make_account("ACT-2", type="SAVINGS", name="Rainy day", masked_number=None)
            stores.ledger.write_accounts(link.user_id, link.id, [numbered, bare], NOON)
            stores.ledger.write_accounts(link.user_id, other.id, [make_account("ACT-3")], NOON)
        with stores.unit_of_work:
            marks = stores.ledger.account_marks(link.user_id)
            assert stranger.id not in marks
            assert {("SAVINGS", "Rainy day", "XXXX1234"), ("SAVINGS", "Rainy day", None)} == set(marks[link.id])
            one = make_account("ACT-3")
            assert (one.type, one.name, one.masked_number) in marks[other.id]

    def test_a_page_is_added_and_its_link_counts_it(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        assert PageCounts(3, 0) == self.write(stores, link, *map(make_row, range(3)), now=NOON + timedelta(hours=1))
        assert [1, 2, 3] == sorted(world.change_numbers(link.user_id).values())
        assert (3, NOON + timedelta(hours=1)) == (
            self.of_link(world, link).transactions_count, self.of_link(world, link).updated_at,
        )  # fmt: skip

    def test_an_empty_page_changes_nothing(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        assert PageCounts(0, 0) == self.write(stores, link)
        assert {} == world.change_numbers(link.user_id)

    def test_every_field_is_kept_as_it_came(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        raw = b'{"a":1.10,"b":[null,"\xc3\xa9"]}'
        row = make_row(
            1, date(2026, 1, 31), amount=Decimal("1234567.8901"), type="credit", status="pending", memo="m\u00e9mo",
            category="Caf\u00e9s", check_number="007", merchant_guid="MCH-1", currency_code="EUR",
            transacted_at=datetime(2026, 1, 31, 23, 59, 59, 999999, tzinfo=UTC), posted_at=None,
            flags={"is_fee": True, "is_income": False}, raw=raw,
        )  # fmt: skip
        self.write(stores, link, row)
        (shown,) = self.shown(world, link)
        for name in ("type", "status", "memo", "category", "check_number", "merchant_guid", "currency_code",
                     "transacted_at", "posted_at", "description", "original_description", "date"):  # fmt: skip
            assert getattr(row, name) == shown[name], name
        assert ("1234567.8901", True, False, None) == (
            shown["amount"], shown["is_fee"], shown["is_income"], shown["is_expense"],
        )  # fmt: skip
        assert orjson.loads(raw) == shown["raw"]

    @pytest.mark.parametrize(
        ("amount", "shown"),
        [
            ("0", "0.00"), ("0.1", "0.10"), ("4.50", "4.50"), ("0.07", "0.07"), ("1E+3", "1000.00"),
            ("0.0001", "0.0001"), ("0.0050", "0.005"), ("99999999999.99", "99999999999.99"), ("0.00005", "0.0001"),
        ],
    )  # fmt: skip
    def test_amounts_are_exact_to_four_places(
        self, world: World, stores: Stores, link: LinkedAccount, amount: str, shown: str
    ) -> None:
        self.write(stores, link, make_row(1, amount=Decimal(amount)))
        assert [shown] == [row["amount"] for row in self.shown(world, link)]

    @pytest.mark.parametrize("day", [date(1970, 1, 1), date(2024, 2, 29), date(2025, 12, 31), date(2026, 1, 1)])
    def test_the_banks_day_is_never_moved(self, world: World, stores: Stores, link: LinkedAccount, day: date) -> None:
        late = datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)
        self.write(stores, link, make_row(1, day, transacted_at=late, posted_at=late + timedelta(hours=12)))
        (shown,) = self.shown(world, link)
        assert (day, late) == (shown["date"], shown["transacted_at"])
        with stores.unit_of_work:
            assert 1 == stores.ledger.count(link.user_id, link.id, day, day)
            assert 0 == stores.ledger.count(link.user_id, link.id, day + timedelta(days=1), date(2100, 1, 1))

    def test_text_with_control_characters_and_quotes_is_kept(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        text = "\x01\x1f'\";--%_\\ \u2028 \ufffd"
        self.write(stores, link, make_row(1, description=text, raw=orjson.dumps({"text": text})))
        (shown,) = self.shown(world, link)
        assert (text, {"text": text}) == (shown["description"], shown["raw"])

    def test_a_row_that_is_as_it_was_is_not_touched(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        self.write(stores, link, *map(make_row, range(3)))
        before, shown = world.change_numbers(link.user_id), self.shown(world, link)
        updated_at = self.of_link(world, link).updated_at
        later = NOON + timedelta(days=1)
        assert PageCounts(0, 0) == self.write(stores, link, *map(make_row, range(3)), now=later)
        assert (before, shown) == (world.change_numbers(link.user_id), self.shown(world, link))
        assert updated_at == self.of_link(world, link).updated_at

    def test_a_row_that_changed_keeps_its_id_and_takes_the_next_number(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        self.write(stores, link, *map(make_row, range(3)))
        before = {row["description"]: row for row in self.shown(world, link)}
        later = NOON + timedelta(days=1)
        posted = make_row(1, description="Now posted", amount=Decimal("9.99"))
        assert PageCounts(1, 1) == self.write(stores, link, make_row(0), posted, make_row(9), now=later)
        after = {row["description"]: row for row in self.shown(world, link)}
        assert before["Corner Shop 1"]["id"] == after["Now posted"]["id"]
        assert ("9.99", later, NOON) == tuple(after["Now posted"][k] for k in ("amount", "updated_at", "created_at"))
        assert before["Corner Shop 0"] == after["Corner Shop 0"]
        numbers = world.change_numbers(link.user_id)
        assert {4, 5} == {numbers["TRN-1"], numbers["TRN-9"]}
        assert 4 == self.of_link(world, link).transactions_count

    def test_two_equal_purchases_are_two(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        same = {"amount": Decimal("4.50"), "description": "Coffee", "original_description": "COFFEE"}
        assert PageCounts(2, 0) == self.write(stores, link, make_row(1, **same), make_row(2, **same))
        assert 2 == len(self.shown(world, link))

    def test_of_a_guid_twice_on_one_page_the_last_one_counts(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        assert PageCounts(1, 0) == self.write(stores, link, make_row(1), make_row(1, description="Again"))
        assert [("Again", 1)] == [
            (row["description"], self.of_link(world, link).transactions_count) for row in self.shown(world, link)
        ]

    def test_a_page_rolled_back_takes_no_number(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        with suppress(ZeroDivisionError), stores.unit_of_work:
            ids = stores.ledger.account_ids(link.user_id, link.id)
            stores.ledger.write_page(link.user_id, link.id, ids, [make_row(1)], NOON)
            raise ZeroDivisionError
        self.write(stores, link, make_row(2))
        assert {"TRN-2": 1} == world.change_numbers(link.user_id)
        assert 1 == self.of_link(world, link).transactions_count

    def test_people_have_numbers_of_their_own(self, world: World, stores: Stores, link: LinkedAccount) -> None:
        self.write(stores, link, make_row(1), make_row(2))
        other = self.add_link(stores, world.person())
        self.write(stores, other, make_row(1))
        assert {"TRN-1": 1} == world.change_numbers(other.user_id)

    def test_the_order_of_commits_is_the_order_of_numbers(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        """Else a reader of the feed would pass a number whose row comes only later."""
        other = self.add_link(stores, link.user_id, "ACT-other")
        commits: list[str] = []
        lock, barrier = threading.Lock(), threading.Barrier(2)

        def work(name: str, mine_is: LinkedAccount, account: str) -> None:
            mine = world.stores()
            barrier.wait()
            for number in range(8):
                row = make_row(number, guid=f"{name}-{number}", account_guid=account)
                with mine.unit_of_work:
                    ids = mine.ledger.account_ids(mine_is.user_id, mine_is.id)
                    mine.ledger.write_page(mine_is.user_id, mine_is.id, ids, [row], NOON)
                    with lock:  # in the transaction: whoever is here holds the person's counter until the commit
                        commits.append(row.guid)

        in_threads(lambda: work("a", link, "ACT-1-1"), lambda: work("b", other, "ACT-other"))
        numbers = world.change_numbers(link.user_id)
        assert commits == sorted(numbers, key=lambda guid: numbers[guid])
        assert list(range(1, 17)) == sorted(numbers.values())

    # what vanished

    def test_pending_rows_that_were_not_seen_are_removed_at_once(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        seen, vanished = make_row(1, status="pending"), make_row(2, status="pending")
        self.write(stores, link, seen, vanished)
        (gone,) = [row["id"] for row in self.shown(world, link) if row["description"] == "Corner Shop 2"]
        assert 1 == self.remove(stores, link, seen)
        assert {"TRN-1": 1} == world.change_numbers(link.user_id)
        assert {3: gone} == world.tombstones(link.user_id)

    def test_posted_rows_are_removed_when_two_reads_did_not_see_them(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        self.write(stores, link, make_row(1), make_row(2), make_row(3))
        assert 0 == self.remove(stores, link, make_row(1))
        assert {} == world.tombstones(link.user_id)
        assert 2 == self.remove(stores, link, make_row(1))
        assert {"TRN-1": 1} == world.change_numbers(link.user_id)
        assert [4, 5] == sorted(world.tombstones(link.user_id))

    def test_a_posted_row_that_came_back_is_as_if_it_had_never_been_missed(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        self.write(stores, link, make_row(1))
        self.remove(stores, link)
        assert PageCounts(0, 0) == self.write(stores, link, make_row(1))
        assert 0 == self.remove(stores, link)
        assert {"TRN-1": 1} == world.change_numbers(link.user_id)

    def test_rows_outside_the_window_or_of_another_link_are_left_alone(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        other = self.add_link(stores, link.user_id, "ACT-other")
        pending = {"status": "pending"}
        self.write(stores, link, make_row(1, date(2025, 12, 31), **pending), make_row(2, date(2026, 2, 1), **pending))
        self.write(stores, link, make_row(3, date(2026, 1, 1), **pending), make_row(4, date(2026, 1, 31), **pending))
        self.write(stores, other, make_row(5, account_guid="ACT-other", **pending))
        assert 2 == self.remove(stores, link)
        assert {"TRN-1", "TRN-2", "TRN-5"} == set(world.change_numbers(link.user_id))

    def test_more_rows_than_one_statement_takes_are_removed(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        self.write(stores, link, *(make_row(number, status="pending") for number in range(2_100)))
        assert 2_100 == self.remove(stores, link)
        stones = world.tombstones(link.user_id)
        assert list(range(2_101, 4_201)) == sorted(stones)
        assert 2_100 == len(set(stones.values()))

    # the same row under another guid

    def settle(
        self, stores: Stores, link: LinkedAccount, proved: int, *seen: AggregatedTransaction, now: Any = NOON
    ) -> MissingCounts:
        digests = SeenDigests([page_digest(row.guid for row in seen)])
        with stores.unit_of_work:
            return stores.ledger.settle_missing(link.user_id, link.id, WINDOW, digests, proved, now)

    def test_a_row_that_is_issued_anew_keeps_its_id_and_its_age(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        raw = b'{"a":1.10,"b":"\xc3\xa9"}'
        again = make_row(1, guid="TRN-anew", memo="new memo", raw=raw)
        self.write(stores, link, make_row(1), make_row(2))
        before = {row["description"]: row for row in self.shown(world, link)}
        later = NOON + timedelta(days=1)
        self.write(stores, link, again, now=later)
        (passing,) = {row["id"] for row in self.shown(world, link)} - {row["id"] for row in before.values()}
        assert MissingCounts(0, 1) == self.settle(stores, link, 2, again, make_row(2), now=later)
        after = {row["description"]: row for row in self.shown(world, link)}
        old, new = before["Corner Shop 1"], after["Corner Shop 1"]
        assert (old["id"], old["created_at"]) == (new["id"], new["created_at"])
        assert (later, "new memo", orjson.loads(raw)) == (new["updated_at"], new["memo"], new["raw"])
        assert before["Corner Shop 2"] == after["Corner Shop 2"]
        assert {"TRN-anew", "TRN-2"} == set(world.change_numbers(link.user_id))
        assert [passing] == list(world.tombstones(link.user_id).values())
        assert PageCounts(0, 0) == self.write(stores, link, again), "it is as the bank has it, byte for byte"

    def test_a_pending_row_that_is_posted_under_another_guid_keeps_its_id(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        pending = make_row(1, date(2026, 1, 29), status="pending", amount=Decimal(20))
        posted = make_row(1, date(2026, 1, 31), guid="TRN-posted", amount=Decimal("23.50"))
        self.write(stores, link, pending)
        (before,) = self.shown(world, link)
        self.write(stores, link, posted)
        assert MissingCounts(0, 1) == self.settle(stores, link, 1, posted)
        (after,) = self.shown(world, link)
        assert (before["id"], "posted", "23.50", date(2026, 1, 31)) == tuple(
            after[name] for name in ("id", "status", "amount", "date")
        )

    def test_rows_that_were_there_at_the_last_proof_are_nobodys_new_guid(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        same = {"amount": Decimal("4.50"), "description": "Coffee", "status": "pending"}
        self.write(stores, link, make_row(1, **same), make_row(2, **same))
        kept = {row["raw"]["guid"]: row["id"] for row in self.shown(world, link)}["TRN-2"]
        assert MissingCounts(1, 0) == self.settle(stores, link, 2, make_row(2, **same))
        assert [kept] == [row["id"] for row in self.shown(world, link)]

    def test_a_new_row_that_was_not_seen_either_takes_nothing_over(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        self.write(stores, link, make_row(1, status="pending"))
        self.write(stores, link, make_row(1, guid="TRN-anew", status="pending"))
        assert MissingCounts(2, 0) == self.settle(stores, link, 1)

    def test_a_block_over_months_that_is_issued_anew_keeps_every_id(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        days = [date(2026, 1, 1) + timedelta(days=number % 31) for number in range(1_200)]
        twice = [number - number % 2 for number in range(1_200)]  # each purchase is there two times
        old = [make_row(n, days[n - n % 2], guid=f"old-{at}") for at, n in enumerate(twice)]
        new = [make_row(n, days[n - n % 2], guid=f"new-{at}") for at, n in enumerate(twice)]
        self.write(stores, link, *old)
        before = {row["id"]: row["description"] for row in self.shown(world, link, limit=5_000)}
        self.write(stores, link, *new)
        assert MissingCounts(0, 1_200) == self.settle(stores, link, 1_200, *new)
        assert before == {row["id"]: row["description"] for row in self.shown(world, link, limit=5_000)}
        assert {row.guid for row in new} == set(world.change_numbers(link.user_id))

    def test_what_a_link_gained_since_a_change_is_counted(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        other = self.add_link(stores, link.user_id, "ACT-other")
        self.write(stores, link, *map(make_row, range(4)))
        self.write(stores, other, make_row(9, account_guid="ACT-other"))
        self.write(stores, link, make_row(3, memo="x"), make_row(4), make_row(1, memo="x"))
        # which row of a page takes which number is the adapter's affair
        for since, counts in ((0, (5, 0)), (4, (1, 2)), (5, (1, 2)), (8, (0, 0))):
            with stores.unit_of_work:
                assert PageCounts(*counts) == stores.ledger.changes_since(link.user_id, link.id, since), since
        with stores.unit_of_work:
            told = [stores.ledger.changes_since(link.user_id, link.id, since) for since in range(5, 9)]
        assert [3, 2, 1, 0] == [counts.added + counts.modified for counts in told]

    def test_an_accounts_posted_rows_are_summed_in_its_currency(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        with stores.unit_of_work:
            stores.ledger.write_accounts(link.user_id, link.id, [make_account("ACT-2", balance=None)], NOON)
        self.write(
            stores, link, make_row(1, amount=Decimal("10.005"), type="debit"),
            make_row(2, amount=Decimal("4"), type="credit"), make_row(3, amount=Decimal("7"), status="pending"),
            make_row(4, amount=Decimal("100"), type="debit", currency_code="EUR"),
        )  # fmt: skip
        with stores.unit_of_work:
            ids = stores.ledger.account_ids(link.user_id, link.id)
            stands = {one.account_id: one for one in stores.ledger.account_stands(link.user_id, link.id)}
        first, second = stands[ids["ACT-1-1"]], stands[ids["ACT-2"]]
        assert (Decimal("1250.75"), Decimal("-6.005"), "USD") == (first.balance, first.posted, first.currency_code)
        assert (None, Decimal(0)) == (second.balance, second.posted)
        assert sorted(stands) == list(stands)

    def test_the_last_change_is_the_persons_last_number(
        self, world: World, stores: Stores, link: LinkedAccount
    ) -> None:
        self.write(stores, link, make_row(1), make_row(2))
        stranger = world.person()
        with stores.unit_of_work:
            assert (2, 0) == (stores.ledger.last_change(link.user_id), stores.ledger.last_change(stranger))

    def test_rows_are_counted_in_all_and_in_a_window(self, stores: Stores, link: LinkedAccount) -> None:
        self.write(stores, link, make_row(1), make_row(2, date(2020, 1, 1)))
        with stores.unit_of_work:
            assert (2, 1) == (
                stores.ledger.count(link.user_id, link.id), stores.ledger.count(link.user_id, link.id, *WINDOW),
            )  # fmt: skip
