"""The hosted modal's sessions: who links a bank there, for which app, and who may frame the page (DESIGN 6).

A session's *handle* stands in the page's address and opens nothing: it tells the page's headers who may frame it. A
*start token* is handed over in the address's fragment and counts once, for a *page token*, which lives in the page's
memory, and for the next start token, which link.js keeps for a reload. A page that nobody frames needs the person's own
log-in beside it. Tokens are kept as hashes; all of it in one flow.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from .clients import Client, Clients
from .errors import DomainError, Forbidden, Invalid, NotFound
from .flows import Flow, FlowStore
from .grants import GrantStore
from .hashes import hash_of
from .limits import Limit, Limits
from .link_gate import LinkGate
from .link_store import LinkedAccountStore
from .unit_of_work import Clock, UnitOfWork
from .users import User, UserStore

KIND = "link_session"
HOSTED, WIDGET = "hosted", "mx_connect"
START_WITHIN_S, LIVES_S = 600, 1800
SESSIONS_OF_PERSON = Limit("link-session", 60, 3600)
SENDINGS_OF_PERSON = Limit("link-session-sending", 60, 3600)  # each is a call that talks to a bank
HINTS_OF_PERSON = Limit("link-session-hint", 600, 3600)  # of the widget; each is a call or two that read


class LinkSessionOver(DomainError):
    """There is no such session, it is over, or its token was used: the three are not told apart."""

    code = "link_session_over"

    def __init__(self) -> None:
        super().__init__("This link session is over. Go back to the app and begin again.")


class LogInFirst(DomainError):
    """The page stands by itself, and nobody is logged in in its browser."""

    code = "log_in_first"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSession:
    """One person linking one bank for one client.

    Args:
        handle: names it; opens nothing.
        grant_id: what the person granted the client, with which the session ends.
        origin: of the page that may frame it; None when it is opened by itself only.
        return_uri: one of the client's redirect URIs, where a page by itself leads back to.
        institution_code: the bank to begin with.
        linked_account_id: the link that it is about by now.
        mode: `hosted`, or `mx_connect` for the aggregator's own widget inside our page.
        is_started: whether a start token was shown.
    """

    handle: str
    user_id: UUID
    client_id: str
    grant_id: UUID
    origin: str | None = None
    return_uri: str | None = None
    institution_code: str | None = None
    linked_account_id: UUID | None = None
    mode: str = HOSTED
    is_started: bool = False
    start_hash: str | None = field(default=None, repr=False)
    page_hash: str | None = field(default=None, repr=False)
    expires_at: datetime

    @property
    def is_widget(self) -> bool:
        """Whether the aggregator's own widget stands in the page."""
        return self.mode == WIDGET

    @property
    def started_at(self) -> datetime:
        """When the page was opened first, of a session that is started."""
        return self.expires_at - timedelta(seconds=LIVES_S)


@dataclass(frozen=True, slots=True)
class BegunSession:
    """What the app hands to the browser."""

    handle: str
    start_token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """What the page gets for its start.

    Args:
        page_token: for the page's memory.
        start_token: the next one, for who frames the page; None where nobody does.
        app: the client's name.
        person: the person's address, masked.
    """

    session: LinkSession
    page_token: str = field(repr=False)
    start_token: str | None = field(repr=False)
    app: str
    person: str


