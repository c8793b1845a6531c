"""What people ask of their links: make, mend, answer, refresh, disconnect, delete (DESIGN 3 and 6).

Credentials and answers are in memory only while the call that passes them on runs. The row is committed
first, its lease held by the request; a request that dies leaves a row that a looker takes up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from .aggregator import (
    Aggregator,
    AggregatorDown,
    AggregatorError,
    Credential,
    CredentialsNotAccepted,
    JobRunning,
    LinkStatus,
    Member,
    MemberExists,
    MemberGone,
    NotChallenged,
    RetryWith,
)
from .challenges import Challenge, ChallengeAnswer, check_answers
from .erasures import Erasure, ErasureStore
from .errors import Conflict, LeaseLost, NotFound
from .events import (
    ChallengeAnswered,
    CredentialsSent,
    Events,
    LinkDisconnected,
    LinkErased,
    LinkMade,
    LinkStatusChanged,
    NoEvents,
    state_of,
)
from .ids import new_id
from .institutions import CredentialCalls, InstitutionService, check_credentials
from .jobs import Jobs
from .limits import Limit, Limits
from .link_gate import LinkGate, OpenGate
from .link_store import IdempotencyKey, LinkedAccountStore
from .linked_accounts import AT_THE_BANK, DISCONNECTED, LinkedAccount, LinkTiming
from .members import find_member
from .removals import RemovalStore, removal_of
from .tracing import note
from .unit_of_work import UnitOfWork

REFRESHES_OF_LINK = Limit("link-refresh", 30, 3600)  # each has the aggregator go to the bank


@dataclass
class LinkService:
    """Commands on links. Every method is safe to call from many requests at once."""

    unit_of_work: UnitOfWork
    links: LinkedAccountStore
    removals: RemovalStore
    erasures: ErasureStore
    aggregator: Aggregator
    institutions: InstitutionService
    calls: CredentialCalls
    jobs: Jobs
    timing: LinkTiming
    gate: LinkGate = field(default_factory=OpenGate)
    events: Events = field(default_factory=NoEvents)

    def create(
        self,
        user_id: UUID,
        institution_code: str,
        credentials: Sequence[Credential],
        return_uri: str,
        idempotency: IdempotencyKey | None = None,
    ) -> LinkedAccount:
        """Link an institution. The link exists from now on, also when the aggregator could not be asked.

        Args:
            credentials: what the person typed; empty for a bank with its own sign-in.
            return_uri: where such a bank's page leads back to.
            idempotency: a request with a key that was used before makes nothing, and gives the earlier link.
        Raises: NotFound for an unknown institution; Invalid for credentials that do not fit its form;
            Conflict `already_linked`; CallsExhausted before anything was done.
        """
        self.gate.check(user_id)
        with self.calls.place():
            name, failure = institution_code, None
            try:
                institution, fields = self.institutions.form(institution_code)
                name = institution.name
                if not (institution.supports_oauth and not credentials):
                    check_credentials(fields, credentials)
            except AggregatorError as error:
                failure = error
            link, fence = self._add(user_id, institution_code, name, not credentials, idempotency)
            if fence is None:
                return link
            if failure:
                return self._failed(link, fence, failure, link.begins_with)
            return self._make_member(link, fence, credentials, return_uri)

    def put_credentials(self, user_id: UUID, link_id: UUID, credentials: Sequence[Credential]) -> LinkedAccount:
        """Send new credentials for a link.

        Raises: NotFound; IllegalTransition; Invalid for credentials that do not fit the form.
        """
        with self.calls.place():
            link = self._read(user_id, link_id)
            link.refuse_duplicate()
            _, fields = self.institutions.form(link.institution_code)
            check_credentials(fields, credentials)
            link, fence, user_guid = self._begin(user_id, link_id, lambda it, now: it.begin_credentials(now))
            try:
                member = find_member(self.aggregator, link, user_guid)
            except AggregatorError as error:
                return self._failed(link, fence, error, RetryWith.CREDENTIALS)
            if member is None:
                return self._make_member(link, fence, credentials, return_uri="")
            try:
                self.aggregator.update_member_credentials(member, credentials)
                self.events.tell(CredentialsSent(user_id=user_id, link_id=link_id))
            except MemberGone:  # deleted behind our back: nothing but a new member leads on
                return self._make_member(link, fence, credentials, return_uri="")
            except AggregatorError as error:
                return self._failed(link, fence, error, RetryWith.CREDENTIALS)
            return self._finish(link, fence, _nothing_more)

    def challenges(self, user_id: UUID, link_id: UUID) -> Sequence[Challenge]:
        """The questions that are open now."""
        return self._read(user_id, link_id).challenges

    def answer(self, user_id: UUID, link_id: UUID, answers: Sequence[ChallengeAnswer]) -> LinkedAccount:
        """Answer the open challenges. Raises: NotFound; IllegalTransition; Invalid."""
        with self.calls.place():

            def begin(link: LinkedAccount, now: datetime) -> None:
                asked = link.challenges
                link.begin_answer(now)
                check_answers(asked, answers)

            link, fence, user_guid = self._begin(user_id, link_id, begin)
            member = link.member(user_guid or "")
            values = [Credential(answer.guid, answer.value) for answer in answers]
            try:
                self.aggregator.resume_aggregation(member, values)
                self.events.tell(ChallengeAnswered(user_id=user_id, link_id=link_id))
            except AggregatorError as error:
                return self._failed(link, fence, error, RetryWith.REFRESH)
            return self._finish(link, fence, _nothing_more)

    def refresh(self, user_id: UUID, link_id: UUID, limits: Limits | None = None) -> LinkedAccount:
        """Ask for fresh data. While a refresh runs, asking again changes nothing, and does not count.

        Args:
            limits: count who asks for how often; None where it is no person who asks.
        Raises: NotFound; TooMany; IllegalTransition; AggregatorError when a healthy link's bank could not be asked, in
            which case nothing has changed.
        """
        link = self._read(user_id, link_id)
        if link.is_on_its_way:
            return link
        if limits is not None:
            limits.spend(REFRESHES_OF_LINK, str(user_id), str(link_id))

        def begin(it: LinkedAccount, now: datetime) -> None:
            if it.is_on_its_way:  # of many at once one begins
                raise LeaseLost("A refresh runs already.")
            # not before the row is held: of many at once only who begins needs a place
            place.enter_context(self.calls.place())
            it.begin_refresh(now)

        with ExitStack() as place:
            try:
                link, fence, user_guid = self._begin(user_id, link_id, begin)
            except LeaseLost:
                return self._read(user_id, link_id)

            def aggregate() -> None:
                member = find_member(self.aggregator, link, user_guid)
                if member is None:
                    raise MemberGone("The aggregator does not know this link.")
                with suppress(JobRunning):  # its end brings fresh data just as well
                    self.aggregator.aggregate_member(member)

            try:
                aggregate()
            except AggregatorError as error:
                may_have_begun = isinstance(error, AggregatorDown) and error.outcome_unknown
                if link.is_refreshing and not may_have_begun and not isinstance(error, MemberGone):
                    # the bank was not even asked: who had data keeps seeing it, and is told to try later
                    self._finish(link, fence, lambda it, now: it.refresh_not_begun(now))
                    raise
                return self._failed(link, fence, error, RetryWith.REFRESH)
            return self._finish(link, fence, _nothing_more)

    def authorize(self, user_id: UUID, link_id: UUID, return_uri: str) -> str:
        """A fresh one-time address of the bank's own sign-in page: hand it on, never keep it.

        Raises: NotFound; IllegalTransition; AggregatorError.
        """
        with self.calls.place():
            link, fence, user_guid = self._begin(user_id, link_id, lambda it, now: it.begin_bank_sign_in(now))
            try:
                member = find_member(self.aggregator, link, user_guid)
                if member is None:  # the member could not be made when the link was
                    user_guid = self.ensure_user(user_id)
                    made = self.aggregator.create_oauth_member(
                        user_guid, link.institution_code, str(link.id), return_uri
                    )
                    self._adopt(link, fence, made)
                    member = made.ref
                url = self.aggregator.read_oauth_window_uri(member, return_uri)
            except AggregatorError as error:
                if link.member_guid is None:
                    self._failed(link, fence, error, RetryWith.BANK_SIGN_IN)
                else:  # the member waits as before; only its address could not be had
                    self._finish(link, fence, _nothing_more)
                raise
            self._finish(link, fence, _nothing_more)
            return url

    def disconnect(self, user_id: UUID, link_id: UUID) -> LinkedAccount:
        """Keep the history, delete the member at the aggregator: nothing new is fetched from now on."""
        with self.unit_of_work:
            link = self.links.lock(user_id, link_id)
            user_guid = self.links.aggregator_user(user_id)
            now = self.unit_of_work.now()
            link.claim(now, 0)
            self._leave_removal(link, user_guid, now)
            link.disconnect(now)
            self.jobs.remove_members()
        self.events.tell(LinkDisconnected(user_id=user_id, link_id=link_id))
        return link

    def delete(self, user_id: UUID, link_id: UUID) -> None:
        """Erase the link with its accounts and transactions, and delete its member at the aggregator."""
        with self.unit_of_work:
            link = self.links.lock(user_id, link_id)
            user_guid = self.links.aggregator_user(user_id)
            now = self.unit_of_work.now()
            self._leave_removal(link, user_guid, now)
            self.links.erase(link, now)
            self.jobs.remove_members()
        self.events.tell(LinkErased(user_id=user_id, link_id=link_id))

    # -- the steps that the commands share -----------------------------------------------------------

    def _read(self, user_id: UUID, link_id: UUID) -> LinkedAccount:
        with self.unit_of_work:
            return self.links.get(user_id, link_id)

    def _add(
        self, user_id: UUID, code: str, name: str, is_oauth: bool, idempotency: IdempotencyKey | None
    ) -> tuple[LinkedAccount, int | None]:
        """A new link and its fence, or the one that an earlier request with this key made."""
        link_id = new_id()
        with self.unit_of_work:
            if idempotency and (made := self.links.remember(user_id, idempotency, link_id)):
                return self.links.get(user_id, made), None
            now = self.unit_of_work.now()
            link = LinkedAccount(
                user_id=user_id, id=link_id, institution_code=code, institution_name=name, is_oauth=is_oauth,
                created_at=now, updated_at=now, moving_since=now,
            )  # fmt: skip
            fence = link.claim(now, self.timing.lease_s)
            self.links.add(link)
        note(user_id=user_id, link_id=link.id)
        self.events.tell(LinkMade(user_id=user_id, link_id=link.id, institution_code=code, is_oauth=is_oauth))
        return link, fence

    def _begin(
        self, user_id: UUID, link_id: UUID, command: Callable[[LinkedAccount, datetime], None]
    ) -> tuple[LinkedAccount, int, str | None]:
        note(user_id=user_id, link_id=link_id)
        with self.unit_of_work:
            link = self.links.lock(user_id, link_id)
            now = self.unit_of_work.now()
            was = state_of(link)
            command(link, now)
            fence = link.claim(now, self.timing.lease_s)
            user_guid = self.links.aggregator_user(user_id)
        self._tell_change(was, link)
        return link, fence, user_guid

    def _failed(
        self, link: LinkedAccount, fence: int, error: AggregatorError, retry_with: RetryWith | None
    ) -> LinkedAccount:
        if isinstance(error, AggregatorDown) and error.outcome_unknown:
            return self._finish(link, fence, _nothing_more)  # it may have worked: a looker finds out
        if isinstance(error, CredentialsNotAccepted):
            retry_with = RetryWith.CREDENTIALS
        elif isinstance(error, NotChallenged):
            retry_with = RetryWith.REFRESH
        elif isinstance(error, MemberGone):
            retry_with = link.begins_with
        return self._finish(link, fence, lambda it, now: it.fail(error, retry_with, now))

    def _make_member(
        self, link: LinkedAccount, fence: int, credentials: Sequence[Credential], return_uri: str
    ) -> LinkedAccount:
        try:
            user_guid = self.ensure_user(link.user_id)
            if credentials:
                member = self.aggregator.create_member(user_guid, link.institution_code, credentials, str(link.id))
                self.events.tell(CredentialsSent(user_id=link.user_id, link_id=link.id))
            else:
                member = self.aggregator.create_oauth_member(user_guid, link.institution_code, str(link.id), return_uri)
        except MemberExists:
            return self._already_linked(link, fence)
        except AggregatorError as error:
            return self._failed(link, fence, error, link.begins_with)
        return self._adopt(link, fence, member)

    def ensure_user(self, user_id: UUID) -> str:
        """The person's guid at the aggregator, made when there is none. Raises: NotFound; AggregatorError."""
        with self.unit_of_work:
            user_guid = self.links.aggregator_user(user_id)
        if user_guid is None:
            user_guid = self.aggregator.ensure_user(str(user_id))
            try:
                with self.unit_of_work:
                    self.links.keep_aggregator_user(user_id, user_guid)
            except NotFound:  # erased while the user was being made: it must not outlive its person
                self._disown_user(user_guid)
                raise
        return user_guid

    def _disown_user(self, user_guid: str) -> None:
        with self.unit_of_work:
            now = self.unit_of_work.now()
            self.erasures.add(Erasure(id=uuid4(), user_guid=user_guid, requested_at=now, due_at=now))
            self.jobs.erase()

    def _adopt(self, link: LinkedAccount, fence: int, member: Member) -> LinkedAccount:
        def adopt(it: LinkedAccount, now: datetime) -> None:
            it.member_guid = member.ref.member_guid
            it.connection_status = member.connection_status
            if member.oauth_window_uri:
                it.show(AT_THE_BANK, now)

        try:
            current = self._finish(link, fence, adopt)
        except NotFound:  # deleted while the member was being made: it must not outlive its link
            self._disown(link, member)
            raise
        if current.reason == DISCONNECTED.reason:
            self._disown(link, member)
        return current

    def _disown(self, link: LinkedAccount, member: Member) -> None:
        with self.unit_of_work:
            link.member_guid = member.ref.member_guid
            self._leave_removal(link, member.ref.user_guid, self.unit_of_work.now())
            self.jobs.remove_members()

    def _already_linked(self, link: LinkedAccount, fence: int) -> LinkedAccount:
        """The aggregator knows this login: the new row goes, and the person is led to the old one.

        Which one it is the aggregator does not say. Only a link whose member it still lists can be it; of several
        the likeliest comes first, and all are named.
        """
        listed = self._listed(link.user_id)
        with self.unit_of_work:
            others = [
                other for other in self.links.list_of(link.user_id)
                if other.institution_code == link.institution_code and other.id != link.id and _is_among(other, listed)
            ]  # fmt: skip
            others.sort(key=lambda other: other.link_status != LinkStatus.SUCCESS)  # the newest of each first
            if others:
                self.links.erase(self.links.lock(link.user_id, link.id), self.unit_of_work.now())
        if others:
            self.events.tell(LinkErased(user_id=link.user_id, link_id=link.id))
        if not others:
            error = MemberExists("The aggregator has this login already, on a link that is not known here.")
            # perhaps one that is just being deleted, or just being made: trying again then finds out
            return self._failed(link, fence, error, link.begins_with)
        raise Conflict(
            "This login at this institution is linked already; use that link.",
            code="already_linked",
            linked_account_id=str(others[0].id),
            linked_account_ids=[str(other.id) for other in others],
        )

    def _listed(self, user_id: UUID) -> Sequence[Member] | None:
        """The person's members; None where the aggregator cannot be asked."""
        with self.unit_of_work:
            user_guid = self.links.aggregator_user(user_id)
        try:
            return self.aggregator.list_members(user_guid) if user_guid else ()
        except AggregatorError:
            return None

    def _finish(
        self, link: LinkedAccount, fence: int, change: Callable[[LinkedAccount, datetime], None]
    ) -> LinkedAccount:
        """Write the end of a command, if its fence still stands; then a looker goes on.

        Where the row was taken over meanwhile, nothing is written: whoever took it knows more.
        """
        member_guid = link.member_guid
        with self.unit_of_work:
            current = self.links.lock(link.user_id, link.id)
            was = state_of(current)
            if current.lease_no == fence:
                now = self.unit_of_work.now()
                current.member_guid = member_guid
                change(current, now)
                current.release(now, self.timing)
                self.jobs.look()
        self._tell_change(was, current)
        return current

    def _tell_change(self, was: tuple[object, object], link: LinkedAccount) -> None:
        if change := LinkStatusChanged.between(was, link):
            self.events.tell(change)

    def _leave_removal(self, link: LinkedAccount, user_guid: str | None, now: datetime) -> None:
        if user_guid is None:
            return  # no user at the aggregator, so no member
        self.removals.add(removal_of(link, user_guid, now, self.timing))


def _is_among(link: LinkedAccount, members: Sequence[Member] | None) -> bool:
    """Whether a link's member is one of these, by its guid or, before that is known, by the link's id.

    Args:
        members: None where they are not known: then any link that has a member may be it.
    """
    if members is None or link.duplicate_of is not None:
        return link.member_guid is not None
    return any(link.member_guid == one.ref.member_guid or str(link.id) == one.identifier for one in members)


def _nothing_more(link: LinkedAccount, now: datetime) -> None:
    """The call went out; what came of it is read at the member."""
