"""Leaving: a person is erased here at once, and at the aggregator whatever it takes (D32).

The aggregator is MX Atrium as the sandbox speaks it, over HTTP.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from donkies.adapters.persistence.tables import banking, identity, metadata
from donkies.config.banking import make_aggregator
from donkies.domain.aggregator import AggregatorDown
from donkies.domain.erasing import LeavingService
from donkies.domain.erasures import ErasureService
from donkies.domain.errors import NotFound
from donkies.domain.flows import Flows
from donkies.domain.purging import PurgeService
from donkies.testing.app import (
    PASSWORD,
    DonkiesTestApp,
    bearer,
    get_code,
    get_tokens,
    log_in,
    make_client,
    make_person,
    redeem,
    refresh,
    sign_in,
)
from donkies.testing.banking import WatchedAggregator
from donkies.testing.canaries import database_dump
from donkies.testing.links import PersonAtTheApi, login, work
from donkies.testing.threads import in_threads
from donkies.worker import EmbeddedWorker

ME = "/v1/users/me"
LEASE_S = 0.4


@pytest.fixture
def settings(settings, sandbox_server, sandbox):
    sandbox.history(12, 5)
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
        "donkies.lease_s": LEASE_S,
        "donkies.breaker.failures": 1_000,
    }


@pytest.fixture
def owner(testapp):
    """Somebody with a bank and its transactions."""
    return somebody(testapp)


def somebody(app):
    person = make_person(app, password=PASSWORD)
    owner = PersonAtTheApi(app, sign_in(app, person=person))
    owner.person = person
    owner.link()
    work(app)
    return owner


def leave(app, person, receipt=None):
    with app.service(LeavingService) as leaving:
        return leaving.leave(person.id, receipt)


def status(app, receipt):
    return app.get(f"/v1/erasures/{receipt}", status=200).json["status"]


def users_at_mx(caller):
    return [user["identifier"] for user in caller.get("/users")["users"]]


def at_mx_again(app):
    """Let what was put off be due."""
    with app.engine().begin() as connection:
        connection.execute(sa.update(identity.erasures).values(due_at=datetime.now(UTC) - timedelta(seconds=1)))


def a_row_everywhere(app, person, client):
    """Put something of the person's into every table that refers to people."""
    now = datetime.now(UTC)
    later = now + timedelta(hours=1)
    with app.service(Flows) as flows:
        flows.begin("key", "google", {}, within_s=60, user_id=person.id)
    rows = {
        identity.external_identities: {"provider": "google", "subject": "1", "label": "a@b.example"},
        identity.mailed_links: {"token_hash": b"t" * 32, "purpose": "verify", "email": "a@b.example"},
        identity.passkeys: {
            "credential_id": b"c", "public_key": b"k", "sign_count": 0, "name": "Key", "transports": "",
            "is_synced": True,
        },
        identity.totp_secrets: {"secret": "s", "last_step": 0},
        identity.recovery_codes: {"code_hash": b"r" * 32},
        banking.idempotency_keys: {"client_id": client.id, "key": "k", "fingerprint": b"f" * 32},
        banking.widget_visits: {"until": now, "due_at": now},
        banking.transaction_tombstones: {"change_no": 9_999, "transaction_id": uuid4(), "removed_at": now},
    }  # fmt: skip
    times = {"created_at": now, "updated_at": now, "expires_at": later}
    with app.engine().begin() as connection:
        for table, row in rows.items():
            fitting = {name: at for name, at in times.items() if name in table.c and name not in row}
            connection.execute(table.insert(), {"user_id": person.id} | fitting | row)
        links = banking.linked_accounts.c
        link = connection.scalar(sa.select(links.id).where(links.user_id == person.id))
        page = {"user_id": person.id, "linked_account_id": link, "page": 1, "digests": b"d"}
        connection.execute(banking.download_pages.insert(), page)
        adopted = {"account_id": uuid4(), "former_link_id": uuid4(), "change_no": 1, "adopted_at": now}
        its = {"user_id": person.id, "linked_account_id": link}
        connection.execute(banking.adopted_accounts.insert(), its | adopted)


def tables_with(app, user_id):
    found = set()
    with app.engine().connect() as connection:
        for table in metadata.sorted_tables:
            column = table.c.get("user_id") if table.name != "users" else table.c.id
            if column is not None and connection.execute(sa.select(column).where(column == user_id)).first():
                found.add(table.name)
    return found


