"""The port `AdoptionStore`: a disconnected bank that is linked anew goes on with its history."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from threading import Event
from typing import Any
from uuid import UUID

import pytest

from donkies.adapters.memory.aggregator import made_transaction
from donkies.domain import relinking
from donkies.domain.aggregator import AggregatedTransaction, LinkStatus, MemberRef
from donkies.domain.errors import Conflict, NotFound
from donkies.testing.banking import WatchedAggregator, World
from donkies.testing.contracts.house import TODAY, House
from donkies.testing.factories import NOON, make_link
from donkies.testing.threads import in_threads


class Killed(BaseException):
    """The process ends here."""


def told(rows: Sequence[Any]) -> dict[Any, tuple[Any, ...]]:
    """What a person knows a row by, and what they made of it."""
    names = ("account_id", "date", "amount", "description", "note", "category", "hidden", "created_at")
    return {row["id"]: tuple(row[name] for name in names) for row in rows}


class AdoptionStoreContract:
    """What every `AdoptionStore` does, seen through the services over it. Needs the fixture `world`."""

    @pytest.fixture
    def house(self, world: World) -> House:
        return House(world)

    def watched(self, house: House, look: Callable[[], object]) -> WatchedAggregator:
        """The bank, with something done before each page."""
        bank = WatchedAggregator(house.bank)

        def page(*args: Any) -> Any:
            look()
            return house.bank.read_transactions_page(*args)

        bank.instead("read_transactions_page", *[page] * 100)
        return bank

    # adopting

    def test_accounts_rows_and_what_the_person_made_of_them_go_on_in_the_new_link(self, house: House) -> None:
        old = house.history()
        house.note(house.rows()[7]["id"], "from my aunt")
        before, accounts, numbers = told(house.rows()), house.accounts(old), house.world.change_numbers(house.user_id)
        new = house.link()

        def nothing_is_missing_or_twice() -> None:
            assert 30 == len(house.rows())
            house.assert_nothing_is_twice()

        house.run(new, self.watched(house, nothing_is_missing_or_twice))
        assert before == told(house.rows())
        assert {new} == {row["linked_account_id"] for row in house.rows()}
        assert (accounts, {}) == (house.accounts(new), house.accounts(old))
        assert (("complete", 30), ("complete", 0)) == (house.status(new), house.status(old))
        assert {} == house.world.tombstones(house.user_id)
        after = house.world.change_numbers(house.user_id)
        assert (30, 30) == (len(after), len(set(after.values())))
        assert min(after.values()) > max(numbers.values()), "the feed tells of every one"
        assert {"Everyday checking": ("adopted", 15, 15), "Gold card": ("adopted", 15, 15)} == house.report(new)
        assert {} == house.report(old)

    def test_history_that_the_bank_gives_no_more_stays_however_often_it_is_read(self, house: House) -> None:
        house.history()
        before = told(house.rows())
        new = house.link(*range(-4, 10))
        for _ in range(3):
            house.run(new)
            house.want(new)
            assert before.items() <= told(house.rows()).items()
            assert ("downloading", 34) == house.status(new)
        assert {"Everyday checking": ("adopted", 15, 5), "Gold card": ("adopted", 15, 5)} == house.report(new)

    def test_rows_that_the_bank_should_name_and_does_not_go_as_ever(self, house: House) -> None:
        house.history()
        gone = next(row["id"] for row in house.rows() if row["description"] == "Corner Shop 6")
        new = house.link(*[number for number in range(30) if number != 6])
        house.run(new)
        assert 30 == len(house.rows())
        house.read_again(new)
        assert 29 == len(house.rows())
        assert [gone] == list(house.world.tombstones(house.user_id).values())

    def test_a_pending_row_that_was_posted_meanwhile_keeps_its_id(self, house: House) -> None:
        old = house.link(2, 4)
        member = house.members[old]
        pending = house.row(member, 6, status="pending", amount=Decimal(10))
        house.bank.set_transactions(member, [house.row(member, 2), house.row(member, 4), pending])
        house.run(old)
        house.disconnect(old)
        kept = next(row["id"] for row in house.rows() if row["status"] == "pending")
        new = house.link(2, 4)
        member = house.members[new]
        posted = house.row(member, 6, amount=Decimal(12))
        house.bank.set_transactions(member, [house.row(member, 2), house.row(member, 4), posted])
        house.run(new)
        row = next(row for row in house.rows() if row["id"] == kept)
        assert (3, "posted", "12.00") == (len(house.rows()), row["status"], row["amount"])

    def test_a_row_whose_words_the_bank_mended_meanwhile_is_not_there_twice(self, house: House) -> None:
        house.history(2, 4)
        kept = next(row["id"] for row in house.rows() if row["description"] == "Corner Shop 4")
        house.note(kept, "Mine")
        new = house.link(2)
        member = house.members[new]
        house.bank.set_transactions(member, [house.row(member, 2), house.row(member, 4, description="Corner Shop")])
        house.run(new)
        row = next(row for row in house.rows() if row["id"] == kept)
        assert (2, "Corner Shop", "Mine") == (len(house.rows()), row["description"], row["note"])

    def test_of_two_rows_of_one_day_and_amount_that_were_renamed_none_is_guessed(self, house: House) -> None:
        house.history(2, 4)
        new = house.link(2)
        member = house.members[new]
        four, same = house.row(member, 4, description="Mended"), house.row(member, 2)
        twin = house.row(member, 4, guid="TRN-twin", description="Mended too")
        house.bank.set_transactions(member, [same, four, twin])
        house.run(new)
        assert 4 == len(house.rows())
        house.read_again(new)
        assert {"Corner Shop 2", "Mended", "Mended too"} == {row["description"] for row in house.rows()}

    def test_equal_purchases_are_as_many_as_they_were(self, house: House) -> None:
        same = {"description": "Coffee", "amount": Decimal(3), "account_guid": None}

        def coffees(member: MemberRef, count: int) -> list[AggregatedTransaction]:
            guid = house.bank.list_accounts(member)[0].guid
            return [made_transaction(member, n, TODAY, **same | {"account_guid": guid}) for n in range(count)]

        old = house.link()
        house.bank.set_transactions(house.members[old], coffees(house.members[old], 12))
        house.run(old)
        house.disconnect(old)
        before = told(house.rows())
        new = house.link()
        house.bank.set_transactions(house.members[new], coffees(house.members[new], 13))
        house.run(new)
        assert 13 == len(house.rows())
        assert before.items() <= told(house.rows()).items()

    def test_a_member_made_anew_with_its_old_guids_is_known_by_them(self, house: House) -> None:
        old = house.link()
        house.run(old)
        with house.stores.unit_of_work:
            house.stores.links.lock(house.user_id, old).disconnect(NOON)  # the aggregator has it yet
        before = told(house.rows())
        again = make_link(house.user_id, link_status=LinkStatus.SUCCESS, member_guid=house.members[old].member_guid)
        with house.stores.unit_of_work:
            house.stores.links.add(again)
        house.want(again.id)
        house.run(again.id)
        assert before == told(house.rows())
        assert (("complete", 30), 0) == (house.status(again.id), house.status(old)[1])

    @pytest.mark.parametrize("what", ["live", "live beside it", "other bank", "two of a kind", "somebody else's"])
    def test_what_is_not_beyond_doubt_is_left_alone(self, world: World, house: House, what: str) -> None:
        if what == "two of a kind":
            first, second = house.link(), house.link()
            house.run(first)
            with house.stores.unit_of_work:  # what is broken is nobody's original: both stay
                house.stores.links.lock(house.user_id, first).link_status = LinkStatus.OTHER_ERROR
            house.run(second)
            assert 60 == len(house.rows())
            for one in (first, second):
                house.disconnect(one)
        elif what == "somebody else's":
            House(world).history()
        elif what == "live beside it":
            alive = house.link()
            house.run(alive)
            house.history()
        elif what == "live":
            house.run(house.link())
        else:
            house.history()
        before = told(house.rows())
        new = house.link(institution_code="elm_street" if what == "other bank" else "mxbank")
        house.run(new)
        # the same login as a live link's is that link's duplicate, and has nothing
        assert len(before) + (0 if what.startswith("live") else 30) == len(house.rows())
        assert before.items() <= told(house.rows()).items()
        assert {} == house.report(new)

    # two at once, and death

    def test_of_two_links_at_once_one_has_the_history_and_the_other_points_to_it(self, house: House) -> None:
        house.history()
        before = told(house.rows())
        links = [house.link(), house.link()]
        in_threads(*[lambda one=one: house.run(one) for one in links])
        assert {("complete", 30), (None, 0)} == {house.status(one) for one in links}
        assert before == told(house.rows())
        house.assert_nothing_is_twice()
        reports = [set(house.report(one).values()) for one in links]
        assert {("adopted", 15, 15)} in reports
        assert set() in reports

    @pytest.mark.parametrize("dies_at", range(1, 9))
    def test_wherever_the_process_dies_the_next_worker_ends_the_adoption(
        self, house: House, monkeypatch: pytest.MonkeyPatch, dies_at: int
    ) -> None:
        monkeypatch.setattr(relinking, "ROWS", 10)
        old = house.history()
        before = told(house.rows())
        new = house.link()
        stores = house.world.stores()
        saves = iter(range(1, 100))
        real = stores.downloads.save

        def save(*args: Any) -> None:
            real(*args)
            if next(saves) == dies_at:
                raise Killed

        monkeypatch.setattr(stores.downloads, "save", save)
        with pytest.raises(Killed):
            house.worker(stores=stores)[0].run(house.user_id, new)
        assert 30 <= len(house.rows())
        assert before.keys() <= told(house.rows()).keys()
        house.run(new)  # its lease is held yet
        assert "downloading" == house.status(new)[0]
        house.world.pass_time(61)
        house.run(new)
        assert before == told(house.rows())
        assert (("complete", 30), 0) == (house.status(new), house.status(old)[1])

    def test_a_download_of_the_disconnected_link_that_is_under_way_writes_no_more(self, house: House) -> None:
        old = house.link()

        def relink() -> None:
            if len(house.members) == 1 and len(house.rows()) == 20:
                with house.stores.unit_of_work:
                    house.stores.links.lock(house.user_id, old).disconnect(NOON)
                house.run(house.link())

        house.run(old, self.watched(house, relink))
        assert 30 == len(house.rows())
        assert 0 == len(house.rows(old))
        house.assert_nothing_is_twice()

    # undoing

    def test_undone_the_old_link_has_its_own_and_the_new_one_downloads_its_own(self, house: House) -> None:
        old = house.history()
        house.note(house.rows()[7]["id"], "from my aunt")
        before, accounts = told(house.rows()), house.accounts(old)
        new = house.link(*range(-2, 30))
        house.run(new)
        since = next(row["id"] for row in house.rows() if row["id"] not in before)
        house.note(since, "after the adoption")
        house.undo(new)
        assert {("returning", 15, 15)} == set(house.report(new).values())
        house.run(new)
        assert before == told(house.rows(old))
        assert accounts == house.accounts(old)
        assert (("complete", 32), 30) == (house.status(new), house.status(old)[1])
        house.assert_nothing_is_twice()
        assert not {row["id"] for row in house.rows(new)} & before.keys()
        kept = next(row for row in house.rows(new) if row["id"] == since)
        assert "after the adoption" == kept["note"]
        assert kept["account_id"] in house.accounts(new).values()
        assert {("returned", 0, 0)} == set(house.report(new).values())
        for _ in range(2):
            house.read_again(new)
        assert before == told(house.rows(old))
        assert ("complete", 32) == house.status(new)

    def test_what_was_undone_can_be_adopted_by_another_link(self, house: House) -> None:
        old = house.history()
        before = told(house.rows())
        first = house.link()
        house.run(first)
        house.undo(first)
        house.run(first)
        with house.stores.unit_of_work:
            house.stores.links.erase(house.stores.links.lock(house.user_id, first), NOON)
        assert before == told(house.rows(old))
        second = house.link()
        house.run(second)
        assert before == told(house.rows(second))

    @pytest.mark.parametrize("at", range(1, 5))
    def test_undone_while_a_download_runs(self, house: House, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        monkeypatch.setattr(relinking, "ROWS", 10)
        old = house.history()
        before = told(house.rows())
        new = house.link()
        pages = iter(range(1, 100))
        house.run(new, self.watched(house, lambda: house.undo(new) if next(pages) == at else None))
        house.run(new)
        assert before == told(house.rows(old))
        assert ("complete", 30) == house.status(new)
        house.assert_nothing_is_twice()

    @pytest.mark.parametrize("pause_ms", [0, 3, 6, 9, 12, 20])
    def test_undone_by_another_thread_while_a_download_runs(
        self, house: House, monkeypatch: pytest.MonkeyPatch, pause_ms: int
    ) -> None:
        monkeypatch.setattr(relinking, "ROWS", 3)
        old = house.history()
        before = told(house.rows())
        new = house.link()
        house.run(new)
        house.want(new)
        begun = Event()

        def undo() -> None:
            begun.wait(10)
            time.sleep(pause_ms / 1_000)
            house.undo(new)

        in_threads(undo, lambda: house.run(new, self.watched(house, begun.set)))
        house.run(new)
        assert before == told(house.rows(old))
        assert ("complete", 30) == house.status(new)
        house.assert_nothing_is_twice()

    def test_undone_in_the_middle_of_the_adoption_and_killed_in_the_middle_of_the_undoing(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relinking, "ROWS", 4)
        old = house.history()
        before = told(house.rows())
        new = house.link()
        for kills in (3, 2):
            stores = house.world.stores()
            saves = iter(range(1, 100))
            real = stores.downloads.save

            def save(*args: Any, real: Any = real, saves: Any = saves, kills: int = kills) -> None:
                real(*args)
                if next(saves) > kills:
                    raise Killed

            monkeypatch.setattr(stores.downloads, "save", save)
            with pytest.raises(Killed):
                house.worker(stores=stores)[0].run(house.user_id, new)
            if kills == 3:
                assert 0 < len(house.rows(old)) < 30
                house.undo(new)
        house.world.pass_time(61)
        house.run(new)
        assert before == told(house.rows(old))
        assert (("complete", 30), 30) == (house.status(new), house.status(old)[1])

    def test_what_cannot_be_undone_says_why(self, house: House) -> None:
        def refused(link_id: UUID) -> str:
            with pytest.raises(Conflict) as refusal:
                house.undo(link_id)
            return refusal.value.code

        old = house.history()
        first = house.link()
        house.run(first)
        assert "nothing_adopted" == refused(old)
        house.disconnect(first)
        second = house.link()
        house.run(second)
        assert "adopted_further" == refused(first)
        with house.stores.unit_of_work:
            house.stores.links.erase(house.stores.links.lock(house.user_id, first), NOON)
        assert "former_link_gone" == refused(second)
        assert ("complete", 30) == house.status(second)
        with pytest.raises(NotFound):
            House(house.world).undo(second)
