"""The sandbox's challenges: every type, asked and answered, as MX does."""

import base64

import pytest

from .test_sandbox_links import size_of_png


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
def test_every_type_of_challenge_is_asked_and_answered(atrium_caller, password, kind):
    user, member = atrium_caller.linked(password)
    challenges = atrium_caller.get(f"/users/{user}/members/{member}/challenges")
    assert ["challenges"] == list(challenges)
    (challenge,) = challenges["challenges"]
    assert kind == challenge["type"]
    assert challenge["label"]
    assert challenge["guid"].startswith("CRD-")
    assert [challenge] == atrium_caller.status(user, member)["challenges"]
    choices = challenge.get("options") or challenge.get("image_options") or [{"value": "correct"}]
    assert "correct" in [choice["value"] for choice in choices]
    done = atrium_caller.answer(user, member, "correct")
    assert ("CONNECTED", "COMPLETED") == (done["connection_status"], done["status"])
    assert "challenges" not in done


def test_pictures_are_real(atrium_caller):
    user, member = atrium_caller.linked("image")
    (challenge,) = atrium_caller.status(user, member)["challenges"]
    assert (225, 65) == _size_of_data_uri(challenge["image_data"])
    user, member = atrium_caller.linked("image_options")
    (challenge,) = atrium_caller.status(user, member)["challenges"]
    assert [(96, 96)] * 3 == [_size_of_data_uri(option["data_uri"]) for option in challenge["image_options"]]


def _size_of_data_uri(uri):
    assert uri.startswith("data:image/png;base64,")
    return size_of_png(base64.b64decode(uri.partition(",")[2]))


@pytest.mark.parametrize(
    ("answer", "connection_status", "status"),
    [
        ("something else", "REJECTED", "DENIED"),
        ("DISABLED", "DENIED", "DENIED"),
        ("SERVER_ERROR", "FAILED", "HALTED"),
        ("UNAVAILABLE", "FAILED", "HALTED"),
        ("challenge", "CHALLENGED", "CHALLENGED"),
    ],
)
def test_the_answer_decides_the_outcome(atrium_caller, answer, connection_status, status):
    user, member = atrium_caller.linked("challenge")
    seen = atrium_caller.answer(user, member, answer)
    assert (connection_status, status) == (seen["connection_status"], seen["status"])


def test_one_more_challenge_is_a_new_one(atrium_caller):
    user, member = atrium_caller.linked("challenge")
    (first,) = atrium_caller.status(user, member)["challenges"]
    (second,) = atrium_caller.answer(user, member, "challenge")["challenges"]
    assert first["guid"] != second["guid"]
    assert "CONNECTED" == atrium_caller.answer(user, member, "correct")["connection_status"]


def test_two_rounds_ask_twice(atrium_caller):
    user, member = atrium_caller.linked("two_rounds")
    (first,) = atrium_caller.status(user, member)["challenges"]
    (second,) = atrium_caller.answer(user, member, "correct")["challenges"]
    assert first["label"] != second["label"]
    assert "CONNECTED" == atrium_caller.answer(user, member, "correct")["connection_status"]


def test_questions_that_come_together_are_answered_together(atrium_caller):
    user, member = atrium_caller.linked("two_questions")
    first, _ = atrium_caller.status(user, member)["challenges"]
    half = {"member": {"challenges": [{"guid": first["guid"], "value": "correct"}]}}
    assert 400 == atrium_caller.call("PUT", f"/users/{user}/members/{member}/resume", half).status_code
    assert "CONNECTED" == atrium_caller.answer(user, member, "correct", "correct")["connection_status"]


def test_a_rejected_answer_brings_a_new_challenge_at_the_next_aggregation(atrium_caller):
    user, member = atrium_caller.linked("options")
    assert "REJECTED" == atrium_caller.answer(user, member, "wrong")["connection_status"]
    atrium_caller.call("POST", f"/users/{user}/members/{member}/aggregate")
    assert "CHALLENGED" == atrium_caller.status(user, member)["connection_status"]


def test_a_challenge_left_alone_for_ten_minutes_expires(atrium_caller, sandbox):
    user, member = atrium_caller.linked("token")
    sandbox.advance_clock(599)
    assert "CHALLENGED" == atrium_caller.status(user, member)["connection_status"]
    sandbox.advance_clock(2)
    seen = atrium_caller.status(user, member)
    assert ("EXPIRED", "HALTED", False) == (seen["connection_status"], seen["status"], seen["is_being_aggregated"])
    assert "challenges" not in seen
    atrium_caller.call("POST", f"/users/{user}/members/{member}/aggregate")
    assert "CHALLENGED" == atrium_caller.status(user, member)["connection_status"]


def test_resume_shows_as_resumed_first(atrium_caller):
    user, member = atrium_caller.linked("challenge")
    (challenge,) = atrium_caller.status(user, member)["challenges"]
    body = {"member": {"challenges": [{"guid": challenge["guid"], "value": "correct"}]}}
    seen = atrium_caller.call("PUT", f"/users/{user}/members/{member}/resume", body).json()["member"]
    assert ("RESUMED", "RECEIVED", True) == (seen["connection_status"], seen["status"], seen["is_being_aggregated"])


def test_who_is_not_challenged_has_no_challenges_and_cannot_resume(atrium_caller):
    user, member = atrium_caller.linked()
    path = f"/users/{user}/members/{member}"
    unasked = atrium_caller.call("GET", f"{path}/challenges")
    assert (204, b"") == (unasked.status_code, unasked.content)
    body = {"member": {"challenges": [{"guid": "CRD-0", "value": "correct"}]}}
    assert 405 == atrium_caller.call("PUT", f"{path}/resume", body).status_code
