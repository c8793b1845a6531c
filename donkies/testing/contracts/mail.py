"""The stores of flows, of mail that waits, and of mailed links."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from donkies.domain.flows import Flow
from donkies.domain.ids import new_id
from donkies.domain.mail import Letter
from donkies.domain.mailed_links import MailedLink

from .people import SignInContract

KEY = b"k" * 32


def now():
    return datetime.now(UTC)


def a_flow(**changed):
    return replace(Flow("google", {"nonce": "n-1", "scopes": ["openid"]}, now() + timedelta(minutes=5)), **changed)


def a_letter(**changed):
    expires_at = now() + timedelta(hours=1)
    letter = Letter(id=new_id(), kind="new_device", to="a@b.example", values={"at": "now"}, expires_at=expires_at)
    return replace(letter, **changed)


def a_link(user_id, **changed):
    return replace(MailedLink(user_id, "verify", "A@b.example", now() + timedelta(hours=1)), **changed)


class FlowStoreContract(SignInContract):
    """What every `FlowStore` does: `stores.flows`."""

    def test_a_flow_is_taken_once(self, stores):
        with stores.unit_of_work:
            stores.flows.put(KEY, a_flow(), now())
        with stores.unit_of_work:
            assert {"nonce": "n-1", "scopes": ["openid"]} == stores.flows.find(KEY).content
            assert "google" == stores.flows.take(KEY).kind
        with stores.unit_of_work:
            assert stores.flows.take(KEY) is None
            assert stores.flows.find(KEY) is None

    def test_a_flow_put_again_is_in_place_of_the_first(self, stores):
        for nonce in ("first", "second"):
            with stores.unit_of_work:
                stores.flows.put(KEY, a_flow(content={"nonce": nonce}), now())
        with stores.unit_of_work:
            assert {"nonce": "second"} == stores.flows.find(KEY).content

    def test_flows_that_are_over_are_removed(self, stores):
        with stores.unit_of_work:
            stores.flows.put(KEY, a_flow(expires_at=now() - timedelta(seconds=1)), now())
            stores.flows.put(b"l" * 32, a_flow(), now())
        with stores.unit_of_work:
            assert 1 == stores.flows.remove_expired(now())
            assert stores.flows.find(KEY) is None
            assert stores.flows.find(b"l" * 32)


class OutboxContract(SignInContract):
    """What every `Outbox` does: `stores.outbox`."""

    def test_a_letter_is_claimed_by_one_and_gone_when_done(self, stores):
        with stores.unit_of_work:
            stores.outbox.add(a_letter(), now())
        with stores.unit_of_work:
            (claimed,) = stores.outbox.claim_due(10, lease_s=60)
        assert ("a@b.example", {"at": "now"}, 0) == (claimed.to, claimed.values, claimed.attempts)
        with stores.unit_of_work:
            assert [] == list(stores.outbox.claim_due(10, lease_s=60))
            stores.outbox.done(claimed)
        with stores.unit_of_work:
            assert 0 == stores.outbox.remove_expired(now() + timedelta(days=9))

    def test_a_lease_that_ran_out_is_claimed_anew_and_the_first_holder_changes_nothing(self, stores):
        with stores.unit_of_work:
            stores.outbox.add(a_letter(), now())
        with stores.unit_of_work:
            (first,) = stores.outbox.claim_due(10, lease_s=-1)
        with stores.unit_of_work:
            (second,) = stores.outbox.claim_due(10, lease_s=60)
        with stores.unit_of_work:
            stores.outbox.done(first)
            stores.outbox.postpone(first, 0)
        with stores.unit_of_work:
            stores.outbox.done(second)
            assert 0 == stores.outbox.remove_expired(now() + timedelta(days=9))

    def test_a_postponed_letter_waits_and_counts_its_tries(self, stores):
        with stores.unit_of_work:
            stores.outbox.add(a_letter(), now())
        for tries, wait_s in ((0, -1), (1, 600)):
            with stores.unit_of_work:
                (claimed,) = stores.outbox.claim_due(10, lease_s=60)
                assert tries == claimed.attempts
            with stores.unit_of_work:
                stores.outbox.postpone(claimed, wait_s)
        with stores.unit_of_work:
            assert [] == list(stores.outbox.claim_due(10, lease_s=60))

    def test_a_letter_past_its_use_is_not_sent_and_removed(self, stores):
        with stores.unit_of_work:
            stores.outbox.add(a_letter(expires_at=now() - timedelta(seconds=1)), now())
        with stores.unit_of_work:
            assert [] == list(stores.outbox.claim_due(10, lease_s=60))
            assert 1 == stores.outbox.remove_expired(now())


class MailedLinkStoreContract(SignInContract):
    """What every `MailedLinkStore` does: `stores.mailed_links`."""

    def test_a_mailed_link_is_for_its_purpose_and_taken_once(self, stores):
        link = a_link(stores.person("a@b.example"))
        with stores.unit_of_work:
            stores.mailed_links.put(KEY, link, now())
        with stores.unit_of_work:
            assert stores.mailed_links.take(KEY, "reset", now()) is None
            assert stores.mailed_links.take(b"l" * 32, "verify", now()) is None
            assert stores.mailed_links.take(KEY, "verify", link.expires_at) is None
            assert link == stores.mailed_links.find(KEY, "verify", now())
            assert link == stores.mailed_links.take(KEY, "verify", now())
        with stores.unit_of_work:
            assert stores.mailed_links.take(KEY, "verify", now()) is None
            assert stores.mailed_links.find(KEY, "verify", now()) is None

    def test_a_new_mailed_link_ends_the_same_persons_for_the_same_purpose_and_no_other(self, stores):
        ada, bob = stores.person("a@b.example"), stores.person("b@b.example")
        links = {
            b"1" * 32: a_link(ada),
            b"2" * 32: a_link(ada, purpose="reset"),
            b"3" * 32: a_link(bob),
            b"4" * 32: a_link(ada, expires_at=now() - timedelta(seconds=1)),
        }
        with stores.unit_of_work:
            for key, link in links.items():
                stores.mailed_links.put(key, link, now())

        def alive():
            found = [key for key, link in links.items() if stores.mailed_links.find(key, link.purpose, now())]
            return b"".join(key[:1] for key in found)

        with stores.unit_of_work:
            assert b"23" == alive()
            assert 1 == stores.mailed_links.remove_expired(now())
            stores.mailed_links.remove_all_of(ada)
            assert b"3" == alive()