def test_everything_of_a_person_goes_here_at_once_and_at_mx_soon(testapp, owner, atrium_caller):
    client, other = make_client(testapp), somebody(testapp)
    log_in(testapp, owner.person)
    get_code(testapp, client)
    get_tokens(testapp, client)
    a_row_everywhere(testapp, owner.person, client)
    theirs = {table.name for table in metadata.sorted_tables if "user_id" in table.c}
    assert theirs | {"users"} == tables_with(testapp, owner.person.id), "give each of these tables a row"
    before = tables_with(testapp, other.person.id)
    receipt = leave(testapp, owner.person)
    assert set() == tables_with(testapp, owner.person.id)
    assert "pending" == status(testapp, receipt.id)
    assert str(owner.person.id) in users_at_mx(atrium_caller)
    work(testapp)
    assert "done" == status(testapp, receipt.id)
    assert [str(other.person.id)] == users_at_mx(atrium_caller)
    assert before == tables_with(testapp, other.person.id)
    traces = [str(owner.person.id), owner.person.id.hex, owner.person.email]
    dump = database_dump(testapp.engine()).decode(errors="replace")
    assert [] == [trace for trace in traces if trace in dump], "the address is kept sealed, until the letter is sent"


def test_by_the_api_with_a_receipt_that_says_no_more_than_it_must(testapp, owner):
    answer = testapp.delete(ME, headers=owner.headers, status=202)
    receipt = answer.json["receipt"]
    assert 4 == UUID(receipt).version
    assert {"receipt", "status", "requested_at", "done_at"} == answer.json.keys()
    assert ("pending", None) == (answer.json["status"], answer.json["done_at"])
    assert f"/v1/erasures/{receipt}" in answer.headers["Location"]
    testapp.get(ME, headers=owner.headers, status=401)
    testapp.delete(ME, headers=owner.headers, status=401)
    work(testapp)
    shown = testapp.get(f"/v1/erasures/{receipt}", status=200)
    assert answer.json.keys() == shown.json.keys()
    assert shown.json["done_at"] >= shown.json["requested_at"]
    assert "no-store" in shown.headers["Cache-Control"]
    for unknown in (uuid4(), "receipt"):
        assert "not_found" == testapp.get(f"/v1/erasures/{unknown}", status=404).json["code"]


def test_the_api_wants_a_recent_log_in(testapp, clock):
    """RFC 9470"""
    client, person = make_client(testapp), make_person(testapp, password=PASSWORD)
    log_in(testapp, person)
    tokens = get_tokens(testapp, client)
    clock.advance(seconds=599)
    fresh = refresh(testapp, client, tokens["refresh_token"]).json
    clock.advance(seconds=2)
    refused = testapp.delete(ME, headers=bearer(fresh["access_token"]), status=401)
    assert ("insufficient_user_authentication", 600) == (refused.json["code"], refused.json["max_age"])
    challenge = refused.headers["WWW-Authenticate"]
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'max_age="600"' in challenge
    log_in_again = testapp.another_browser()
    log_in(log_in_again, person)
    testapp.delete(ME, headers=bearer(get_tokens(log_in_again, client)["access_token"]), status=202)


def test_sessions_and_tokens_end_in_every_process_within_two_seconds(make_testapp, testapp):
    """S13, S19; DESIGN 5"""
    other, client, person = make_testapp(), make_client(testapp), make_person(testapp, password=PASSWORD)
    log_in(testapp, person)
    tokens = get_tokens(testapp, client)
    code, verifier = get_code(testapp, client)
    other.get(ME, headers=bearer(tokens["access_token"]), status=200)
    leave(testapp, person)
    deadline = time.monotonic() + 2
    testapp.get(ME, headers=bearer(tokens["access_token"]), status=401)
    assert "Log out" not in testapp.get("/").text
    refresh(other, client, tokens["refresh_token"], status=400)
    redeem(other, client, code, verifier, status=400)
    while other.get("/v1/accounts", headers=bearer(tokens["access_token"]), status="*").status_int != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_who_never_had_a_bank_is_done_at_once_and_told_by_mail(testapp, sandbox):
    person = make_person(testapp)
    receipt = leave(testapp, person)
    assert "done" == status(testapp, receipt.id)
    work(testapp)
    assert [] == sandbox.requests("/users*")
    (mail,) = testapp.mails(person.email)
    assert "deleted" in mail.subject
    assert str(receipt.id) in mail.text
    with pytest.raises(NotFound):
        leave(testapp, person)
    assert receipt.id != leave(testapp, make_person(testapp, email=person.email)).id, "the address is free again"


