"""What a typed login leads to: the test bank's passwords and the answers to its questions.

What was typed is turned into the name of an outcome here and then forgotten. The names are
none of the words that people type, so a search for those in the state file finds nothing.

Source: ATRIUM.md 4.2; DESIGN.md 11.
"""

from collections.abc import Mapping
from typing import Any

from . import pictures
from .institutions import Institution
from .wire import new_guid

USER_NAMES = ("test_atrium", "mxuser")

_BY_PASSWORD = {
    "challenge": "asks_text",
    "options": "asks_choice",
    "token": "asks_code",
    "image": "asks_picture",
    "image_options": "asks_which_picture",
    "two_rounds": "asks_twice",
    "two_questions": "asks_two_at_once",
    "BAD_REQUEST": "broken",
    "SERVER_ERROR": "broken",
    "UNAVAILABLE": "broken",
    "UNAUTHORIZED": "refused",
    "INVALID": "refused",
    "DISABLED": "refused",
    "LOCKED": "barred",
}
PASSWORDS = (
    ("anything else", "connects at once"),
    ("challenge", "asks a question (TEXT)"),
    ("token", "asks for a one-time code (TOKEN)"),
    ("options", "lets pick an answer (OPTIONS)"),
    ("image", "shows a word to type (IMAGE_DATA)"),
    ("image_options", "lets pick a picture (IMAGE_OPTIONS)"),
    ("two_rounds", "asks a second question after the first"),
    ("two_questions", "asks two questions at once"),
    ("INVALID, UNAUTHORIZED, DISABLED", "login refused (DENIED); the third in a row PREVENTED"),
    ("LOCKED", "the bank has locked the user out (LOCKED)"),
    ("BAD_REQUEST, SERVER_ERROR, UNAVAILABLE", "the bank fails (FAILED)"),
)

_QUESTIONS = {
    "asks_text": ("TEXT",),
    "asks_choice": ("OPTIONS",),
    "asks_code": ("TOKEN",),
    "asks_picture": ("IMAGE_DATA",),
    "asks_which_picture": ("IMAGE_OPTIONS",),
    "asks_twice": ("TEXT",),
    "asks_two_at_once": ("TEXT", "OPTIONS"),
}
_BY_ANSWER = {
    "challenge": "ask_again",
    "DISABLED": "refuse",
    "SERVER_ERROR": "break",
    "UNAVAILABLE": "break",
}


def outcome_of_login(institution: Institution, values: Mapping[str, str]) -> str:
    """Name what a login leads to.

    Args: values, what was typed, by credential GUID.
    Returns: a name that says nothing about what was typed.
    """
    if institution.is_down:
        return "broken"
    outcome = "accepted"
    for field in institution.fields:
        value = values.get(field.guid, "")
        if not value:
            return "incomplete"
        if field.type == "LOGIN" and value.casefold() not in USER_NAMES:
            outcome = "refused"
        elif field.type == "PASSWORD" and outcome == "accepted":
            outcome = _BY_PASSWORD.get(value, "accepted")
    return outcome


def asks_questions(outcome: str) -> bool:
    """Say whether a login with this outcome meets a challenge first."""
    return outcome in _QUESTIONS


def outcome_of_answers(outcome: str, rounds: int, answers: list[str]) -> str:
    """Name the plan that answers lead to.

    Args: outcome, of the login; rounds, how many times this job has asked; answers, what was typed.
    Returns: `resume`, `ask_again`, `reject`, `refuse` or `break`.
    """
    for answer in answers:
        if answer == "correct":
            continue
        return _BY_ANSWER.get(answer, "reject")
    return "ask_again" if outcome == "asks_twice" and rounds == 1 else "resume"


def challenges(outcome: str, rounds: int) -> list[dict[str, Any]]:
    """Make the challenges of one round, as the wire shows them, each with a new GUID."""
    return [_CHALLENGES[kind](rounds) for kind in _QUESTIONS.get(outcome, ("TEXT",))]


def _challenge(kind: str, label: str, **more: Any) -> dict[str, Any]:
    return {"guid": new_guid("CRD"), "type": kind, "field_name": None, "label": label, **more}


_TEXTS = ("What city were you born in?", "What was the name of your first pet?", "What is your favorite color?")


def _text(rounds: int) -> dict[str, Any]:
    return _challenge("TEXT", _TEXTS[(rounds - 1) % len(_TEXTS)])


def _token(rounds: int) -> dict[str, Any]:
    return _challenge("TOKEN", "Enter the one-time code that was sent to your phone")


def _options(rounds: int) -> dict[str, Any]:
    choices = (("The right answer", "correct"), ("Ask me another", "challenge"), ("A wrong answer", "wrong"))
    options = [{"label": label, "value": value} for label, value in choices]
    return _challenge("OPTIONS", "Which of these is right?", options=options)


def _image_data(rounds: int) -> dict[str, Any]:
    image = pictures.data_uri(pictures.word("correct"))
    return _challenge("IMAGE_DATA", "Type the word in the picture", image_data=image)


def _image_options(rounds: int) -> dict[str, Any]:
    choices = (("Square", "square", "square"), ("Circle", "correct", "circle"), ("Triangle", "triangle", "triangle"))
    options = [
        {"label": label, "value": value, "data_uri": pictures.data_uri(pictures.shape(shape))}
        for label, value, shape in choices
    ]
    return _challenge("IMAGE_OPTIONS", "Which picture shows the circle?", image_options=options)


_CHALLENGES = {
    "TEXT": _text,
    "TOKEN": _token,
    "OPTIONS": _options,
    "IMAGE_DATA": _image_data,
    "IMAGE_OPTIONS": _image_options,
}
