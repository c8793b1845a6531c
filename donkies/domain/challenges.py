"""The questions a bank asks beside the password (MX: challenges), and how answers are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .errors import Invalid


@dataclass(frozen=True, slots=True)
class ChallengeOption:
    """One choice of an `OPTIONS` or `IMAGE_OPTIONS` challenge.

    Args:
        value: what to answer with when this one is chosen.
        data_uri: the picture of an `IMAGE_OPTIONS` choice.
    """

    label: str
    value: str
    data_uri: str | None = None


@dataclass(frozen=True, slots=True)
class Challenge:
    """One open question (ATRIUM.md 2.6).

    Args:
        type: `TEXT`, `TOKEN`, `OPTIONS`, `IMAGE_DATA` or `IMAGE_OPTIONS`; another word is shown as text.
        options: the choices of `OPTIONS` and `IMAGE_OPTIONS`.
        image_data: the picture of `IMAGE_DATA`, a data URI.
    """

    guid: str
    type: str
    label: str
    options: tuple[ChallengeOption, ...] = ()
    image_data: str | None = None


@dataclass(frozen=True, slots=True)
class ChallengeAnswer:
    """An answer on its way to the bank; it exists only in the request that passes it on."""

    guid: str
    value: str = field(repr=False)


def check_answers(challenges: Sequence[Challenge], answers: Sequence[ChallengeAnswer]) -> None:
    """Check that the answers fit the questions asked: each answered once, nothing else, choices offered.

    Raises: Invalid, naming every bad answer by its guid, never by its value.
    """
    asked = {challenge.guid: challenge for challenge in challenges}
    bad = dict(_bad_answers(asked, answers))
    given = {answer.guid for answer in answers}
    bad |= {guid: "This question is not answered." for guid in asked if guid not in given}
    if bad:
        raise Invalid("The answers do not fit the questions that are open.", bad, code="bad_answers")


def _bad_answers(asked: Mapping[str, Challenge], answers: Sequence[ChallengeAnswer]) -> list[tuple[str, str]]:
    bad, seen = [], set()
    for answer in answers:
        challenge = asked.get(answer.guid)
        if challenge is None:
            bad.append((answer.guid, "This question is not open; read the challenges again."))
        elif answer.guid in seen:
            bad.append((answer.guid, "This question is answered twice."))
        elif not answer.value.strip():
            bad.append((answer.guid, "The answer is empty."))
        elif challenge.options and answer.value not in {option.value for option in challenge.options}:
            bad.append((answer.guid, "Choose one of the values offered."))
        seen.add(answer.guid)
    return bad
