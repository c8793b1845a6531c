"""Members that people make in the aggregator's own widget, taken in as links (DESIGN 6, MX Connect).

What a browser says of a widget is a hint and no more: the person's members are listed at the aggregator, and what is
found there counts. A visit is committed before the widget's address is asked for, so what was linked there is taken in
also when nobody ever tells of it: the page was shut, the network was down, or we died.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from .aggregator import (
    Aggregator,
    AggregatorError,
    CallsExhausted,
    LinkStatus,
    Member,
    MemberGone,
    MemberRef,
    RetryWith,
)
from .errors import NotFound
from .events import Events, LinkMade, LinkStatusChanged, NoEvents, state_of
from .ids import new_id
from .institutions import CredentialCalls, InstitutionService
from .jobs import Jobs
from .link_store import LinkedAccountStore
from .linked_accounts import DISCONNECTED, ERRORS, LinkedAccount, LinkTiming
from .linking import LinkService
from .members import find_member
from .removals import RemovalStore
from .unit_of_work import UnitOfWork
from .widget_visits import WidgetVisit, WidgetVisitStore

OPEN_AFTER_S = 600  # a widget that was loaded may be used for longer than the session of the page around it
SLOWEST_LOOK_S = 300
BATCH = 5  # visits that one claim takes: all their calls fit into a lease


@dataclass
class AdoptingService:
    """Opens the widget, and takes in what people do there. Safe to call from many requests and workers at once."""

    unit_of_work: UnitOfWork
    links: LinkedAccountStore
    removals: RemovalStore
    visits: WidgetVisitStore
    aggregator: Aggregator
    institutions: InstitutionService
    commands: LinkService
    calls: CredentialCalls
    jobs: Jobs
    timing: LinkTiming
    events: Events = field(default_factory=NoEvents)

    def open(
        self, user_id: UUID, until: datetime, institution_code: str | None = None, link_id: UUID | None = None
    ) -> str:
        """A fresh address of the widget: hand it on, never keep it. It opens once, and for ten minutes.

        Args:
            until: when the page that shows it is over.
            institution_code: the bank to begin with.
            link_id: a link to mend, instead.
        Raises: NotFound; CallsExhausted; AggregatorError.
        """
        with self.unit_of_work:
            link = self.links.get(user_id, link_id) if link_id else None
            self.visits.begin(user_id, until + timedelta(seconds=OPEN_AFTER_S), self.timing.widget_look_s)
        with self.calls.place():
            user_guid = self.commands.ensure_user(user_id)
            if link is None:
                return self.aggregator.widget_url(user_guid, institution_code, None)
            try:
                is_shut = link.reason == DISCONNECTED.reason or link.duplicate_of is not None
                member = None if is_shut else find_member(self.aggregator, link, user_guid)
                wants_login = member is not None and link.retry_with == RetryWith.CREDENTIALS
                return self.aggregator.widget_url(
                    user_guid, link.institution_code, member, update_credentials=wants_login
                )
            except MemberGone:  # deleted behind our back: the same bank anew leads on
                return self.aggregator.widget_url(user_guid, link.institution_code, None)

    def seen(self, user_id: UUID, member_guid: str) -> tuple[UUID, datetime]:
        """The browser says that something happened to a member.

        Returns: its link, and when that was made.
        Raises: NotFound where it is none of the person's that may be linked; AggregatorError.
        """
        with self.calls.place():
            link_id = self._adopt(user_id)[0].get(member_guid)
            if link_id is None:
                raise NotFound("The aggregator knows no such member of this person.", code="unknown_member")
            return link_id, self._follow(user_id, link_id)

    def deleted(self, user_id: UUID, member_guid: str) -> UUID | None:
        """The browser says that the person deleted a member. What was downloaded stays, as after disconnecting.

        Returns: its link, which is disconnected now; None where there is none, or the aggregator has it still.
        """
        with self.unit_of_work:
            user_guid = self.links.aggregator_user(user_id)
            known = {link.member_guid: link.id for link in self.links.list_of(user_id) if link.member_guid}
        if user_guid is None or member_guid not in known:
            return None
        with self.calls.place():
            try:
                self.aggregator.read_member_status(MemberRef(user_guid, member_guid))
            except MemberGone:
                return self.commands.disconnect(user_id, known[member_guid]).id
        return None

    def last_look(self, user_id: UUID) -> list[UUID]:
        """The person is leaving: what of theirs was found just now. A worker looks once more in any case.

        Returns: links that are new, in the order of the aggregator's list.
        """
        self.left(user_id)
        with suppress(AggregatorError, CallsExhausted), self.calls.place():
            return [link.id for link in self._adopt(user_id)[1]]
        return []

    def left(self, user_id: UUID) -> None:
        """The person left the page: a worker looks what was linked, and nobody waits for it."""
        with self.unit_of_work:
            self.visits.hasten(user_id)
            self.jobs.adopt_members()

    def adopt_due(self) -> int:
        """Take in what was linked in widgets whose visits are due. Returns: how many visits were looked at."""
        with self.unit_of_work:
            due = self.visits.claim_due(BATCH, self.timing.lease_s)
        for visit in due:
            try:
                self._adopt(visit.user_id)
                is_read = True
            except (AggregatorError, NotFound):
                is_read = False
            with self.unit_of_work:
                if is_read and visit.is_over:
                    self.visits.done(visit)
                else:
                    self.visits.put_off(visit, self._pause_s(visit))
        return len(due)

    def _pause_s(self, visit: WidgetVisit) -> float:
        return min(
            max(SLOWEST_LOOK_S, self.timing.widget_look_s), self.timing.widget_look_s * 2.0 ** min(visit.looks, 16)
        )

    # -- taking in ---------------------------------------------------------------------------------------

    def _adopt(self, user_id: UUID) -> tuple[dict[str, UUID], list[LinkedAccount]]:
        """Make links for the person's members that have none.

        Returns: the link of each member, by its guid; and the links that are new.
        """
        with self.unit_of_work:
            user_guid = self.links.aggregator_user(user_id)
            before = {link.member_guid for link in self.links.list_of(user_id)}
        if user_guid is None:
            return {}, []
        try:
            members = self.aggregator.list_members(user_guid)
        except MemberGone:  # the user itself is gone
            return {}, []
        banks = self._banks({one.institution_code for one in members if one.ref.member_guid not in before})
        with self.unit_of_work:
            self.visits.lock(user_id)
            if self.links.aggregator_user(user_id) != user_guid:  # erased meanwhile
                return {}, []
            links = list(self.links.list_of(user_id))
            leaving = self.removals.waiting_among([one.ref.member_guid for one in members])
            # what had a link when the list was asked for, and has none now, was deleted here meanwhile
            known = {link.member_guid for link in links}
            strangers = [one for one in members if one.ref.member_guid not in leaving | before | known]
            made = self._take_in(user_id, strangers, links, banks)
            found = {link.member_guid: link.id for link in [*links, *made]}
        for link in made:
            code, is_oauth = link.institution_code, link.is_oauth
            self.events.tell(LinkMade(user_id=user_id, link_id=link.id, institution_code=code, is_oauth=is_oauth))
        listed = [one.ref.member_guid for one in members]
        return {guid: found[guid] for guid in listed if guid in found}, made

    def _take_in(
        self,
        user_id: UUID,
        strangers: Sequence[Member],
        links: Sequence[LinkedAccount],
        banks: Mapping[str, tuple[str, bool]],
    ) -> list[LinkedAccount]:
        """Give each of the members a link. Returns: the links that are new."""
        now = self.unit_of_work.now()
        made = []
        for member in strangers:
            if heir := _heir(links, member, now):
                self._take(self.links.lock(user_id, heir.id), member, now)
            elif not member.identifier:  # else it was made for a link that is gone: it is deleted, not taken in
                link = _new_link(user_id, member, *banks[member.institution_code], now)
                self._take(link, member, now)
                self.links.add(link)
                made.append(link)
        if strangers:
            self.jobs.look()
        return made

    def _take(self, link: LinkedAccount, member: Member, now: datetime) -> None:
        if link.link_status in ERRORS:
            link.begin_elsewhere(now)
        link.member_guid = member.ref.member_guid
        link.connection_status = member.connection_status
        link.claim(now, 0)  # whoever looked at it without a member writes no more
        link.release(now, self.timing)

    def _banks(self, codes: Iterable[str]) -> dict[str, tuple[str, bool]]:
        """Name and own sign-in of each; a bank that cannot be read has its code for a name."""
        found = {}
        for code in codes:
            try:
                institution, _ = self.institutions.form(code)
                found[code] = institution.name, institution.supports_oauth
            except (AggregatorError, NotFound):
                found[code] = code, False
        return found

    def _follow(self, user_id: UUID, link_id: UUID) -> datetime:
        """Look at a link at rest whose member is seen to be at work again. Returns: when it was made."""
        with self.unit_of_work:
            link = self.links.get(user_id, link_id)
            user_guid = self.links.aggregator_user(user_id)
        if user_guid is not None and link.member_guid is not None and not link.is_on_its_way:
            reading = self.aggregator.read_member_status(link.member(user_guid))
            is_asking = reading.verdict.link_status == LinkStatus.CHALLENGED
            if reading.connection_status != link.connection_status or (reading.is_being_aggregated and not is_asking):
                self._begin_elsewhere(user_id, link_id)
        return link.created_at

    def _begin_elsewhere(self, user_id: UUID, link_id: UUID) -> None:
        with self.unit_of_work:
            link = self.links.lock(user_id, link_id)
            now, was = self.unit_of_work.now(), state_of(link)
            if not link.is_on_its_way:
                link.begin_elsewhere(now)
                link.claim(now, 0)
                link.release(now, self.timing)
                self.jobs.look()
        if change := LinkStatusChanged.between(was, link):
            self.events.tell(change)


def _heir(links: Sequence[LinkedAccount], member: Member, now: datetime) -> LinkedAccount | None:
    """The link that waits for this member: the one whose id it bears; or one that failed for want of a member, and
    whose bank was linked anew in the widget.
    """
    for link in links:
        is_over = link.reason == DISCONNECTED.reason or link.duplicate_of is not None
        if link.member_guid or is_over or (link.lease_until and link.lease_until >= now):
            continue
        if member.identifier:
            if member.identifier == str(link.id):
                return link
        elif link.institution_code == member.institution_code and link.link_status in ERRORS:
            return link
    return None


def _new_link(user_id: UUID, member: Member, name: str, is_oauth: bool, now: datetime) -> LinkedAccount:
    return LinkedAccount(
        user_id=user_id, id=new_id(), institution_code=member.institution_code, institution_name=name,
        is_oauth=is_oauth, created_at=now, updated_at=now, moving_since=now,
    )  # fmt: skip
