"""Linking a bank over REST: every outcome of the test bank, as polling shows it.

The aggregator is MX Atrium as the sandbox speaks it, over HTTP.
"""

from __future__ import annotations

import json

import pytest
import requests

from donkies.domain import linking
from donkies.domain.limits import Limit
from donkies.testing.links import LOGIN_GUID, PASSWORD_GUID, PersonAtTheApi, login, work


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


HISTORY = 24  # rows; how many there may be is for the tests of downloads
SUCCESS = {"link_status": "success", "link_status_label": "Success", "reason": None, "retry_with": None}
WRONG = {
    "link_status": "wrong_credentials",
    "link_status_label": "Wrong Username/Password",
    "reason": "credentials_rejected",
    "act_by": "user",
    "retry_with": "credentials",
}
CHALLENGED = {"link_status": "challenged", "link_status_label": "Challenged", "retry_with": "challenge"}
BANK_DOWN = {"link_status": "other_error", "link_status_label": "Other Error", "reason": "institution_down"}


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("password", SUCCESS),
        ("challenge", CHALLENGED),
        ("options", CHALLENGED),
        ("token", CHALLENGED),
        ("image", CHALLENGED),
        ("image_options", CHALLENGED),
        ("BAD_REQUEST", BANK_DOWN),
        ("SERVER_ERROR", BANK_DOWN),
        ("UNAVAILABLE", BANK_DOWN),
        ("UNAUTHORIZED", WRONG),
        ("INVALID", WRONG),
        ("DISABLED", WRONG),
        ("LOCKED", {"link_status": "other_error", "reason": "user_action_at_bank", "act_by": "user"}),
    ],
)
def test_each_password_of_the_test_bank_leads_to_its_status(person, password, expected):
    link = person.link(password)
    assert "processing" == person.state(link)["link_status"]
    settled = person.settled(link)
    assert expected == {name: settled[name] for name in expected}


def test_an_unknown_user_name_is_a_wrong_login(person):
    assert "wrong_credentials" == person.settled(person.link(user_name="nobody"))["link_status"]


def test_a_link_shows_exactly_the_documented_fields(person):
    shown = person.state(person.link())
    assert (
        "act_by connection_status created_at duplicate_of id institution_code institution_name is_refreshing "
        "last_attempted_at last_synced link_status link_status_label next_attempt_at poll_after_ms reason retry_with "
        "stale_since transactions_count transactions_status updated_at"
    ).split() == sorted(shown)
    assert 1000 == shown["poll_after_ms"]
    assert "MX Bank" == shown["institution_name"]


def test_success_goes_on_to_the_download_by_itself(person):
    settled = person.settled(person.link())
    assert ("success", "complete", HISTORY) == tuple(
        settled[name] for name in ("link_status", "transactions_status", "transactions_count")
    )
    assert settled["last_synced"].endswith("Z")
    assert settled["next_attempt_at"] > settled["last_synced"]
    assert settled["poll_after_ms"] <= 60_000
    assert HISTORY == len(person.transactions())


def test_a_wrong_password_is_mended_by_putting_new_credentials(person):
    link = person.link("INVALID")
    assert "wrong_credentials" == person.settled(link)["link_status"]
    assert "processing" == person.mend(link, "right").json["link_status"]
    assert "success" == person.settled(link)["link_status"]


def test_the_third_refused_login_is_still_a_wrong_login(person):
    link = person.link("INVALID")
    for _ in range(2):
        person.settled(link)
        person.mend(link, "INVALID")
    settled = person.settled(link)
    assert ("wrong_credentials", "PREVENTED") == (settled["link_status"], settled["connection_status"])
    person.mend(link, "right")
    assert "success" == person.settled(link)["link_status"]