@dataclass
class LinkSessionService:
    """Opens, starts, reads and ends sessions of the hosted modal."""

    unit_of_work: UnitOfWork
    flows: FlowStore
    users: UserStore
    grants: GrantStore
    links: LinkedAccountStore
    clients: Clients
    gate: LinkGate
    limits: Limits
    clock: Clock

    def begin(
        self,
        user_id: UUID,
        client_id: str,
        grant_id: UUID,
        *,
        origin: str | None = None,
        return_uri: str | None = None,
        institution_code: str | None = None,
        linked_account_id: UUID | None = None,
        mode: str = HOSTED,
    ) -> BegunSession:
        """Begin a session.

        Raises: Forbidden and TooMany; NotFound for somebody else's link; Invalid for an origin or a return URI that
            the client did not register.
        """
        self.gate.check(user_id)
        client = self.clients.find(client_id)
        if client is None:
            raise NotFound("The client of this token does not exist any more.")
        origin = _origin_of(client, origin, return_uri)
        self.limits.spend(SESSIONS_OF_PERSON, str(user_id))
        handle, start = secrets.token_urlsafe(18), secrets.token_urlsafe(32)
        now = self.clock.now()
        session = LinkSession(
            handle=handle, user_id=user_id, client_id=client_id, grant_id=grant_id, origin=origin,
            return_uri=return_uri, institution_code=institution_code, linked_account_id=linked_account_id,
            mode=mode, start_hash=_hash(start), expires_at=now + timedelta(seconds=START_WITHIN_S),
        )  # fmt: skip
        with self.unit_of_work:
            if linked_account_id is not None:
                self.links.get(user_id, linked_account_id)
            self._put(session, now)
        return BegunSession(handle, start, session.expires_at)

    def find(self, handle: str) -> LinkSession | None:
        """A session that is not over, by what everybody may know of it."""
        with self.unit_of_work:
            session = _session(handle, self.flows.find(hash_of(_key(handle))))
        return session if session and self.clock.now() < session.expires_at else None

    def framing_origin(self, handle: str) -> str | None:
        """The origin that may frame the page of this session: while the client has it registered."""
        session = self.find(handle)
        client = self.clients.find(session.client_id) if session else None
        return session.origin if session and client and session.origin in client.origins else None

    def start_framed(self, handle: str, start_token: str) -> OpenedSession:
        """Swap a start token, once, for a page that the session's origin frames.

        Raises: LinkSessionOver; Forbidden.
        """
        with self.unit_of_work:
            session = self._take(handle)
            if session.origin is None or not _is(start_token, session.start_hash):
                raise LinkSessionOver
            return self._open(session, next_start=secrets.token_urlsafe(32))

    def start_alone(self, handle: str, start_token: str | None, logged_in: UUID | None) -> OpenedSession:
        """Open a page that stands by itself. The start token counts once; from then on the log-in decides.

        Args:
            logged_in: who is logged in in the page's browser.
        Raises: LinkSessionOver; LogInFirst, the token being spent; Forbidden for somebody else.
        """
        with self.unit_of_work:
            session = self._take(handle)
            if not session.is_started and not (start_token and _is(start_token, session.start_hash)):
                raise LinkSessionOver
            if logged_in == session.user_id:
                return self._open(session, next_start=None)
            self._put(self._started(session, start_hash=None), self.clock.now())
        if logged_in is None:
            raise LogInFirst("Log in first; this page comes back.")
        raise Forbidden("This page was opened for somebody else. Begin again in your app.", code="another_person")

    def read(self, page_token: str) -> LinkSession:
        """The session of a page.

        Raises: LinkSessionOver, also when its person was disabled or logged out of the app.
        """
        handle, _, secret = page_token.partition(".")
        with self.unit_of_work:
            session = _session(handle, self.flows.find(hash_of(_key(handle))))
            if session is None or not _is(secret, session.page_hash) or self.clock.now() >= session.expires_at:
                raise LinkSessionOver
            self._person(session)
        return session

    def spend(self, session: LinkSession) -> None:
        """Count a sending to a bank. Raises: TooMany."""
        self.limits.spend(SENDINGS_OF_PERSON, str(session.user_id))

    def spend_hint(self, session: LinkSession) -> None:
        """Count a hint of the widget's, which is looked after at the aggregator. Raises: TooMany."""
        self.limits.spend(HINTS_OF_PERSON, str(session.user_id))

    def seconds_left(self, session: LinkSession) -> int:
        """Until the session is over."""
        return max(0, int((session.expires_at - self.clock.now()).total_seconds()))

    def follow(self, session: LinkSession, link_id: UUID) -> None:
        """The session is about this link from now on. Raises: LinkSessionOver."""
        with self.unit_of_work:
            self._put(replace(self._take(session.handle), linked_account_id=link_id), self.clock.now())

    def end(self, session: LinkSession) -> None:
        """Nothing that was given out works any more."""
        with self.unit_of_work:
            self.flows.take(hash_of(_key(session.handle)))

    def _take(self, handle: str) -> LinkSession:
        """The session, out of the store: of many at once one has it, and puts it back; raising puts it back too."""
        session = _session(handle, self.flows.take(hash_of(_key(handle))))
        if session is None or self.clock.now() >= session.expires_at:
            raise LinkSessionOver
        return session

    def _open(self, session: LinkSession, next_start: str | None) -> OpenedSession:
        user, client = self._person(session), self.clients.find(session.client_id)
        if client is None:
            raise LinkSessionOver
        secret = secrets.token_urlsafe(32)
        opened = self._started(session, start_hash=_hash(next_start) if next_start else None, page_hash=_hash(secret))
        self._put(opened, self.clock.now())
        return OpenedSession(opened, f"{session.handle}.{secret}", next_start, client.name, mask(user.email))

    def _started(self, session: LinkSession, **changes: Any) -> LinkSession:
        if not session.is_started:  # a renewal does not make it longer
            changes |= {"is_started": True, "expires_at": self.clock.now() + timedelta(seconds=LIVES_S)}
        return replace(session, **changes)

    def _person(self, session: LinkSession) -> User:
        user, grant = self.users.find(session.user_id), self.grants.find_family(session.grant_id)
        if user is None or user.is_disabled or grant is None or not grant.is_live(self.clock.now()):
            raise LinkSessionOver
        return user

    def _put(self, session: LinkSession, now: datetime) -> None:
        content = {name: getattr(session, name) for name in KEPT}
        content["grant_id"] = str(session.grant_id)
        content["linked_account_id"] = session.linked_account_id and str(session.linked_account_id)
        flow = Flow(KIND, content, session.expires_at, session.user_id)
        self.flows.put(hash_of(_key(session.handle)), flow, now)


