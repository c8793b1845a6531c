"""What happened to whom, for whoever watches the service: a port, and everything that is told through it.

An event holds what is listed here and nothing else, so no secret can come into one. Events are told after the
commit of what they tell of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, Self
from uuid import UUID


class HasState(Protocol):
    """A link, as far as events go."""

    user_id: UUID
    id: UUID
    institution_code: str
    reason: str | None

    @property
    def link_status(self) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened."""

    name: ClassVar[str]

    @property
    def outcome(self) -> str:
        """One word of a small set, to count by."""
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEvent(Event):
    """Something about one link."""

    user_id: UUID
    link_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkMade(LinkEvent):
    """A person linked an institution; how that goes is told by its changes of status."""

    name = "link_made"
    institution_code: str
    is_oauth: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatusChanged(LinkEvent):
    """A link shows another state, or another reason for it."""

    name = "link_status_changed"
    institution_code: str
    was: str
    now: str
    reason: str | None

    @classmethod
    def between(cls, was: tuple[object, object], link: HasState) -> Self | None:
        """The change, if there is one.

        Args:
            was: what `state_of` gave before.
        """
        if was == state_of(link):
            return None
        return cls(
            user_id=link.user_id, link_id=link.id, institution_code=link.institution_code,
            was=str(was[0]), now=str(link.link_status), reason=link.reason,
        )  # fmt: skip

    @property
    def outcome(self) -> str:
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsSent(LinkEvent):
    """The aggregator took what a person typed; nothing of it is told."""

    name = "credentials_sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeAnswered(LinkEvent):
    """The aggregator took a person's answers; nothing of them is told."""

    name = "challenge_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadPage(LinkEvent):
    """One page of a download is safe."""

    name = "download_page"
    page: int
    of: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadComplete(LinkEvent):
    """Every transaction of a window is here, and that is proved.

    Args:
        rows: transactions in the window.
        seconds: of this run's work; a download that was taken up again tells only its last part.
        pages: read in this run.
    """

    name = "download_complete"
    rows: int
    seconds: float
    pages: int

    @property
    def outcome(self) -> str:
        return "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadFailed(LinkEvent):
    """A download was given up for now."""

    name = "download_failed"
    reason: str

    @property
    def outcome(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDisconnected(LinkEvent):
    """A person keeps the history and wants nothing new."""

    name = "link_disconnected"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkErased(LinkEvent):
    """A link and all its rows are gone: a person asked for it, or it was one too many."""

    name = "link_erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDeleted(Event):
    """A person is erased here; the aggregator is told next.

    Args:
        receipt: the erasure's id.
    """

    name = "account_deleted"
    user_id: UUID
    receipt: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureDone(Event):
    """The aggregator has nothing of an erased person any more.

    Args:
        attempts: how often it was asked.
    """

    name = "erasure_done"
    receipt: UUID
    attempts: int


class Events(Protocol):
    """Who is told of what happened."""

    def tell(self, event: Event) -> None:
        """Take note of an event. Never raises."""
        ...


class NoEvents:
    """Nobody listens."""

    def tell(self, event: Event) -> None:
        pass


def state_of(link: HasState) -> tuple[object, object]:
    """What a link shows now."""
    return link.link_status, link.reason
