"""MX's webhooks: the sandbox sends them over HTTP as MX does, and whatever they say, only MX's own word counts."""

from __future__ import annotations

import base64
import itertools
import json
import threading

import pytest
from sqlalchemy import select

from donkies.adapters.persistence.tables import banking
from donkies.domain.following import LookService
from donkies.domain.hints import HintService
from donkies.domain.link_store import MemberHint
from donkies.testing.links import PersonAtTheApi, work
from donkies.testing.server import Served

USER, PASSWORD = "mx", "a secret that MX was given"
ROWS = 12


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
        "donkies.sync.retry_s": 0.02,
        "donkies.hooks.user": USER,
        "donkies.hooks.password": PASSWORD,
        "donkies.hooks.gather_s": 0.05,
        "donkies.hooks.pause_s": 0,
    }


class Bank:
    """A person with one bank, all of whose rows are here, and MX, which tells of it."""

    def __init__(self, app, sandbox, hook_url=""):
        self.app, self.sandbox, self.hook_url = app, sandbox, hook_url
        self.person = PersonAtTheApi(app)
        self.link = self.person.link()
        self.settled()
        self.member, self.user = self._guids()

    def _guids(self):
        with self.app.engine().connect() as connection:
            users = banking.aggregator_users.c
            links = banking.linked_accounts.c
            pairs = select(links.member_guid, users.user_guid, links.id).where(links.user_id == users.user_id)
            return next((member, user) for member, user, link in connection.execute(pairs) if str(link) == self.link)

    def tells(self, kind="AGGREGATION", **more):
        """The statuses that MX's webhooks were answered with."""
        return [sent["status"] for sent in self.sandbox.send_webhooks(self.member, kind, url=self.hook_url, **more)]

    def hook(self, body, status=204):
        return send(self.app, json.dumps(body).encode(), status)

    def settled(self):
        return self.person.settled(self.link)

    def reads(self):
        """How often MX was asked how the member does, and for rows."""
        asked = self.sandbox.requests()
        return {kind: sum(one["path"].endswith(kind) for one in asked) for kind in ("/status", "/transactions")}

    def is_woken(self):
        with self.app.engine().connect() as connection:
            return connection.scalar(select(banking.linked_accounts.c.wake_at)) is not None


def basic(user=USER, password=PASSWORD):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def send(app, body, status=204, headers=None):
    headers = {"Content-Type": "application/json"} | (basic() if headers is None else headers)
    return app.post("/hooks/mx", body, headers=headers, status=status)


@pytest.fixture
def bank(testapp, sandbox):
    """MX's webhooks over HTTP."""
    sandbox.history(ROWS, 20)
    with Served(testapp.app, threads=4) as served:
        yield Bank(
            testapp,
            sandbox,
            served.url.replace("http://", f"http://{USER}:{PASSWORD.replace(' ', '%20')}@") + "/hooks/mx",
        )


def test_mx_tells_of_new_rows_and_they_are_fetched_without_asking_the_bank_again(bank, atrium_caller):
    assert atrium_caller.call("POST", f"/users/{bank.user}/members/{bank.member}/aggregate").ok  # MX's own nightly job
    atrium_caller.status(bank.user, bank.member)
    bank.sandbox.add_transaction(bank.member)
    assert ROWS == bank.settled()["transactions_count"]
    assert [204] == bank.tells()
    assert ROWS + 1 == bank.settled()["transactions_count"]
    aggregations = [one for one in bank.sandbox.requests("*/aggregate") if one["method"] == "POST"]
    assert 1 == len(aggregations)


def test_webhooks_that_are_doubled_out_of_order_or_stale_change_nothing(bank):
    before, reads = bank.settled(), bank.reads()
    assert [204] * 13 == bank.tells(copies=12, shuffled=True)
    assert before == bank.settled()
    assert [204] * 4 == bank.tells("CONNECTION_STATUS", copies=3, shuffled=True)  # the last says CHALLENGED
    assert before == bank.settled()
    assert reads["/transactions"] == bank.reads()["/transactions"]


def test_mx_tells_that_a_login_stopped_working(bank):
    bank.sandbox.set_status(bank.member, "DENIED")
    assert "success" == bank.settled()["link_status"]  # nobody has looked
    bank.tells("CONNECTION_STATUS")
    assert ("wrong_credentials", "credentials") == tuple(bank.settled()[name] for name in ("link_status", "retry_with"))


def test_mx_tells_that_a_bank_has_healed(bank):
    bank.sandbox.set_status(bank.member, "DEGRADED")
    bank.tells("CONNECTION_STATUS")
    assert "other_error" == bank.settled()["link_status"]
    bank.sandbox.set_status(bank.member, "CONNECTED")
    bank.tells()
    assert ("success", "complete") == tuple(bank.settled()[name] for name in ("link_status", "transactions_status"))


