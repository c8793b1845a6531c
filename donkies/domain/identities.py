"""Whose account a Google or Facebook identity leads to. Port IdentityStore.

The key is (provider, subject), never an address: addresses change hands. An address leads to an account only where
the provider vouches for it, and then only to the offer to log in to that account and connect it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Literal, Protocol
from uuid import UUID

from .errors import Conflict, Forbidden, NotFound
from .factors import FactorStore
from .mail import Letters
from .social import NAMES, SocialAnswer
from .squats import SquatService
from .unit_of_work import Clock, UnitOfWork
from .users import SignUp, User, UserService, UserStore, email_key, read_birthday

# who has the address that an answer brings: nobody, somebody who showed that it is theirs, somebody who never did
Holder = Literal["nobody", "proved", "unproved"]


class IdentityTaken(Conflict):
    """The identity leads to another account."""

    code = "identity_taken"

    def __init__(self) -> None:
        super().__init__("It is connected to another account here. Log in with it and disconnect it there first.")


class LastWayIn(Conflict):
    """Without this nobody could log in to the account any more."""

    code = "last_way_in"

    def __init__(self) -> None:
        super().__init__("This is the only way to log in to your account. Set a password first, then disconnect it.")


class AccountDisabled(Forbidden):
    """The account is there, and nobody may log in to it."""

    code = "account_disabled"

    def __init__(self) -> None:
        super().__init__("This account was disabled. Ask the people who run this service.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIdentity:
    """An account elsewhere that logs somebody in here.

    Args:
        label: what the person knows it by: an address or a name.
        answer: all that the provider told at the last log-in, as JSON text.
    """

    provider: str
    subject: str = field(repr=False)
    user_id: UUID
    label: str = field(default="", repr=False)
    answer: str | None = field(default=None, repr=False)
    created_at: datetime
    updated_at: datetime

    @property
    def provider_name(self) -> str:
        return NAMES.get(self.provider, self.provider)


class IdentityStore(Protocol):
    """Keeps identities; all within a unit of work."""

    def add(self, identity: ExternalIdentity) -> None:
        """Raises: IdentityTaken when there is one of the same provider and subject."""
        ...

    def find(self, provider: str, subject: str) -> ExternalIdentity | None: ...

    def update(self, identity: ExternalIdentity) -> None:
        """Write label, answer and time."""
        ...

    def of_user(self, user_id: UUID) -> Sequence[ExternalIdentity]:
        """A person's, the oldest first."""
        ...

    def remove(self, provider: str, subject: str) -> None: ...


