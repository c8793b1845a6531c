"""Users, institutions and members as MX's wire shows them. Source: ATRIUM.md 2, 3, 4, 8.1."""

import pytest
import requests

# -- transport


@pytest.mark.parametrize("missing", ["MX-API-Key", "MX-Client-ID"])
def test_a_request_without_a_key_or_client_id_is_refused(atrium_caller, missing):
    answer = atrium_caller.call("GET", "/users", headers={missing: None})
    assert 401 == answer.status_code
    assert "message" in answer.json()["error"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/vnd.mx.atrium.v1+json", 200),
        ("*/*", 200),
        ("application/json", 200),
        ("application/vnd.mx.atrium.v1+jsn", 200),
        ("application/vnd.mx.atrium.v2+json", 406),
        ("application/vnd.mx.api.v1+json", 406),
    ],
)
def test_only_another_version_is_not_acceptable(atrium_caller, accept, status):
    assert status == atrium_caller.call("GET", "/users", headers={"Accept": accept}).status_code


def test_answers_bear_mxs_content_type_and_a_request_id(atrium_caller):
    answer = atrium_caller.call("GET", "/users")
    assert "application/vnd.mx.atrium.v1+json; charset=utf-8" == answer.headers["Content-Type"]
    assert 32 == len(answer.headers["X-Request-Id"])


@pytest.mark.parametrize("path", ["/nowhere", "/users/USR-0", "/users/USR-0/members", "/institutions/no_such_bank"])
def test_what_is_not_there_is_404(atrium_caller, path):
    assert 404 == atrium_caller.call("GET", path).status_code


def test_a_body_that_is_no_json_is_refused_without_quoting_it(atrium_caller):
    answer = atrium_caller.call("POST", "/users", data="{ secret-text", headers={"Content-Type": "application/json"})
    assert 400 == answer.status_code
    assert "secret-text" not in answer.text


# -- users


def test_a_user_is_made_changed_and_deleted(atrium_caller):
    made = atrium_caller.call("POST", "/users", {"user": {"identifier": "u-1", "metadata": "{}"}})
    assert 200 == made.status_code
    user = made.json()["user"]
    assert {"guid": user["guid"], "identifier": "u-1", "is_disabled": False, "metadata": "{}"} == user
    changed = atrium_caller.call("PUT", f"/users/{user['guid']}", {"user": {"is_disabled": True}}).json()["user"]
    assert (True, "{}") == (changed["is_disabled"], changed["metadata"])
    assert 204 == atrium_caller.call("DELETE", f"/users/{user['guid']}").status_code
    assert 404 == atrium_caller.call("GET", f"/users/{user['guid']}").status_code


def test_an_identifier_can_be_used_once(atrium_caller):
    atrium_caller.new_user("twice")
    assert 409 == atrium_caller.call("POST", "/users", {"user": {"identifier": "twice"}}).status_code


@pytest.mark.parametrize("body", [{}, {"user": {}}, {"user": "text"}, {"user": {"metadata": {"a": 1}}}])
def test_a_user_that_says_nothing_is_refused(atrium_caller, body):
    assert 400 == atrium_caller.call("POST", "/users", body).status_code


def test_an_empty_list_has_one_page(atrium_caller):
    expected = {"current_page": 1, "per_page": 25, "total_entries": 0, "total_pages": 1}
    assert expected == atrium_caller.get("/users")["pagination"]


# -- institutions


def test_institutions_are_found_by_part_of_their_name(atrium_caller):
    found = atrium_caller.get("/institutions", name="mX bAnK")["institutions"]
    codes = [institution["code"] for institution in found]
    assert ["mxbank", "mxbank_throttled", "mxbank_down", "mxbank_three_fields", "mxbank_oauth"] == codes


def test_there_are_a_hundred_more_institutions_to_page_through(atrium_caller):
    first = atrium_caller.get("/institutions")
    assert {"current_page": 1, "per_page": 25, "total_entries": 105, "total_pages": 5} == first["pagination"]
    last = atrium_caller.get("/institutions", page=2, records_per_page=100)
    assert 5 == len(last["institutions"])
    over = atrium_caller.get("/institutions", records_per_page=101)
    assert 25 == over["pagination"]["per_page"]


def test_institutions_are_filtered_by_what_they_support(atrium_caller):
    found = atrium_caller.get("/institutions", supports_account_verification="true")["institutions"]
    assert ["mxbank"] == [institution["code"] for institution in found]


