"""The same bank login linked twice, where MX does not see it: recognised once its accounts are known (DESIGN 6)."""

from __future__ import annotations

import threading
import time

import pytest
import requests
import svcs

from donkies.domain.downloading import DownloadService
from donkies.domain.following import LookService
from donkies.testing.app import PASSWORD, log_in, make_person, sign_in
from donkies.testing.links import PersonAtTheApi, login, work

HISTORY = 24


@pytest.fixture
def settings(settings, sandbox_server):
    return settings | {
        "donkies.aggregator": "atrium",
        "donkies.atrium.url": sandbox_server.atrium_url,
        "donkies.link.look_s": 0.02,
        "donkies.sync.retry_s": 0.02,
    }


@pytest.fixture
def person(testapp, sandbox) -> PersonAtTheApi:
    sandbox.history(HISTORY, 60)
    return PersonAtTheApi(testapp)


def consented(person):
    """A link of the bank with its own sign-in, where its person has been; nothing was looked at since."""
    link = begun(person)
    work(person.app)
    consent(person, link)
    return link


def begun(person):
    return person.post("/linked_accounts", {"institution_code": "mxbank_oauth"}, status=201).json["id"]


def consent(person, link):
    url = person.post(f"/linked_accounts/{link}/authorize", status=200).json["url"]
    requests.post(url, data={"consent": ""}, allow_redirects=False, timeout=5)


def members(sandbox):
    return sandbox.overview()["members"]


def accounts(person):
    return person.get("/accounts", expect=200).json["data"]


def pointer(person, second, first):
    shown = person.settled(second)
    assert ("success", "already_linked", first) == (shown["link_status"], shown["reason"], shown["duplicate_of"])
    assert (None, None, None, 0) == tuple(
        shown[name] for name in ("act_by", "retry_with", "transactions_status", "transactions_count")
    )
    assert shown["poll_after_ms"] >= 10_000, "there is nothing to wait for"


def test_a_second_consent_of_the_same_customer_points_to_the_first(person, sandbox):
    first = consented(person)
    assert "complete" == person.settled(first)["transactions_status"]
    second = consented(person)
    pointer(person, second, first)
    assert {first} == {one["linked_account_id"] for one in accounts(person)}
    assert HISTORY == len(person.transactions()), "nothing is counted twice"
    assert 1 == members(sandbox), "its member is deleted at MX"
    assert person.state(first)["duplicate_of"] is None
    assert "complete" == person.settled(first)["transactions_status"]


def test_the_same_login_in_another_spelling_points_to_the_first(person, sandbox):
    first = person.link()
    person.settled(first)
    pointer(person, person.link(user_name="Test_Atrium"), first)
    assert (1, HISTORY) == (members(sandbox), len(person.transactions()))


def test_another_customer_of_the_same_bank_and_another_person_are_no_duplicates(person, testapp, sandbox):
    first = person.link()
    person.settled(first)
    others = person.settled(person.link(user_name="mxuser"))
    assert (None, "complete") == (others["duplicate_of"], others["transactions_status"])
    somebody = PersonAtTheApi(testapp, sign_in(testapp))
    theirs = somebody.settled(somebody.link(user_name="Test_Atrium"))
    assert (None, "complete") == (theirs["duplicate_of"], theirs["transactions_status"])
    assert 3 == members(sandbox)


def test_accounts_without_numbers_are_never_taken_for_the_same(person, sandbox):
    sandbox.fault("null_fields", "/users/*/members/*/accounts", "GET")
    first, second = consented(person), consented(person)
    for link in (first, second):
        shown = person.settled(link)
        assert (None, "complete") == (shown["duplicate_of"], shown["transactions_status"])
    assert {None} == {one["masked_number"] for one in accounts(person)}
    assert {first, second} == {one["linked_account_id"] for one in accounts(person)}
    assert 2 * HISTORY == len(person.transactions())