def test_a_deleted_member_is_seen_to_be_gone(bank, atrium_caller):
    assert atrium_caller.call("DELETE", f"/users/{bank.user}/members/{bank.member}").ok
    member = {"guid": bank.member, "user_guid": bank.user, "institution_code": "mxbank", "updated_at": 1700000000}
    bank.hook({"type": "MEMBER", "action": "deleted", "member": member})
    assert ("other_error", "credentials") == tuple(bank.settled()[name] for name in ("link_status", "retry_with"))


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_a_changed_row_is_fetched_though_no_job_ran(bank, is_wrapped):
    row = bank.sandbox.add_transaction(bank.member) | {"member_guid": bank.member, "user_guid": bank.user}
    kind = {"type": "TRANSACTION", "action": "created"}
    bank.hook(kind | ({"transaction": row} if is_wrapped else row))
    assert ROWS + 1 == bank.settled()["transactions_count"]


def test_a_storm_of_webhooks_is_one_look(bank):
    before = bank.reads()["/status"]
    with bank.app.service(HintService) as hints:
        hint = MemberHint(bank.member, bank.user)
        assert [True, False, False] == [hints.take(hint) for _ in range(3)]
    for _ in range(20):
        bank.hook({"type": "AGGREGATION", "member_guid": bank.member})
    work(bank.app)
    assert 1 == bank.reads()["/status"] - before


def test_at_once_they_wake_once(bank):
    answers = []

    def take():
        with bank.app.service(HintService) as hints:
            answers.append(hints.take(MemberHint(bank.member)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [False] * 7 + [True] == sorted(answers)


def test_a_webhook_that_comes_while_the_link_is_looked_at_is_not_lost(bank, atrium_caller):
    bank.hook({"type": "AGGREGATION", "member_guid": bank.member})
    # the row comes after the first reading, and a second webhook tells of it before that reading is written
    turns = itertools.count()
    with bank.app.service(LookService) as looker:
        real = looker.aggregator.read_member_status

        def read(member):
            seen = real(member)
            if not next(turns):
                bank.sandbox.add_transaction(bank.member)
                atrium_caller.call("POST", f"/users/{bank.user}/members/{bank.member}/aggregate")
                bank.hook({"type": "AGGREGATION", "member_guid": bank.member})
            return seen

        looker.aggregator = type("Told", (), {"read_member_status": staticmethod(read)})()
        while not looker.look():
            pass
    assert ROWS + 1 == bank.settled()["transactions_count"]


@pytest.fixture
def quiet(testapp, sandbox):
    """A bank without a server in front: webhooks come by WebTest."""
    sandbox.history(2, 5)
    return Bank(testapp, sandbox)


def test_forged_webhooks_wake_nothing(quiet):
    other = Bank(quiet.app, quiet.sandbox)
    work(quiet.app)
    unknown = "MBR-00000000-0000-0000-0000-000000000000"
    for about in (
        {"member_guid": unknown, "user_guid": quiet.user},
        {"member_guid": quiet.member, "user_guid": other.user},
        {"member_guid": quiet.member, "user_guid": "USR-1"},
        {"member_guid": quiet.user}, {"member_guid": [quiet.member]}, {"member_guid": None}, {"guid": quiet.user},
        {"member_guid": "MBR-" + "a" * 10_000}, {"member_guid": "MBR-\0"}, {"member": quiet.member}, {},
    ):  # fmt: skip
        quiet.hook({"type": "AGGREGATION", "action": "member_data_updated"} | about)
        assert not quiet.is_woken(), about


def test_a_disconnected_link_is_not_woken(quiet):
    quiet.hook({"member_guid": quiet.member})
    assert quiet.is_woken()
    quiet.person.post(f"/linked_accounts/{quiet.link}/disconnect", status=200)
    quiet.hook({"member_guid": quiet.member})
    assert not quiet.is_woken()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"7", b"\xff", b'{"a":NaN}', b"[" * 50_000])
def test_garbage_is_refused_without_harm(quiet, body):
    assert "malformed_json" == send(quiet.app, body, 400).json["code"]
    assert "success" == quiet.person.state(quiet.link)["link_status"]


def test_a_body_has_bounds(quiet):
    body = json.dumps({"member_guid": quiet.member, "more": "x" * 70_000}).encode()
    send(quiet.app, body, 413)
    assert not quiet.is_woken()


@pytest.mark.parametrize(
    "headers",
    [
        {}, basic(USER, "wrong"), basic("other", PASSWORD), basic("", ""), basic(USER, ""), basic(USER, PASSWORD + " "),
        {"Authorization": "Basic"}, {"Authorization": "Basic !"}, {"Authorization": "Basic \xff"},
        {"Authorization": basic()["Authorization"].replace("Basic", "Bearer")},
    ],
)  # fmt: skip
def test_who_does_not_prove_to_be_mx_is_refused_before_anything_is_read(quiet, headers):
    refused = send(quiet.app, b"{", 401, headers)
    assert ("wrong_login", True) == (refused.json["code"], refused.headers["WWW-Authenticate"].startswith("Basic"))


@pytest.mark.parametrize("closed", [{"donkies.hooks.user": ""}, {"donkies.hooks.password": ""}])
def test_without_both_settings_none_are_taken(settings, make_testapp, closed):
    settings |= closed
    app = make_testapp()
    for headers in (
        {},
        basic(),
        basic("", ""),
        basic(settings["donkies.hooks.user"], settings["donkies.hooks.password"]),
    ):
        send(app, b"{}", 404, headers)