def test_the_test_bank_has_mxs_own_credential_guids(atrium_caller):
    form = atrium_caller.get("/institutions/mxbank/credentials")
    assert "pagination" not in form
    first, second = form["credentials"]
    assert "CRD-9f61fb4c-912c-bd1e-b175-ccc7f0275cc1" == first["guid"]
    assert ("LOGIN", "Username", "LOGIN", 1) == (
        first["field_name"],
        first["label"],
        first["type"],
        first["display_order"],
    )
    assert "CRD-e3d7ea81-aac7-05e9-fbdd-4b493c6e474d" == second["guid"]


def test_logos_can_be_loaded(atrium_caller):
    institution = atrium_caller.get("/institutions/mxbank")["institution"]
    for name, side in (("small_logo_url", 50), ("medium_logo_url", 100)):
        logo = requests.get(institution[name], timeout=10)
        assert "image/png" == logo.headers["Content-Type"]
        assert (side, side) == size_of_png(logo.content)


def test_some_banks_have_no_logo_and_one_has_a_page_that_calls_itself_a_picture(atrium_caller):
    bare = atrium_caller.get("/institutions/mxbank_three_fields")["institution"]
    assert (None, None) == (bare["small_logo_url"], bare["medium_logo_url"])
    broken = requests.get(
        atrium_caller.get("/institutions/zephyr_cove_community_bank")["institution"]["medium_logo_url"], timeout=10
    )
    assert ("image/png", True) == (broken.headers["Content-Type"], broken.content.startswith(b"<!doctype html>"))


def test_faults_strike_the_host_of_the_logos_too(atrium_caller, sandbox):
    sandbox.fault("status", "/logos/*", status=503, times=1)
    address = atrium_caller.get("/institutions/mxbank")["institution"]["medium_logo_url"]
    assert [503, 200] == [requests.get(address, timeout=10).status_code for _ in range(2)]


def size_of_png(png):
    assert b"\x89PNG\r\n\x1a\n" == png[:8]
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


# -- outcomes by password


@pytest.mark.parametrize(
    ("password", "connection_status", "status"),
    [
        ("anything", "CONNECTED", "COMPLETED"),
        ("BAD_REQUEST", "FAILED", "HALTED"),
        ("UNAUTHORIZED", "DENIED", "DENIED"),
        ("INVALID", "DENIED", "DENIED"),
        ("LOCKED", "LOCKED", "DENIED"),
        ("DISABLED", "DENIED", "DENIED"),
        ("SERVER_ERROR", "FAILED", "HALTED"),
        ("UNAVAILABLE", "FAILED", "HALTED"),
        ("challenge", "CHALLENGED", "CHALLENGED"),
        ("options", "CHALLENGED", "CHALLENGED"),
    ],
)
def test_the_password_decides_the_outcome(atrium_caller, password, connection_status, status):
    user, member = atrium_caller.linked(password)
    seen = atrium_caller.status(user, member)
    assert (connection_status, status) == (seen["connection_status"], seen["status"])
    is_connected = connection_status == "CONNECTED"
    assert is_connected == seen["is_authenticated"]
    assert is_connected == seen["has_processed_transactions"]
    assert is_connected == (seen["successfully_aggregated_at"] is not None)
    assert (connection_status == "CHALLENGED") == seen["is_being_aggregated"]


@pytest.mark.parametrize(("login", "expected"), [("mxuser", "CONNECTED"), ("somebody", "DENIED")])
def test_only_the_test_banks_user_names_are_let_in(atrium_caller, login, expected):
    user, member = atrium_caller.linked(login=login)
    assert expected == atrium_caller.status(user, member)["connection_status"]


def test_a_member_shows_as_created_first(atrium_caller):
    user = atrium_caller.new_user()
    made = atrium_caller.link(user)
    assert 200 == made.status_code
    member = made.json()["member"]
    assert ("CREATED", "INITIATED", True) == (
        member["connection_status"],
        member["status"],
        member["is_being_aggregated"],
    )
    assert (None, None, None) == (
        member["successfully_aggregated_at"],
        member["identifier"],
        member["oauth_window_uri"],
    )


def test_a_refused_login_is_mended_by_new_credentials(atrium_caller):
    user, member = atrium_caller.linked("INVALID")
    body = {"member": {"credentials": atrium_caller.credentials("mxbank", "test_atrium", "better")}}
    changed = atrium_caller.call("PUT", f"/users/{user}/members/{member}", body).json()["member"]
    assert ("UPDATED", True) == (changed["connection_status"], changed["is_being_aggregated"])
    assert "CONNECTED" == atrium_caller.status(user, member)["connection_status"]