def test_of_two_at_once_one_lives_and_one_points_to_it(person, sandbox):
    links = [begun(person), begun(person)]
    work(person.app)
    for link in links:
        consent(person, link)
    both_have_read = threading.Barrier(2, timeout=20)

    class AtOnce:
        """Both workers have read their accounts before either writes."""

        def __init__(self, inner):
            self._inner = inner

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def list_accounts(self, member):
            found = self._inner.list_accounts(member)
            both_have_read.wait()
            return found

    def download(link):
        with svcs.Container(person.app.svcs) as container:
            service = container.get(DownloadService)
            service.aggregator = AtOnce(service.aggregator)
            due = [one for one in service.due() if str(one[1]) == link]
            for one in due:
                service.run(*one)

    end = time.monotonic() + 20
    with svcs.Container(person.app.svcs) as container:
        while [person.state(one)["link_status"] for one in links] != ["success"] * 2:
            assert time.monotonic() < end
            container.get(LookService).look()
    threads = [threading.Thread(target=download, args=(one,)) for one in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    shown = [person.settled(one) for one in links]
    (lives,) = [one for one in shown if one["duplicate_of"] is None]
    (points,) = [one for one in shown if one["duplicate_of"] is not None]
    assert (lives["id"], "already_linked") == (points["duplicate_of"], points["reason"])
    assert ("complete", HISTORY) == (lives["transactions_status"], len(person.transactions()))
    assert {lives["id"]} == {one["linked_account_id"] for one in accounts(person)}
    assert 1 == members(sandbox)


def test_what_is_asked_of_the_second_is_refused_and_names_the_first(person, sandbox):
    first = person.link()
    person.settled(first)
    second = person.link(user_name="Test_Atrium")
    pointer(person, second, first)
    asked = len(sandbox.requests())
    for refused in (
        person.mend(second, "any", status=409),
        person.post(f"/linked_accounts/{second}/refresh", status=409),
        person.post(f"/linked_accounts/{second}/authorize", status=409),
        person.post(
            f"/linked_accounts/{second}/challenges", {"answers": [{"guid": "CRD-1", "value": "x"}]}, status=409
        ),
    ):
        assert ("already_linked", first) == (refused.json["code"], refused.json["linked_account_id"])
    assert asked == len(sandbox.requests())


def test_the_first_that_is_broken_stays_beside_a_second_that_works(person, sandbox):
    first = person.link()
    person.settled(first)
    person.mend(first, "INVALID")
    assert "wrong_credentials" == person.settled(first)["link_status"]
    second = person.settled(person.link(user_name="Test_Atrium"))
    assert (None, "complete") == (second["duplicate_of"], second["transactions_status"])


def test_deleting_the_first_deletes_the_pointer_and_the_bank_can_be_linked_anew(person, sandbox):
    first = consented(person)
    person.settled(first)
    second = consented(person)
    pointer(person, second, first)
    person.delete(f"/linked_accounts/{first}", status=204)
    work(person.app)
    assert ([], 0) == (person.get("/linked_accounts").json["data"], members(sandbox))
    person.get(f"/linked_accounts/{second}", expect=404)
    assert "complete" == person.settled(consented(person))["transactions_status"]


def test_a_pointer_can_be_deleted_and_the_first_does_not_mind(person, sandbox):
    first = consented(person)
    person.settled(first)
    second = consented(person)
    pointer(person, second, first)
    person.delete(f"/linked_accounts/{second}", status=204)
    assert "complete" == person.settled(first)["transactions_status"]
    assert (1, HISTORY) == (members(sandbox), len(person.transactions()))


def test_the_account_page_shows_the_bank_once(testapp, sandbox):
    somebody = make_person(testapp, password=PASSWORD)
    person = PersonAtTheApi(testapp, sign_in(testapp, person=somebody))
    first = person.link()
    person.settled(first)
    pointer(person, person.link(user_name="Test_Atrium"), first)
    log_in(testapp, somebody)
    shown = testapp.get("/account", status=200).text
    assert 1 == shown.count("/account/banks/")
    assert f"/account/banks/{first}/delete" in shown


def test_mx_that_fails_to_delete_the_member_is_asked_until_it_does(person, sandbox):
    first = consented(person)
    person.settled(first)
    sandbox.fault("status", "/users/*/members/*", "DELETE", status=503, times=1)
    second = consented(person)
    pointer(person, second, first)
    person.app.engine().dispose()
    with person.app.engine().begin() as connection:
        connection.exec_driver_sql("UPDATE member_removals SET due_at = created_at")
    work(person.app)
    assert 1 == members(sandbox)


def test_the_login_that_mx_knows_leads_to_the_healthy_link_not_to_the_newest(person, sandbox):
    first = person.link()
    person.settled(first)
    wrong = person.link(user_name="nobody")
    assert "wrong_credentials" == person.settled(wrong)["link_status"]
    refused = person.post("/linked_accounts", {"institution_code": "mxbank", "credentials": login("any")}, status=409)
    assert ("already_linked", first) == (refused.json["code"], refused.json["linked_account_id"])
    assert [first, wrong] == refused.json["linked_account_ids"]
