"""Signing in at Google and Facebook: the way there and back, and what they tell. Port SocialProviders.

Which account that leads to is decided in `identities`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol
from uuid import UUID

from .errors import DomainError
from .flows import Flows
from .limits import Limit, Limits
from .users import CONTROLS, LOCALE, bad_email

NAMES = {"google": "Google", "facebook": "Facebook"}
BEGUN_S, HELD_S = 600, 1800
BEGINNINGS_OF_ADDRESS = Limit("social-address", 100, 900)
SUBJECT_MAX, PICTURE_MAX, NAME_MAX = 255, 2000, 100


class Cancelled(DomainError):
    """The person did not want to, over there."""

    code = "social_cancelled"

    def __init__(self) -> None:
        super().__init__("The log-in was cancelled.")


class ProviderFailed(DomainError):
    """A provider was not reached, or did not answer as it must.

    Args:
        reason: one word, for the log; never anything that the provider sent.
    """

    code = "social_failed"

    def __init__(self, reason: str) -> None:
        super().__init__("The provider did not answer as it should: try again in a moment.")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class SocialAnswer:
    """What a provider tells of somebody, made fit to be kept by `read_answer`.

    Args:
        subject: who it is at that provider, for ever; addresses change.
        email_verified: whether the provider vouches for the address. Never so for Facebook, which does not say.
        birthday: ISO 8601; not checked.
        raw: all that was told, as JSON text.
    """

    provider: str
    subject: str = field(repr=False)
    email: str | None = field(default=None, repr=False)
    email_verified: bool = False
    first_name: str = field(default="", repr=False)
    last_name: str = field(default="", repr=False)
    birthday: str | None = field(default=None, repr=False)
    picture: str | None = field(default=None, repr=False)
    locale: str | None = None
    raw: str = field(default="{}", repr=False)

    @property
    def label(self) -> str:
        """What the person knows it by."""
        return (self.email or f"{self.first_name} {self.last_name}".strip())[:254]


@dataclass(frozen=True, slots=True)
class Departure:
    """The way to a provider.

    Args:
        url: where the person is sent.
        state: comes back with the answer, unguessable.
        kept: what the answer is checked by; it stays with us.
    """

    url: str = field(repr=False)
    state: str = field(repr=False)
    kept: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Trip:
    """A sign-in at a provider that was begun in this browser.

    Args:
        kept: what the answer is checked by.
        way_back: where the person wanted to go.
        why: why somebody who is logged in was asked to log in.
        user_id: who wants to connect the provider to their account; None to log in.
    """

    kept: Mapping[str, str] = field(repr=False)
    way_back: str = ""
    why: str = ""
    user_id: UUID | None = None


class SocialProviders(Protocol):
    """The providers that can be used. Never called while a unit of work is open."""

    offered: Sequence[str]
    """Those that keys are set for."""

    def form_targets(self, provider: str) -> Sequence[str]:
        """The origins that a form leads to whose answer sends the person to the provider, as CSP spells them."""
        ...

    def begin(self, provider: str, callback_url: str) -> Departure: ...

    def finish(self, provider: str, query: Mapping[str, str], kept: Mapping[str, str]) -> SocialAnswer:
        """Ask the provider who it is, and check the answer.

        Args:
            query: what the person came back with.
            kept: what the departure kept.
        Raises: Cancelled; ProviderFailed.
        """
        ...


@dataclass
class SocialService:
    """Sends people to a provider and takes them back, once, in the same browser.

    `browser` is a cookie's value of at least 128 random bits. With the state beside it in the flow's key two tabs do
    not get in each other's way; with the provider in the flow's kind no answer counts at the other's address
    (RFC 9700 §4.4).
    """

    flows: Flows
    providers: SocialProviders
    limits: Limits

    def begin(
        self, provider: str, browser: str, callback_url: str, trip: Mapping[str, str], *,
        address: str, user_id: UUID | None = None,
    ) -> str:  # fmt: skip
        """Begin a sign-in.

        Args:
            trip: `way_back` and `why` of the Trip.
            address: where the request came from, to limit.
            user_id: who wants to connect the provider.
        Returns: where to send the person.
        Raises: TooMany.
        """
        self.limits.spend(BEGINNINGS_OF_ADDRESS, address)
        departure = self.providers.begin(provider, callback_url)
        content = {"kept": dict(departure.kept), **trip}
        self.flows.begin(f"{browser}.{departure.state}", _kind(provider), content, BEGUN_S, user_id)
        return departure.url

    def take(self, provider: str, browser: str, state: str) -> Trip | None:
        """What was begun, which is over with this; None where it was not here, not there, or too long ago."""
        flow = self.flows.finish(f"{browser}.{state}", _kind(provider)) if browser and state else None
        return None if flow is None else Trip(**flow.content, user_id=flow.user_id)

    def ask(self, provider: str, query: Mapping[str, str], trip: Trip) -> SocialAnswer:
        """Raises: Cancelled; ProviderFailed."""
        return self.providers.finish(provider, query, trip.kept)

    def hold(self, browser: str, answer: SocialAnswer) -> str:
        """Keep an answer until the person has filled in what is missing, or logged in. Returns: its name."""
        name = secrets.token_urlsafe(16)
        self.flows.begin(f"{browser}.{name}", "social_answer", asdict(answer), HELD_S)
        return name

    def held(self, browser: str, name: str) -> SocialAnswer | None:
        flow = self.flows.read(f"{browser}.{name}", "social_answer") if browser and name else None
        return None if flow is None else SocialAnswer(**flow.content)

    def let_go(self, browser: str, name: str) -> None:
        self.flows.finish(f"{browser}.{name}", "social_answer")


def _kind(provider: str) -> str:
    return f"social_{provider}"


def read_answer(provider: str, subject: object, raw: str, *, email_verified: bool = False, **told: Any) -> SocialAnswer:
    """An answer of what a provider told; what cannot be used of it is left out.

    Args:
        told: `email first_name last_name birthday picture locale`, of whatever type.
    Raises: ProviderFailed without a usable subject.
    """
    if not isinstance(subject, str) or not subject.isascii() or not subject.isprintable():
        raise ProviderFailed("no_subject")
    if not 0 < len(subject) <= SUBJECT_MAX:
        raise ProviderFailed("no_subject")
    texts = {name: _text(value) for name, value in told.items()}
    email, picture, locale = texts.get("email", ""), texts.get("picture", ""), texts.get("locale", "")
    is_email = bool(email) and not bad_email(email)
    is_picture = picture.startswith(("https://", "http://")) and picture.isascii() and len(picture) <= PICTURE_MAX
    return SocialAnswer(
        provider=provider,
        subject=subject,
        email=email if is_email else None,
        email_verified=email_verified and is_email,
        first_name=texts.get("first_name", "")[:NAME_MAX],
        last_name=texts.get("last_name", "")[:NAME_MAX],
        birthday=texts.get("birthday") or None,
        picture=picture if is_picture else None,
        locale=locale if LOCALE.fullmatch(locale) and len(locale) <= 35 else None,
        raw=raw,
    )


def _text(value: object) -> str:
    return CONTROLS.sub("", value).strip() if isinstance(value, str) else ""