def test_the_third_refusal_in_a_row_prevents(atrium_caller):
    user, member = atrium_caller.linked("INVALID")
    path = f"/users/{user}/members/{member}"
    seen = []
    for _ in range(3):
        seen.append(atrium_caller.status(user, member)["connection_status"])
        atrium_caller.call("POST", f"{path}/aggregate")
    assert ["DENIED", "DENIED", "PREVENTED"] == seen
    assert not atrium_caller.status(user, member)["is_being_aggregated"]
    body = {"member": {"credentials": atrium_caller.credentials("mxbank", "test_atrium", "better")}}
    atrium_caller.call("PUT", path, body)
    assert "CONNECTED" == atrium_caller.status(user, member)["connection_status"]


def test_a_bank_that_is_down_fails_every_job(atrium_caller):
    user, member = atrium_caller.linked(institution="mxbank_down")
    seen = atrium_caller.status(user, member)
    assert ("FAILED", "HALTED", False) == (seen["connection_status"], seen["status"], seen["is_being_aggregated"])


def test_a_login_that_leaves_a_field_out_is_impaired(atrium_caller):
    form = atrium_caller.get("/institutions/mxbank_three_fields/credentials")["credentials"]
    assert ["LOGIN", "PASSWORD", "TEXT"] == [field["type"] for field in form]
    user, member = atrium_caller.linked(institution="mxbank_three_fields")
    assert "IMPAIRED" == atrium_caller.status(user, member)["connection_status"]
    full = atrium_caller.credentials("mxbank_three_fields", "test_atrium", "any", "12345")
    atrium_caller.call("PUT", f"/users/{user}/members/{member}", {"member": {"credentials": full}})
    assert "CONNECTED" == atrium_caller.status(user, member)["connection_status"]


# -- jobs


def test_a_job_goes_through_mxs_steps(atrium_caller, sandbox):
    sandbox.mode(job_s=100)
    user = atrium_caller.new_user()
    member = atrium_caller.link(user).json()["member"]["guid"]
    seen = []
    for _ in range(11):
        read = atrium_caller.status(user, member)
        steps = ("is_authenticated", "has_processed_accounts", "has_processed_transactions")
        accounts = atrium_caller.get(f"/users/{user}/members/{member}/accounts")["pagination"]["total_entries"]
        rows = atrium_caller.get(f"/users/{user}/members/{member}/transactions")["pagination"]["total_entries"]
        state = (read["connection_status"], read["status"], sum(read[s] for s in steps), accounts, rows)
        if not seen or seen[-1] != state:
            seen.append(state)
        sandbox.advance_clock(10)
    assert [
        ("CREATED", "INITIATED", 0, 0, 0),
        ("CREATED", "REQUESTED", 0, 0, 0),
        ("CONNECTED", "AUTHENTICATED", 1, 0, 0),
        ("CONNECTED", "TRANSFERRED", 2, 6, 0),
        ("CONNECTED", "PROCESSED", 3, 6, 910),
        ("CONNECTED", "COMPLETED", 3, 6, 910),
    ] == seen
    assert not atrium_caller.status(user, member)["is_being_aggregated"]