def test_mx_is_asked_until_it_says_that_the_user_is_gone(testapp, owner, sandbox, atrium_caller):
    sandbox.fault("status", path="/users/*", method="DELETE", status=503, times=None)
    receipt = leave(testapp, owner.person)
    work(testapp)
    at_mx_again(testapp)
    work(testapp)
    assert "pending" == status(testapp, receipt.id)
    with testapp.engine().connect() as connection:
        attempts, due_at = connection.execute(sa.select(identity.erasures.c.attempts, identity.erasures.c.due_at)).one()
    assert 2 == attempts
    assert due_at > datetime.now(UTC) + timedelta(seconds=5), "the waits grow"
    sandbox.clear_faults()
    at_mx_again(testapp)
    work(testapp)
    assert "done" == status(testapp, receipt.id)
    assert [] == users_at_mx(atrium_caller)


def test_a_user_that_is_gone_at_mx_counts_as_deleted(testapp, owner, atrium_caller):
    (user,) = atrium_caller.get("/users")["users"]
    atrium_caller.call("DELETE", f"/users/{user['guid']}")
    receipt = leave(testapp, owner.person)
    work(testapp)
    assert "done" == status(testapp, receipt.id)


def test_a_worker_that_dies_is_followed_by_another(testapp, owner, atrium_caller):
    """It died after MX had deleted, before that was written down"""
    receipt = leave(testapp, owner.person)
    with testapp.service(ErasureService) as dying:
        dying._delete(dying.read(receipt.id))
        with dying.unit_of_work:
            dying.erasures.claim_due(1, LEASE_S)
    assert "pending" == status(testapp, receipt.id)
    time.sleep(LEASE_S)
    work(testapp)
    assert "done" == status(testapp, receipt.id)
    assert [] == users_at_mx(atrium_caller)


def test_a_sweep_finds_what_no_message_told_of(settings, make_testapp):
    app = make_testapp()
    owner = somebody(app)
    receipt = leave(app, owner.person)  # its message goes into a queue that nobody reads any more
    with app.service(ErasureService) as service, service.unit_of_work:
        service.erasures.claim_due(1, LEASE_S)
    settings["donkies.sweep_s"] = 0.2
    again = make_testapp()
    worker = EmbeddedWorker(again.svcs)
    worker.start()
    try:
        deadline = time.monotonic() + 15
        while status(again, receipt.id) != "done":
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        worker.stop()