@pytest.mark.parametrize(
    ("password", "kind"),
    [
        ("challenge", "TEXT"),
        ("token", "TOKEN"),
        ("options", "OPTIONS"),
        ("image", "IMAGE_DATA"),
        ("image_options", "IMAGE_OPTIONS"),
    ],
)
def test_a_challenge_of_each_type_is_shown_and_answered(person, password, kind):
    link = person.link(password)
    person.settled(link)
    (asked,) = person.get(f"/linked_accounts/{link}/challenges").json["data"]
    assert {"guid", "type", "label", "options", "image_data", "image_options"} == asked.keys()
    assert kind == asked["type"]
    assert asked["label"]
    assert (kind == "OPTIONS") == bool(asked["options"])
    assert (kind == "IMAGE_DATA") == bool(asked["image_data"])
    if kind == "IMAGE_OPTIONS":
        assert all(one["data_uri"].startswith("data:image/") for one in asked["image_options"])
    assert "processing" == person.answer(link, "correct").json["link_status"]
    assert "success" == person.settled(link)["link_status"]


def test_a_second_round_of_questions_is_asked_and_answered(person):
    link = person.link("two_rounds")
    person.settled(link)
    first = person.get(f"/linked_accounts/{link}/challenges").json["data"]
    person.answer(link, "correct")
    assert "challenged" == person.settled(link)["link_status"]
    second = person.get(f"/linked_accounts/{link}/challenges").json["data"]
    assert first[0]["guid"] != second[0]["guid"]
    person.answer(link, "correct")
    assert "success" == person.settled(link)["link_status"]


def test_a_wrong_answer_asks_for_a_refresh_which_brings_a_new_question(person):
    link = person.link("challenge")
    person.settled(link)
    person.answer(link, "wrong")
    settled = person.settled(link)
    assert ("other_error", "challenge_rejected", "refresh") == tuple(
        settled[name] for name in ("link_status", "reason", "retry_with")
    )
    person.post(f"/linked_accounts/{link}/refresh", status=202)
    assert "challenged" == person.settled(link)["link_status"]
    person.answer(link, "correct")
    assert "success" == person.settled(link)["link_status"]


def test_an_answer_that_comes_too_late_says_so_and_a_refresh_leads_on(person, sandbox):
    link = person.link("challenge")
    person.settled(link)
    sandbox.advance_clock(11 * 60)
    person.answer(link, "correct")
    settled = person.settled(link)
    assert ("other_error", "challenge_expired", "refresh") == tuple(
        settled[name] for name in ("link_status", "reason", "retry_with")
    )
    person.post(f"/linked_accounts/{link}/refresh", status=202)
    assert "challenged" == person.settled(link)["link_status"]


def test_answers_are_checked_against_the_questions_that_were_asked(person):
    link = person.link("options")
    person.settled(link)
    (asked,) = person.get(f"/linked_accounts/{link}/challenges").json["data"]
    bad = [{"guid": asked["guid"], "value": "not offered"}, {"guid": "CRD-other", "value": "x"}]
    answer = person.post(f"/linked_accounts/{link}/challenges", {"answers": bad}, status=422).json
    assert "bad_answers" == answer["code"]
    assert {asked["guid"], "CRD-other"} == {one["field"] for one in answer["errors"]}
    assert "challenged" == person.state(link)["link_status"]


def test_the_wrong_command_is_refused_and_the_right_one_named(person):
    link = person.link("challenge")
    person.settled(link)
    for refused in (
        person.mend(link, "right", status=409),
        person.post(f"/linked_accounts/{link}/refresh", status=409),
        person.post(f"/linked_accounts/{link}/authorize", status=409),
    ):
        assert "illegal_transition" == refused.json["code"]
        assert "challenge" == refused.json["retry_with"]


