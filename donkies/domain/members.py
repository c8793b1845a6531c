"""Finding a link's member at the aggregator."""

from __future__ import annotations

from .aggregator import Aggregator, MemberRef
from .linked_accounts import LinkedAccount


def find_member(aggregator: Aggregator, link: LinkedAccount, user_guid: str | None) -> MemberRef | None:
    """The link's member; where its guid never became known, the one that bears the link's id: the link then keeps it.

    Args:
        user_guid: the person's at the aggregator; None when they have none.
    Raises: AggregatorError.
    """
    if user_guid is None:
        return None
    if link.member_guid is None:  # the request that made it died, or its answer was lost
        for member in aggregator.list_members(user_guid):
            if member.identifier == str(link.id):
                link.member_guid = member.ref.member_guid
                break
    return link.member(user_guid) if link.member_guid else None