KEPT = (
    "client_id", "grant_id", "origin", "return_uri", "institution_code", "linked_account_id", "mode", "is_started",
    "start_hash", "page_hash",
)  # fmt: skip


def mask(email: str) -> str:
    """An address that its owner knows again and that tells others little: `a…@example.com`."""
    name, _, domain = email.rpartition("@")
    return f"{name[:1]}…@{domain}"


def _origin_of(client: Client, origin: str | None, return_uri: str | None) -> str | None:
    """The origin that may frame the page, by what the client registered."""
    bad: dict[str, str] = {}
    if return_uri is not None and not client.accepts_redirect_uri(return_uri):
        bad["return_uri"] = "This is none of the client's redirect URIs."
    if origin is None and len(client.origins) == 1:
        origin = client.origins[0]
    elif origin is not None and origin not in client.origins:
        bad["origin"] = "This is none of the client's origins."
    elif origin is None and return_uri is None:
        bad["origin"] = "Say which of the client's origins frames the page, or give a return_uri."
    if bad:
        raise Invalid("Some fields cannot be used; see errors.", bad)
    return origin


def _session(handle: str, flow: Flow | None) -> LinkSession | None:
    if flow is None or flow.kind != KIND or flow.user_id is None:
        return None
    content: Mapping[str, Any] = flow.content
    link_id = content["linked_account_id"]
    kept = {name: content[name] for name in KEPT if name in content}  # one of an older release has no mode
    kept |= {"grant_id": UUID(content["grant_id"]), "linked_account_id": UUID(link_id) if link_id else None}
    return LinkSession(handle=handle, user_id=flow.user_id, expires_at=flow.expires_at, **kept)


def _key(handle: str) -> str:
    return f"link session {handle}"


def _hash(token: str) -> str:
    return hash_of(token).hex()


def _is(token: str, kept: str | None) -> bool:
    return kept is not None and hmac.compare_digest(_hash(token), kept)
