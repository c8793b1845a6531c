"""The same bank login linked twice, recognised by its accounts (DESIGN 6, last paragraph).

The aggregator refuses a login that it knows. It cannot know a bank's own sign-in, or a login that the bank takes in two
spellings: then two members show the same accounts, and everything would be counted twice. No login and no hash of one
is kept; what is compared are institution, account type, name and masked number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .aggregator import AggregatedAccount, LinkStatus, MemberRef
from .jobs import Jobs
from .link_store import LinkedAccountStore
from .linked_accounts import LinkedAccount, LinkTiming
from .removals import RemovalStore, removal_of
from .transactions import AccountMark, Ledger


@dataclass
class DuplicateService:
    """Finds out whether a new link is one that is there already, and makes it point to that one."""

    links: LinkedAccountStore
    ledger: Ledger
    removals: RemovalStore
    jobs: Jobs
    timing: LinkTiming

    def hold(self, user_id: UUID, link_id: UUID) -> bool:
        """Whether the link is new: none of its accounts is here. Then the person's links are held until the unit of
        work ends, so that of two that come at once the second sees the first. Before any other row is locked.
        """
        if self.ledger.account_ids(user_id, link_id):
            return False
        self.links.lock_all_of(user_id)
        return True

    def settle(
        self, user_id: UUID, link_id: UUID, member: MemberRef, accounts: Sequence[AggregatedAccount], now: datetime
    ) -> LinkedAccount | None:
        """If the accounts are those of another healthy link of the same institution, the new link points to that, its
        member is left to be deleted, and the other one is looked at soon. To be called within what `hold` began.

        Returns: the new link if that is so, for which nothing more is to be done.
        """
        links = self.links.list_of(user_id)
        new = next((one for one in links if one.id == link_id), None)
        if new is None or new.member_guid != member.member_guid or new.link_status != LinkStatus.SUCCESS:
            return None  # it was disconnected meanwhile, or is no more what was downloaded
        others = [one for one in links if one.id != link_id and one.institution_code == new.institution_code]
        marks = [AccountMark(one.type, one.name, one.masked_number) for one in accounts]
        original = original_of(marks, others, self.ledger.account_marks(user_id))
        if original is None:
            return None
        new.claim(now, 0)  # whoever looks at it just now writes no more
        self.removals.add(removal_of(new, member.user_guid, now, self.timing))
        new.points_to(original.id, now)
        original.hasten(now)
        self.jobs.remove_members()
        return new


def original_of(
    marks: Sequence[AccountMark], others: Sequence[LinkedAccount], kept: Mapping[UUID, Sequence[AccountMark]]
) -> LinkedAccount | None:
    """The oldest of the other links that has each of these accounts, if all of them can be told apart by a number.

    One that is not healthy is none: the new link works, and is not to be given up for it.

    Args:
        kept: the accounts of all of the person's links.
    """
    if not marks or not all(one.masked_number for one in marks):
        return None
    wanted = Counter(marks)
    healthy = (one for one in others if one.link_status == LinkStatus.SUCCESS and one.duplicate_of is None)
    same = [one for one in healthy if wanted <= Counter(kept.get(one.id, ()))]
    return min(same, key=lambda one: one.id, default=None)
