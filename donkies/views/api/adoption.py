"""/v1/linked_accounts/{id}/adoption: what a link took over from a disconnected one, and giving it back."""

from __future__ import annotations

from cornice import Service
from pyramid.request import Request
from pyramid.response import Response

from ...domain.relinking import Relinking
from ..openapi.operation import Operation
from . import shapes
from .answers import answer, id_in_path

adoption = Service(
    "linked_account_adoption", "/v1/linked_accounts/{id}/adoption", description="History of a disconnected link"
)
undo = Service("linked_account_adoption_undo", "/v1/linked_accounts/{id}/adoption/undo", description="Give it back")


@adoption.get(permission="accounts:read", operation=Operation(shapes.Adoption))
def read_adoption(request: Request) -> Response:
    """What this link adopted when the same bank was linked anew; nothing, as a rule."""
    return _shown(request.services.get(Relinking).report(request.identity.user_id, id_in_path(request)))


@undo.post(
    permission="links:write",
    operation=Operation(
        shapes.Adoption, 202, errors=("409 nothing_adopted", "409 former_link_gone", "409 adopted_further")
    ),
)
def undo_adoption(request: Request) -> Response:
    """Give adopted accounts and transactions back to the disconnected link, and download this one's own anew."""
    return _shown(request.services.get(Relinking).undo(request.identity.user_id, id_in_path(request)), 202)


def _shown(accounts: object, status: int = 200) -> Response:
    return answer({"accounts": accounts}, status)
