"""Answers are checked against the questions that are open."""

from __future__ import annotations

import pytest

from donkies.domain.challenges import Challenge, ChallengeAnswer, ChallengeOption, check_answers
from donkies.domain.errors import Invalid

TEXT = Challenge("CRD-text", "TEXT", "Your first pet?")
CHOICE = Challenge("CRD-choice", "OPTIONS", "Which?", (ChallengeOption("One", "1"), ChallengeOption("Two", "2")))


def bad(*answers: tuple[str, str]) -> dict[str, str]:
    with pytest.raises(Invalid) as refused:
        check_answers((TEXT, CHOICE), [ChallengeAnswer(guid, value) for guid, value in answers])
    assert "bad_answers" == refused.value.code
    return refused.value.fields


def test_every_question_answered_once_is_fine() -> None:
    check_answers((TEXT, CHOICE), [ChallengeAnswer("CRD-choice", "2"), ChallengeAnswer("CRD-text", "Rex")])


def test_every_bad_answer_is_named_at_once() -> None:
    fields = bad(("CRD-choice", "canary-3"), ("CRD-other", "canary-4"))
    assert {"CRD-text", "CRD-choice", "CRD-other"} == set(fields)
    assert "canary" not in repr(fields)


@pytest.mark.parametrize("value", ["", "  ", "\t"])
def test_an_empty_answer_is_none(value: str) -> None:
    assert {"CRD-text": "The answer is empty."} == bad(("CRD-text", value), ("CRD-choice", "1"))


def test_a_question_is_not_answered_twice() -> None:
    fields = bad(("CRD-text", "a"), ("CRD-text", "b"), ("CRD-choice", "1"))
    assert {"CRD-text": "This question is answered twice."} == fields


def test_an_answer_when_nothing_is_asked_is_refused() -> None:
    with pytest.raises(Invalid):
        check_answers((), [ChallengeAnswer("CRD-text", "a")])


def test_no_representation_shows_an_answer() -> None:
    assert "canary" not in repr(ChallengeAnswer("CRD-text", "canary"))
