"""/v1/linked_accounts/{id}/challenges: the bank's questions and their answers."""

from __future__ import annotations

from typing import Any

from cornice import Service
from pydantic import Field
from pyramid.request import Request
from pyramid.response import Response

from ...domain.aggregator import CallsExhausted
from ...domain.challenges import Challenge, ChallengeAnswer
from ...domain.linked_accounts import IllegalTransition
from ...domain.linking import LinkService
from ...domain.transactions import LedgerReader
from ..openapi.operation import Operation
from . import shapes
from .answers import answer, id_in_path, listing
from .schemas import Body, read_body

challenges = Service(
    "linked_account_challenges", "/v1/linked_accounts/{id}/challenges", description="Questions a bank asks"
)


class AnswerIn(Body):
    """The answer to one challenge; for one with options, the chosen option's value."""

    guid: str = Field(min_length=1, max_length=100)
    value: str = Field(max_length=1_000, repr=False)


class AnswersIn(Body):
    """An answer to each open challenge."""

    answers: list[AnswerIn] = Field(min_length=1, max_length=20)


@challenges.get(permission="links:credentials", operation=Operation(shapes.Challenges))
def list_challenges(request: Request) -> Response:
    """The questions that are open now; none when the link is not challenged."""
    service = request.services.get(LinkService)
    return listing([shown_challenge(one) for one in service.challenges(request.identity.user_id, id_in_path(request))])


@challenges.post(
    permission="links:credentials",
    operation=Operation(
        shapes.LinkedAccount,
        202,
        body=AnswersIn,
        errors=("409 already_linked", "422 bad_answers", IllegalTransition, CallsExhausted),
    ),
)
def answer_challenges(request: Request) -> Response:
    """Answer all open questions at once."""
    body = read_body(request, AnswersIn)
    link_id, user_id = id_in_path(request), request.identity.user_id
    given = [ChallengeAnswer(one.guid, one.value) for one in body.answers]
    request.services.get(LinkService).answer(user_id, link_id, given)
    return answer(request.services.get(LedgerReader).poll_link(user_id, link_id), 202)


def shown_challenge(challenge: Challenge) -> dict[str, Any]:
    """A question as JSON shows it."""
    has_pictures = challenge.type == "IMAGE_OPTIONS"
    options = [{"label": one.label, "value": one.value} for one in challenge.options]
    pictures = [{"label": one.label, "value": one.value, "data_uri": one.data_uri} for one in challenge.options]
    return {
        "guid": challenge.guid,
        "type": challenge.type,
        "label": challenge.label,
        "options": [] if has_pictures else options,
        "image_data": challenge.image_data,
        "image_options": pictures if has_pictures else [],
    }
