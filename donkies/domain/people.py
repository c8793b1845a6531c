"""What ends people's access: a changed password, and being disabled. Sessions and tokens end in the same moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from .errors import Conflict, Invalid, NotFound
from .grants import GrantStore, Revocations
from .limits import Limit, Limits
from .mail import Letters, in_words
from .mailed_links import MailedLinks
from .sessions import SessionStore
from .unit_of_work import Clock, UnitOfWork
from .users import PASSWORD_MAX, KnownPasswords, PasswordHasher, User, UserStore, bad_password

# as for log-ins: who finds a browser logged in may not guess on for ever
CHANGES_OF_ACCOUNT = Limit("password-change", 10, 900)


@dataclass
class AccountService:
    """Changes passwords, and shuts people out and lets them in again.

    The change, the letter that tells of it, and the end of sessions, tokens and mailed links are one unit of work:
    there is no moment, and no crash, after which an old session outlives it (OWASP ASVS 5.0, 6.3.7, 7.4.2, 7.4.3).
    """

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
    clock: Clock

    def change_password(self, user_id: UUID, current: str, new: str, keep: bytes | None = None) -> None:
        """Change one's own password, knowing the current one.

        Args:
            keep: the hash of the session that it is done in, which goes on; its tokens end as all others do.
        Raises: Invalid with every bad field (`current_password`, `password`); NotFound; TooMany;
            Conflict when it was changed meanwhile.
        """
        self.limits.spend(CHANGES_OF_ACCOUNT, str(user_id))
        with self.unit_of_work:
            user = self._find(user_id)
            if user.is_disabled:
                raise NotFound("There is no such person.")
            email, stored = user.email, user.password_hash
        bad = bad_password(new, email, self.known_passwords)
        if not self.hasher.verify(stored, current[: PASSWORD_MAX * 8]):
            bad["current_password"] = "This is not your password."  # noqa: S105 - a message
        if bad or stored is None:
            raise Invalid("The password was not changed; see errors.", bad)
        self.limits.forget(CHANGES_OF_ACCOUNT, str(user_id))
        hashed = self.hasher.hash(new)
        with self.unit_of_work:
            if not self.users.replace_password(user_id, stored, hashed):
                raise Conflict("The password was changed elsewhere meanwhile: try again.", code="password_changed")
            ended = self._tell_and_end(user_id, email, "password_changed", keep)
        self.revocations.add(*map(str, ended))

    def set_first_password(self, user_id: UUID, new: str, keep: bytes | None = None) -> None:
        """Set the password of somebody who has none: they came through Google or Facebook so far.

        The caller has made sure that they logged in just now, for there is nothing else that they could show.

        Args:
            keep: as for `change_password`.
        Raises: Invalid; NotFound; Conflict when there is a password.
        """
        with self.unit_of_work:
            email = self._find(user_id).email
        if bad := bad_password(new, email, self.known_passwords):
            raise Invalid("The password cannot be used; see errors.", bad)
        hashed = self.hasher.hash(new)
        with self.unit_of_work:
            user = self.users.find_locked(user_id)
            if user is None or user.is_disabled:
                raise NotFound("There is no such person.")
            if user.has_password:
                raise Conflict("There is a password already: change it, knowing it.", code="password_set")
            user.password_hash = hashed
            ended = self._tell_and_end(user_id, email, "password_changed", keep)
        self.revocations.add(*map(str, ended))

    def set_password(self, user_id: UUID, new: str) -> None:
        """Set somebody's password, as an operator; every session and token of theirs ends.

        Raises: Invalid; NotFound.
        """
        with self.unit_of_work:
            email = self._find(user_id).email
        if bad := bad_password(new, email, self.known_passwords):
            raise Invalid("The password cannot be used; see errors.", bad)
        hashed = self.hasher.hash(new)
        with self.unit_of_work:
            self._find(user_id).password_hash = hashed
            ended = self._tell_and_end(user_id, email, "password_set")
        self.revocations.add(*map(str, ended))

    def disable(self, user_id: UUID) -> None:
        """Shut somebody out: sessions and tokens end, and there is no log-in until `enable`. Twice does no harm.

        Raises: NotFound.
        """
        with self.unit_of_work:
            self._find(user_id).is_disabled = True
            ended = self._end(user_id, "disabled")
        self.revocations.add(*map(str, ended))

    def enable(self, user_id: UUID) -> None:
        """Let somebody in again; what ended stays ended.

        Raises: NotFound.
        """
        with self.unit_of_work:
            self._find(user_id).is_disabled = False

    def _find(self, user_id: UUID) -> User:
        if (user := self.users.find(user_id)) is None:
            raise NotFound("There is no such person.")
        return user

    def _tell_and_end(self, user_id: UUID, email: str, reason: str, but: bytes | None = None) -> Sequence[UUID]:
        self.letters.write("password_changed", email, at=in_words(self.clock.now()))
        return self._end(user_id, reason, but)

    def _end(self, user_id: UUID, reason: str, but: bytes | None = None) -> Sequence[UUID]:
        self.links.end_all(user_id)
        self.sessions.remove_all_of(user_id, but=but)
        return self.grants.revoke_families_of(user_id, reason)
