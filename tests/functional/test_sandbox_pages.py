"""The sandbox's pages: what it is, the bank's consent, the Connect widget. Source: ATRIUM.md 2.9, 6.4, 7."""

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

TIMEOUT_S = 10


def test_the_first_page_says_what_to_type_and_where(sandbox):
    page = requests.get(f"{sandbox.url}/", timeout=TIMEOUT_S)
    assert "text/html; charset=utf-8" == page.headers["Content-Type"]
    for text in ("test_atrium", "two_rounds", "mxbank_oauth", "Thistledown Savings Bank", 'href="/_sandbox"'):
        assert text in page.text


# -- the bank's own sign-in


def begin(caller, **more):
    user = caller.new_user()
    body = {"institution_code": "mxbank_oauth", "is_oauth": True, **more}
    member = caller.call("POST", f"/users/{user}/members", {"member": body}).json()["member"]
    return user, member


def press(url, button):
    return requests.post(url, data={button: button}, allow_redirects=False, timeout=TIMEOUT_S)


def test_consent_sends_the_person_back_and_starts_the_job(atrium_caller):
    back = "http://localhost:1/link/return?link=7"
    user, member = begin(atrium_caller, client_redirect_url=back)
    assert ("PENDING", False, True) == (
        member["connection_status"],
        member["is_being_aggregated"],
        member["is_oauth"],
    )
    page = requests.get(member["oauth_window_uri"], timeout=TIMEOUT_S)
    for button in ("consent", "cancel"):
        assert re.search(rf'<button[^>]*name="{button}" value="{button}"', page.text)
    assert "PENDING" == atrium_caller.status(user, member["guid"])["connection_status"]
    answer = press(member["oauth_window_uri"], "consent")
    assert 303 == answer.status_code
    went = urlsplit(answer.headers["Location"])
    assert {"link": ["7"], "status": ["success"], "member_guid": [member["guid"]]} == parse_qs(went.query)
    assert "CONNECTED" == atrium_caller.status(user, member["guid"])["connection_status"]
    shown = atrium_caller.get(f"/users/{user}/members/{member['guid']}")["member"]
    assert shown["oauth_window_uri"] is None
    assert 910 == atrium_caller.get(f"/users/{user}/transactions")["pagination"]["total_entries"]


def test_cancelling_leaves_the_member_pending_and_a_new_address_can_be_had(atrium_caller):
    user, member = begin(atrium_caller, client_redirect_url="http://localhost:1/back")
    answer = press(member["oauth_window_uri"], "cancel")
    expected = f"http://localhost:1/back?status=error&member_guid={member['guid']}"
    assert (303, expected) == (answer.status_code, answer.headers["Location"])
    assert "PENDING" == atrium_caller.status(user, member["guid"])["connection_status"]
    fresh = atrium_caller.get(f"/users/{user}/members/{member['guid']}/oauth_window_uri")["member"]
    assert ["guid", "oauth_window_uri"] == sorted(fresh)
    assert fresh["oauth_window_uri"] != member["oauth_window_uri"]
    done = press(fresh["oauth_window_uri"], "consent")
    assert done.status_code == 303
    assert "CONNECTED" == atrium_caller.status(user, member["guid"])["connection_status"]


def test_an_address_works_once(atrium_caller, sandbox):
    _, member = begin(atrium_caller)
    done = press(member["oauth_window_uri"], "consent")
    assert 200 == done.status_code
    assert "close this window" in done.text
    for again in (press(member["oauth_window_uri"], "consent"), press(f"{sandbox.url}/oauth/unknown", "cancel")):
        assert 404 == again.status_code
        assert "does not work any more" in again.text
    assert 404 == requests.get(member["oauth_window_uri"], timeout=TIMEOUT_S).status_code


def test_a_plain_form_may_name_the_button_otherwise(atrium_caller):
    user, member = begin(atrium_caller)
    requests.post(member["oauth_window_uri"], data={"action": "consent"}, timeout=TIMEOUT_S)
    assert "CONNECTED" == atrium_caller.status(user, member["guid"])["connection_status"]
    _, other = begin(atrium_caller)
    assert 400 == requests.post(other["oauth_window_uri"], data={}, timeout=TIMEOUT_S).status_code


def test_an_app_is_gone_back_to_by_its_scheme(atrium_caller):
    _, member = begin(atrium_caller, referral_source="APP", ui_message_webview_url_scheme="myapp")
    answer = press(member["oauth_window_uri"], "consent")
    assert answer.headers["Location"].startswith("myapp://oauth_complete?status=success&")


# -- the widget


def widget_url(caller, user, **body):
    answer = caller.call("POST", f"/users/{user}/connect_widget_url", body).json()["user"]
    assert user == answer["guid"]
    return answer["connect_widget_url"]


def test_the_widgets_address_works_once(atrium_caller):
    user = atrium_caller.new_user()
    url = widget_url(atrium_caller, user, current_institution_code="mxbank", ui_message_version=4)
    page = requests.get(url, timeout=TIMEOUT_S)
    assert 200 == page.status_code
    assert "mx/connect/memberConnected" in page.text
    again = requests.get(url, timeout=TIMEOUT_S)
    assert 404 == again.status_code
    assert "does not work any more" in again.text


@pytest.mark.parametrize(("seconds", "status"), [(599, 200), (600, 404)])
def test_the_widgets_address_works_for_ten_minutes(atrium_caller, sandbox, seconds, status):
    url = widget_url(atrium_caller, atrium_caller.new_user())
    sandbox.advance_clock(seconds)
    assert status == requests.get(url, timeout=TIMEOUT_S).status_code


def test_the_widget_links_a_bank_for_its_own_user_only(atrium_caller, sandbox):
    user = atrium_caller.new_user()
    page = requests.get(widget_url(atrium_caller, user), timeout=TIMEOUT_S).text
    settings = json.loads(re.search(r"const settings = (\{.*?\});\n", page)[1])
    inside = f"{sandbox.url}/connect/{settings['session']}/api"
    body = {"institution_code": "mxbank", "credentials": atrium_caller.credentials("mxbank", "test_atrium", "x")}
    made = requests.post(f"{inside}/members", json={"member": body}, timeout=TIMEOUT_S).json()["member"]
    assert user == made["user_guid"]
    status = requests.get(f"{inside}/members/{made['guid']}/status", timeout=TIMEOUT_S).json()["member"]
    assert "CONNECTED" == status["connection_status"]
    _, stranger = atrium_caller.linked()
    assert 404 == requests.get(f"{inside}/members/{stranger}/status", timeout=TIMEOUT_S).status_code
    wrong = f"{sandbox.url}/connect/unknown/api/institutions"
    assert 404 == requests.get(wrong, timeout=TIMEOUT_S).status_code
