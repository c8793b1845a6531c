"""The same login linked twice: which link it is, what becomes of the second, and what is never taken for the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from donkies.adapters.memory.aggregator import MemoryAggregator
from donkies.domain.aggregator import AggregatedAccount, AggregatorDown, LinkStatus, MemberRef, RetryWith
from donkies.domain.duplicates import original_of
from donkies.domain.errors import Conflict
from donkies.domain.ids import new_id
from donkies.domain.linked_accounts import LinkedAccount
from donkies.domain.transactions import AccountMark
from donkies.testing.aggregator import credentials
from donkies.testing.banking import BankingServices
from donkies.testing.factories import make_link

RETURN = "https://us.example/back"
CHECKING, SAVINGS = AccountMark("CHECKING", "Everyday", "XXXX1111"), AccountMark("SAVINGS", "Rainy day", "XXXX2222")
SUCCESS = LinkStatus.SUCCESS


def healthy(**fields: Any) -> LinkedAccount:
    return make_link(**{"link_status": SUCCESS, "member_guid": "MBR-1"} | fields)


class TestWhichLinkItIs:
    @pytest.mark.parametrize(
        ("new", "old"),
        [
            ([CHECKING], [CHECKING]),
            ([CHECKING, SAVINGS], [SAVINGS, CHECKING]),
            ([CHECKING], [CHECKING, SAVINGS]),  # a login that sees less of it
            ([CHECKING, CHECKING], [CHECKING, CHECKING]),
        ],
    )
    def test_a_link_that_has_all_of_the_accounts(self, new: list[AccountMark], old: list[AccountMark]) -> None:
        link = healthy()
        assert link is original_of(new, [link], {link.id: old})

    @pytest.mark.parametrize(
        ("new", "old"),
        [
            ([], [CHECKING]),
            ([], []),
            ([CHECKING], []),
            ([CHECKING, SAVINGS], [CHECKING]),  # there is something new in it
            ([CHECKING, CHECKING], [CHECKING]),
            ([CHECKING], [CHECKING._replace(masked_number="XXXX1112")]),
            ([CHECKING], [CHECKING._replace(name="Other")]),
            ([CHECKING], [CHECKING._replace(type="SAVINGS")]),
            ([CHECKING._replace(masked_number=None)], [CHECKING._replace(masked_number=None)]),
            ([CHECKING._replace(masked_number="")], [CHECKING._replace(masked_number="")]),
            ([CHECKING, SAVINGS._replace(masked_number=None)], [CHECKING, SAVINGS._replace(masked_number=None)]),
        ],
    )
    def test_and_no_other(self, new: list[AccountMark], old: list[AccountMark]) -> None:
        link = healthy()
        assert original_of(new, [link], {link.id: old}) is None

    def test_of_several_it_is_the_oldest(self) -> None:
        old, older = healthy(id=UUID(int=2)), healthy(id=UUID(int=1))
        assert older is original_of([CHECKING], [old, older], {one.id: [CHECKING] for one in (old, older)})

    @pytest.mark.parametrize("status", [one for one in LinkStatus if one != SUCCESS])
    def test_none_that_is_not_healthy_for_the_new_one_works(self, status: LinkStatus) -> None:
        link = healthy(link_status=status)
        assert original_of([CHECKING], [link], {link.id: [CHECKING]}) is None

    def test_none_that_only_points_to_another(self) -> None:
        link = healthy(duplicate_of=new_id())
        assert original_of([CHECKING], [link], {link.id: [CHECKING]}) is None


class House:
    """Somebody who links a bank with its own sign-in, twice; both times it shows the same accounts."""

    def __init__(self) -> None:
        self.bank = MemoryAggregator(transactions=6)
        self.services = services = BankingServices(self.bank)
        self.change: Callable[[AggregatedAccount], AggregatedAccount] = lambda one: one
        self.first = self.linked()
        self.services.downloading.run(services.user_id, self.first)
        self.second = self.linked()

    def linked(self, code: str = "mxbank_oauth") -> UUID:
        services = self.services
        link_id = services.linking.create(services.user_id, code, [], RETURN).id
        user_guid = self.bank.ensure_user(str(services.user_id))
        self.bank.consent(services.link(link_id).member(user_guid))
        services.look_for(30)
        assert SUCCESS == services.link(link_id).link_status
        return link_id

    def accounts(self, member: MemberRef) -> tuple[AggregatedAccount, ...]:
        found = [replace(one, masked_number=f"XXXX{at}") for at, one in enumerate(self.bank.list_accounts(member))]
        return tuple(map(self.change, found))

    def run(self, link_id: UUID) -> None:
        self.services.aggregator.instead("list_accounts", self.accounts)
        self.services.downloading.run(self.services.user_id, link_id)

    @property
    def kept_accounts(self) -> set[UUID]:
        return {row["linked_account_id"] for row in self.services.world.rows.committed.accounts.values()}

    def members(self) -> set[str | None]:
        user_guid = self.bank.ensure_user(str(self.services.user_id))
        return {one.identifier for one in self.bank.list_members(user_guid)}


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    house = House()
    # the first one's accounts bear the same numbers
    with house.services.stores.unit_of_work:
        member = house.services.link(house.first).member(house.bank.ensure_user(str(house.services.user_id)))
        house.services.stores.ledger.write_accounts(
            house.services.user_id, house.first, house.accounts(member), house.services.clock.now()
        )
    return house


def test_the_second_points_to_the_first_and_brings_nothing(house: House) -> None:
    first = house.services.link(house.first)
    house.run(house.second)
    link = house.services.link(house.second)
    assert (SUCCESS, "already_linked", house.first) == (link.link_status, link.reason, link.duplicate_of)
    assert (None, None, None, None) == (link.act_by, link.retry_with, link.transactions_status, link.member_guid)
    assert {house.first} == house.kept_accounts
    assert 6 == len(house.services.world.rows.committed.transactions)
    assert first.link_status == house.services.link(house.first).link_status
    download = house.services.download(house.second)
    assert (None, None) == (download.due_at, download.lease_until)


def test_its_member_is_deleted_and_it_is_never_looked_at_again(house: House) -> None:
    house.run(house.second)
    assert {str(house.first), str(house.second)} == house.members()
    house.services.removing.remove()
    assert {str(house.first)} == house.members()
    looked = house.services.link(house.second).looks
    house.services.look_for(200_000, step_s=5_000)
    assert looked == house.services.link(house.second).looks
    assert house.first == house.services.link(house.second).duplicate_of


def test_the_first_is_looked_at_soon(house: House) -> None:
    before = house.services.link(house.first).next_attempt_at
    house.run(house.second)
    assert before > house.services.clock.now() >= house.services.link(house.first).next_attempt_at
    house.services.look_for(20)
    house.services.downloading.run(house.services.user_id, house.first)
    assert "complete" == house.services.link(house.first).transactions_status


@pytest.mark.parametrize("what", ["name", "type", "masked_number", "no_number"])
def test_one_that_differs_is_a_link_of_its_own(house: House, what: str) -> None:
    if what == "no_number":
        house.change = lambda one: replace(one, masked_number=None)
    else:
        house.change = lambda one: replace(one, **{what: "OTHER"})
    house.run(house.second)
    assert {house.first, house.second} == house.kept_accounts
    assert house.services.link(house.second).duplicate_of is None
    assert "complete" == house.services.link(house.second).transactions_status


def test_two_that_look_alike_and_have_no_numbers_stay_two(house: House) -> None:
    for row in house.services.world.rows.committed.accounts.values():
        row["masked_number"] = None
    house.change = lambda one: replace(one, masked_number=None)
    house.run(house.second)
    assert {house.first, house.second} == house.kept_accounts


def test_another_institution_with_the_same_accounts_is_another(house: House) -> None:
    with house.services.stores.unit_of_work:
        house.services.stores.links.lock(house.services.user_id, house.first).institution_code = "elm_street"
    house.run(house.second)
    assert {house.first, house.second} == house.kept_accounts


def test_a_first_that_is_broken_is_not_what_the_person_is_left_with(house: House) -> None:
    with house.services.stores.unit_of_work:
        house.services.stores.links.lock(house.services.user_id, house.first).link_status = LinkStatus.OTHER_ERROR
    house.run(house.second)
    assert "complete" == house.services.link(house.second).transactions_status


def test_a_link_whose_accounts_are_here_is_never_turned_into_a_pointer(house: House) -> None:
    house.change = lambda one: replace(one, masked_number="OTHER")
    house.run(house.second)
    house.change = lambda one: one
    house.services.linking.refresh(house.services.user_id, house.second)
    house.services.look_for(30)
    house.run(house.second)
    assert house.services.link(house.second).duplicate_of is None
    assert "complete" == house.services.link(house.second).transactions_status


def test_one_that_was_disconnected_meanwhile_stays_so(house: House) -> None:
    def disconnected_while_read(member: MemberRef) -> tuple[AggregatedAccount, ...]:
        house.services.linking_service().disconnect(house.services.user_id, house.second)
        return house.accounts(member)

    house.services.aggregator.instead("list_accounts", disconnected_while_read)
    house.services.downloading.run(house.services.user_id, house.second)
    link = house.services.link(house.second)
    assert ("disconnected", None) == (link.reason, link.duplicate_of)


def test_a_looker_that_had_it_in_its_hands_writes_no_more(house: House) -> None:
    services = house.services
    with services.stores.unit_of_work:
        stale = replace(services.stores.links.lock(services.user_id, house.second))
    house.run(house.second)
    stale.link_status, stale.lease_no = LinkStatus.OTHER_ERROR, stale.lease_no
    with services.stores.unit_of_work:
        assert set() == services.stores.links.save_looked_at([stale])
    assert house.first == services.link(house.second).duplicate_of


def test_a_worker_that_was_overtaken_decides_nothing(house: House) -> None:
    def overtaken(member: MemberRef) -> tuple[AggregatedAccount, ...]:
        with house.services.stores.unit_of_work:
            house.services.clock.advance(1_000)
            house.services.stores.downloads.claim(house.services.user_id, house.second, 60)
        return house.accounts(member)

    house.services.aggregator.instead("list_accounts", overtaken)
    house.services.downloading.run(house.services.user_id, house.second)
    assert house.services.link(house.second).duplicate_of is None
    assert house.services.link(house.second).member_guid is not None


def test_what_is_asked_of_it_names_the_first(house: House) -> None:
    house.run(house.second)
    services, asked = house.services, (house.services.user_id, house.second)
    calls = len(services.aggregator.calls)
    for command in (
        lambda: services.linking.put_credentials(*asked, credentials("any")),
        lambda: services.linking.refresh(*asked),
        lambda: services.linking.authorize(*asked, RETURN),
        lambda: services.linking.answer(*asked, []),
    ):
        with pytest.raises(Conflict) as refused:
            command()
        assert "already_linked" == refused.value.code
        assert str(house.first) == refused.value.extra["linked_account_id"]
    assert calls == len(services.aggregator.calls), "and the aggregator is not asked"


def test_who_deletes_the_first_deletes_what_points_to_it(house: House) -> None:
    house.run(house.second)
    house.services.linking.delete(house.services.user_id, house.first)
    assert {} == house.services.world.rows.committed.links


def test_who_deletes_the_pointer_keeps_the_first(house: House) -> None:
    house.run(house.second)
    house.services.linking.delete(house.services.user_id, house.second)
    assert {house.first} == {link_id for _, link_id in house.services.world.rows.committed.links}
    assert {house.first} == house.kept_accounts


def test_a_third_points_to_the_first_too(house: House) -> None:
    house.run(house.second)
    third = house.linked()
    house.run(third)
    assert house.first == house.services.link(third).duplicate_of


class TestALoginThatTheAggregatorKnows:
    """Which of several links its 409 is about (`_already_linked`)."""

    @pytest.fixture
    def services(self) -> BankingServices:
        return BankingServices()

    def refused(self, services: BankingServices) -> tuple[Any, Any]:
        with pytest.raises(Conflict) as refused:
            services.linking.create(services.user_id, "mxbank", credentials("any"), RETURN)
        return refused.value.extra["linked_account_id"], refused.value.extra["linked_account_ids"]

    def create(self, services: BankingServices, **more: str) -> UUID:
        link_id = services.linking.create(services.user_id, "mxbank", credentials("any", **more), RETURN).id
        services.look_for(20)
        return link_id

    def test_a_healthy_one_comes_before_a_newer_that_is_not(self, services: BankingServices) -> None:
        first, wrong = self.create(services), self.create(services, user_name="nobody")
        assert RetryWith.CREDENTIALS == services.link(wrong).retry_with
        assert (str(first), [str(first), str(wrong)]) == self.refused(services)

    def test_one_whose_member_is_gone_is_not_it(self, services: BankingServices) -> None:
        first, gone = self.create(services), self.create(services, user_name="nobody")
        user_guid = services.aggregator.inner.ensure_user(str(services.user_id))
        services.aggregator.inner.delete_member(services.link(gone).member(user_guid))
        assert (str(first), [str(first)]) == self.refused(services)

    def test_one_whose_member_is_known_by_the_links_id_only_is_it(self, services: BankingServices) -> None:
        first = self.create(services)
        with services.stores.unit_of_work:
            services.stores.links.lock(services.user_id, first).member_guid = None
        assert (str(first), [str(first)]) == self.refused(services)

    def test_where_the_members_cannot_be_listed_those_that_have_one_are_named(self, services: BankingServices) -> None:
        first = self.create(services)
        services.aggregator.instead("list_members", AggregatorDown("no"))
        assert (str(first), [str(first)]) == self.refused(services)
