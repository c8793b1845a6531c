"""Verifying and changing e-mail addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from .errors import Invalid, NotFound
from .grants import GrantStore, Revocations
from .limits import Limit, Limits
from .mail import Letters, in_words
from .mailed_links import LinkOver, MailedLinks, Purpose
from .sessions import SessionStore
from .squats import SquatService
from .unit_of_work import Clock, UnitOfWork
from .users import PASSWORD_MAX, EmailTaken, PasswordHasher, User, UserStore, bad_email, email_key

VERIFICATIONS_OF_ACCOUNT = Limit("verification-mail", 5, 3600)
# as for passwords: who finds a browser logged in may not guess on for ever, nor mail half the world
CHANGES_OF_ACCOUNT = Limit("email-change", 10, 3600)
CHANGES_TO_EMAIL = Limit("email-change-to", 5, 3600)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a mailed link asks of whoever follows it: this account, this address."""

    email: str
    first_name: str
    last_name: str


@dataclass
class EmailService:
    """Verifies and changes addresses. Nothing changes before a link that was mailed there comes back."""

    unit_of_work: UnitOfWork
    users: UserStore
    hasher: PasswordHasher
    limits: Limits
    links: MailedLinks
    letters: Letters
    sessions: SessionStore
    grants: GrantStore
    revocations: Revocations
    squats: SquatService
    clock: Clock

    def send_verification(self, user_id: UUID) -> None:
        """Mail the link once more; nothing where the address is verified.

        Raises: NotFound; TooMany.
        """
        self.limits.spend(VERIFICATIONS_OF_ACCOUNT, str(user_id))
        with self.unit_of_work:
            user = self._find(user_id)
            if not user.email_verified:
                self.links.mail("verify", user.id, user.email)

    def asked(self, token: str, purpose: Purpose) -> Asked:
        """What is asked by a link; it is not spent. Raises: LinkOver."""
        with self.unit_of_work:
            link = self.links.read(token, purpose)
            user = self.users.find(link.user_id)
            if user is None or user.is_disabled:
                raise LinkOver("This link is over.")
            return Asked(link.email, user.first_name, user.last_name)

    def verify(self, token: str) -> UUID:
        """The person behind the link reads mail there.

        Returns: whose address is verified now.
        Raises: LinkOver, also when the address was changed since.
        """
        with self.unit_of_work:
            link = self.links.spend(token, "verify")
            user = self._owner(link.user_id)
            if user.email_key != email_key(link.email):
                raise LinkOver("This link is over.")
            user.email_verified, user.updated_at = True, self.clock.now()
            return user.id

    def ask_change(self, user_id: UUID, email: str, current_password: str) -> None:
        """Mail a link to a new address.

        It is answered alike whether or not the address is somebody's: the owner of a verified one is told by mail, and
        one that nobody ever verified is its mailbox's owner's, who follows the link.

        Args:
            current_password: not looked at where there is none.
        Raises: Invalid with every bad field (`email`, `current_password`); NotFound; TooMany.
        """
        self.limits.spend(CHANGES_OF_ACCOUNT, str(user_id))
        with self.unit_of_work:
            user = self._find(user_id)
            stored, own = user.password_hash, user.email_key
        key, bad = email_key(email), bad_email(email)
        if not bad and key == own:
            bad = {"email": "This is your address already."}
        if stored and not self.hasher.verify(stored, current_password[: PASSWORD_MAX * 8]):
            bad["current_password"] = "This is not your password."  # noqa: S105 - a message
        if bad:
            raise Invalid("The address was not changed; see errors.", bad)
        self.limits.spend(CHANGES_TO_EMAIL, key)
        with self.unit_of_work:
            holder = self.users.find_by_email(key)
            if holder is not None and holder.email_verified:
                self.letters.write("email_in_use", holder.email)
            else:
                self.links.mail("change", user_id, email.strip())

    def confirm_change(self, token: str, keep: bytes | None = None) -> UUID:
        """The person behind the link reads mail at the new address: it is theirs from now on, and verified.

        Every session and token ends, and every other mailed link; the old address is told. An account that took the
        address meanwhile and never verified it loses it.

        Args:
            keep: the hash of the session that it is done in, which goes on if it is the person's own.
        Returns: whose address it is.
        Raises: LinkOver; EmailTaken when somebody verified it for themselves meanwhile.
        """
        with self.unit_of_work:
            link = self.links.spend(token, "change")
            user, key = self._owner(link.user_id), email_key(link.email)
            ended = self._free(key, user)
            old = user.email
            self.users.change_email(user, link.email, key)
            user.email_verified, user.updated_at = True, self.clock.now()
            self.links.end_all(user.id)
            self.sessions.remove_all_of(user.id, but=keep)
            ended = [*ended, *self.grants.revoke_families_of(user.id, "email_changed")]
            if old:
                self.letters.write("email_changed", old, at=in_words(self.clock.now()))
        self.revocations.add(*map(str, ended))
        return link.user_id

    def _free(self, key: str, user: User) -> Sequence[UUID]:
        holder = self.users.find_by_email(key)
        if holder is None or holder.id == user.id:
            return ()
        if holder.email_verified:
            raise EmailTaken("Somebody has this e-mail address already.")
        return self.squats.release(holder.id)

    def _find(self, user_id: UUID) -> User:
        user = self.users.find(user_id)
        if user is None or user.is_disabled:
            raise NotFound("There is no such person.")
        return user

    def _owner(self, user_id: UUID) -> User:
        user = self.users.find_locked(user_id)
        if user is None or user.is_disabled:
            raise LinkOver("This link is over.")
        return user