def test_a_bank_with_its_own_sign_in_is_consented_to_at_its_page(person):
    link = person.post("/linked_accounts", {"institution_code": "mxbank_oauth"}, status=201).json["id"]
    shown = person.settled(link)
    assert ("processing", "bank_sign_in", "bank_sign_in") == tuple(
        shown[name] for name in ("link_status", "reason", "retry_with")
    )
    url = person.post(f"/linked_accounts/{link}/authorize", status=200).json["url"]
    page = requests.post(url, data={"consent": ""}, allow_redirects=False, timeout=5)
    assert page.headers["Location"].startswith("http://localhost/link/return?")
    assert "success" == person.settled(link)["link_status"]
    assert "complete" == person.state(link)["transactions_status"]


@pytest.mark.parametrize("how", ["cancel", None])
def test_a_bank_sign_in_that_is_cancelled_or_abandoned_ends_and_can_be_taken_up(make_testapp, settings, sandbox, how):
    settings["donkies.link.oauth_deadline_s"] = 0.3
    person = PersonAtTheApi(make_testapp())
    link = person.post("/linked_accounts", {"institution_code": "mxbank_oauth"}, status=201).json["id"]
    if how:
        url = person.post(f"/linked_accounts/{link}/authorize", status=200).json["url"]
        requests.post(url, data={how: ""}, allow_redirects=False, timeout=5)
    settled = person.settled(link)
    assert ("other_error", "bank_sign_in_abandoned", "bank_sign_in") == tuple(
        settled[name] for name in ("link_status", "reason", "retry_with")
    )
    url = person.post(f"/linked_accounts/{link}/authorize", status=200).json["url"]
    assert "processing" == person.state(link)["link_status"]
    requests.post(url, data={"consent": ""}, allow_redirects=False, timeout=5)
    assert "success" == person.settled(link)["link_status"]


def test_a_bank_sign_in_whose_member_could_not_be_made_begins_anew(person, sandbox):
    sandbox.fault("status", "/users/*/members", "POST", status=503)
    link = person.post("/linked_accounts", {"institution_code": "mxbank_oauth"}, status=201).json["id"]
    settled = person.settled(link)
    assert ("other_error", "bank_sign_in") == (settled["link_status"], settled["retry_with"])
    assert "aggregator_down" == person.post(f"/linked_accounts/{link}/authorize", status=503).json["code"]
    sandbox.clear_faults()
    person.settled(link)
    url = person.post(f"/linked_accounts/{link}/authorize", status=200).json["url"]
    requests.post(url, data={"consent": ""}, allow_redirects=False, timeout=5)
    assert "success" == person.settled(link)["link_status"]


def test_where_addresses_must_be_verified_nobody_else_links_a_bank(make_testapp, settings, sandbox):
    settings["donkies.link.verified_email_only"] = True
    person = PersonAtTheApi(make_testapp())
    body = {"institution_code": "mxbank", "credentials": login("any")}
    assert "email_unverified" == person.post("/linked_accounts", body, status=403).json["code"]
    with person.app.engine().begin() as connection:
        connection.exec_driver_sql("UPDATE users SET email_verified = true")
    person.post("/linked_accounts", body, status=201)


def test_a_link_whose_mx_call_failed_exists_all_the_same_and_can_be_retried(person, sandbox):
    sandbox.fault("status", "/users/*/members", "POST", status=503)
    link = person.link("right")
    sandbox.clear_faults()
    settled = person.settled(link)
    assert ("other_error", "credentials") == (settled["link_status"], settled["retry_with"])
    assert [link] == [one["id"] for one in person.get("/linked_accounts").json["data"]]
    person.mend(link, "right")
    assert "success" == person.settled(link)["link_status"]


def test_a_member_that_mx_made_though_its_answer_was_lost_is_adopted(person, sandbox):
    sandbox.fault("cut", "/users/*/members", "POST", times=1)
    link = person.link("right")
    assert "success" == person.settled(link)["link_status"]
    assert 1 == len([one for one in sandbox.requests("/users/*/members") if one["method"] == "POST"])


