"""Whose account an identity leads to: the rules, with every port in memory."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from donkies.adapters.limits import NoLimits
from donkies.adapters.memory import identity as memory
from donkies.adapters.memory.factors import MemoryFactorStore
from donkies.adapters.memory.grants import MemoryGrantStore
from donkies.adapters.memory.jobs import RecordingJobs
from donkies.adapters.memory.mail import MemoryOutbox
from donkies.domain.errors import Invalid, NotFound
from donkies.domain.identities import AccountDisabled, IdentityService, IdentityTaken, LastWayIn
from donkies.domain.mail import Letters
from donkies.domain.mailed_links import MailedLinks
from donkies.domain.social import ProviderFailed, SocialAnswer, read_answer
from donkies.domain.squats import SquatService
from donkies.domain.users import EmailTaken, SignUp, UserService
from donkies.testing.app import MovableClock

PASSWORD = "four quiet words"
GOOGLE = SocialAnswer(
    provider="google",
    subject="110",
    email="Ada@People.example",
    email_verified=True,
    first_name="Ada",
    last_name="Byron",
    picture="https://pictures.example/ada",
    locale="en-GB",
    raw='{"sub":"110"}',
)
FACEBOOK = replace(GOOGLE, provider="facebook", subject="101", email_verified=False)
TYPED = SignUp(first_name="Ada", last_name="Byron", email="", birthday="1990-12-31")


class World:
    def __init__(self):
        rows, clock = memory.MemoryIdentity(), MovableClock()
        self.rows, users, grants = rows, memory.MemoryUserStore(rows), MemoryGrantStore(rows)
        hasher = SimpleNamespace(hash=lambda password: f"hash of {password}")
        self.letters = MemoryOutbox(rows)
        letters = Letters(rows, self.letters, RecordingJobs())
        links = MailedLinks(memory.MemoryMailedLinkStore(rows), letters, clock)
        known = SimpleNamespace(holds=lambda password: False)
        self.people = people = UserService(rows, users, hasher, known, NoLimits(), links, clock)
        revocations = SimpleNamespace(add=lambda *ids: None)
        squats = SquatService(rows, users, memory.MemorySquatStore(rows), grants, revocations, clock)
        self.service = IdentityService(
            rows, users, memory.MemoryIdentityStore(rows), MemoryFactorStore(rows), people, squats, letters, clock
        )

    def user(self, user_id):
        return self.rows.users[user_id]

    def local(self, *, is_proved=False, email="ada@people.example"):
        return self.people.sign_up(replace(TYPED, email=email, password=PASSWORD), is_proved=is_proved)

    def comes(self, answer=GOOGLE, typed=TYPED, **more):
        return self.service.sign_up(answer, typed, **more)


@pytest.fixture
def world():
    return World()


def test_somebody_new_gets_an_account_with_what_was_told(world):
    assert world.service.recognise(GOOGLE) is None
    assert "nobody" == world.service.holder(GOOGLE)
    user = world.user(world.comes())
    assert ("Ada@People.example", True, None) == (user.email, user.email_verified, user.password_hash)
    assert (GOOGLE.picture, "en-GB") == (user.picture, user.locale)
    assert user.id == world.service.recognise(GOOGLE)
    assert [] == list(letters(world))


def test_the_typed_address_counts_only_where_the_provider_vouches_for_none(world):
    """S21"""
    other = replace(TYPED, email="victim@people.example")
    assert "Ada@People.example" == world.user(world.comes(typed=other)).email
    user = world.user(world.comes(FACEBOOK, other))
    assert ("victim@people.example", False) == (user.email, user.email_verified)


def test_a_renamed_address_changes_nothing_but_the_label(world):
    """D12"""
    user_id = world.comes()
    renamed = replace(GOOGLE, email="new@people.example", raw='{"n":1}')
    assert user_id == world.service.recognise(renamed)
    assert "Ada@People.example" == world.user(user_id).email
    (identity,) = world.service.list(user_id)
    assert ("new@people.example", '{"n":1}') == (identity.label, identity.answer)


def test_without_an_address_one_is_asked_for_and_then_never_again(world):
    """D11"""
    answer = replace(FACEBOOK, email=None)
    with pytest.raises(Invalid) as refused:
        world.comes(answer)
    assert {"email"} == refused.value.fields.keys()
    user_id = world.comes(answer, replace(TYPED, email="ada@people.example"))
    assert user_id == world.service.recognise(answer)
    assert ["verify_email"] == [letter.kind for letter in letters(world)]


def test_each_log_in_fills_in_what_is_empty_and_leaves_what_was_chosen(world):
    user_id = world.comes(replace(GOOGLE, picture=None, locale=None))
    world.user(user_id).locale = "is"
    world.service.recognise(replace(GOOGLE, birthday="1980-01-01"))
    user = world.user(user_id)
    assert (GOOGLE.picture, "is", 1990) == (user.picture, user.locale, user.birthday.year)
    user.birthday = None
    world.service.recognise(replace(GOOGLE, birthday="2025-01-01"))  # too young to be true
    assert user.birthday is None


def test_a_verified_address_of_somebodys_only_tells_whose_it_is(world):
    """D9, D10"""
    user_id = world.local(is_proved=True)
    assert world.service.recognise(GOOGLE) is None
    assert "proved" == world.service.holder(GOOGLE)
    with pytest.raises(EmailTaken):
        world.comes()
    with pytest.raises(EmailTaken):
        world.comes(not_mine=True)
    assert {} == world.rows.identities
    world.service.join(user_id, GOOGLE)
    assert user_id == world.service.recognise(GOOGLE)
    assert [("identity_joined", "ada@people.example")] == [(one.kind, one.to) for one in letters(world)]


def letters(world):
    with world.rows:
        return world.letters.claim_due(10, 60)


def test_an_unverified_address_joins_nothing_and_takes_nothing(world):
    """S21, D9"""
    user_id = world.local()
    assert "nobody" == world.service.holder(FACEBOOK)
    with pytest.raises(EmailTaken):
        world.comes(FACEBOOK, replace(TYPED, email="ada@people.example"), not_mine=True)
    world.service.join(user_id, FACEBOOK)  # its owner is logged in
    assert not world.user(user_id).email_verified


def test_whoever_can_log_in_to_an_unproved_account_joins_and_proves_it(world):
    """D9"""
    user_id = world.local()
    assert "unproved" == world.service.holder(GOOGLE)
    with pytest.raises(EmailTaken):
        world.comes()
    world.service.join(user_id, GOOGLE)
    assert world.user(user_id).email_verified


def test_another_address_proves_nothing(world):
    user_id = world.local(email="other@people.example")
    world.service.join(user_id, GOOGLE)
    assert not world.user(user_id).email_verified


def test_a_squat_loses_its_address_and_every_way_in_and_the_owner_gets_a_new_account(world):
    """D9"""
    squat = world.local()
    world.service.join(squat, FACEBOOK)
    owner = world.comes(not_mine=True)
    assert owner != squat
    assert ("Ada@People.example", True) == (world.user(owner).email, world.user(owner).email_verified)
    old = world.user(squat)
    assert (None, True) == (old.password_hash, old.is_disabled)
    assert "ada@people.example" != old.email_key
    assert [] == world.service.list(squat)


def test_an_account_that_cannot_be_made_leaves_the_squat_as_it_was(world):
    squat = world.local()
    with pytest.raises(Invalid):
        world.comes(typed=replace(TYPED, birthday=""), not_mine=True)
    world.service.join(squat, GOOGLE)
    with pytest.raises(IdentityTaken):
        world.comes(not_mine=False, answer=replace(GOOGLE, email="b@people.example"))
    assert [squat] == list(world.rows.users)


def test_an_identity_leads_to_one_account_only(world):
    """S20"""
    owner, other = world.comes(), world.local(email="other@people.example")
    with pytest.raises(IdentityTaken):
        world.service.join(other, GOOGLE)
    world.service.join(owner, GOOGLE)  # once more does no harm, and nobody is written to
    assert ([], []) == (world.service.list(other), list(letters(world)))


def test_the_same_subject_at_another_provider_is_somebody_else(world):
    """S20"""
    world.comes()
    assert world.service.recognise(replace(GOOGLE, provider="facebook")) is None


def test_nobody_comes_in_to_a_disabled_account_nor_takes_its_address(world):
    user_id = world.comes()
    world.user(user_id).is_disabled = True
    for call in (world.service.recognise, world.service.holder, lambda answer: world.service.join(user_id, answer)):
        with pytest.raises(AccountDisabled):
            call(replace(GOOGLE, subject="110"))
    with pytest.raises(EmailTaken):
        world.comes(replace(GOOGLE, subject="111"), not_mine=True)


def test_the_last_way_in_cannot_be_taken_away(world):
    user_id = world.comes()
    with pytest.raises(NotFound):
        world.service.disconnect(user_id, "google", "another")
    with pytest.raises(LastWayIn):
        world.service.disconnect(user_id, "google", "110")
    world.service.join(user_id, FACEBOOK)
    world.service.disconnect(user_id, "google", "110")
    with pytest.raises(LastWayIn):
        world.service.disconnect(user_id, "facebook", "101")
    world.rows.passkeys[b"1"] = SimpleNamespace(user_id=user_id, created_at=None, credential_id=b"1")
    world.service.disconnect(user_id, "facebook", "101")
    assert [] == world.service.list(user_id)


def test_a_password_is_a_way_in_too(world):
    user_id = world.local()
    world.service.join(user_id, GOOGLE)
    world.service.disconnect(user_id, "google", "110")
    assert world.service.recognise(GOOGLE) is None


@pytest.mark.parametrize("subject", [None, "", 7, "x" * 256, "a\x00", "ä", ["110"]])
def test_an_answer_without_a_usable_subject_is_none(subject):
    with pytest.raises(ProviderFailed):
        read_answer("google", subject, "{}")


def test_of_an_answer_only_what_can_be_used_is_taken():
    answer = read_answer(
        "google",
        "110",
        "{}",
        email_verified=True,
        email="not an address",
        first_name="A\x00d\u202ea",
        last_name={"a": 1},
        picture="javascript:alert(1)",
        locale="../../etc",
        birthday=None,
    )
    assert (None, False) == (answer.email, answer.email_verified)
    assert ("Ada", "", None, None) == (answer.first_name, answer.last_name, answer.picture, answer.locale)
    assert "Ada" not in repr(answer)
