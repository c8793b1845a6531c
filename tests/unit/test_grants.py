"""Codes and token families, with stores in memory and a clock that stands still."""

from datetime import UTC, date, datetime, timedelta

import pytest

from donkies.adapters.memory.grants import MemoryGrantStore
from donkies.adapters.memory.identity import MemoryIdentity
from donkies.adapters.tokens import AesTokenSeal
from donkies.domain.clients import Client
from donkies.domain.granting import GrantService
from donkies.domain.grants import FamilyLifetime, InvalidGrant, InvalidScope
from donkies.domain.ids import new_id
from donkies.domain.users import User
from donkies.testing.app import pkce

URI = "https://app.example/callback"


class StandingClock:
    def __init__(self):
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self):
        return self.time

    def advance(self, seconds):
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock():
    return StandingClock()


@pytest.fixture
def rows(clock):
    user = User(
        id=new_id(),
        email="a@b.example",
        email_key="a@b.example",
        first_name="A",
        last_name="B",
        birthday=date(1990, 1, 1),
        created_at=clock.now(),
        updated_at=clock.now(),
    )
    client = Client(client_id="app", name="App", type="public", created_at=clock.now())
    return MemoryIdentity(users={user.id: user}, clients={"app": client})


@pytest.fixture
def revoked():
    class Revoked(set):
        def add(self, *ids):
            self.update(ids)

    return Revoked()


@pytest.fixture
def service(rows, clock, revoked):
    store = MemoryGrantStore(rows)
    return GrantService(rows, store, store, AesTokenSeal(), revoked, clock, FamilyLifetime(3600))


@pytest.fixture
def begin(service, rows, clock):
    def make():
        verifier, challenge = pkce()
        code = service.issue_code(
            client_id="app",
            user_id=next(iter(rows.users)),
            redirect_uri=URI,
            scopes=("openid", "profile"),
            code_challenge=challenge,
            nonce=None,
            auth_time=clock.now(),
        )
        return code, verifier

    return make


@pytest.fixture
def issued(service, begin):
    code, verifier = begin()
    return service.exchange(code, client_id="app", redirect_uri=URI, code_verifier=verifier)


def test_codes_are_43_characters_and_stored_as_a_hash(begin, rows):
    code, _ = begin()
    assert 43 == len(code)
    assert code not in str(rows)


def test_neither_tokens_nor_codes_show_in_a_repr(issued):
    assert issued.refresh_token not in repr(issued)


def test_a_replayed_code_ends_its_family_at_once(service, begin, revoked):
    code, verifier = begin()
    given = {"client_id": "app", "redirect_uri": URI, "code_verifier": verifier}
    issued = service.exchange(code, **given)
    with pytest.raises(InvalidGrant):
        service.exchange(code, **given)
    assert {str(issued.sid)} == revoked
    assert not service.is_live(issued.sid)


@pytest.mark.parametrize("wrong", [{"redirect_uri": None}, {"redirect_uri": URI + "/"}, {"code_verifier": "x" * 43}])
def test_a_failed_exchange_uses_the_code_up(service, begin, wrong):
    code, verifier = begin()
    given = {"client_id": "app", "redirect_uri": URI, "code_verifier": verifier}
    with pytest.raises(InvalidGrant):
        service.exchange(code, **given | wrong)
    with pytest.raises(InvalidGrant):
        service.exchange(code, **given)


def test_a_chain_of_refreshes_keeps_its_family(service, issued):
    token = issued.refresh_token
    for _ in range(5):
        renewed = service.refresh(token, client_id="app")
        assert (issued.sid, issued.user_id, issued.scopes) == (renewed.sid, renewed.user_id, renewed.scopes)
        assert token != renewed.refresh_token
        token = renewed.refresh_token


@pytest.mark.parametrize(("after_s", "same"), [(0, True), (30, True), (30.1, False)])
def test_the_retry_window_is_thirty_seconds(service, issued, clock, after_s, same, revoked):
    successor = service.refresh(issued.refresh_token, client_id="app").refresh_token
    clock.advance(after_s)
    if same:
        assert successor == service.refresh(issued.refresh_token, client_id="app").refresh_token
        assert not revoked
    else:
        with pytest.raises(InvalidGrant):
            service.refresh(issued.refresh_token, client_id="app")
        assert {str(issued.sid)} == revoked


def test_the_window_is_not_prolonged_by_retries(service, issued, clock):
    service.refresh(issued.refresh_token, client_id="app")
    for _ in range(2):
        clock.advance(14)
        service.refresh(issued.refresh_token, client_id="app")
    clock.advance(14)
    with pytest.raises(InvalidGrant):
        service.refresh(issued.refresh_token, client_id="app")


def test_erased_successors_lead_nowhere_and_end_the_family(service, issued, clock):
    service.refresh(issued.refresh_token, client_id="app")
    clock.advance(30.5)
    assert 1 == service.erase_successors()
    with pytest.raises(InvalidGrant):
        service.refresh(issued.refresh_token, client_id="app")


def test_a_scope_too_many_changes_nothing(service, issued):
    with pytest.raises(InvalidScope):
        service.refresh(issued.refresh_token, client_id="app", scopes=frozenset({"profile", "email"}))
    assert ("profile",) == service.refresh(issued.refresh_token, client_id="app", scopes=frozenset({"profile"})).scopes


def test_it_ends_an_hour_after_it_began(service, issued, clock):
    token = issued.refresh_token
    for _ in range(3):
        clock.advance(1100)
        token = service.refresh(token, client_id="app").refresh_token
    clock.advance(301)
    with pytest.raises(InvalidGrant):
        service.refresh(token, client_id="app")
    assert not service.is_live(issued.sid)


def test_an_invented_token_with_the_right_family_ends_nothing(service, issued, revoked):
    for forged in (issued.refresh_token[:22] + "A" * 64, "A" * 86, "", "!" * 86, issued.refresh_token + "A"):
        with pytest.raises(InvalidGrant):
            service.refresh(forged, client_id="app")
    assert not revoked
    assert service.is_live(issued.sid)


def test_the_seal_opens_only_with_the_token_it_was_made_under():
    seal = AesTokenSeal()
    sealed = seal.seal("old", "new")
    assert "new" == seal.unseal("old", sealed)
    assert sealed != seal.seal("old", "new")
    with pytest.raises(Exception):  # noqa: B017 - whatever it is, it must not be the token
        seal.unseal("other", sealed)