def test_aggregating_a_connected_member_keeps_it_connected(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    before = atrium_caller.status(user, member)
    sandbox.mode(job_s=100)
    started = atrium_caller.call("POST", f"/users/{user}/members/{member}/aggregate")
    assert 200 == started.status_code
    running = atrium_caller.status(user, member)
    assert ("CONNECTED", "INITIATED", True) == (
        running["connection_status"],
        running["status"],
        running["is_being_aggregated"],
    )
    assert (False, False) == (running["is_authenticated"], running["has_processed_transactions"])
    assert before["successfully_aggregated_at"] == running["successfully_aggregated_at"]
    assert 910 == atrium_caller.get(f"/users/{user}/transactions")["pagination"]["total_entries"]


def test_aggregate_and_resume_can_answer_202_without_a_body(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    sandbox.mode(empty_202=True)
    answer = atrium_caller.call("POST", f"/users/{user}/members/{member}/aggregate")
    assert (202, b"") == (answer.status_code, answer.content)


def test_a_throttled_bank_starts_nothing_for_three_hours(atrium_caller, sandbox):
    user, member = atrium_caller.linked(institution="mxbank_throttled")
    path = f"/users/{user}/members/{member}/aggregate"
    sandbox.advance_clock(3 * 3600 - 60)
    throttled = atrium_caller.call("POST", path)
    assert 200 == throttled.status_code
    assert ("COMPLETED", False) == (
        throttled.json()["member"]["status"],
        throttled.json()["member"]["is_being_aggregated"],
    )
    sandbox.advance_clock(61)
    assert atrium_caller.call("POST", path).json()["member"]["is_being_aggregated"]


def test_skipping_aggregation_starts_no_job(atrium_caller):
    user = atrium_caller.new_user()
    body = {
        "institution_code": "mxbank",
        "skip_aggregation": True,
        "credentials": atrium_caller.credentials("mxbank", "test_atrium", "any"),
    }
    made = atrium_caller.call("POST", f"/users/{user}/members", {"member": body}).json()["member"]
    seen = atrium_caller.status(user, made["guid"])
    assert ("CREATED", False, None) == (seen["connection_status"], seen["is_being_aggregated"], seen["aggregated_at"])


def test_jobs_that_must_be_bought_are_refused(atrium_caller):
    user, member = atrium_caller.linked()
    assert 403 == atrium_caller.call("POST", f"/users/{user}/members/{member}/verify").status_code


# -- members


def test_a_login_can_be_linked_once_at_an_institution(atrium_caller):
    user = atrium_caller.new_user()
    assert 200 == atrium_caller.link(user).status_code
    assert 409 == atrium_caller.link(user, "other password").status_code
    assert 200 == atrium_caller.link(user, login="mxuser").status_code
    assert 200 == atrium_caller.link(user, institution="mxbank_throttled").status_code
    assert 200 == atrium_caller.link(atrium_caller.new_user()).status_code


def test_a_deleted_member_is_gone_and_can_be_made_again(atrium_caller):
    user, member = atrium_caller.linked()
    assert 204 == atrium_caller.call("DELETE", f"/users/{user}/members/{member}").status_code
    for path in ("", "/status", "/accounts", "/transactions"):
        assert 404 == atrium_caller.call("GET", f"/users/{user}/members/{member}{path}").status_code
    assert 0 == atrium_caller.get(f"/users/{user}/transactions")["pagination"]["total_entries"]
    assert 200 == atrium_caller.link(user).status_code


def test_ghosts_of_a_deleted_member_can_stay_in_user_wide_lists(atrium_caller, sandbox):
    user, member = atrium_caller.linked()
    sandbox.mode(ghosts_s=45)
    atrium_caller.call("DELETE", f"/users/{user}/members/{member}")
    assert 404 == atrium_caller.call("GET", f"/users/{user}/members/{member}").status_code
    assert 910 == atrium_caller.get(f"/users/{user}/transactions")["pagination"]["total_entries"]
    sandbox.advance_clock(46)
    assert 0 == atrium_caller.get(f"/users/{user}/transactions")["pagination"]["total_entries"]


def test_the_twenty_sixth_member_is_refused(atrium_caller):
    user = atrium_caller.new_user()
    for n in range(25):
        assert 200 == atrium_caller.link(user, login=f"login-{n}").status_code
    assert 405 == atrium_caller.link(user, login="login-25").status_code


def test_somebody_elses_member_is_not_found(atrium_caller):
    _, member = atrium_caller.linked()
    stranger = atrium_caller.new_user()
    assert 404 == atrium_caller.call("GET", f"/users/{stranger}/members/{member}/status").status_code


@pytest.mark.parametrize(
    ("member", "status"),
    [
        ({}, 400),
        ({"institution_code": "mxbank"}, 400),
        ({"institution_code": "no_such_bank", "credentials": []}, 404),
        ({"institution_code": "mxbank", "credentials": [{"guid": "CRD-0", "value": "x"}]}, 400),
        ({"institution_code": "mxbank", "is_oauth": True}, 400),
    ],
)
def test_a_member_that_makes_no_sense_is_refused(atrium_caller, member, status):
    user = atrium_caller.new_user()
    assert status == atrium_caller.call("POST", f"/users/{user}/members", {"member": member}).status_code


def test_a_members_own_form_shows_no_values(atrium_caller):
    user, member = atrium_caller.linked()
    form = atrium_caller.get(f"/users/{user}/members/{member}/credentials")["credentials"]
    assert atrium_caller.get("/institutions/mxbank/credentials")["credentials"] == form


def test_the_words_of_2016_leave_the_newer_fields_out(atrium_caller, sandbox):
    sandbox.mode(vocabulary="2016")
    user, member = atrium_caller.linked()
    for shown in (
        atrium_caller.get(f"/users/{user}/members/{member}")["member"],
        atrium_caller.status(user, member),
    ):
        assert "COMPLETED" == shown["status"]
        assert not {"connection_status", "is_authenticated", "is_being_aggregated"} & set(shown)