class TestWhileABankIsBeingLinked:
    """Nothing stays at MX, however the two meet."""

    @pytest.fixture
    def mx(self, settings, make_testapp):
        app = DonkiesTestApp(settings)
        watched = WatchedAggregator(make_aggregator(app.settings))
        app.close()
        yield watched
        watched.inner.close()

    @pytest.fixture
    def app(self, make_testapp, mx):
        return make_testapp(aggregator=mx)

    @pytest.fixture
    def guest(self, app):
        """Somebody who has no bank yet."""
        person = make_person(app)
        guest = PersonAtTheApi(app, sign_in(app, person=person))
        guest.person = person
        return guest

    def link(self, guest, expect):
        body = {"institution_code": "mxbank", "credentials": login("any")}
        answer = guest.post("/linked_accounts", body, status="*")
        assert expect == answer.status_int, answer.text

    def left_at_mx(self, app, caller):
        time.sleep(LEASE_S)
        work(app)
        with app.engine().connect() as connection:
            pending = sa.select(identity.erasures.c.id).where(identity.erasures.c.done_at.is_(None))
            assert [] == connection.execute(pending).all()
        return users_at_mx(caller)

    def test_before_mx_made_the_user(self, app, mx, guest, atrium_caller):
        def leave_first(identifier):
            leave(app, guest.person)
            return mx.inner.ensure_user(identifier)

        mx.instead("ensure_user", leave_first)
        self.link(guest, 404)
        assert [] == self.left_at_mx(app, atrium_caller)

    def test_when_the_request_dies_after_mx_made_the_user(self, app, mx, guest, atrium_caller):
        def leave_and_die(identifier):
            leave(app, guest.person)
            mx.inner.ensure_user(identifier)
            raise KeyboardInterrupt

        mx.instead("ensure_user", leave_and_die)
        with pytest.raises(KeyboardInterrupt):
            self.link(guest, None)
        assert [] == self.left_at_mx(app, atrium_caller)

    def test_when_the_answer_that_made_the_user_was_lost(self, app, mx, guest, atrium_caller):
        def lose(identifier):
            mx.inner.ensure_user(identifier)
            raise AggregatorDown("The answer was lost.", outcome_unknown=True)

        mx.instead("ensure_user", lose)
        self.link(guest, 201)
        assert [str(guest.person.id)] == users_at_mx(atrium_caller)
        leave(app, guest.person)
        assert [] == self.left_at_mx(app, atrium_caller)

    def test_while_mx_makes_the_member(self, app, mx, guest, atrium_caller):
        def leave_and_work_first(*arguments):
            leave(app, guest.person)
            work(app)
            return mx.inner.create_member(*arguments)

        def leave_after(*arguments):
            made = mx.inner.create_member(*arguments)
            leave(app, guest.person)
            return made

        mx.instead("create_member", leave_and_work_first)
        self.link(guest, 404)
        assert [] == self.left_at_mx(app, atrium_caller)
        guest.person = make_person(app)
        guest.headers = sign_in(app, person=guest.person)
        mx.instead("create_member", leave_after)
        self.link(guest, 404)
        assert [] == self.left_at_mx(app, atrium_caller)

    def test_many_at_once(self, app, mx, atrium_caller):
        """A link, a download, a log-in, an exchange and the person's leaving: nobody waits for ever."""
        client = make_client(app)
        for _ in range(3):
            person = make_person(app, password=PASSWORD)
            browser = app.another_browser()
            log_in(browser, person)
            tokens = get_tokens(browser, client)
            owner = PersonAtTheApi(app, bearer(tokens["access_token"]))
            owner.link()
            code, verifier = get_code(browser, client)
            start = threading.Barrier(5)

            def at_once(call, start=start):
                start.wait()
                call()

            def link(owner=owner):
                body = {"institution_code": "harbour", "credentials": login("any")}
                assert owner.post("/linked_accounts", body, status="*").status_int < 500

            def let_go(person=person):
                leave(app, person)

            def exchange(code=code, verifier=verifier):
                assert redeem(app.another_browser(), client, code, verifier, status="*").status_int in (200, 400)

            def log_in_elsewhere(person=person):
                form = app.another_browser()
                page = form.get("/login").form
                page["email"], page["password"] = person.email, person.password
                assert page.submit(status="*").status_int < 500

            calls = (let_go, link, exchange, log_in_elsewhere, lambda: work(app, 5, 0.05))
            in_threads(*(lambda call=call: at_once(call) for call in calls))
            assert set() == tables_with(app, person.id)
        assert [] == self.left_at_mx(app, atrium_caller)


def test_twice_at_once_is_as_once(testapp, owner):
    receipt, gone = uuid4(), []

    def try_it():
        try:
            gone.append(leave(testapp, owner.person, receipt))
        except NotFound:
            gone.append(None)

    in_threads(try_it, try_it)
    assert [receipt] == [one.id for one in gone if one]
    assert 1 == len(testapp.mails(owner.person.email))


def test_twenty_thousand_transactions_go_in_one_piece(testapp, owner):
    t = banking.transactions
    with testapp.engine().begin() as connection:
        row = dict(connection.execute(sa.select(t).limit(1)).mappings().one())
        row["raw"] = row["raw"] if isinstance(row["raw"], bytes) else json.dumps(row["raw"]).encode()
        many = [
            row | {"id": uuid4(), "guid": f"many-{number}", "change_no": 10_000 + number} for number in range(20_000)
        ]
        connection.execute(t.insert(), many)
    began = time.monotonic()
    testapp.delete(ME, headers=owner.headers, status=202)
    assert time.monotonic() - began < 30, "a foreign key without its index would take far longer"
    assert set() == tables_with(testapp, owner.person.id)


def test_receipts_are_kept_for_400_days(testapp, clock, owner):
    done, pending = leave(testapp, make_person(testapp)), leave(testapp, owner.person)
    for days, expected in ((399, [200, 200]), (2, [404, 200])):
        clock.advance(days=days)
        with testapp.service(PurgeService) as purging:
            while purging.purge():
                pass
        assert expected == [testapp.get(f"/v1/erasures/{one.id}", status="*").status_int for one in (done, pending)]


def test_an_operator_erases_somebody_too(command_line, testapp, owner):
    result = command_line("user", "delete", owner.person.email, "--yes", "--json")
    assert 0 == result.exit_code, result.output
    receipt = json.loads(result.stdout)["receipt"]
    work(testapp)
    shown = json.loads(command_line("user", "receipt", receipt, "--json").stdout)
    assert ("done", receipt) == (shown["status"], shown["receipt"])
    assert 1 == command_line("user", "delete", owner.person.email, "--yes").exit_code
    assert 1 == command_line("user", "delete", make_person(testapp).email, input="n\n").exit_code