def test_polling_never_calls_mx(person, sandbox):
    link = person.link()
    person.settled(link)
    before = len(sandbox.requests())
    for _ in range(20):
        person.state(link)
        person.get("/linked_accounts")
        person.get("/accounts")
        person.get("/transactions")
    assert before == len(sandbox.requests())


def test_a_poll_that_changed_nothing_answers_not_modified(person):
    link = person.link()
    person.settled(link)
    answer = person.get(f"/linked_accounts/{link}")
    headers = person.headers | {"If-None-Match": answer.headers["ETag"]}
    again = person.app.get(f"/v1/linked_accounts/{link}", headers=headers)
    assert 304 == again.status_int
    assert b"" == again.body


def test_a_refresh_keeps_showing_success_and_brings_what_is_new(person, sandbox):
    link = person.link()
    person.settled(link)
    sandbox.add_transaction(member_of(sandbox), amount=12.34, description="Fresh bread")
    shown = person.post(f"/linked_accounts/{link}/refresh", status=202).json
    assert ("success", True) == (shown["link_status"], shown["is_refreshing"])
    settled = person.settled(link)
    assert ("success", False, HISTORY + 1) == tuple(
        settled[name] for name in ("link_status", "is_refreshing", "transactions_count")
    )
    assert ["12.34"] == [one["amount"] for one in person.transactions(q="fresh bread")]


def test_a_refresh_that_mx_does_not_take_leaves_a_healthy_link_as_it_was(person, sandbox):
    link = person.link()
    before = person.settled(link)
    sandbox.fault("status", "/users/*/members/*/aggregate", status=429, times=1)
    refused = person.post(f"/linked_accounts/{link}/refresh", status=503)
    assert "aggregator_throttled" == refused.json["code"]
    assert int(refused.headers["Retry-After"]) > 0
    after = person.state(link)
    assert ("success", None, False) == (after["link_status"], after["reason"], after["is_refreshing"])
    assert before["last_synced"] == person.settled(link)["last_synced"]


def test_new_credentials_that_are_refused_turn_a_healthy_link_and_keep_its_data(person):
    link = person.link()
    person.settled(link)
    person.mend(link, "INVALID")
    assert "wrong_credentials" == person.settled(link)["link_status"]
    assert HISTORY == len(person.transactions())


def test_the_same_login_again_leads_to_the_link_that_exists(person):
    link = person.link()
    refused = person.post("/linked_accounts", {"institution_code": "mxbank", "credentials": login("any")}, status=409)
    assert ("already_linked", link) == (refused.json["code"], refused.json["linked_account_id"])
    assert [link] == [one["id"] for one in person.get("/linked_accounts").json["data"]]


def test_a_request_sent_twice_with_one_idempotency_key_links_once(person, sandbox):
    body = {"institution_code": "mxbank", "credentials": login("right")}
    first = person.post("/linked_accounts", body, status=201, **{"Idempotency-Key": "k1"}).json["id"]
    again = person.post("/linked_accounts", body, status=201, **{"Idempotency-Key": "k1"}).json["id"]
    assert first == again
    assert 1 == len([one for one in sandbox.requests("/users/*/members") if one["method"] == "POST"])
    other = body | {"institution_code": "mxbank_three_fields"}
    form = person.get("/institutions/mxbank_three_fields/credentials").json["data"]
    other["credentials"] = [{"guid": one["guid"], "value": "test_atrium"} for one in form]
    refused = person.post("/linked_accounts", other, status=409, **{"Idempotency-Key": "k1"})
    assert "idempotency_key_reused" == refused.json["code"]


def test_deleting_a_link_erases_it_here_and_at_mx(person, sandbox):
    link = person.link()
    person.settled(link)
    person.delete(f"/linked_accounts/{link}", status=204)
    person.get(f"/linked_accounts/{link}", expect=404)
    assert [] == person.transactions()
    assert [] == person.get("/accounts").json["data"]
    work(person.app)
    assert 0 == sandbox.overview()["members"]


