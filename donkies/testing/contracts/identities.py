"""The store of identities at providers, and what strips an account of a squatter's ways in."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from donkies.domain.flows import Flow
from donkies.domain.identities import ExternalIdentity, IdentityTaken
from donkies.domain.ids import new_id
from donkies.domain.sessions import BrowserSession
from donkies.domain.users import User

from .mail import KEY, a_flow, a_link, now
from .people import NOW, SignInContract

LATER = NOW + timedelta(hours=1)


def an_identity(user_id, **changed):
    identity = ExternalIdentity(
        provider="google", subject="110", user_id=user_id, label="a@b.example", answer='{"ä":1}',
        created_at=NOW, updated_at=NOW,
    )  # fmt: skip
    return replace(identity, **changed)


class IdentityStoreContract(SignInContract):
    """What every `IdentityStore` does: `stores.identities`."""

    def test_an_identity_is_found_by_provider_and_subject_and_by_nothing_else(self, stores):
        identity = an_identity(stores.person("a@b.example"))
        with stores.unit_of_work:
            stores.identities.add(identity)
        with stores.unit_of_work:
            assert identity == stores.identities.find("google", "110")
            assert stores.identities.find("facebook", "110") is None
            assert stores.identities.find("google", "a@b.example") is None

    def test_it_can_be_added_with_its_person_and_only_once(self, stores):
        user = User(
            id=new_id(), email="n@b.example", email_key="n@b.example", first_name="N", last_name="B",
            created_at=NOW, updated_at=NOW,
        )  # fmt: skip
        with stores.unit_of_work:
            stores.users.add(user)
            stores.identities.add(an_identity(user.id))
        other = stores.person("a@b.example")
        with pytest.raises(IdentityTaken), stores.unit_of_work:
            stores.identities.add(an_identity(other))
        with stores.unit_of_work:
            assert user.id == stores.identities.find("google", "110").user_id

    def test_what_it_tells_is_written_anew(self, stores):
        identity = an_identity(stores.person("a@b.example"))
        with stores.unit_of_work:
            stores.identities.add(identity)
            renewed = replace(identity, label="new", answer="{}", updated_at=LATER)
            stores.identities.update(renewed)
            stores.identities.update(replace(renewed, subject="unknown"))
        with stores.unit_of_work:
            assert renewed == stores.identities.find("google", "110")
            assert stores.identities.find("google", "unknown") is None

    def test_a_persons_come_the_oldest_first_and_go_one_by_one(self, stores):
        user_id, other = stores.person("a@b.example"), stores.person("c@d.example")
        with stores.unit_of_work:
            stores.identities.add(an_identity(user_id, created_at=LATER))
            stores.identities.add(an_identity(user_id, provider="facebook"))
            stores.identities.add(an_identity(other, subject="111"))
        with stores.unit_of_work:
            assert ["facebook", "google"] == [one.provider for one in stores.identities.of_user(user_id)]
            stores.identities.remove("facebook", "110")
        with stores.unit_of_work:
            assert ["google"] == [one.provider for one in stores.identities.of_user(user_id)]
            assert 1 == len(stores.identities.of_user(other))


class SquatStoreContract(SignInContract):
    """What every `SquatStore` does: `stores.squats`."""

    def test_a_squat_keeps_no_way_in_and_others_keep_theirs(self, stores):
        user_id, other = stores.person("a@b.example"), stores.person("c@d.example")
        with stores.unit_of_work:
            for key, whose in ((b"s" * 32, user_id), (b"o" * 32, other)):
                stores.identities.add(an_identity(whose, subject=key.decode()))
                stores.flows.put(key, Flow("kind", {}, LATER, whose), NOW)
                stores.sessions.add(
                    BrowserSession(
                        id_hash=key, user_id=whose, auth_time=NOW, methods="pwd", created_at=NOW, seen_at=NOW,
                        expires_at=LATER,
                    )
                )  # fmt: skip
        with stores.unit_of_work:
            stores.squats.strip(user_id)
        with stores.unit_of_work:
            for key, is_there in ((b"s" * 32, False), (b"o" * 32, True)):
                assert is_there == (stores.sessions.find(key) is not None)
                assert is_there == (stores.flows.find(key) is not None)
                assert is_there == (stores.identities.find("google", key.decode()) is not None)

    def test_what_a_squatter_left_is_stripped_and_nothing_of_others(self, stores):
        squatter, other = stores.person("a@b.example"), stores.person("b@b.example")
        with stores.unit_of_work:
            for key, user_id in ((KEY, squatter), (b"o" * 32, other)):
                stores.flows.put(key, a_flow(user_id=user_id), now())
                stores.mailed_links.put(key, a_link(user_id), now())
        with stores.unit_of_work:
            stores.squats.strip(squatter)
        with stores.unit_of_work:
            assert (None, None) == (stores.flows.find(KEY), stores.mailed_links.find(KEY, "verify", now()))
            assert stores.flows.find(b"o" * 32)
            assert stores.mailed_links.find(b"o" * 32, "verify", now())
            assert stores.users.find(squatter)
