"""Forgotten passwords."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from .errors import Invalid
from .grants import GrantStore, Revocations
from .limits import Limit, Limits
from .mail import Letters, in_words
from .mailed_links import LinkOver, MailedLink, MailedLinks
from .sessions import SessionStore
from .squats import SquatService
from .unit_of_work import Clock, UnitOfWork
from .users import CONTROLS, KnownPasswords, PasswordHasher, User, UserStore, bad_password, email_key

ASKED_BY_ADDRESS = Limit("forgotten-address", 20, 3600)
ASKED_FOR_ACCOUNT_BY_ADDRESS = Limit("forgotten-account-address", 5, 3600)
ASKED_FOR_ACCOUNT = Limit("forgotten-account", 10, 3600)


@dataclass
class ForgottenPasswordService:
    """Mails a link, and sets a password for who follows it. It logs nobody in: a second factor is still asked for."""

    unit_of_work: UnitOfWork
    users: UserStore
    hasher: PasswordHasher
    known_passwords: KnownPasswords
    limits: Limits
    links: MailedLinks
    letters: Letters
    sessions: SessionStore
    grants: GrantStore
    revocations: Revocations
    squats: SquatService
    clock: Clock

    def ask(self, email: str, *, address: str) -> None:
        """Mail a link to the person with this address, if there is one; the caller cannot tell, nor by the time.

        Args:
            address: where the request came from.
        Raises: TooMany, alike for addresses that nobody has.
        """
        key = email_key(email)
        self.limits.spend(ASKED_BY_ADDRESS, address)
        self.limits.spend(ASKED_FOR_ACCOUNT_BY_ADDRESS, key, address)
        self.limits.spend(ASKED_FOR_ACCOUNT, key)
        with self.unit_of_work:
            # what is no address is looked for neither: PostgreSQL would choke on some of what strangers send
            user = None if CONTROLS.search(key) else self.users.find_by_email(key)
            if user is not None and not user.is_disabled:
                self.links.mail("reset", user.id, user.email)
            else:  # a letter that is over at once and never sent: the time must not tell
                self.letters.write("reset_password", "", lasting_s=0)

    def address(self, token: str) -> str:
        """Whose link it is; it is not spent. Raises: LinkOver."""
        with self.unit_of_work:
            return self._user(self.links.read(token, "reset")).email

    def reset(self, token: str, new: str) -> UUID:
        """Set the password of the person behind the link; sessions, tokens and mailed links end, and a letter says so.

        Following the link proves the mailbox. Where that had never been done before, somebody else may have made the
        account and left ways in: they are all taken away. Where it had, a second factor stays what it is.

        Returns: the person's id.
        Raises: LinkOver; Invalid (`password`), and the link is still good.
        Source: OWASP ASVS 5.0, 6.4.3; NIST SP 800-63B.
        """
        if bad := bad_password(new, self.address(token), self.known_passwords):
            raise Invalid("The password cannot be used; see errors.", bad)
        hashed = self.hasher.hash(new)
        with self.unit_of_work:
            user = self._user(self.links.spend(token, "reset"))
            ended = list(self.grants.revoke_families_of(user.id, "password_reset"))
            self.sessions.remove_all_of(user.id)
            self.links.end_all(user.id)
            if not user.email_verified:
                ended += self.squats.clear(user)
            user.password_hash, user.email_verified, user.updated_at = hashed, True, self.clock.now()
            self.letters.write("password_changed", user.email, at=in_words(self.clock.now()))
            user_id = user.id
        self.revocations.add(*map(str, ended))
        return user_id

    def _user(self, link: MailedLink) -> User:
        user = self.users.find_locked(link.user_id)
        # an address that was given up since proves nothing about this account any more
        if user is None or user.is_disabled or user.email_key != email_key(link.email):
            raise LinkOver("This link is over.")
        return user
