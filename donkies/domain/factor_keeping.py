"""Adding and removing second factors, by their owner, who is told of each change by mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from .errors import Conflict, Invalid, NotFound
from .factors import (
    CodePicture,
    Factors,
    FactorStore,
    OneTimeCodes,
    Passkey,
    factors_of,
    new_recovery_codes,
    recovery_hash,
)
from .grants import GrantStore, Revocations
from .limits import Limit, Limits
from .mail import Letters
from .passkeys import PasskeyService
from .sessions import SessionStore
from .unit_of_work import Clock, UnitOfWork
from .users import CONTROLS, User, UserStore

CONFIRMATIONS = Limit("code-confirmation", 10, 900)
PASSKEYS_MOST = 20
NAME_MAX = 60
APP = "an app for codes"


@dataclass
class FactorService:
    """Keeps people's second factors. Each change and the letter about it are one unit of work.

    Recovery codes come with the first factor and go with the last: alone they are no second step.
    """

    unit_of_work: UnitOfWork
    users: UserStore
    factors: FactorStore
    codes: OneTimeCodes
    passkeys: PasskeyService
    limits: Limits
    letters: Letters
    sessions: SessionStore
    grants: GrantStore
    revocations: Revocations
    clock: Clock

    def overview(self, user_id: UUID) -> Factors:
        with self.unit_of_work:
            return factors_of(self.factors, user_id)

    def has_any(self, user_id: UUID) -> bool:
        """Whether the person can show a second factor."""
        return not self.overview(user_id).is_none

    def begin_app(self, user_id: UUID) -> None:
        """Make a secret for an app; one that was begun before and not confirmed is forgotten.

        Raises: Conflict when an app makes codes already.
        """
        with self.unit_of_work:
            if not self.factors.put_secret(user_id, self.codes.new_secret(), self.clock.now()):
                raise Conflict("An app makes codes for this account already: remove it first.", code="app_known")

    def app_begun(self, user_id: UUID) -> tuple[str, CodePicture] | None:
        """The secret that waits to be confirmed, and its picture; once it counts, it is shown to nobody."""
        with self.unit_of_work:
            secret = self.factors.secret_of(user_id)
            email = self._find(user_id).email
        if secret is None or secret.confirmed_at is not None:
            return None
        return secret.secret, self.codes.picture(secret.secret, email)

    def confirm_app(self, user_id: UUID, code: str) -> Sequence[str]:
        """Let the app count, by a first code of it.

        Returns: recovery codes, to be shown this once, when it is the first factor; else none.
        Raises: Invalid (`code`); NotFound when nothing waits to be confirmed; TooMany.
        """
        self.limits.spend(CONFIRMATIONS, str(user_id))
        now = self.clock.now()
        with self.unit_of_work:
            secret = self.factors.secret_of(user_id)
            if secret is None or secret.confirmed_at is not None:
                raise NotFound("No app waits to be confirmed.")
            step = self.codes.step_of(secret.secret, code, now)
            if step is None:
                raise Invalid("The code is wrong.", {"code": "This is not the code that the app shows now."})
            is_first = factors_of(self.factors, user_id).is_none
            if not self.factors.confirm_secret(user_id, secret.created_at, step, now):
                raise NotFound("No app waits to be confirmed.")
            recovery = self._added(user_id, APP, is_first=is_first)
        self.limits.forget(CONFIRMATIONS, str(user_id))
        return recovery

    def remove_app(self, user_id: UUID) -> bool:
        """Returns: whether there was one."""
        with self.unit_of_work:
            secret = self.factors.secret_of(user_id)
            if secret is None or not self.factors.remove_secret(user_id):
                return False
            if secret.confirmed_at is not None:
                self._removed(user_id, APP)
            return True

    def add_passkey(self, user_id: UUID, answer: str, challenge: str, browser: str, name: str) -> Sequence[str]:
        """Add what an authenticator made; see PasskeyService.

        Returns: as for `confirm_app`.
        Raises: FactorRefused; PasskeyKnown; Invalid (`name`); Conflict when there are too many.
        """
        name = _name(name)
        made = self.passkeys.read_new(user_id, answer, challenge, browser)
        passkey = Passkey(
            credential_id=made.credential_id,
            user_id=user_id,
            public_key=made.public_key,
            sign_count=made.sign_count,
            name=name,
            transports=made.transports,
            is_synced=made.is_synced,
            created_at=self.clock.now(),
        )
        with self.unit_of_work:
            known = factors_of(self.factors, user_id)
            if len(known.passkeys) >= PASSKEYS_MOST:
                raise Conflict("There are too many passkeys: remove one first.", code="too_many_passkeys")
            self.factors.add_passkey(passkey)
            return self._added(user_id, f"the passkey {name}", is_first=known.is_none)

    def rename_passkey(self, user_id: UUID, credential_id: bytes, name: str) -> None:
        """Raises: Invalid (`name`); NotFound."""
        name = _name(name)
        with self.unit_of_work:
            if not self.factors.rename_passkey(user_id, credential_id, name):
                raise NotFound("There is no such passkey.")

    def remove_passkey(self, user_id: UUID, credential_id: bytes) -> bool:
        """Returns: whether there was one."""
        with self.unit_of_work:
            passkey = self.factors.find_passkey(credential_id)
            if passkey is None or not self.factors.remove_passkey(user_id, credential_id):
                return False
            self._removed(user_id, f"the passkey {passkey.name}")
            return True

    def renew_recovery_codes(self, user_id: UUID) -> Sequence[str]:
        """New codes in place of all that are left, to be shown this once.

        Raises: Conflict when there is no factor that they could stand in for.
        """
        with self.unit_of_work:
            if factors_of(self.factors, user_id).is_none:
                raise Conflict("Add a passkey or an app first.", code="no_factor")
            return self._added(user_id, "new recovery codes", is_first=True)

    def reset(self, user_id: UUID) -> None:
        """Take every factor away, as an operator; sessions and tokens end.

        Raises: NotFound.
        """
        with self.unit_of_work:
            self._find(user_id)
            for passkey in self.factors.passkeys_of(user_id):
                self.factors.remove_passkey(user_id, passkey.credential_id)
            self.factors.remove_secret(user_id)
            self._removed(user_id, "every passkey and app for codes")
            self.sessions.remove_all_of(user_id)
            ended = self.grants.revoke_families_of(user_id, "factors_reset")
        self.revocations.add(*map(str, ended))

    def _added(self, user_id: UUID, what: str, *, is_first: bool) -> Sequence[str]:
        user, now = self._find(user_id), self.clock.now()
        self.letters.write("factor_added", user.email, first_name=user.first_name, what=what)
        recovery = new_recovery_codes() if is_first else ()
        if recovery:
            self.factors.put_recovery_codes(user_id, [recovery_hash(code) for code in recovery], now)
        return recovery

    def _removed(self, user_id: UUID, what: str) -> None:
        user, left = self._find(user_id), not factors_of(self.factors, user_id).is_none
        self.letters.write("factor_removed", user.email, first_name=user.first_name, what=what, left="yes" * left)
        if not left:
            self.factors.put_recovery_codes(user_id, (), self.clock.now())

    def _find(self, user_id: UUID) -> User:
        if (user := self.users.find(user_id)) is None:
            raise NotFound("There is no such person.")
        return user


def _name(typed: str) -> str:
    name = " ".join(typed.split())
    if not name or len(name) > NAME_MAX or CONTROLS.search(name):
        raise Invalid("The name cannot be used.", {"name": f"Give it a name of at most {NAME_MAX} characters."})
    return name
