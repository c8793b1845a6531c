"""Members made in the aggregator's own widget: taken in once, whoever tells of them or does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from donkies.domain.aggregator import AggregatorDown, Credential, LinkStatus, RetryWith
from donkies.domain.errors import NotFound
from donkies.testing.aggregator import credentials
from donkies.testing.banking import BankingServices
from donkies.testing.threads import in_threads

LATER_S = 3 * 3600


@pytest.fixture
def services():
    return BankingServices()


@pytest.fixture
def user_guid(services):
    """Somebody who has the widget open."""
    services.adopting.open(services.user_id, services.clock.now() + timedelta(minutes=30))
    return services.aggregator.ensure_user(str(services.user_id))


def links(services):
    return [link for (owner, _), link in services.world.rows.committed.links.items() if owner == services.user_id]


def test_a_member_that_the_browser_names_becomes_a_link_once(services, user_guid):
    member = services.aggregator.inner.link_in_widget(user_guid).ref.member_guid
    ids = {services.adopting.seen(services.user_id, member)[0] for _ in range(3)}
    (link,) = links(services)
    assert {link.id} == ids
    assert ("mxbank", "MX Bank", LinkStatus.PROCESSING) == (
        link.institution_code, link.institution_name, link.link_status,
    )  # fmt: skip
    services.look_for(20)
    assert LinkStatus.SUCCESS == services.link(link.id).link_status
    assert ("download", services.user_id, link.id) in services.jobs.sent


def test_a_claim_that_the_aggregator_does_not_bear_out_stores_nothing(services, user_guid):
    stranger = services.aggregator.inner.link_in_widget(services.aggregator.ensure_user("somebody else"))
    for guid in ("MBR-invented", stranger.ref.member_guid):
        with pytest.raises(NotFound):
            services.adopting.seen(services.user_id, guid)
    assert [] == links(services)


def test_two_claims_and_a_sweep_at_once_make_one_link(services, user_guid):
    member = services.aggregator.inner.link_in_widget(user_guid).ref.member_guid
    others = [services.adopting_service() for _ in range(3)]
    services.adopting.left(services.user_id)
    in_threads(*(lambda one=one: one.seen(services.user_id, member) for one in others), others[0].adopt_due)
    assert 1 == len(links(services))


def test_a_widget_that_nobody_told_of_is_looked_at_until_it_is_surely_shut(services, user_guid):
    services.clock.advance(10)
    assert 0 == services.adopting.adopt_due()
    services.clock.advance(20)
    assert 1 == services.adopting.adopt_due()
    assert [] == links(services)
    services.aggregator.inner.link_in_widget(user_guid)
    services.clock.advance(60)
    services.adopting.adopt_due()
    assert 1 == len(links(services))
    services.aggregator.inner.link_in_widget(user_guid)
    services.clock.advance(LATER_S)  # nothing ran meanwhile
    assert 1 == services.adopting.adopt_due()
    assert 2 == len(links(services))
    services.clock.advance(LATER_S)
    assert 0 == services.adopting.adopt_due()
    assert {} == services.world.rows.committed.visits


def test_an_aggregator_that_is_down_at_the_last_look_is_asked_again(services, user_guid):
    services.aggregator.inner.link_in_widget(user_guid)
    services.clock.advance(LATER_S)
    services.aggregator.instead("list_members", AggregatorDown("down"))
    assert 1 == services.adopting.adopt_due()
    assert [] == links(services)
    services.clock.advance(300)
    services.adopting.adopt_due()
    assert 1 == len(links(services))


def test_a_member_that_bears_a_links_id_is_that_link(services, user_guid):
    services.aggregator.instead("create_member", AggregatorDown("cut", outcome_unknown=True))
    link = services.linking.create(services.user_id, "mxbank", credentials("any"), "")
    made = services.aggregator.create_member(user_guid, "mxbank", credentials("any"), str(link.id))
    assert link.id == services.adopting.seen(services.user_id, made.ref.member_guid)[0]
    assert [made.ref.member_guid] == [one.member_guid for one in links(services)]


def test_a_member_that_is_being_deleted_is_not_taken_in_again(services, user_guid):
    for leave in (services.linking.delete, services.linking.disconnect):
        member = services.aggregator.inner.link_in_widget(user_guid).ref.member_guid
        link = services.adopting.seen(services.user_id, member)[0]
        leave(services.user_id, link)
        with pytest.raises(NotFound):  # the aggregator has it still
            services.adopting.seen(services.user_id, member)[0]
    assert ["disconnected"] == [link.reason for link in links(services)]


def test_what_was_deleted_while_the_list_was_read_is_not_taken_in_again(services, user_guid):
    member = services.aggregator.inner.link_in_widget(user_guid).ref.member_guid
    link = services.adopting.seen(services.user_id, member)[0]
    real = services.aggregator.inner.list_members

    def read_and_delete(guid):
        listed = real(guid)
        services.linking.delete(services.user_id, link)
        services.removing.remove()
        return listed

    services.aggregator.instead("list_members", read_and_delete)
    with pytest.raises(NotFound):
        services.adopting.seen(services.user_id, member)[0]
    assert [] == links(services)


def test_a_member_of_a_deleted_link_that_bears_its_id_is_left_to_its_removal(services, user_guid):
    made = services.aggregator.create_member(user_guid, "mxbank", credentials("any"), "an id that no link has")
    with pytest.raises(NotFound):
        services.adopting.seen(services.user_id, made.ref.member_guid)[0]


def test_deleting_in_the_widget_disconnects_once_the_aggregator_says_so_too(services, user_guid):
    member = services.aggregator.inner.link_in_widget(user_guid)
    link = services.adopting.seen(services.user_id, member.ref.member_guid)[0]
    assert services.adopting.deleted(services.user_id, member.ref.member_guid) is None
    assert services.adopting.deleted(services.user_id, "MBR-invented") is None
    assert LinkStatus.PROCESSING == services.link(link).link_status
    services.aggregator.delete_member(member.ref)
    assert link == services.adopting.deleted(services.user_id, member.ref.member_guid)
    assert "disconnected" == services.link(link).reason


def test_a_link_is_mended_in_the_widget_at_its_member(services, user_guid):
    member = services.aggregator.inner.link_in_widget(user_guid, "INVALID")
    link = services.adopting.seen(services.user_id, member.ref.member_guid)[0]
    services.look_for(20)
    assert RetryWith.CREDENTIALS == services.link(link).retry_with
    opened = []
    services.aggregator.instead("widget_url", lambda *asked, **how: opened.append((*asked, how)) or "https://x.example")
    services.adopting.open(services.user_id, services.clock.now(), link_id=link)
    assert [(user_guid, "mxbank", member.ref, {"update_credentials": True})] == opened
    services.adopting.seen(services.user_id, member.ref.member_guid)[0]
    assert LinkStatus.WRONG_CREDENTIALS == services.link(link).link_status, "nothing has happened at the aggregator"
    services.aggregator.update_member_credentials(member.ref, credentials("any"))
    services.adopting.seen(services.user_id, member.ref.member_guid)[0]
    assert LinkStatus.PROCESSING == services.link(link).link_status
    services.look_for(20)
    assert LinkStatus.SUCCESS == services.link(link).link_status


def test_a_healthy_link_that_wants_an_answer_keeps_its_data_in_sight(services, user_guid):
    member = services.aggregator.inner.link_in_widget(user_guid)
    link = services.adopting.seen(services.user_id, member.ref.member_guid)[0]
    services.look_for(20)
    services.aggregator.update_member_credentials(member.ref, credentials("challenge"))
    services.adopting.seen(services.user_id, member.ref.member_guid)[0]
    assert (LinkStatus.SUCCESS, True) == (services.link(link).link_status, services.link(link).is_refreshing)
    services.look_for(20)
    (asked,) = services.link(link).challenges
    services.aggregator.resume_aggregation(member.ref, [Credential(asked.guid, "correct")])
    services.adopting.seen(services.user_id, member.ref.member_guid)[0]
    services.look_for(20)
    assert (LinkStatus.SUCCESS, None) == (services.link(link).link_status, services.link(link).retry_with)


def test_a_link_that_never_got_a_member_is_mended_by_the_one_made_in_the_widget(services, user_guid):
    services.aggregator.instead("create_member", AggregatorDown("down"))
    link = services.linking.create(services.user_id, "mxbank", credentials("any"), "")
    assert LinkStatus.OTHER_ERROR == link.link_status
    services.adopting.open(services.user_id, services.clock.now(), link_id=link.id)
    member = services.aggregator.inner.link_in_widget(user_guid)
    assert link.id == services.adopting.seen(services.user_id, member.ref.member_guid)[0]
    services.look_for(20)
    assert [LinkStatus.SUCCESS] == [one.link_status for one in links(services)]


def test_a_person_who_was_erased_meanwhile_gets_no_link(services, user_guid):
    services.aggregator.inner.link_in_widget(user_guid)
    real = services.aggregator.inner.list_members

    def read_and_erase(guid):
        listed = real(guid)
        with services.stores.unit_of_work:
            services.stores.unit_of_work.tables.aggregator_users.clear()
        return listed

    services.aggregator.instead("list_members", read_and_erase)
    services.clock.advance(LATER_S)
    services.adopting.adopt_due()
    assert [] == links(services)


def test_somebody_elses_link_does_not_open_the_widget(services, user_guid):
    member = services.aggregator.inner.link_in_widget(user_guid)
    link = services.adopting.seen(services.user_id, member.ref.member_guid)[0]
    with pytest.raises(NotFound):
        services.adopting.open(services.world.person(), services.clock.now(), link_id=link)