@dataclass
class IdentityService:
    """Finds, makes and joins accounts for what a provider tells."""

    unit_of_work: UnitOfWork
    users: UserStore
    identities: IdentityStore
    factors: FactorStore
    people: UserService
    squats: SquatService
    letters: Letters
    clock: Clock

    def recognise(self, answer: SocialAnswer) -> UUID | None:
        """Who this is, or None where the identity is new. What is kept of the answer is renewed.

        Raises: AccountDisabled.
        """
        with self.unit_of_work:
            known = self.identities.find(answer.provider, answer.subject)
            if known is None:
                return None
            user = self._find(known.user_id)
            self._renew(known, user, answer)
            return user.id

    def holder(self, answer: SocialAnswer) -> Holder:
        """Who has the address; an address that nobody vouches for is as good as none.

        Raises: AccountDisabled.
        """
        if not answer.email_verified or answer.email is None:
            return "nobody"
        with self.unit_of_work:
            user = self.users.find_by_email(email_key(answer.email))
            if user is None:
                return "nobody"
            if user.is_disabled:
                raise AccountDisabled
            return "proved" if user.email_verified else "unproved"

    def sign_up(
        self, answer: SocialAnswer, typed: SignUp, *, address: str | None = None, not_mine: bool = False
    ) -> UUID:
        """Make an account without a password, with this identity.

        Args:
            typed: its e-mail counts only where the provider vouches for none.
            address: where the request came from, to limit.
            not_mine: the person says that the account with their address is none of theirs. Where nobody ever
                showed there that the address is theirs, and the provider vouches for it, that account loses it.
        Returns: the person's id.
        Raises: Invalid; EmailTaken; IdentityTaken; TooMany.
        """
        is_proved = answer.email_verified and answer.email is not None
        if is_proved and answer.email is not None:
            typed = replace(typed, email=answer.email)
        typed = replace(typed, password=None, locale=answer.locale)
        ended: set[UUID] = set()
        user_id = self.people.sign_up(
            typed,
            address=address,
            password_required=False,
            is_proved=is_proved,
            mail_link=not is_proved,
            picture=answer.picture,
            before=partial(self._release, email_key(typed.email), ended) if not_mine and is_proved else None,
            after=partial(self._add, answer),
        )
        self.squats.told(tuple(ended))
        return user_id

    def join(self, user_id: UUID, answer: SocialAnswer) -> None:
        """Connect an identity to the account of somebody who is logged in to it; they are told by mail.

        Where the provider vouches for the account's own address, that is proved by it.

        Raises: IdentityTaken; AccountDisabled.
        """
        with self.unit_of_work:
            user = self._find(user_id, locked=True)
            if answer.email_verified and answer.email and email_key(answer.email) == user.email_key:
                user.email_verified = True
            known = self.identities.find(answer.provider, answer.subject)
            if known is not None:
                if known.user_id != user_id:
                    raise IdentityTaken
                self._renew(known, user, answer)
                return
            self._add(answer, user_id)
            self._fill(user, answer)
            self.letters.write(
                "identity_joined", user.email,
                first_name=user.first_name, provider=NAMES[answer.provider], label=answer.label,
            )  # fmt: skip

    def list(self, user_id: UUID) -> Sequence[ExternalIdentity]:
        """A person's identities, the oldest first."""
        with self.unit_of_work:
            return self.identities.of_user(user_id)

    def disconnect(self, user_id: UUID, provider: str, subject: str) -> None:
        """Let an identity lead nowhere any more.

        Raises: LastWayIn; NotFound.
        """
        with self.unit_of_work:
            user = self.users.find_locked(user_id)  # of two at once the second sees what the first left
            theirs = self.identities.of_user(user_id)
            if user is None or not any((one.provider, one.subject) == (provider, subject) for one in theirs):
                raise NotFound("There is no such connection.")
            if len(theirs) == 1 and user.password_hash is None and not self.factors.passkeys_of(user_id):
                raise LastWayIn
            self.identities.remove(provider, subject)

    def _find(self, user_id: UUID, *, locked: bool = False) -> User:
        user = self.users.find_locked(user_id) if locked else self.users.find(user_id)
        if user is None or user.is_disabled:
            raise AccountDisabled
        return user

    def _add(self, answer: SocialAnswer, user_id: UUID) -> None:
        now = self.clock.now()
        self.identities.add(
            ExternalIdentity(
                provider=answer.provider, subject=answer.subject, user_id=user_id,
                label=answer.label, answer=answer.raw, created_at=now, updated_at=now,
            )
        )  # fmt: skip

    def _renew(self, known: ExternalIdentity, user: User, answer: SocialAnswer) -> None:
        self.identities.update(replace(known, label=answer.label, answer=answer.raw, updated_at=self.clock.now()))
        self._fill(user, answer)

    def _fill(self, user: User, answer: SocialAnswer) -> None:
        """What the person left empty; what they chose themselves stays, and so does the address."""
        now = self.clock.now()
        birthday, _ = read_birthday(answer.birthday or "", now.date())
        for name, value in (("picture", answer.picture), ("locale", answer.locale), ("birthday", birthday)):
            if value and not getattr(user, name):
                setattr(user, name, value)
                user.updated_at = now

    def _release(self, key: str, ended: set[UUID]) -> None:
        user = self.users.find_by_email(key)
        if user is not None and not user.email_verified and not user.is_disabled:
            ended.update(self.squats.release(user.id))