def test_mx_being_down_does_not_stop_a_delete_which_reaches_it_later(person, sandbox, testapp):
    link = person.link()
    person.settled(link)
    sandbox.fault("status", "/users/*/members/*", "DELETE", status=503)
    person.delete(f"/linked_accounts/{link}", status=204)
    work(person.app)
    assert 1 == sandbox.overview()["members"]
    sandbox.clear_faults()
    with testapp.engine().begin() as connection:
        connection.exec_driver_sql("UPDATE member_removals SET due_at = created_at")
    work(person.app)
    assert 0 == sandbox.overview()["members"]


def test_disconnecting_keeps_the_history_and_deletes_the_member(person, sandbox):
    link = person.link()
    person.settled(link)
    shown = person.post(f"/linked_accounts/{link}/disconnect", status=200).json
    assert ("other_error", "disconnected") == (shown["link_status"], shown["reason"])
    work(person.app)
    assert 0 == sandbox.overview()["members"]
    assert HISTORY == len(person.transactions())
    person.post(f"/linked_accounts/{link}/refresh", status=409)


def test_credentials_that_do_not_fit_the_form_are_all_named_and_nothing_is_linked(person, sandbox):
    typed = [{"guid": LOGIN_GUID, "value": ""}, {"guid": "CRD-unknown", "value": "canary-value"}]
    answer = person.post("/linked_accounts", {"institution_code": "mxbank", "credentials": typed}, status=422)
    assert {LOGIN_GUID, PASSWORD_GUID, "CRD-unknown"} == {one["field"] for one in answer.json["errors"]}
    assert "canary-value" not in answer.text
    assert [] == person.get("/linked_accounts").json["data"]


def test_an_unknown_institution_is_said_and_nothing_is_linked(person):
    answer = person.post("/linked_accounts", {"institution_code": "nowhere", "credentials": login("x")}, status=404)
    assert "unknown_institution" == answer.json["code"]
    assert [] == person.get("/linked_accounts").json["data"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("PUT", "/credentials"),
        ("GET", "/challenges"),
        ("POST", "/challenges"),
        ("POST", "/refresh"),
        ("POST", "/disconnect"),
        ("POST", "/authorize"),
    ],
)
def test_somebody_elses_link_is_not_there(testapp, sandbox, method, path):
    owner, stranger = PersonAtTheApi(testapp), PersonAtTheApi(testapp)
    link = owner.link("challenge")
    owner.settled(link)
    bodies = {
        "/credentials": {"credentials": login("x")},
        "/challenges": {"answers": [{"guid": "CRD-1", "value": "correct"}]},
    }
    answer = testapp.request(
        f"/v1/linked_accounts/{link}{path}",
        method=method,
        headers=stranger.headers,
        **(json_request(bodies[path]) if method in ("PUT", "POST") and path in bodies else {}),
        status=404,
    )
    assert "not_found" == answer.json["code"]
    assert "challenged" == owner.state(link)["link_status"]


def json_request(body):
    return {"body": json.dumps(body).encode(), "content_type": "application/json"}


def member_of(sandbox) -> str:
    """The guid of the only member there is, from the paths that were asked for."""
    paths = [one["path"] for one in sandbox.requests("/users/*/members/*/status")]
    guids = {path.split("/")[5] for path in paths}
    (guid,) = guids
    return guid


def test_a_refresh_may_be_asked_for_so_often_an_hour_and_one_that_runs_does_not_count(person, monkeypatch):
    monkeypatch.setattr(linking, "REFRESHES_OF_LINK", Limit("link-refresh", 2, 3600))
    link = person.link()
    person.settled(link)
    for _ in range(2):
        for _ in range(3):
            person.post(f"/linked_accounts/{link}/refresh", status=202)
        person.settled(link)
    refused = person.post(f"/linked_accounts/{link}/refresh", status=429)
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert "success" == person.state(link)["link_status"]
