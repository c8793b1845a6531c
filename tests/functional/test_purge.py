"""The purge: what is over goes, a batch at a time, and nothing that is alive."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from donkies.adapters.persistence import purging
from donkies.adapters.persistence.tables.banking import idempotency_keys
from donkies.adapters.persistence.tables.identity import (
    authorization_codes,
    browser_sessions,
    flows,
    mailed_links,
    outgoing_mails,
    rate_limits,
    revoked_access_tokens,
    signing_keys,
    token_families,
    used_assertions,
)
from donkies.domain.assertions import UsedAssertions
from donkies.domain.flows import Flows
from donkies.domain.forgotten import ForgottenPasswordService
from donkies.domain.limits import Limit, Limits
from donkies.domain.purging import PurgeService
from donkies.testing.app import PASSWORD, bearer, get_code, get_tokens, log_in, redeem, refresh
from donkies.worker import EmbeddedWorker

TABLES = (
    *(authorization_codes, browser_sessions, rate_limits, revoked_access_tokens, token_families),
    *(flows, mailed_links, outgoing_mails),
    *(used_assertions, idempotency_keys),
)
HOURLY = Limit("test", 10, 3600)


@pytest.fixture
def person(user_factory):
    return user_factory(password=PASSWORD)


@pytest.fixture
def client(client_factory):
    return client_factory()


def purge(app):
    """As the task does. Returns: how many rows went."""
    total = 0
    with app.service(PurgeService) as purging_service:
        while gone := purging_service.purge():
            total += gone
    return total


def counts(app):
    with app.engine().connect() as connection:
        return {table.name: connection.scalar(sa.select(sa.func.count()).select_from(table)) for table in TABLES}


def a_bit_of_everything(app, clock, client, person):
    """A row in each table. Returns: tokens, and a code with its verifier."""
    log_in(app, person)
    tokens, (code, verifier) = get_tokens(app, client), get_code(app, client)
    now = clock.now()
    with app.service(Limits) as limits, app.service(UsedAssertions) as assertions:
        limits.spend(HOURLY, "somebody")
        assertions.use(client.id, "jti", now + timedelta(seconds=60))
    with app.service(Flows) as begun, app.service(ForgottenPasswordService) as forgotten:
        begun.begin("key", "google", {}, within_s=60)
        forgotten.ask(person.email, address="192.0.2.1")
    with app.engine().begin() as connection:
        key = {"user_id": person.id, "client_id": client.id, "key": "k", "fingerprint": b"f" * 32, "created_at": now}
        connection.execute(idempotency_keys.insert(), key)
        revoked = {"jti": "another", "revoked_at": now, "expires_at": now + timedelta(seconds=600)}
        connection.execute(revoked_access_tokens.insert(), revoked)
    return tokens, code, verifier


def test_nothing_that_is_alive_goes(testapp, clock, client, person):
    tokens, code, verifier = a_bit_of_everything(testapp, clock, client, person)
    before = counts(testapp)
    assert 0 < min(before.values()), "each table has a row"
    assert 0 == purge(testapp)
    assert before == counts(testapp)
    testapp.get("/v1/users/me", headers=bearer(tokens["access_token"]), status=200)
    assert "Ada" in testapp.get("/").text
    redeem(testapp, client, code, verifier, status=200)
    successor = refresh(testapp, client, tokens["refresh_token"], status=200).json["refresh_token"]
    clock.advance(days=29)
    purge(testapp)
    refresh(testapp, client, successor, status=200)


def test_what_is_over_goes_to_the_last_row(testapp, clock, client, person):
    a_bit_of_everything(testapp, clock, client, person)
    clock.advance(days=32)
    before = counts(testapp)
    assert sum(before.values()) == purge(testapp)
    assert {0} == set(counts(testapp).values())
    log_in(testapp, person)
    get_tokens(testapp, client)


def test_what_has_just_ended_stays_a_day(testapp, clock, client, person):
    """So that a replay still ends what it must"""
    tokens, *_ = a_bit_of_everything(testapp, clock, client, person)
    testapp.post("/oauth/revoke", {"token": tokens["refresh_token"], "client_id": client.id}, status=200)
    clock.advance(hours=23)
    purge(testapp)
    kept = counts(testapp)
    assert (2, 1, 1) == tuple(kept[name] for name in ("authorization_codes", "token_families", "used_assertions"))
    clock.advance(hours=2)
    purge(testapp)
    left = counts(testapp)
    assert 1 == left.pop("outgoing_mails"), "mail waits three days for its server"
    assert {0} == set(left.values())


def test_a_replay_after_the_purge_is_simply_refused(testapp, clock, client, person):
    """RFC 6749 §4.1.2, §6"""
    log_in(testapp, person)
    code, verifier = get_code(testapp, client)
    tokens = redeem(testapp, client, code, verifier).json
    clock.advance(days=2)
    purge(testapp)
    assert "invalid_grant" == redeem(testapp, client, code, verifier, status=400).json["error"]
    successor = refresh(testapp, client, tokens["refresh_token"], status=200).json
    clock.advance(days=31)
    purge(testapp)
    for token in (tokens["refresh_token"], successor["refresh_token"]):
        assert "invalid_grant" == refresh(testapp, client, token, status=400).json["error"]
        testapp.post("/oauth/revoke", {"token": token, "client_id": client.id}, status=200)


def test_keys_go_when_they_are_long_retired(testapp, clock, client, person):
    log_in(testapp, person)
    tokens = get_tokens(testapp, client)
    now = clock.now()
    with testapp.engine().begin() as connection:
        row = connection.execute(sa.select(signing_keys)).first()._asdict()
        for kid, days in (("soon", -1), ("lately", 29), ("long", 31)):
            retired = {"kid": kid, "generation": 1000 + days, "retired_at": now - timedelta(days=days)}
            connection.execute(signing_keys.insert(), row | retired)
    assert 1 == purge(testapp)
    with testapp.engine().connect() as connection:
        assert {row["kid"], "soon", "lately"} == set(connection.execute(sa.select(signing_keys.c.kid)).scalars())
    testapp.get("/v1/users/me", headers=bearer(tokens["access_token"]), status=200)


def spend_much(app, amount):
    with app.service(Limits) as limits:
        for number in range(amount):
            limits.spend(HOURLY, str(number))


def test_it_goes_in_batches(testapp, clock, monkeypatch):
    monkeypatch.setattr(purging, "BATCH", 3)
    spend_much(testapp, 8)
    clock.advance(hours=2)
    with testapp.service(PurgeService) as service:
        assert [3, 3, 2, 0] == [service.purge() for _ in range(4)]


def test_a_limit_that_began_anew_stays(testapp, clock):
    spend_much(testapp, 2)
    clock.advance(hours=2)
    with testapp.service(Limits) as limits:
        limits.spend(HOURLY, "1")
    assert 1 == purge(testapp)
    assert 1 == counts(testapp)["rate_limits"]


def test_two_at_once_do_no_harm(testapp, clock, monkeypatch, client, person):
    monkeypatch.setattr(purging, "BATCH", 5)
    tokens, *_ = a_bit_of_everything(testapp, clock, client, person)
    spend_much(testapp, 60)
    clock.advance(days=2)
    with ThreadPoolExecutor(4) as pool:
        assert 60 < sum(pool.map(lambda _: purge(testapp), range(4)))
    purge(testapp)
    assert 0 == counts(testapp)["rate_limits"]
    refresh(testapp, client, tokens["refresh_token"], status=200)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite has one writer: there all wait
def test_what_another_transaction_holds_is_not_waited_for(testapp, clock):
    spend_much(testapp, 2)
    clock.advance(hours=2)
    with ThreadPoolExecutor(1) as pool, testapp.engine().begin() as connection:
        connection.execute(sa.select(rate_limits).limit(1).with_for_update())
        assert 1 == pool.submit(purge, testapp).result(timeout=5)
    assert 1 == purge(testapp)


def test_beat_sends_it(settings, make_testapp, clock):
    settings["donkies.purge_every_s"] = 0.2
    app = make_testapp(clock=clock)
    spend_much(app, 2)
    clock.advance(hours=2)
    worker = EmbeddedWorker(app.svcs)
    worker.start()
    try:
        deadline = time.monotonic() + 10
        while counts(app)["rate_limits"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        worker.stop()
